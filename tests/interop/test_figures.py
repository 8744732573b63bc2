"""Figures that must hold on every machine: ratios to the Go stack within one run, and no growth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.bench import codec, exchange
from tests.bench.table import MISSED, Figure
from tests.interop.conftest import StartGo, StartHouse, missing
from tests.interop.go_peer import Partner
from tests.interop.netns import Network, unavailable

pytestmark = [pytest.mark.interop, pytest.mark.netns, pytest.mark.alone]

Part = Callable[[Path, Path], Awaitable[list[Figure]]]

BOX, HOUSE, PORT = "10.77.0.2", "10.77.0.3", 4712
ATTEMPTS = 3
"""A machine that is busy with something else can spoil a single measurement, hardly several."""

WARM_UP, WRITES = 300, 1000
GROWTH_BYTES = 2_000_000


@pytest.mark.slow
@pytest.mark.parametrize("measure", [codec.measure, exchange.measure], ids=["codec", "exchange"])
async def test_ratios_to_the_go_stack_hold(go_program: Path, tmp_path: Path, measure: Part) -> None:
    if measure is exchange.measure and (reason := unavailable()):
        missing(reason)
    missed: set[str] = set()
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        figures = await measure(go_program, folder)
        seen = {figure.what for figure in figures if figure.verdict == MISSED}
        missed = seen if attempt == 0 else missed & seen
        if not missed:
            return
    pytest.fail(f"missed {ATTEMPTS} times: {', '.join(missed)}")


async def test_a_thousand_limits_leave_no_memory_behind(
    network: Network, go: StartGo, house: StartHouse
) -> None:
    box, home = await go("box", network.host("box", BOX)), await house("house", network.host("house", HOUSE))
    await box.start(port=PORT, dial=False, partners=[Partner(home.ski)])
    await home.start(port=PORT, partners=[Partner(box.ski, BOX, PORT)])
    await home.accept(box.ski)
    await box.ready_to_control(home.ski)
    await home.wait_until(lambda view: view.heartbeat_age_s is not None)
    process = psutil.Process(home.pid)
    await box.burst("consumption", 4200, WARM_UP)
    before = process.memory_info().rss
    await box.burst("consumption", 4200, WRITES)
    async with asyncio.timeout(10):
        while process.memory_info().rss - before >= GROWTH_BYTES:  # noqa: ASYNC110  # what is read last may live
            await asyncio.sleep(0.1)
