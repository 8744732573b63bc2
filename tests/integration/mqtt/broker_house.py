"""A whole gateway, a Steuerbox, and a simulated house that is at a real broker; in patient time."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.simulated.faults import Fault
from adapters.simulated.mqtt_front import BROKER_KINDS, MqttFront
from adapters.simulated.mqtt_visit import BrokerAddress
from adapters.simulated.server import Event, HouseOptions, SimulatedHouse
from eebus.ids import PeerRole
from eebus.ship.identity import make_identity
from eebus.simulator.control_box import BoxSettings, ControlBoxSimulator
from hems.devices import Direction
from hems.gateway import RunningGateway
from tests.integration.hems.support import running_gateway
from tests.integration.mqtt.mosquitto import Mosquitto
from tests.integration.mqtt.patient_time import BrokerPulse, PatientClock, PatientLoop

_LOOK_S = 0.2
_START_S = 30.0
LOAD_W = 500.0

CONFIGURATION = """
site: {{name: At the broker}}
eebus:
  host: 127.0.0.1
  port: 0
  announce: false
  failsafe: {{consumption_w: 12000}}
mqtt: {{host: 127.0.0.1, port: {port}, gateway_id: home, measurement_interval_s: 1}}
grid_connection_point:
  meter: {{type: mqtt-meter, params: {{topic: simulated/meter}}}}
devices:
  - name: wallbox
    priority: 1
    controllable: true
    adapter: {{type: mqtt, profile: openwb, params: {{chargepoint: 1, max_current_a: 10}}}}
  - name: heat_pump
    priority: 2
    controllable: true
    adapter:
      type: mqtt
      kind: heat_pump
      params: {{topic: simulated/heat_pump, max_power_w: 4000, watchdog_s: 30}}
  - name: battery
    priority: 3
    controllable: true
    adapter: {{type: mqtt, kind: battery, params: {{topic: simulated/battery, max_power_w: 5000}}}}
"""
"""Free, the three draw 6.9, 4 and 5 kW: openWB sends the car at most 10 A on three phases."""


@dataclass
class BrokerHouse:
    """What a test has in its hands. Times are those of the loop."""

    runner: asyncio.Runner
    simulated: SimulatedHouse
    front: MqttFront
    gateway: RunningGateway
    box: ControlBoxSimulator
    events: list[Event] = field(default_factory=list)

    # What happens to the house.

    async def limit(self, value_w: float) -> None:
        """The Steuerbox limits consumption."""
        answer = await self.box.limit(value_w)
        assert answer.accepted, answer.text

    def tell(self, unit: str, command: str, **arguments: object) -> None:
        """What a person tells a simulated device: set, fault, reboot."""
        self.front.command({"cmd": command, "unit": unit, **arguments})

    def heal(self) -> None:
        """Everybody behaves again, at once, and the sun is down."""
        for unit in self.front.units:
            for fault in Fault:
                if fault is not Fault.BUSY:
                    self.tell(unit, "fault", fault=fault.value, on=False)
        self.sun(0.0)

    def sun(self, power_w: float) -> None:
        """What the sun gives the panels."""
        self.simulated.house.inverter.sun_w = power_w

    # What is true.

    @property
    def drawn_w(self) -> float:
        """What the three devices really draw together: the flow at the grid less the rest of the house."""
        self.simulated.advance()
        house = self.simulated.house
        return house.grid_w - house.load_w + sum(inverter.power_w for inverter in house.inverters)

    def payloads(self, unit: str) -> list[str]:
        """What a device has been told and has taken over."""
        return [event["payload"] for event in self.events if event.get("unit") == unit and "payload" in event]

    # What the gateway thinks.

    def device(self, name: str) -> dict[str, Any]:
        """A device in the status."""
        found: dict[str, Any] = next(each for each in self.status["devices"] if each["name"] == name)
        return found

    def order(self, name: str) -> dict[str, Any]:
        """What a device is told about its draw."""
        found: dict[str, Any] = next(
            o for o in self.device(name)["orders"] if o["direction"] == "consumption"
        )
        return found

    def told(self) -> list[float | None]:
        """The set-points of wallbox, heat pump and battery."""
        return [self.order(name)["setpoint_w"] for name in ("wallbox", "heat_pump", "battery")]

    @property
    def credit_w(self) -> float:
        """The credit towards limits of the draw."""
        sides = self.gateway.control.status().sides
        return next(side.credit_w for side in sides if side.direction is Direction.CONSUMPTION)

    def warnings(self, name: str) -> list[str]:
        """Those that name a device."""
        return [text for text in self.status["warnings"] if name in text]

    @property
    def status(self) -> dict[str, Any]:
        """The status as `hems status` has it."""
        return self.gateway.status()

    # Waiting.

    def now(self) -> float:
        """The time of the loop."""
        return asyncio.get_running_loop().time()

    async def until(self, is_so: Callable[[], bool], within_s: float) -> float:
        """Wait for it; returns how long it took."""
        began_s = self.now()
        while not is_so():
            assert self.now() - began_s < within_s, f"not within {within_s} s:\n{self._story()}"
            await asyncio.sleep(_LOOK_S)
        return self.now() - began_s

    async def stays(self, is_so: Callable[[], bool], for_s: float) -> None:
        """It is so, and remains so."""
        until_s = self.now() + for_s
        while self.now() < until_s:
            assert is_so(), self._story()
            await asyncio.sleep(_LOOK_S)

    def _story(self) -> str:
        shown = {"drawn_w": self.drawn_w, "told": self.told(), "warnings": self.status["warnings"]}
        return json.dumps([*self.events[-20:], self.status["devices"], shown], indent=1, default=str)


def lived(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that lives in the time of the house `home`; between tests that stands still."""

    @functools.wraps(test)
    def run(home: BrokerHouse, **arguments: object) -> None:
        async def life() -> None:
            await test(home, **arguments)

        home.runner.run(life())

    return run


@contextmanager
def broker_house(folder: Path) -> Iterator[BrokerHouse]:
    """The house, its gateway and its Steuerbox, all running; everybody at one broker."""
    mosquitto = Mosquitto(folder, listener="set_tcp_nodelay true")
    mosquitto.start()
    try:
        pulse = BrokerPulse(mosquitto.port)
        loop = PatientLoop(pulse.settle)
        with closing(pulse), asyncio.Runner(loop_factory=lambda: loop) as runner:
            running = AsyncExitStack()
            home = runner.run(running.enter_async_context(_everybody(folder, mosquitto.port, runner)))
            loop.leap(True)
            try:
                yield home
            finally:
                loop.leap(False)
                runner.run(running.aclose())
    finally:
        mosquitto.kill()


@asynccontextmanager
async def _everybody(folder: Path, port: int, runner: asyncio.Runner) -> AsyncIterator[BrokerHouse]:
    clock = PatientClock(asyncio.get_running_loop())
    events: list[Event] = []
    path = folder / "hems.yaml"
    path.write_text(CONFIGURATION.format(port=port))
    async with AsyncExitStack() as running:
        simulated = SimulatedHouse(HouseOptions(wallboxes=()), clock=clock, on_event=events.append)
        front = MqttFront(
            simulated, BROKER_KINDS, BrokerAddress("127.0.0.1", port), clock=clock, on_event=events.append
        )
        _furnish(simulated, front)
        front.start()
        running.push_async_callback(front.stop)
        run = await running.enter_async_context(running_gateway(path, clock=clock))
        identity = make_identity("test box", now=clock.utc_now())
        box = ControlBoxSimulator(identity, BoxSettings(), clock=clock)
        await run.gateway.accept(identity.ski, PeerRole.CONTROL_BOX, replace=False)
        await running.enter_async_context(box.running())
        await box.pair(run.ski, "127.0.0.1", run.port)
        await box.ready(wait_s=_START_S)
        yield BrokerHouse(runner, simulated, front, run.gateway, box, events)


def _furnish(simulated: SimulatedHouse, front: MqttFront) -> None:
    """A car, a heat pump in a cold house, a battery that charges from the grid: all want all they can get."""
    house = simulated.house
    house.load_w = LOAD_W
    house.battery.capacity_wh = 100_000.0
    for unit, values in {
        "mqtt-heat-pump": {"store_wh": 0, "heat_loss_w": 20_000, "least_rest_s": 0, "watchdog_s": 30},
        "mqtt-battery": {"grid_charge_w": 5_000},
    }.items():
        front.command({"cmd": "set", "unit": unit, **values})
