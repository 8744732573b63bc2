"""Set-points on the way to the division: reductions at once, rises only from released power."""

from hypothesis import given
from hypothesis import strategies as st

from hems.control.budget import Budget
from hems.control.execution import LaneView, Obedience
from hems.control.planning import Standing, plan
from hems.devices import FeasiblePowers, PowerRange
from hems.limits.reason import Reason
from tests.unit.hems_control.house import CONSUMPTION

WHY = Reason("test", "because")
ANY = FeasiblePowers((PowerRange(0.0, 11000.0),))


def standing(
    name: str,
    told_w: float | None,
    charge_w: float,
    *,
    told: bool = True,
    may_rise: bool = True,
    obedience: Obedience = Obedience.CONFIRMED,
    demand_w: float | None = None,
) -> Standing:
    reserved_w = charge_w if obedience is Obedience.UNREACHABLE else 0.0
    view = LaneView(
        name,
        CONSUMPTION,
        told,
        told_w,
        charge_w,
        reserved_w,
        "" if may_rise else "it rests",
        None,
        None,
        obedience,
        WHY,
    )
    return Standing(view, ANY, demand_w)


def setpoints(allowed_w: float | None, *standings: Standing) -> dict[str, float | None]:
    budgets = [] if allowed_w is None else [Budget("eebus/lpc", allowed_w, None, WHY)]
    return {name: told.power_w for name, told in plan(budgets, standings).setpoints.items()}


def test_reductions_are_given_in_parallel_and_at_once() -> None:
    free = [standing(name, None, 11000.0, told=False, may_rise=False) for name in "ab"]
    assert setpoints(4200.0, *free) == {"a": 4200.0, "b": 0.0}


def test_a_rise_waits_until_the_power_was_released() -> None:
    waiting = standing("a", 0.0, 0.0)
    giving = standing("b", 4200.0, 4200.0)
    assert setpoints(4200.0, waiting, giving) == {"a": 0.0, "b": 0.0}
    given_up = standing("b", 0.0, 0.0)
    assert setpoints(4200.0, waiting, given_up) == {"a": 4200.0, "b": 0.0}


def test_a_rise_may_use_the_part_that_is_free_already() -> None:
    assert setpoints(4200.0, standing("a", 0.0, 0.0), standing("b", 1000.0, 3000.0)) == {
        "a": 1200.0,
        "b": 0.0,
    }


def test_trap_21_small_rises_are_left_alone_but_never_small_reductions() -> None:
    assert setpoints(4200.0, standing("a", 4160.0, 4160.0)) == {"a": 4160.0}
    assert setpoints(4200.0, standing("a", 4150.0, 4150.0)) == {"a": 4200.0}
    assert setpoints(4200.0, standing("a", 4201.0, 4201.0)) == {"a": 4200.0}


def test_a_small_rise_is_made_when_the_old_value_has_become_too_little_for_the_device() -> None:
    at_231_v = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(4158.0, 11088.0, 693.0)))
    box = Standing(standing("box", 4140.0, 4140.0).view, at_231_v)
    assert setpoints(4200.0, box) == {"box": 4158.0}


def test_the_same_free_power_is_not_given_twice() -> None:
    rising = [standing(name, 0.0, 0.0, demand_w=2000.0) for name in "ab"]
    giving = standing("c", 3000.0, 3000.0)
    assert setpoints(4200.0, *rising, giving) == {"a": 1200.0, "b": 0.0, "c": 200.0}


def test_a_rise_waits_while_its_device_may_not_rise() -> None:
    assert setpoints(4200.0, standing("a", 1000.0, 1000.0, may_rise=False)) == {"a": 1000.0}


def test_a_release_waits_like_a_rise_and_nobody_is_told_who_was_never_told() -> None:
    resting = standing("a", 1000.0, 1000.0, may_rise=False)
    untold = standing("b", None, 11000.0, told=False)
    ready = standing("c", 1000.0, 1000.0)
    assert setpoints(None, resting, untold, ready) == {"a": 1000.0, "c": None}


def test_trap_21_a_share_never_stays_above_its_new_lower_value() -> None:
    assert setpoints(4199.0, standing("a", 4200.0, 4200.0, may_rise=False)) == {"a": 4199.0}


def test_an_unreachable_device_keeps_its_value_and_the_others_yield() -> None:
    lost = standing("a", 3000.0, 3000.0, obedience=Obedience.UNREACHABLE, may_rise=False)
    assert setpoints(4200.0, lost, standing("b", 4200.0, 4200.0)) == {"a": 3000.0, "b": 1200.0}


@st.composite
def standings(draw: st.DrawFn) -> list[Standing]:
    found = []
    for number in range(draw(st.integers(1, 5))):
        told = draw(st.booleans())
        told_w = draw(st.one_of(st.none(), st.floats(0.0, 11000.0))) if told else None
        held_w = 11000.0 if told_w is None else told_w
        found.append(
            standing(
                f"d{number}",
                told_w,
                draw(st.floats(held_w, 11000.0)),
                told=told,
                may_rise=draw(st.booleans()),
                obedience=draw(st.sampled_from([Obedience.CONFIRMED, Obedience.UNREACHABLE])),
                demand_w=draw(st.one_of(st.none(), st.floats(0.0, 11000.0))),
            )
        )
    return found


@given(standings(), st.floats(0.0, 40000.0))
def test_no_rise_ever_spends_power_that_somebody_can_still_take(
    devices: list[Standing], allowed_w: float
) -> None:
    told = setpoints(allowed_w, *devices)
    before_w = sum(d.view.charge_w for d in devices)
    after_w = sum(max(d.view.charge_w, told[d.name] or 0.0) for d in devices)
    assert after_w <= max(before_w, allowed_w) + 1e-6
    for device in devices:
        assert told[device.name] is not None


@given(standings(), st.floats(0.0, 40000.0))
def test_once_everybody_obeys_the_sum_fits_the_budget(devices: list[Standing], allowed_w: float) -> None:
    obeying = [Standing(_obeying(d.view), d.feasible, d.demand_w) for d in devices]
    told = setpoints(allowed_w, *obeying)
    settled = [standing(d.name, told[d.name], told[d.name] or 0.0) for d in obeying]
    again = setpoints(allowed_w, *settled)
    assert sum(power_w or 0.0 for power_w in again.values()) <= allowed_w + 1e-6


def _obeying(view: LaneView) -> LaneView:
    return standing(view.name, view.told_w, view.charge_w, told=view.told).view
