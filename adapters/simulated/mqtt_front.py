"""Which devices of the simulated house are at an MQTT broker, and what a person does to them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from adapters.simulated.faults import Fault
from adapters.simulated.heat_pump import HeatPump
from adapters.simulated.mqtt_device import CommandTaken, MqttDevice
from adapters.simulated.mqtt_generic import BrokerBattery, BrokerHeatPump, BrokerMeter
from adapters.simulated.mqtt_openwb import OpenWb
from adapters.simulated.mqtt_visit import BrokerAddress, Visit
from adapters.simulated.server import CommandError, Event, SimulatedHouse
from adapters.simulated.wallbox import Wallbox
from eebus.clock import Clock, SystemClock

BrokerKind = Literal["meter", "wallbox", "heat-pump", "battery"]
BROKER_KINDS: tuple[BrokerKind, ...] = ("meter", "wallbox", "heat-pump", "battery")
TOPIC = "simulated"
"""What all topics but those of the wallbox begin with."""
CHARGEPOINT = 1
"""The number of the wallbox in openWB."""
BOOT_S = 20.0
_GOODBYE_S = 2.0
_HALF_FULL_WH = 6_000.0
"""So little heat in its store that the heat pump starts by itself."""


class MqttFront:
    """The devices of some kinds at a broker; each is named `mqtt-` and its kind.

    The house gets one more wallbox and heat pump where they are among them; the battery is its own.
    `on_event` hears commands that were taken over, connections, and what devices do by themselves.
    """

    def __init__(
        self,
        house: SimulatedHouse,
        kinds: Iterable[BrokerKind],
        broker: BrokerAddress,
        *,
        clock: Clock | None = None,
        on_event: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self._house = house
        self._clock = clock or SystemClock()
        self._on_event = on_event
        devices = [_make(kind, house, self._report) for kind in kinds]
        self._visits = {device.name: Visit(device, self, broker) for device in devices}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let the devices come to the broker."""
        self._tasks = [asyncio.create_task(visit.run(), name=name) for name, visit in self._visits.items()]

    async def stop(self) -> None:
        """Let them leave; what the broker keeps of them is cleared."""
        for visit in self._visits.values():
            visit.leave()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GOODBYE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def units(self) -> dict[str, list[str]]:
        """The devices by name, with the topics on which they are told something."""
        return {name: list(visit.device.commands) for name, visit in self._visits.items()}

    # What a person does.

    def command(self, command: Mapping[str, Any]) -> Event:
        """Carry out a command for one of the devices and return its answer. Raises CommandError.

        They are those of :meth:`SimulatedHouse.command` that name a unit; `reboot` takes `"seconds"`, too.
        """
        arguments = {key: value for key, value in command.items() if key not in ("cmd", "unit")}
        name = command.get("cmd")
        visit = self._visit(command.get("unit"))
        self._house.advance()
        try:
            match name:
                case "set":
                    _set(visit.device, **arguments)
                case "fault":
                    _fault(visit.device, **arguments)
                case "reboot":
                    self._reboot(visit.device, **arguments)
                case _:
                    raise CommandError("known commands for a device at the broker: set, fault, reboot")
        except (TypeError, ValueError) as error:
            raise CommandError(f"{name}: {error}") from error
        visit.look_up()
        return {**self._house.powers(), "event": "done", "cmd": name}

    def _visit(self, unit: object) -> Visit:
        if not isinstance(unit, str) or unit not in self._visits:
            raise CommandError(f"devices at the broker are: {', '.join(self._visits)}")
        return self._visits[unit]

    def _reboot(self, device: MqttDevice, seconds: float = BOOT_S) -> None:
        device.restart(self.now(), seconds)

    # What the devices need.

    def now(self) -> float:
        """The house's time."""
        return self._clock.monotonic()

    def advance(self) -> None:
        """Bring the models up to the present."""
        self._house.advance()

    def emit(self, event: Event) -> None:
        """Tell what happened."""
        self._on_event(event)

    def _report(self, taken: CommandTaken) -> None:
        self._on_event(
            {
                "event": "command",
                "unit": taken.unit,
                "topic": taken.topic,
                "payload": taken.payload,
                "meaning": taken.meaning,
            }
        )


def _make(kind: BrokerKind, house: SimulatedHouse, on_command: Callable[[CommandTaken], None]) -> MqttDevice:
    name, topic, models = f"mqtt-{kind}", f"{TOPIC}/{kind.replace('-', '_')}", house.house
    match kind:
        case "meter":
            return BrokerMeter(name, topic, models, on_command)
        case "wallbox":
            models.wallboxes.append(Wallbox())
            return OpenWb(name, CHARGEPOINT, models.wallboxes[-1], on_command)
        case "heat-pump":
            models.heat_pumps.append(HeatPump(store_wh=_HALF_FULL_WH))
            return BrokerHeatPump(name, topic, models.heat_pumps[-1], on_command)
        case "battery":
            return BrokerBattery(name, topic, models.battery, on_command)


def _set(device: MqttDevice, **values: float) -> None:
    for name, value in values.items():
        if name not in device.settable:
            raise CommandError(f"{device.name} has to set: {', '.join(device.settable) or 'nothing'}")
        target, attribute, number = device.settable[name]
        setattr(target, attribute, number(value))


def _fault(device: MqttDevice, fault: str, on: bool = True, seconds: float | None = None) -> None:
    known = Fault(fault)
    if known is Fault.BUSY:
        raise CommandError("nobody can say at a broker that it is busy")
    if seconds is not None:
        device.delay_s = seconds
    if on:
        device.faults.add(known)
    else:
        device.faults.discard(known)
