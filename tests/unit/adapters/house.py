"""A simulated house on a fake clock and a context to reach it, for tests of whole devices."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.context import Context
from adapters.registry import DEFAULT_REGISTRY
from adapters.settings import AdapterSettings
from adapters.simulated.server import HouseOptions, SimulatedHouse
from eebus.clock import FakeClock
from hems.devices import Device, Meter


@dataclass
class Site:
    """The house, its clock, where it listens, what it reported, and devices made from settings."""

    house: SimulatedHouse
    clock: FakeClock
    port: int
    context: Context
    events: list[dict[str, Any]] = field(default_factory=list)

    def device(self, **settings: Any) -> Device:
        return DEFAULT_REGISTRY.make_device("device", self._validated("device", settings), self.context)

    def meter(self, **settings: Any) -> Meter:
        return DEFAULT_REGISTRY.make_meter("meter", self._validated("meter", settings), self.context)

    def _validated(self, what: str, settings: dict[str, Any]) -> AdapterSettings:
        types = DEFAULT_REGISTRY.device_types if what == "device" else DEFAULT_REGISTRY.meter_types
        model = next(entry.settings for entry in types if entry.name == settings["type"])
        validated = model.model_validate({"host": "127.0.0.1", "port": self.port, **settings})
        assert isinstance(validated, AdapterSettings)
        return validated

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.house.advance()

    def changes(self, unit: str) -> list[str]:
        """The meanings of the registers that changed, in order."""
        return [
            event["meaning"]
            for event in self.events
            if event["event"] == "register" and event["unit"] == unit
        ]


@asynccontextmanager
async def site(options: HouseOptions | None = None) -> AsyncIterator[Site]:
    clock = FakeClock()
    events: list[dict[str, Any]] = []
    house = SimulatedHouse(options, clock=clock, on_event=events.append)
    house.house.battery_installed = False

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    port = await house.start()
    made = Site(house, clock, port, Context(clock=clock, sleep=sleep), events)
    try:
        yield made
    finally:
        await made.context.buses.close()
        await house.stop()
