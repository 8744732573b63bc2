"""`hems run` as a process of its own, so that it can be killed."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eebus.ids import PeerRole, Ski
from hems.cli.client import ask
from hems.cli.options import GatewayNotRunning
from tests.integration.hems.support import PATIENCE_S


@dataclass
class GatewayProcess:
    """A gateway that others see by its sockets only."""

    process: asyncio.subprocess.Process
    data_dir: Path
    log: Path

    async def call(self, method: str, target: str, body: object = None) -> dict[str, Any]:
        """Ask its local API."""
        return await asyncio.to_thread(ask, self.data_dir, method, target, body)

    async def accept(self, ski: Ski) -> None:
        """Trust a control box."""
        await self.call("POST", f"/pairing/{ski}", {"role": PeerRole.CONTROL_BOX.value, "replace": False})

    async def until_answering(self) -> dict[str, Any]:
        """Wait until it runs; returns its status."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await self.call("GET", "/status")
                except GatewayNotRunning:
                    assert self.process.returncode is None, self.log.read_text()
                    await asyncio.sleep(0.05)

    async def end(self, number: int) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)


@asynccontextmanager
async def gateway_process(path: Path, **environment: str) -> AsyncIterator[GatewayProcess]:
    """`hems run --config path`; killed at the end if it still runs."""
    log = path.with_suffix(".log")
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hems",
            "run",
            "--config",
            str(path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )
    try:
        yield GatewayProcess(process, path.parent / "data", log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
