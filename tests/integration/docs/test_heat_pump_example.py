"""The example heat pump as a process of its own, limited and read by our Steuerbox simulator."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from eebus.clock import SystemClock
from eebus.ids import Ski
from eebus.ship.identity import make_identity
from eebus.simulator.control_box import BoxSettings, ControlBoxSimulator
from eebus.usecases.limitation import Direction

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "heat_pump.py"
LIMIT_S = 20.0


@contextlib.asynccontextmanager
async def heat_pump(folder: Path, partner: Ski) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), str(folder), partner, "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process, beginning: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        while text := (await process.stdout.readline()).decode():
            if text.startswith(beginning):
                return text
    raise AssertionError(f"the heat pump ended without a line '{beginning}…'")


async def test_the_example_heat_pump_obeys_its_partner(tmp_path: Path) -> None:
    box = ControlBoxSimulator(make_identity("box", now=SystemClock().utc_now()), BoxSettings())
    async with box.running(), heat_pump(tmp_path, box.node.snapshot().ski) as process:
        assert "at most 1500.0 W" in await line(process, "init")
        _, ski, _, port = (await line(process, "SKI")).split()
        await box.pair(Ski(ski), "127.0.0.1", int(port))
        await box.ready(wait_s=LIMIT_S)
        view = await box.read_back()
        assert view.failsafe_w == {Direction.CONSUMPTION: 1500.0}
        assert (await box.limit(800.0)).accepted
        assert "at most 800.0 W" in await line(process, "limited")
        assert (await box.deactivate()).accepted
        assert "at most None W" in await line(process, "unlimited/controlled")


async def test_the_example_keeps_its_identity(tmp_path: Path) -> None:
    partner = Ski("ab" * 20)
    skis = []
    for _ in range(2):
        async with heat_pump(tmp_path, partner) as process:
            skis.append((await line(process, "SKI")).split()[1])
    assert skis[0] == skis[1]
