"""The connection of one simulated device to a real MQTT broker: it comes, beats, goes, and comes again.

A broker that is away is tried again each second.
"""

import asyncio
import contextlib
import math
import socket
from dataclasses import dataclass
from typing import Protocol

from aiomqtt import Client, MqttError

from adapters.simulated.mqtt_device import MqttDevice
from adapters.simulated.server import Event

_RETRY_S = 1.0
_ANSWER_S = 5.0
_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, and as whom the devices log in there."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = None


class Premises(Protocol):
    """Where the device stands."""

    def now(self) -> float:
        """The time there."""

    def advance(self) -> None:
        """Bring the models up to the present."""

    def emit(self, event: Event) -> None:
        """Tell what happened."""


class Visit:
    """One device and its connection. Whoever runs it calls `look_up` when the device was changed."""

    def __init__(self, device: MqttDevice, premises: Premises, broker: BrokerAddress) -> None:
        self.device = device
        self._premises = premises
        self._broker = broker
        self._bell = asyncio.Event()
        self._leaving = False
        self._urgent = False
        self._trouble = ""
        self._doing = device.own_doing

    def look_up(self) -> None:
        """Something about the device has changed."""
        self._bell.set()

    def leave(self) -> None:
        """End `run` soon; what the broker keeps of the device is cleared."""
        self._leaving = True
        self._bell.set()

    async def run(self) -> None:
        """Be at the broker whenever the device is not away."""
        while not self._leaving:
            away_s = self.device.away_s(self._premises.now())
            if away_s > 0.0:
                await self._live_alone(away_s)
                continue
            try:
                await self._stay()
            except MqttError as error:
                self._tell_connection(str(error))
                await self._live_alone(_RETRY_S)

    async def _live_alone(self, seconds: float) -> None:
        """Nobody hears it, but its own watchdog runs on."""
        self._premises.advance()
        self.device.live(self._premises.now())
        self._tell_own_doing()
        await self._wait(min(seconds, self.device.beat_s))

    async def _stay(self) -> None:
        async with self._client() as client:
            for topic in self.device.commands:
                await client.subscribe(topic)
            self._tell_connection("")
            self.device.join()
            reader = asyncio.create_task(self._read(client))
            try:
                await self._beat_until_away(client)
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
            if self._leaving and self.device.retained:
                await self._clear(client)
        self._tell_connection("it is switched off")

    def _client(self) -> Client:
        broker = self._broker
        return Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            timeout=_ANSWER_S,
            socket_options=_AT_ONCE,
        )

    async def _read(self, client: Client) -> None:
        async for message in client.messages:
            payload = message.payload.decode(errors="replace") if isinstance(message.payload, bytes) else ""
            if self.device.hear(message.topic.value, payload):
                self._urgent = True
                self._bell.set()

    async def _beat_until_away(self, client: Client) -> None:
        last_s = -math.inf
        while not self._leaving and self.device.away_s(now := self._premises.now()) == 0.0:
            if self._urgent or now >= last_s + self.device.pause_s:
                last_s, self._urgent = now, False
                await self._beat(client, now)
            await self._wait(last_s + self.device.pause_s - self._premises.now())

    async def _beat(self, client: Client, now: float) -> None:
        self._premises.advance()
        news = self.device.beat(now)
        self._tell_own_doing()
        for topic, payload in news.items():
            await client.publish(topic, payload, retain=self.device.retained)

    async def _clear(self, client: Client) -> None:
        for topic in self.device.shown(self._premises.now()):
            await client.publish(topic, "", retain=True)

    async def _wait(self, seconds: float) -> None:
        """Until then, or until the bell rings."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        self._bell.clear()

    def _tell_connection(self, trouble: str) -> None:
        if trouble and trouble == self._trouble:
            return
        self._trouble = trouble
        event = {"event": "broker", "unit": self.device.name, "connected": not trouble}
        self._premises.emit({**event, "text": trouble} if trouble else event)

    def _tell_own_doing(self) -> None:
        if self.device.own_doing != self._doing:
            self._doing = self.device.own_doing
            self._premises.emit({"event": "device", "unit": self.device.name, "text": self._doing})
