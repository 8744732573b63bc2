"""Whether the gateway grows with the house: 5 wallboxes on one bus, 20 on 4, and 100 on 20.

The figures of twenty devices must hold, and those of a hundred may be five times as large: as much for each
device. With few devices what does not grow counts more, so five are held to the figures of twenty.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from tests.bench import gateway
from tests.bench.stand import Plant, Stand
from tests.bench.table import Figure, Target

UNITS = 5
BUSES = (1, 4, 20)
REFERENCE = gateway.PLANT.devices
ROUNDS = 4
PROCESSOR_MS = Target(hold=2, aim=1)
"""For each device alike: what grows faster than the house shows here, also on a busy machine."""


@dataclass(frozen=True, slots=True)
class Showed:
    """Medians of one plant."""

    devices: int
    first_write_ms: float
    all_confirmed_ms: float
    processor_ms: float
    idle_percent: float


async def measure(go_program: Path, directory: Path) -> list[Figure]:
    """Measure each plant, the smallest first."""
    figures: list[Figure] = []
    for buses in BUSES:
        folder = directory / f"{buses}-buses"
        folder.mkdir()
        figures += _figures(buses, await _measured(Plant(buses, UNITS), go_program, folder))
    return figures


async def _measured(plant: Plant, go_program: Path, folder: Path) -> Showed:
    async with Stand.of(plant, go_program, folder) as stand:
        rounds = await stand.rounds(ROUNDS)
        return Showed(
            plant.devices,
            statistics.median(each.first_write_ms for each in rounds),
            statistics.median(each.all_confirmed_ms for each in rounds),
            statistics.median(each.processor_ms for each in rounds),
            await stand.idle_percent(),
        )


def _figures(buses: int, showed: Showed) -> list[Figure]:
    where = f"{showed.devices} devices on {buses} {'bus' if buses == 1 else 'buses'}"
    growth = max(1.0, showed.devices / REFERENCE)
    return [
        Figure.absolute(
            f"limit sent → first Modbus write, {where}",
            showed.first_write_ms,
            "ms",
            _grown(gateway.FIRST_WRITE, growth),
        ),
        Figure.absolute(
            f"… → all written and read back, {where}",
            showed.all_confirmed_ms,
            "ms",
            _grown(gateway.ALL_CONFIRMED, growth),
        ),
        Figure.absolute(
            f"… processor time for each device, {where}",
            showed.processor_ms / showed.devices,
            "ms",
            PROCESSOR_MS,
        ),
        Figure.absolute(f"idle CPU, {where}", showed.idle_percent, "%", _grown(gateway.IDLE_PERCENT, growth)),
    ]


def _grown(target: Target, growth: float) -> Target:
    return Target(target.hold * growth, target.aim * growth)
