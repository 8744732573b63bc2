"""`hems demo` as people start it: the first minute, and Ctrl-C at any moment."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

ROOT = Path(__file__).parents[3]


async def _start(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hems",
        "demo",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def _children(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    """The processes below it; one that ends while we look does not count."""
    try:
        return list(psutil.Process(process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


async def _both_simulators(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    """The processes of the house and of the Steuerbox, as soon as both run."""
    async with asyncio.timeout(20.0):
        while len(children := _children(process)) < 2:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.05)
    return children


async def _end(process: asyncio.subprocess.Process, children: list[psutil.Process], folder: Path) -> str:
    assert process.stdout is not None
    told = (await asyncio.wait_for(process.stdout.read(), 20.0)).decode()
    await asyncio.wait_for(process.wait(), 5.0)
    assert "Traceback" not in told
    assert [child for child in children if child.is_running()] == [], "an orphan was left"
    assert not any(name.startswith("hems-demo-") for name in os.listdir(folder)), "its folder was left"
    return told


@pytest.mark.slow
async def test_the_first_minute_shows_every_step_with_its_reason(short_folder: Path) -> None:
    process = await _start(short_folder, "--short")
    assert process.stdout is not None
    told = (await asyncio.wait_for(process.stdout.read(), 90.0)).decode()
    assert await process.wait() == 0, told
    assert float(re.findall(r"^ *([0-9.]+) s  ", told, re.MULTILINE)[-1]) < 60.0
    expected = (
        "is limited to 4.20 kW by the gateway itself, state init",
        "asks to be trusted",
        "hems pair accept",
        "limits consumption to 4.20 kW for 900 s: accepted",
        "is limited to 4.20 kW by the grid operator, state limited: activated limit (LPC-910)",
        "register 261 holds 60 now: maximum current 6.0 A",
        "sees: consumption measured at 4.1",  # the car may still be on its way down
        "kW, within 4.20 kW",
        "the house is drawing 4.74 kW",
        "releases consumption",
        "register 261 holds 160 now: maximum current 16.0 A",
        "limits feed-in to 3.00 kW",
        "Inverter    register",
        "the house is feeding in",
        "nothing is left behind",
    )
    position = 0
    for text in expected:
        position = told.find(text, position)
        assert position >= 0, f"'{text}' is missing, or out of order, in:\n{told}"


@pytest.mark.parametrize("after_s", [0.25, 0.6, 1.2, 3.0])
async def test_ctrl_c_ends_it_at_any_moment_without_traceback_or_orphan(
    short_folder: Path, after_s: float
) -> None:
    process = await _start(short_folder)
    await asyncio.sleep(after_s)
    children = _children(process)
    process.send_signal(signal.SIGINT)
    await asyncio.sleep(0.05)
    if process.returncode is None:
        process.send_signal(signal.SIGINT)  # impatient people press it twice
    await _end(process, children, short_folder)


async def test_a_killed_demo_leaves_no_process_behind(short_folder: Path) -> None:
    process = await _start(short_folder)
    children = await _both_simulators(process)
    process.kill()
    await process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, 5.0)
    assert alive == []
