"""A real Home Assistant as a process, and what the tests ask it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.mqtt.mosquitto import free_port

DRIVER = Path(__file__).with_name("driver.py")
START_LIMIT_S = 60.0
PATIENCE_S = 20.0
_ABOUT_US = re.compile(r"mqtt|hems|sensor|number|\bevent\b|recorder|energy|helpers\.entity", re.IGNORECASE)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """What Home Assistant shows: entities by id, devices by number, and its complaints."""

    entities: Json
    devices: Json
    log: tuple[str, ...]

    def state(self, entity_id: str) -> str | None:
        """The state of an entity; None when there is none."""
        entity = self.entities.get(entity_id)
        return None if entity is None else entity["state"]

    def number(self, entity_id: str) -> float | None:
        """The state as a number; None while it is none."""
        try:
            return float(self.state(entity_id) or "")
        except ValueError:
            return None

    def device_names(self) -> set[str]:
        """The names of our devices."""
        return {
            device["name"]
            for device in self.devices.values()
            if any(name.startswith("hems_") for name in device["identifiers"])
        }

    @property
    def complaints(self) -> list[str]:
        """Warnings and errors that have to do with us; how the release itself starts is not our matter."""
        return [line for line in self.log if _ABOUT_US.search(line)]


@dataclass
class HomeAssistant:
    """A running Home Assistant."""

    process: asyncio.subprocess.Process
    errors: Path
    log: list[str] = field(default_factory=list)

    async def ask(self, **order: Any) -> Json:
        """Give an order and wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.process.stdin.drain()
        return await self.answer(PATIENCE_S)

    async def answer(self, limit_s: float) -> Json:
        """The next line that it writes."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), limit_s)
        assert line, self.errors.read_text()
        answer: Json = json.loads(line)
        return answer

    async def picture(self) -> Picture:
        """What it shows now."""
        answer = await self.ask(do="state")
        return Picture(answer["entities"], answer["devices"], tuple(answer["log"]))

    async def until(self, is_so: Callable[[Picture], bool], limit_s: float = PATIENCE_S) -> Picture:
        """Wait until it shows this."""
        seen = await self.picture()
        try:
            async with asyncio.timeout(limit_s):
                while not is_so(seen):
                    await asyncio.sleep(0.2)
                    seen = await self.picture()
        except TimeoutError:
            shown = {name: entity["state"] for name, entity in seen.entities.items()}
            raise TimeoutError(f"not within {limit_s} s: {shown} {seen.complaints}") from None
        return seen

    async def call(self, domain: str, service: str, **data: Any) -> None:
        """Call a service, as an automation does."""
        assert await self.ask(do="call", domain=domain, service=service, data=data) == {"done": True}

    async def stop(self) -> list[str]:
        """Stop it in order; returns its whole log."""
        stopped = await self.ask(do="stop")
        await asyncio.wait_for(self.process.wait(), PATIENCE_S)
        log: list[str] = stopped["log"]
        return log


@asynccontextmanager
async def home_assistant(python: Path, folder: Path, broker_port: int) -> AsyncIterator[HomeAssistant]:
    """Home Assistant with its configuration in `folder`, killed at the end if it still runs."""
    errors = folder.with_suffix(".log")
    with errors.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            str(python),
            str(DRIVER),
            str(folder),
            str(broker_port),
            str(free_port()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            limit=16 * 1024 * 1024,
        )
    running = HomeAssistant(process, errors)
    try:
        assert await running.answer(START_LIMIT_S) == {"ready": True}
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
