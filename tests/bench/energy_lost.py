"""What limits cost the household: energy that devices wanted, were allowed, and did not get.

Twenty fixed houses (random houses 0 to 19, without faults), each under the same order of 7.56 kW for half an
hour, once with each strategy. The reference is the best division in hindsight: at every second the largest
draw that the devices could have had with what they wanted, what the sun gave and what the house took, all of
it known exactly.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

from adapters.simulated.random_house import random_house
from adapters.simulated.virtual import Truth, VirtualHouse
from hems.control.allocation import Strategy
from hems.control.loop import Controlled, ControlLoop
from hems.control.rules import Traits
from hems.devices import Device, Kind
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason
from hems.metering.energies import Energies
from hems.metering.measurements import Measurements
from tests.bench.table import Figure, Target
from tests.unit.hems_control.virtual_time import LoopClock, run

SCENARIOS = 20
LIMIT_W = 7_560.0
WARM_UP_S, ORDER_S = 300, 1_800


async def measure(_program: Path, _directory: Path) -> list[Figure]:
    """One row a strategy: the part of the possible energy that was lost, over all scenarios."""
    logging.getLogger("hems").setLevel(logging.CRITICAL)
    figures = []
    for strategy in Strategy:
        lost_wh, best_wh = await asyncio.to_thread(_all_scenarios, strategy)
        lost = 100.0 * lost_wh / best_wh
        figures.append(
            Figure(
                what=f"energy lost against hindsight, {SCENARIOS} scenarios, {strategy}",
                ours=f"{lost:.1f} % ({lost_wh / 1000:.1f} of {best_wh / 1000:.1f} kWh)",
                reference="",
                judged=lost,
                target=Target(hold=20.0, aim=10.0),
            )
        )
    return figures


def _all_scenarios(strategy: Strategy) -> tuple[float, float]:
    results = [run(_scenario(seed, strategy)) for seed in range(SCENARIOS)]
    return sum(lost for lost, _ in results), sum(best for _, best in results)


async def _scenario(seed: int, strategy: Strategy) -> tuple[float, float]:
    """Energy lost, and the energy of the best division, in watt hours."""
    clock = LoopClock()
    house = random_house(seed, clock, duration_s=WARM_UP_S + ORDER_S, mishaps=0, sleep=asyncio.sleep)
    drawing = [d for d in house.devices if d.capabilities.kind is not Kind.INVERTER]
    control = ControlLoop(
        devices=[Controlled(d, Traits(d in drawing)) for d in house.devices],
        meter=house.meter,
        clock=clock,
        measurements=Measurements(),
        energies=Energies(),
        on_cycle=lambda: None,
        on_progress=lambda _progress: None,
        strategy=strategy,
    )
    tasks = [asyncio.ensure_future(job()) for job in control.jobs().values()]
    await asyncio.sleep(WARM_UP_S)
    order = Reason("order", "the grid operator limits")
    now = clock.monotonic()
    control.new_ceilings([Ceiling("box", LIMIT_W, Basis.CONTROLLABLE, CeilingKind.GRID_OPERATOR, order, now)])
    lost_ws, best_ws = 0.0, 0.0
    for _ in range(ORDER_S):
        await asyncio.sleep(1.0)
        lost_w, best_w = _lost_now(house, drawing)
        lost_ws, best_ws = lost_ws + lost_w, best_ws + best_w
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return lost_ws / 3600.0, best_ws / 3600.0


def _lost_now(house: VirtualHouse, drawing: Sequence[Device]) -> tuple[float, float]:
    house.advance()
    truth = house.truth()
    drawn_w = sum(max(0.0, truth.draws_w[d.name]) for d in drawing)
    best_w = best_draw_w(drawing, truth)
    return max(0.0, best_w - drawn_w), best_w


def best_draw_w(drawing: Sequence[Device], truth: Truth) -> float:
    """The most that could be drawn now within the limit, the house coming first."""
    made_w = -sum(min(0.0, w) for w in truth.draws_w.values())
    allowed_w = LIMIT_W + max(0.0, made_w - truth.load_w)
    choices = [_choices(device, max(0.0, truth.wants_w[device.name])) for device in drawing]
    best_w = 0.0
    for chosen in itertools.product(*choices):
        if sum(low_w for low_w, _ in chosen) <= allowed_w:
            best_w = max(best_w, min(allowed_w, sum(high_w for _, high_w in chosen)))
    return best_w


def _choices(device: Device, wants_w: float) -> list[tuple[float, float]]:
    """From where to where it could draw, for each of its ranges; nothing at all is always possible."""
    feasible = device.capabilities.consumption
    found = [(0.0, 0.0)]
    for each in feasible.ranges if feasible is not None else ():
        low_w, high_w = max(0.0, each.low_w), min(each.high_w, wants_w)
        if high_w > 0.0 and low_w <= high_w:
            found.append((low_w, high_w))
    return found
