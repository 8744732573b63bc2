"""A real Mosquitto for the tests: started, killed, frozen, with passwords or TLS; and a watcher of topics."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from aiomqtt import Client, MqttError, ProtocolVersion

PATIENCE_S = 10.0
_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def program() -> str:
    """The program; without it the test is skipped, and with STRICT=1 it fails."""
    found = shutil.which("mosquitto", path=_PLACES)
    return found if found is not None else missing("mosquitto is not installed")


def missing(reason: str) -> NoReturn:
    """Skip the test with the reason; with STRICT=1, as in CI, fail it."""
    if os.environ.get("STRICT") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


class Mosquitto:
    """A broker on one port, without memory on disk: whoever restarts it finds it empty."""

    def __init__(
        self,
        folder: Path,
        *,
        access: str = "allow_anonymous true",
        listener: str = "",
        prefix: Sequence[str] = (),
    ) -> None:
        self.port = free_port()
        self._command = [*prefix, program()]
        self._folder = folder
        self._config = folder / f"mosquitto-{self.port}.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n{listener}\n{access}\npersistence false\n"
            "max_queued_messages 100000\nuser root\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it writes."""
        return self._folder / f"mosquitto-{self.port}.log"

    def launch(self) -> None:
        """Start it."""
        command = [*self._command, "-c", str(self._config), "-v"]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.launch()
        assert self._process is not None
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            assert self._process.poll() is None, self.log.read_text()
            time.sleep(0.01)
        raise TimeoutError(self.log.read_text())

    def kill(self) -> None:
        """End it without a goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def broker(folder: Path, **options: str) -> AsyncIterator[Mosquitto]:
    """A running broker, ended with the test."""
    made = Mosquitto(folder, **options)
    await asyncio.to_thread(made.start)
    try:
        yield made
    finally:
        made.kill()


@dataclass(frozen=True, slots=True)
class Seen:
    """A message, when it came, and whether it was stored at the broker."""

    topic: str
    payload: str
    retained: bool
    at_s: float


@dataclass
class Watcher:
    """Hears everything at a broker, like Home Assistant would, and publishes what a test wants."""

    client: Client
    on_message: Callable[[Seen], None] = lambda _seen: None
    seen: list[Seen] = field(default_factory=list)
    newest: dict[str, str] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Run in a task."""
        async for message in self.client.messages:
            payload = message.payload.decode() if isinstance(message.payload, bytes) else ""
            topic = message.topic.value
            self.seen.append(Seen(topic, payload, bool(message.retain), time.monotonic()))
            self.on_message(self.seen[-1])
            if payload:
                self.newest[topic] = payload
            else:
                self.newest.pop(topic, None)
            self._news.set()

    async def until(self, is_so: Callable[[dict[str, str]], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait until the newest payloads are so."""
        try:
            async with asyncio.timeout(patience_s):
                while not is_so(self.newest):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            shown = "\n".join(f"{topic} {payload[:200]}" for topic, payload in self.newest.items())
            raise TimeoutError(f"not within {patience_s} s; newest:\n{shown}") from None

    async def until_event(self, kind: str, since: int = 0, patience_s: float = PATIENCE_S) -> Seen:
        """The first event of this type from a position on."""
        found: list[Seen] = []

        def has_come(_newest: dict[str, str]) -> bool:
            found[:] = [
                seen
                for seen in self.seen[since:]
                if seen.topic.endswith("/event") and json.loads(seen.payload)["event_type"] == kind
            ]
            return bool(found)

        await self.until(has_come, patience_s)
        return found[0]

    def json(self, topic: str) -> dict[str, Any]:
        """The newest document on a topic."""
        document: dict[str, Any] = json.loads(self.newest[topic])
        return document

    async def publish(self, topic: str, payload: str, *, retain: bool = False, qos: int = 0) -> None:
        """Publish something."""
        await self.client.publish(topic, payload, retain=retain, qos=qos)


@asynccontextmanager
async def watching(
    port: int, topic_filter: str = "#", *, on_message: Callable[[Seen], None] = lambda _seen: None
) -> AsyncIterator[Watcher]:
    """A watcher of one connection: it ends when the broker does."""
    async with Client("127.0.0.1", port, protocol=ProtocolVersion.V5, timeout=5.0) as client:
        watcher = Watcher(client, on_message)
        await client.subscribe(topic_filter)
        task = asyncio.create_task(watcher.listen())
        try:
            yield watcher
        finally:
            task.cancel()
            with contextlib.suppress(MqttError, asyncio.CancelledError):
                await task


async def retained_at(port: int, topic_filter: str = "#") -> dict[str, str]:
    """What the broker keeps now."""
    mark = f"test/{time.monotonic_ns()}"
    async with watching(port, topic_filter) as watcher:
        await watcher.client.subscribe(mark)
        await watcher.publish(mark, "end")
        await watcher.until(lambda newest: mark in newest)
        return {seen.topic: seen.payload for seen in watcher.seen if seen.retained}
