"""The simulated house behind one real Modbus TCP server.

Time comes from the injected clock: the models move on when a client asks, when `advance` is called, and by a
ticker while the server runs on the system clock.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pymodbus.server import ModbusTcpServer

from adapters.simulated.faults import Fault
from adapters.simulated.house import House
from adapters.simulated.inverter_unit import DerControlsUnit, ImmediateControlsUnit
from adapters.simulated.meter_unit import MeterUnit
from adapters.simulated.unit import RegisterChange, SimulatedUnit
from adapters.simulated.wallbox_unit import WallboxUnit
from eebus.clock import Clock, SystemClock

_LOG = logging.getLogger(__name__)
WALLBOX_UNIT, INVERTER_UNIT, METER_UNIT = 1, 2, 3
_TICK_S = 0.2

Event = dict[str, Any]
"""What happened, ready for JSON: `event` names it."""


class CommandError(Exception):
    """A command that the house does not know; the text says what it knows."""


@dataclass(frozen=True, slots=True)
class HouseOptions:
    """How the house is built: which limit model the inverter has, and the sign of the meter."""

    inverter_model: Literal[123, 704] = 123
    meter_export_positive: bool = False


class SimulatedHouse:
    """Physics, units and server. `on_event` hears register changes and what devices do by themselves."""

    def __init__(
        self,
        options: HouseOptions | None = None,
        *,
        clock: Clock | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        options = options or HouseOptions()
        self._clock = clock or SystemClock()
        self._on_event = on_event
        self._advanced_to_s = self._clock.monotonic()
        self.house = House()
        house = self.house
        inverter_unit = ImmediateControlsUnit if options.inverter_model == 123 else DerControlsUnit
        hooks = self.advance, self._report_change
        self.units: dict[str, SimulatedUnit] = {
            "wallbox": WallboxUnit(house.wallbox, WALLBOX_UNIT, *hooks),
            "inverter": inverter_unit(house.inverter, INVERTER_UNIT, *hooks),
            "meter": MeterUnit(house, METER_UNIT, *hooks, options.meter_export_positive),
        }
        self._server: ModbusTcpServer | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._address = ("127.0.0.1", 0)

    # Server.

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the bound port (useful for port 0). Raises OSError when it cannot."""
        self._address = (host, port)
        await self._listen()
        self._ticker = asyncio.create_task(self._tick(), name="simulated house")
        return self._address[1]

    async def stop(self) -> None:
        """Stop listening and ticking."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
            self._ticker = None
        await self._hang_up()

    async def _listen(self) -> None:
        devices = [unit.sim_device() for unit in self.units.values()]
        server = ModbusTcpServer(devices, address=self._address)
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address[0]}:{self._address[1]}") from error
        assert isinstance(server.transport, asyncio.Server)
        self._address = (self._address[0], server.transport.sockets[0].getsockname()[1])
        self._server = server

    async def _hang_up(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.advance()

    # Time.

    def advance(self) -> None:
        """Bring the models up to the clock's present."""
        now_s = self._clock.monotonic()
        before = self._own_actions()
        self.house.step(now_s - self._advanced_to_s)
        self._advanced_to_s = now_s
        for what, text in self._own_actions().items():
            if text != before[what]:
                self._emit({"event": "device", "unit": what, "text": text})

    def _emit(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)

    def _own_actions(self) -> dict[str, str]:
        wallbox, inverter = self.house.wallbox, self.house.inverter
        failsafe = f"watchdog ran out: failsafe current {wallbox.failsafe_current_a:g} A"
        limit = inverter.limit_percent
        return {
            "wallbox": failsafe if wallbox.in_failsafe else "follows its set current",
            "inverter": "free" if limit is None else f"limited to {limit:g} %",
        }

    def _report_change(self, change: RegisterChange) -> None:
        self._emit(
            {
                "event": "register",
                "unit": change.unit,
                "address": change.address,
                "raw": change.raw,
                "meaning": change.meaning,
            }
        )

    # Commands.

    def powers(self) -> Event:
        """The present powers in watts; grid import positive, inverter production positive."""
        house = self.house
        return {
            "event": "power",
            "grid_w": round(house.grid_w),
            "load_w": round(house.load_w),
            "wallbox_w": round(house.wallbox.power_w),
            "inverter_w": round(house.inverter.power_w),
            "battery_w": round(house.battery.power_w),
        }

    async def command(self, command: Mapping[str, Any]) -> Event:
        """Carry out one command and return its answer. Raises CommandError.

        `{"cmd": "set", …}` with members of `settable`, `{"cmd": "fault", "unit": …, "fault": …, "on": …}`
        (`slow` with `"seconds"`), `{"cmd": "reboot", "unit": …}`, `{"cmd": "listen", "on": …}`,
        `{"cmd": "state"}`.
        """
        arguments = {key: value for key, value in command.items() if key != "cmd"}
        name = command.get("cmd")
        self.advance()
        try:
            match name:
                case "set":
                    self._set(**arguments)
                case "fault":
                    self._fault(**arguments)
                case "reboot":
                    self._unit(**arguments).power_cycle()
                case "listen":
                    await self._set_listening(**arguments)
                case "state":
                    pass
                case _:
                    raise CommandError("known commands: set, fault, reboot, listen, state")
        except (TypeError, ValueError) as error:
            raise CommandError(f"{name}: {error}") from error
        return {**self.powers(), "event": "done", "cmd": name}

    def _set(self, **values: float) -> None:
        setters = self._settable()
        for name, value in values.items():
            if name not in setters:
                raise CommandError(f"set knows: {', '.join(setters)}")
            target, attribute, number = setters[name]
            setattr(target, attribute, number(value))

    def _settable(self) -> dict[str, tuple[object, str, Callable[[float], object]]]:
        house = self.house
        return {
            "sun_w": (house.inverter, "sun_w", float),
            "load_w": (house, "load_w", float),
            "voltage_v": (house.wallbox, "voltage_v", float),
            "car_connected": (house.wallbox.car, "connected", bool),
            "car_wants_a": (house.wallbox.car, "wants_a", float),
            "car_phases": (house.wallbox.car, "phases", int),
            "battery_installed": (house, "battery_installed", bool),
            "battery_energy_wh": (house.battery, "energy_wh", float),
        }

    def _unit(self, unit: str) -> SimulatedUnit:
        if unit not in self.units:
            raise CommandError(f"units are: {', '.join(self.units)}")
        return self.units[unit]

    def _fault(self, unit: str, fault: str, on: bool = True, seconds: float = 1.0) -> None:
        target = self._unit(unit)
        target.delay_s = seconds
        if on:
            target.faults.add(Fault(fault))
        else:
            target.faults.discard(Fault(fault))

    async def _set_listening(self, on: bool) -> None:
        if on and self._server is None:
            await self._listen()
        elif not on:
            await self._hang_up()
