"""The whole gateway with twenty wallboxes: from a limit on the wire to the devices, and what it costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from tests.bench.stand import Plant, Stand
from tests.bench.table import Figure, Target

PLANT = Plant(buses=20, units=1)
ROUNDS = 8

FIRST_WRITE = Target(hold=10, aim=3)
WORST_FIRST_WRITE = Target(hold=30, aim=30)
ALL_CONFIRMED = Target(hold=40, aim=15)
MEMORY_MB = Target(hold=90, aim=75)
IDLE_PERCENT = Target(hold=2, aim=1)
START_S = Target(hold=2, aim=1)


async def measure(go_program: Path, directory: Path) -> list[Figure]:
    """Limit twenty charging wallboxes to 0 W after each of some fresh starts."""
    async with Stand.of(PLANT, go_program, directory) as stand:
        rounds = await stand.rounds(ROUNDS)
        idle_percent = await stand.idle_percent()
        memory_mb = stand.resident_mb()
    first = [each.first_write_ms for each in rounds]
    confirmed_ms = statistics.median(each.all_confirmed_ms for each in rounds)
    listening_s = statistics.median(each.listening_s for each in rounds)
    devices = f"{PLANT.devices} devices"
    return [
        Figure.absolute(
            f"limit sent → first Modbus write, {devices}", statistics.median(first), "ms", FIRST_WRITE
        ),
        Figure.absolute(f"… the slowest of {ROUNDS}", max(first), "ms", WORST_FIRST_WRITE),
        Figure.absolute(f"… → all {devices} written and read back", confirmed_ms, "ms", ALL_CONFIRMED),
        Figure.absolute(f"resident memory, {devices}", memory_mb, "MB", MEMORY_MB),
        Figure.absolute(f"idle CPU, {devices} polled each second", idle_percent, "%", IDLE_PERCENT),
        Figure.absolute("start → listening", listening_s, "s", START_S, _slowest_imports),
    ]


def _slowest_imports() -> str:
    command = [sys.executable, "-X", "importtime", "-c", "import hems.app, hems.cli"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    head, lines = said[0], said[1:]
    lines.sort(key=lambda line: int(line.split("|")[1]))
    return "\n".join((head, *lines[-20:]))
