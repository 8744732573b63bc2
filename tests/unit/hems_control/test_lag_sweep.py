"""The credit is a loop through the meter: however late the meter is, the draw must not run away."""

import asyncio
import math
from collections import deque

import pytest

from hems.control.budget import Convention, Situation, credit_towards
from hems.control.runner import POLL_S
from tests.unit.hems_control.house import House, SimulatedDevice, heat_pump, inverter, running, wallbox
from tests.unit.hems_control.virtual_time import run

LIMIT_W = 7560.0
MOST_CREDIT_W = {
    Convention.HOUSE_FIRST: 2500.0,
    Convention.PRO_RATA: credit_towards(
        LIMIT_W, Situation(0.0, 4000.0, 1500.0, convention=Convention.PRO_RATA)
    ),
    Convention.CONTROLLABLE_FIRST: 4000.0,
}
LAGS_S = [float(lag_s) for lag_s in range(11)]


async def worst_above_w(house: House, seconds: float, sun_w: float, memory_s: float) -> float:
    """Clouds come and go over five minutes. How far the draw ever lay above what was allowed at any moment of
    the last `memory_s`, by the true flow: own generation beyond the house at that moment.
    """
    allowed_w: deque[float] = deque(maxlen=round(memory_s * 10))
    worst_w = 0.0
    for tenth in range(round(seconds * 10)):
        house.pv_w = sun_w * max(0.0, math.sin(tenth / 10.0 * 2.0 * math.pi / 300.0))
        allowed_w.append(LIMIT_W + max(0.0, house.pv_w - house.house_w))
        await asyncio.sleep(0.1)
        worst_w = max(worst_w, house.drawn_w() - max(allowed_w))
    return worst_w


@pytest.mark.parametrize("lag_s", LAGS_S)
@pytest.mark.parametrize("measured", [True, False], ids=["measured", "unmeasured"])
def test_whatever_the_clouds_do_the_draw_is_what_was_true_within_lag_and_reaction(
    lag_s: float, measured: bool
) -> None:
    """Every device wants its type plate all the time: nothing that is granted is left unused."""

    async def scenario() -> None:
        box = SimulatedDevice("box", wallbox(measures_power=measured), wanted_w=11_040.0)
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        house = House([box, pump], house_w=1500.0, lag_s=lag_s)
        async with running(house):
            house.limit(LIMIT_W)
            await asyncio.sleep(10.0)
            assert await worst_above_w(house, 650.0, 9000.0, lag_s + 3.0 * POLL_S) <= 1.0

    run(scenario())


@pytest.mark.parametrize("lag_s", LAGS_S)
@pytest.mark.parametrize("convention", list(Convention))
def test_no_convention_runs_away_in_steady_sun(lag_s: float, convention: Convention) -> None:
    async def scenario() -> None:
        box = SimulatedDevice("box", wallbox(), wanted_w=11_040.0)
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        plant = SimulatedDevice("plant", inverter(), wanted_w=-4000.0)
        house = House([box, pump, plant], house_w=1500.0, lag_s=lag_s, convention=convention)
        async with running(house):
            house.limit(LIMIT_W)
            await house.watch(200.0)
            assert house.most_drawn_w <= LIMIT_W + MOST_CREDIT_W[convention] + 1.0
            assert house.most_drawn_w > LIMIT_W + 0.6 * MOST_CREDIT_W[convention]

    run(scenario())
