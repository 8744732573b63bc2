"""How long the division of a limit between twenty devices takes at worst: on three phases, with unbalance."""

from __future__ import annotations

from pathlib import Path

from hems.control.allocation import Strategy
from tests.bench.table import Figure, Target
from tests.unit.hems_control.test_strategies import division_times_s

HOUSES = 40
LIMIT = Target(hold=5, aim=5)


async def measure(_program: Path, _directory: Path) -> list[Figure]:
    """The slowest of 20 budgets in each of the houses, for each strategy."""
    return [_figure(strategy) for strategy in Strategy]


def _figure(strategy: Strategy) -> Figure:
    took_ms = [
        1000.0 * s for seed in range(HOUSES) for s in division_times_s(seed, strategy, three_phase=True)
    ]
    what = f"limit divided between 20 devices on three phases, slowest of {len(took_ms)}, {strategy}"
    return Figure.absolute(what, max(took_ms), "ms", LIMIT)
