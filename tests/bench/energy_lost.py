"""What limits cost the household: energy that was wanted or could be made, was allowed, and was lost.

Twenty fixed houses (random houses by their number, without faults), each under an order for half an hour,
once with each strategy: fifteen may draw 7.56 kW, five with much sun may feed in 3 kW. The reference is the
best division in hindsight: at every second the largest power that the devices could have had with what they
wanted, what the sun gave and what the house took, all of it known exactly.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
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

LIMIT_W = {Basis.CONTROLLABLE: 7_560.0, Basis.FEED_IN: 3_000.0}
HOUSES = {Basis.CONTROLLABLE: tuple(range(15)), Basis.FEED_IN: (16, 24, 36, 52, 59)}
_WORDS = {Basis.CONTROLLABLE: "draw limited", Basis.FEED_IN: "feed-in limited"}
WARM_UP_S, ORDER_S = 300, 1_800


async def measure(_program: Path, _directory: Path) -> list[Figure]:
    """One row a direction and strategy: the part of the possible energy that was lost, over its houses."""
    logging.getLogger("hems").setLevel(logging.CRITICAL)
    return [await asyncio.to_thread(_figure, basis, strategy) for basis in HOUSES for strategy in Strategy]


@dataclass(frozen=True, slots=True)
class Showed:
    """Energy lost in one house, and the energy of the best division, in watt hours.

    `measured`: whether all its inverters tell what they make.
    """

    lost_wh: float
    best_wh: float
    measured: bool


def _figure(basis: Basis, strategy: Strategy) -> Figure:
    showed = [run(scenario(seed, basis, strategy)) for seed in HOUSES[basis]]
    lost, of_kwh = _lost_percent(showed), sum(each.best_wh for each in showed) / 1000
    told = f"{lost:.1f} % of {of_kwh:.1f} kWh"
    measured = [each for each in showed if each.measured]
    if basis is Basis.FEED_IN:
        told += f" ({_lost_percent(measured):.1f} % in {len(measured)} with measured inverters)"
    return Figure(
        what=f"energy lost against hindsight, {len(showed)} houses, {_WORDS[basis]}, {strategy}",
        ours=told,
        reference="",
        judged=lost,
        target=Target(hold=20.0, aim=10.0),
    )


def _lost_percent(showed: Sequence[Showed]) -> float:
    return 100.0 * sum(each.lost_wh for each in showed) / sum(each.best_wh for each in showed)


async def scenario(seed: int, basis: Basis, strategy: Strategy) -> Showed:
    """Half an hour of one house under the limit."""
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
    control.new_ceilings([Ceiling("box", LIMIT_W[basis], basis, CeilingKind.GRID_OPERATOR, order, now)])
    lost_ws, best_ws = 0.0, 0.0
    for _ in range(ORDER_S):
        await asyncio.sleep(1.0)
        lost_w, best_w = _lost_now(house, basis, drawing)
        lost_ws, best_ws = lost_ws + lost_w, best_ws + best_w
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    measured = all(d.capabilities.measures_power for d in house.devices if d not in drawing)
    return Showed(lost_ws / 3600.0, best_ws / 3600.0, measured)


def _lost_now(house: VirtualHouse, basis: Basis, drawing: Sequence[Device]) -> tuple[float, float]:
    house.advance()
    truth = house.truth()
    if basis is Basis.FEED_IN:
        taken_w, best_w = made_w(drawing, truth), best_made_w(drawing, truth)
    else:
        taken_w, best_w = drawn_w(drawing, truth), best_draw_w(drawing, truth)
    return max(0.0, best_w - taken_w), best_w


def made_w(drawing: Sequence[Device], truth: Truth) -> float:
    """What the inverters make now."""
    return -sum(w for name, w in truth.draws_w.items() if name not in {d.name for d in drawing})


def best_made_w(drawing: Sequence[Device], truth: Truth) -> float:
    """The most that the sun could make within the limit beside what house and devices take now."""
    names = {d.name for d in drawing}
    sun_w = -sum(w for name, w in truth.wants_w.items() if name not in names)
    house_w = truth.load_w + sum(w for name, w in truth.draws_w.items() if name in names)
    return max(0.0, min(sun_w, LIMIT_W[Basis.FEED_IN] + house_w))


def drawn_w(drawing: Sequence[Device], truth: Truth) -> float:
    """What the devices draw now."""
    return sum(max(0.0, truth.draws_w[d.name]) for d in drawing)


def best_draw_w(drawing: Sequence[Device], truth: Truth) -> float:
    """The most that could be drawn now within the limit, the house coming first."""
    made_w = -sum(min(0.0, w) for w in truth.draws_w.values())
    allowed_w = LIMIT_W[Basis.CONTROLLABLE] + max(0.0, made_w - truth.load_w)
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
