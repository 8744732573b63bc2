"""A device by MQTT that forgets its limit at a reboot, under control in virtual time."""

import asyncio
from dataclasses import dataclass

import pytest

from adapters.context import Context
from adapters.registry import DEFAULT_REGISTRY
from hems.control.loop import Controlled, ControlLoop
from hems.devices import Device
from hems.metering.energies import Energies
from hems.metering.measurements import Measurements
from tests.unit.adapters_mqtt.bench import MemoryBroker
from tests.unit.hems_control.house import order
from tests.unit.hems_control.virtual_time import LoopClock, run

FREE_W, LIMIT_W, REACTION_S = 11_000.0, 4_200.0, 30.0


@dataclass
class HeatPump:
    """A device that takes all it may, publishes its power, and perhaps what it holds."""

    broker: MemoryBroker
    tells_what_it_holds: bool
    held_w: float = FREE_W

    def __post_init__(self) -> None:
        self.broker.answer = self._take

    def _take(self, topic: str, payload: str) -> None:
        assert topic == "pump/max_power_w/set"
        self.held_w = float(payload)
        self._tell()

    def _tell(self) -> None:
        if self.tells_what_it_holds:
            self.broker.arrive("pump/max_power_w", f"{self.held_w:.0f}")

    async def live(self) -> None:
        while True:
            self._tell()
            self.broker.arrive("pump/power_w", f"{self.held_w:.0f}")
            await asyncio.sleep(2.0)


def made(broker: MemoryBroker) -> Device:
    settings_type = next(entry.settings for entry in DEFAULT_REGISTRY.device_types if entry.name == "mqtt")
    settings = settings_type.model_validate(
        {"type": "mqtt", "kind": "heat_pump", "params": {"topic": "pump", "max_power_w": FREE_W}}
    )
    context = Context(clock=LoopClock(), broker=broker, sleep=asyncio.sleep)
    return DEFAULT_REGISTRY.make_device("pump", settings, context)


@pytest.mark.parametrize("tells", [True, False], ids=["tells what it holds", "tells its power only"])
def test_domain_trap_23_a_device_by_mqtt_that_is_free_after_a_reboot_is_limited_again(tells: bool) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        pump = HeatPump(broker, tells)
        control = ControlLoop(
            devices=[Controlled(made(broker))],
            meter=None,
            clock=LoopClock(),
            measurements=Measurements(),
            energies=Energies(),
            on_cycle=lambda: None,
            on_progress=lambda _progress: None,
        )
        tasks = [asyncio.ensure_future(pump.live())]
        tasks += [asyncio.ensure_future(job()) for job in control.jobs().values()]
        await asyncio.sleep(5.0)
        control.new_ceilings([order(LIMIT_W, asyncio.get_running_loop().time())])
        await asyncio.sleep(60.0)
        assert pump.held_w == LIMIT_W
        pump.held_w = FREE_W
        await asyncio.sleep(REACTION_S)
        assert pump.held_w == LIMIT_W
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(scenario())
