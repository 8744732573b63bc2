"""A broker in memory, and devices and meters on it whose time is told by the test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.context import Context
from adapters.mqtt.broker import BrokerUnavailable, Listener, Message
from adapters.registry import DEFAULT_REGISTRY
from eebus.clock import FakeClock
from hems.devices import Device, Meter


class MemoryBroker:
    """Hands messages to who listens; remembers what was sent, and lets a test answer."""

    def __init__(self) -> None:
        self.trouble = ""
        self.sessions = 1
        self.sent: list[tuple[str, str]] = []
        self.answer: Callable[[str, str], None] = lambda _topic, _payload: None
        self._listeners: dict[str, list[Listener]] = {}

    def listen(self, topic_filter: str, listener: Listener) -> None:
        self._listeners.setdefault(topic_filter, []).append(listener)

    async def send(self, topic: str, payload: str) -> None:
        if self.trouble:
            raise BrokerUnavailable(self.trouble)
        self.sent.append((topic, payload))
        self.answer(topic, payload)

    def arrive(self, topic: str, payload: str | bytes, *, retained: bool = False) -> None:
        """Let the device publish."""
        data = payload.encode() if isinstance(payload, str) else payload
        for listener in self._listeners.get(topic, ()):
            listener(Message(topic, data, retained))


class Bench:
    """Everything that a device or a meter needs."""

    def __init__(self, *, profile_folders: tuple[Path, ...] = (), with_broker: bool = True) -> None:
        self.broker = MemoryBroker()
        self.clock = FakeClock(1000.0)
        self.context = Context(
            clock=self.clock,
            broker=self.broker if with_broker else None,
            profile_folders=profile_folders,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def device(self, **settings: Any) -> Device:
        """A device of the type `mqtt`."""
        model = DEFAULT_REGISTRY.device_types
        settings_type = next(entry.settings for entry in model if entry.name == "mqtt")
        made = settings_type.model_validate({"type": "mqtt", **settings})
        return DEFAULT_REGISTRY.make_device("wallbox", made, self.context)

    def meter(self, **settings: Any) -> Meter:
        """A meter of the type `mqtt-meter`."""
        model = DEFAULT_REGISTRY.meter_types
        settings_type = next(entry.settings for entry in model if entry.name == "mqtt-meter")
        made = settings_type.model_validate({"type": "mqtt-meter", **settings})
        return DEFAULT_REGISTRY.make_meter("grid_meter", made, self.context)
