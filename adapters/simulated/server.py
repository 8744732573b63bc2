"""The simulated house behind one real Modbus TCP server.

Time comes from the injected clock: the models move on when a client asks, when `advance` is called, and by a
ticker while the server runs on the system clock.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pymodbus.server import ModbusTcpServer

from adapters.simulated.alfen_unit import AlfenUnit
from adapters.simulated.contacts_unit import ContactsUnit, Relays
from adapters.simulated.faults import Fault
from adapters.simulated.heat_pump import HeatPump
from adapters.simulated.heat_pump_units import LuxtronikUnit, SgReadyUnit
from adapters.simulated.house import House
from adapters.simulated.inverter import Inverter
from adapters.simulated.inverter_unit import DerControlsUnit, ImmediateControlsUnit, InverterUnit
from adapters.simulated.keba_unit import KebaUnit
from adapters.simulated.meter_unit import MeterUnit
from adapters.simulated.storage_unit import StorageUnit
from adapters.simulated.unit import RegisterChange, Settable, SimulatedUnit
from adapters.simulated.wallbox import Wallbox
from adapters.simulated.wallbox_unit import WallboxUnit
from eebus.clock import Clock, SystemClock

_LOG = logging.getLogger(__name__)
WALLBOX_UNIT, INVERTER_UNIT, METER_UNIT = 1, 2, 3
_TICK_S = 0.2

WallboxMake = Literal["heidelberg", "keba-p30", "keba-p40", "alfen"]
InverterModel = Literal[123, 704]
HeatPumpMake = Literal["luxtronik", "sg-ready"]
_INVERTERS: dict[InverterModel, type[InverterUnit]] = {123: ImmediateControlsUnit, 704: DerControlsUnit}
_HEAT_PUMPS: dict[HeatPumpMake, type[LuxtronikUnit | SgReadyUnit]] = {
    "luxtronik": LuxtronikUnit,
    "sg-ready": SgReadyUnit,
}
_Hooks = tuple[Callable[[], None], Callable[[RegisterChange], None]]

Event = dict[str, Any]
"""What happened, ready for JSON: `event` names it."""


class CommandError(Exception):
    """A command that the house does not know; the text says what it knows."""


@dataclass(frozen=True, slots=True)
class HouseOptions:
    """How the house is built: the makes of its devices, and its meter.

    `wallboxes`: a make for each. `inverters`: the limit model of each. `heat_pump`, `storage`: whether there
    is one that can be limited, and how. `keeps_pauses`: slow wallboxes refuse requests that come too soon.
    """

    wallboxes: tuple[WallboxMake, ...] = ("heidelberg",)
    inverters: tuple[InverterModel, ...] = (123,)
    heat_pump: HeatPumpMake | None = None
    storage: bool = False
    meter_lag_s: float = 0.0
    meter_export_positive: bool = False
    keeps_pauses: bool = False


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
        self.relays = Relays()
        self.house = House(
            wallboxes=[Wallbox() for _ in options.wallboxes],
            heat_pumps=[HeatPump()] if options.heat_pump else [],
            inverters=[Inverter() for _ in options.inverters],
            meter_lag_s=options.meter_lag_s,
        )
        self.units = {unit.name: unit for unit in self._make_units(options)}
        self._server: ModbusTcpServer | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._address = ("127.0.0.1", 0)

    def _make_units(self, options: HouseOptions) -> Iterator[SimulatedUnit]:
        """The first wallbox, inverter and meter are the units 1, 2 and 3; more follow from 4 on."""
        house, hooks = self.house, (self.advance, self._report_change)
        ids = itertools.count(METER_UNIT + 1)
        for number, make in enumerate(options.wallboxes, start=1):
            unit_id = WALLBOX_UNIT if number == 1 else next(ids)
            wallbox = house.wallboxes[number - 1]
            now = self._clock.monotonic if options.keeps_pauses else None
            yield _wallbox_unit(make, _numbered("wallbox", number), wallbox, unit_id, hooks, now)
        for number, model in enumerate(options.inverters, start=1):
            unit_id = INVERTER_UNIT if number == 1 else next(ids)
            inverter = house.inverters[number - 1]
            yield _INVERTERS[model](_numbered("inverter", number), inverter, unit_id, *hooks)
        yield MeterUnit("meter", house, METER_UNIT, *hooks, options.meter_export_positive)
        if options.heat_pump is not None:
            make_unit = _HEAT_PUMPS[options.heat_pump]
            yield make_unit("heat-pump", house.heat_pumps[0], next(ids), *hooks)
        if options.storage:
            yield StorageUnit("storage", house.battery, next(ids), *hooks)
        yield ContactsUnit("contacts", self.relays, next(ids), *hooks)

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
        before = self._own_doings()
        self.house.step(now_s - self._advanced_to_s)
        self._advanced_to_s = now_s
        for name, text in self._own_doings().items():
            if text != before[name]:
                self._emit({"event": "device", "unit": name, "text": text})

    def _emit(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)

    def _own_doings(self) -> dict[str, str]:
        return {name: unit.own_doing() for name, unit in self.units.items()}

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
            "wallbox_w": round(sum(wallbox.power_w for wallbox in house.wallboxes)),
            "heat_pump_w": round(sum(heat_pump.power_w for heat_pump in house.heat_pumps)),
            "inverter_w": round(sum(inverter.power_w for inverter in house.inverters)),
            "battery_w": round(house.battery.power_w),
        }

    async def command(self, command: Mapping[str, Any]) -> Event:
        """Carry out one command and return its answer. Raises CommandError.

        `{"cmd": "set", …}` with what the house or, with `"unit"`, a unit has to set;
        `{"cmd": "fault", "unit": …, "fault": …, "on": …}` (`slow` with `"seconds"`),
        `{"cmd": "reboot", "unit": …}`, `{"cmd": "listen", "on": …}`, `{"cmd": "state"}`.
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

    def _set(self, unit: str | None = None, **values: float) -> None:
        setters = self._settable() if unit is None else self._unit(unit).settable
        for name, value in values.items():
            if name not in setters:
                raise CommandError(f"set knows: {', '.join(setters)}")
            target, attribute, number = setters[name]
            setattr(target, attribute, number(value))

    def _settable(self) -> Settable:
        """What belongs to the house, and what its first wallbox and inverter have to set."""
        house = self.house
        own: Settable = {
            "load_w": (house, "load_w", float),
            "meter_lag_s": (house, "meter_lag_s", float),
            "battery_installed": (house, "battery_installed", bool),
            "battery_energy_wh": (house.battery, "energy_wh", float),
            "grid_charge_w": (house.battery, "grid_charge_w", float),
        }
        firsts = [self.units[name].settable for name in ("wallbox", "inverter") if name in self.units]
        return {
            **own,
            **self.units["contacts"].settable,
            **{k: v for first in firsts for k, v in first.items()},
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


def _numbered(kind: str, number: int) -> str:
    return kind if number == 1 else f"{kind}-{number}"


def _wallbox_unit(
    make: WallboxMake,
    name: str,
    wallbox: Wallbox,
    unit_id: int,
    hooks: _Hooks,
    now: Callable[[], float] | None,
) -> SimulatedUnit:
    match make:
        case "heidelberg":
            return WallboxUnit(name, wallbox, unit_id, *hooks)
        case "alfen":
            return AlfenUnit(name, wallbox, unit_id, *hooks)
        case "keba-p30":
            return KebaUnit(name, wallbox, unit_id, *hooks, model="P30", now=now)
        case "keba-p40":
            return KebaUnit(name, wallbox, unit_id, *hooks, model="P40", now=now)
