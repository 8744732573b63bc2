"""Allowed power: limit plus credit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.control.budget import (
    Convention,
    Part,
    Situation,
    budgets,
    convert,
    credit_towards,
)
from hems.control.credit import CreditReading
from hems.control.surplus import HouseBeyondGeneration, generation_beyond_house
from hems.devices import Direction
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason
from hems.metering.measurements import PairedReading


def ceiling(
    value_w: float | None,
    basis: Basis = Basis.CONTROLLABLE,
    *,
    source: str = "eebus/lpc",
    devices: frozenset[str] | None = None,
) -> Ceiling:
    return Ceiling(
        source, value_w, basis, CeilingKind.GRID_OPERATOR, Reason("t", "an order"), 0.0, devices=devices
    )


def of_inverters(grid_w: float, made_w: float) -> CreditReading:
    reading = HouseBeyondGeneration().reading(PairedReading(grid_w, made_w, made_w, 0.0), 0.0, None)
    assert reading is not None
    return reading


@pytest.mark.parametrize(
    ("pv_w", "battery_w", "house_w", "allowed_w"),
    [
        (0.0, 0.0, 1000.0, 7560.0),
        (6000.0, 0.0, 1500.0, 12060.0),
        (6000.0, 3000.0, 1500.0, 15060.0),
        (2000.0, 0.0, 5000.0, 7560.0),
        (0.0, 5000.0, 1000.0, 11560.0),
    ],
)
@pytest.mark.parametrize("draw_w", [0.0, 3000.0, 20000.0])
def test_worked_budgets_of_convention_a(
    pv_w: float, battery_w: float, house_w: float, allowed_w: float, draw_w: float
) -> None:
    grid_w = house_w + draw_w - pv_w - battery_w
    reading = generation_beyond_house(PairedReading(grid_w, draw_w, draw_w, 0.0))
    assert convert(ceiling(7560.0), Situation(reading.least_w)).allowed_w == pytest.approx(allowed_w)


def test_trap_22_the_house_comes_first() -> None:
    house_w, draw_w, generation_w = 8000.0, 6000.0, 4000.0
    grid_w = house_w + draw_w - generation_w
    reading = generation_beyond_house(PairedReading(grid_w, draw_w, draw_w, 0.0))
    assert reading.least_w == 0.0


def test_the_inverter_ceiling_adds_what_the_house_takes() -> None:
    reading = of_inverters(-7000.0, 9000.0)
    assert convert(ceiling(3000.0, Basis.FEED_IN), Situation(reading.least_w)).allowed_w == 5000.0
    assert convert(ceiling(3000.0, Basis.INVERTER), Situation(reading.least_w)).allowed_w == 3000.0


def test_other_generation_is_taken_from_what_the_inverters_may_feed_in_down_to_nothing() -> None:
    reading = of_inverters(-6500.0, 3000.0)
    situation = Situation(reading.least_w)
    assert convert(ceiling(5000.0, Basis.FEED_IN), situation).allowed_w == 1500.0
    assert convert(ceiling(3000.0, Basis.FEED_IN), situation).allowed_w == 0.0
    assert (
        "less 3.50 kW of other generation" in convert(ceiling(5000.0, Basis.FEED_IN), situation).reason.text
    )


def test_a_value_for_one_device_gets_no_credit() -> None:
    assert convert(ceiling(4200.0, devices=frozenset({"wallbox"})), Situation(5000.0)).allowed_w == 4200.0


def test_a_source_that_bounds_nothing_cannot_be_converted() -> None:
    with pytest.raises(ValueError, match="bounds nothing"):
        convert(ceiling(None), Situation())


def test_the_strictest_after_conversion_binds_by_name() -> None:
    in_force = [ceiling(4000.0, Basis.FEED_IN, source="lpp"), ceiling(5000.0, Basis.INVERTER, source="plate")]
    assert [b.source for b in budgets(Direction.PRODUCTION, in_force, Situation(0.0))] == ["lpp"]
    assert [b.source for b in budgets(Direction.PRODUCTION, in_force, Situation(2000.0))] == ["plate"]
    assert budgets(Direction.CONSUMPTION, in_force, Situation(0.0)) == ()


@pytest.mark.parametrize(
    ("convention", "drawn_w"),
    [
        (Convention.HOUSE_FIRST, 6000.0),
        (Convention.PRO_RATA, 10_000.0 * 6.0 / 14.0),
        (Convention.CONTROLLABLE_FIRST, 2000.0),
    ],
)
def test_the_three_conventions_give_the_example_of_the_reference(
    convention: Convention, drawn_w: float
) -> None:
    """House 8 kW, draw 6 kW, generation 4 kW: a limit of what the convention counts allows just this draw."""
    situation = Situation(generation_w=4000.0, house_w=8000.0, convention=convention)
    assert drawn_w + credit_towards(drawn_w, situation) == pytest.approx(6000.0)


watts = st.floats(0.0, 50_000.0)


@given(watts, watts, watts)
def test_house_first_never_allows_more_than_the_others(
    limit_w: float, generation_w: float, house_w: float
) -> None:
    surplus_w = max(0.0, generation_w - house_w)

    def credit(convention: Convention) -> float:
        return credit_towards(limit_w, Situation(surplus_w, generation_w, house_w, convention=convention))

    first, shared, last = (credit(convention) for convention in Convention)
    assert 0.0 <= first <= shared + 1e-6
    assert shared <= last + 1e-6


@given(st.floats(1.0, 50_000.0), watts, watts)
def test_pro_rata_allows_the_draw_whose_part_of_the_import_is_the_limit(
    limit_w: float, generation_w: float, house_w: float
) -> None:
    situation = Situation(
        max(0.0, generation_w - house_w), generation_w, house_w, convention=Convention.PRO_RATA
    )
    draw_w = limit_w + credit_towards(limit_w, situation)
    imported_w = max(0.0, house_w + draw_w - generation_w)
    assert imported_w * draw_w / (house_w + draw_w) == pytest.approx(limit_w, rel=1e-6, abs=1e-2)


def test_a_limit_for_all_controllable_devices_is_shared_by_those_behind_the_energy_management() -> None:
    situation = Situation(sharing=frozenset({"pump", "box"}))
    (budget,) = budgets(Direction.CONSUMPTION, [ceiling(7560.0)], situation)
    assert [budget.part(name).weight for name in ("pump", "box", "direct")] == [1.0, 1.0, 0.0]


def test_protection_leaves_what_the_house_does_not_take_and_covers_every_device() -> None:
    fuse = ceiling(24_150.0, Basis.CONNECTION, source="fuse")
    situation = Situation(
        credit_w=9000.0, headroom_w={Basis.CONNECTION: 15_000.0}, sharing=frozenset({"box"})
    )
    (budget,) = budgets(Direction.CONSUMPTION, [fuse], situation)
    assert (budget.allowed_w, budget.part("heater").weight) == (15_000.0, 1.0)


def test_a_phase_counts_the_part_of_each_device_on_it_and_unbalance_only_single_phase_devices() -> None:
    spread = {"car": (0.0, 1.0, 0.0), "pump": (1 / 3, 1 / 3, 1 / 3)}
    phase = ceiling(8050.0, Basis.PHASE_2, source="fuse/2")
    unbalance = ceiling(4600.0, Basis.UNBALANCE_2, source="unbalance/2")
    first, second = budgets(Direction.CONSUMPTION, [phase, unbalance], Situation(spread=spread))
    assert [first.part(name).weight for name in ("car", "pump")] == [1.0, pytest.approx(1 / 3)]
    assert [second.part(name).weight for name in ("car", "pump")] == [1.0, 0.0]


@given(
    st.sampled_from([1.0, 0.5, 1 / 3, 0.0]),
    st.sampled_from([0.0, 4140.0]),
    st.sampled_from([0.0, 1.0]),
    st.floats(0.0, 20_000.0),
    st.floats(0.0, 20_000.0),
)
def test_the_most_that_counts_no_more_than_something_is_just_that(
    weight: float, from_w: float, on_one: float, power_w: float, counted_w: float
) -> None:
    part = Part(weight, from_w, on_one if from_w else 0.0)
    most_w = part.most_w(counted_w)
    if power_w <= most_w:
        assert part.counted_w(power_w) <= counted_w + 1e-6
    elif power_w > most_w + 1e-3:
        assert part.counted_w(power_w) >= counted_w - 1e-6
    assert part.counted_w(power_w) <= part.counted_w(power_w + 1.0)
    assert part.more_w(power_w, 100.0) == pytest.approx(
        part.counted_w(power_w + 100.0) - part.counted_w(power_w)
    )
