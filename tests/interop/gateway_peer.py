"""The gateway as a process on a host of the test network, and the simulated house that it steers."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hems.cli.client import ask
from hems.cli.options import CommandFailed, GatewayNotRunning
from tests.interop.go_peer import Direction
from tests.interop.json_peer import LineProgram, Members
from tests.interop.netns import Host

PROJECT = Path(__file__).parents[2]
HOUSE_PORT = 1502
WALLBOX_CURRENT = 261
"""Register with the largest current of the wallbox, in tenths of an ampere."""


class SimulatedHouse(LineProgram):
    """Wallbox, inverter, meter and load behind one Modbus server on the loopback of a host."""

    @classmethod
    async def launch_house(cls, host: Host, log: Path, *, load_w: float = 600.0, sun_w: float = 0.0) -> Self:
        """Start it without battery; its car wants 11 kW."""
        arguments = [
            "--port",
            str(HOUSE_PORT),
            "--load-w",
            str(load_w),
            "--sun-w",
            str(sun_w),
            "--no-battery",
        ]
        command = host.command(sys.executable, "-m", "adapters.simulated", *arguments)
        house = await cls.launch(command, log, folder=PROJECT)
        await house.wait_for("listening")
        return house

    async def command(self, **members: object) -> Members:
        """Change it, or ask for its powers (``cmd="state"``)."""
        since = self.now
        self.send(members)
        return await self.wait_for("done", since=since)

    async def wait_for_current(self, amperes: float, since: int = 0, timeout_s: float = 5.0) -> Members:
        """Wait until the wallbox was told a largest current."""
        return await self.wait_for(
            "register", timeout_s, since, unit="wallbox", address=WALLBOX_CURRENT, raw=round(10 * amperes)
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """One direction as the gateway shows it; None: nothing restricts."""

    state: str
    limit_w: float | None
    kind: str | None
    rule: str


class Gateway:
    """``hems run`` on a host; its folder keeps configuration and data between runs."""

    def __init__(self, folder: Path, host: Host, process: asyncio.subprocess.Process) -> None:
        self._folder = folder
        self._host = host
        self._process = process

    @classmethod
    async def run(cls, folder: Path, host: Host) -> Self:
        """Start it and wait until it answers."""
        gateway = await cls.launch(folder, host)
        await gateway.until_answering()
        return gateway

    @classmethod
    async def launch(cls, folder: Path, host: Host) -> Self:
        """Start it."""
        command = host.command(sys.executable, "-m", "hems", "run", "--config", str(folder / "hems.yaml"))
        with (folder / "gateway.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=PROJECT
            )
        return cls(folder, host, process)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it wrote."""
        return (self._folder / "gateway.log").read_text()

    async def status(self) -> dict[str, Any]:
        """Ask its local API."""
        return await asyncio.to_thread(ask, self._folder / "data", "GET", "/status")

    async def limit(self, direction: Direction) -> Limit:
        """Return one direction as it stands."""
        limits = (await self.status())["limits"]
        found = next(limit for limit in limits if limit["direction"] == direction)
        return Limit(found["state"], found["limit_w"], found["kind"], found["rule"])

    async def command(self, *words: str) -> Any:
        """Run a command like a person would, and return its JSON. Raises CommandFailed with what it says."""
        config = ["--config", str(self._folder / "hems.yaml"), "--json"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hems", *words, *config,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=PROJECT,
        )  # fmt: skip
        said, complained = await process.communicate()
        if process.returncode != 0:
            raise CommandFailed(complained.decode())
        return json.loads(said)

    async def wait_until(
        self, is_so: Callable[[dict[str, Any]], bool], timeout_s: float = 10.0
    ) -> dict[str, Any]:
        """Look at the status again and again until it is so."""
        async with asyncio.timeout(timeout_s):
            while True:
                if is_so(status := await self.status()):
                    return status
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """End it without a chance to tidy up (SIGKILL)."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it in an orderly way (SIGTERM)."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(15):
            await self._process.wait()

    def check_running(self) -> None:
        """Complain with what it wrote when it has ended."""
        assert self._process.returncode is None, self.log

    async def until_answering(self) -> None:
        """Wait until its local API answers."""
        async with asyncio.timeout(30):
            while True:
                try:
                    await self.status()
                except GatewayNotRunning:
                    self.check_running()
                    await asyncio.sleep(0.05)
                else:
                    return
