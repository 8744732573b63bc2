"""Allowed power: limit plus credit, and the guards of the credit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.control.budget import CreditReading, CreditTracker, budgets, convert, reading_of
from hems.devices import Direction
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason
from hems.metering.measurements import PairedReading

NEVER = float("-inf")


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


def shown(power_w: float, at_s: float) -> CreditReading:
    return CreditReading(power_w, power_w, at_s)


def feed(tracker: CreditTracker, power_w: float, start_s: int, end_s: int, frozen: float = NEVER) -> None:
    for second in range(start_s, end_s + 1):
        tracker.update(shown(power_w, float(second)), frozen_until_s=frozen)


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
    reading = reading_of(Direction.CONSUMPTION, PairedReading(grid_w, draw_w, draw_w, 0.0))
    assert convert(ceiling(7560.0), reading.least_w).allowed_w == pytest.approx(allowed_w)


def test_trap_22_the_house_comes_first() -> None:
    house_w, draw_w, generation_w = 8000.0, 6000.0, 4000.0
    grid_w = house_w + draw_w - generation_w
    reading = reading_of(Direction.CONSUMPTION, PairedReading(grid_w, draw_w, draw_w, 0.0))
    assert reading.least_w == 0.0


def test_the_inverter_ceiling_adds_what_the_house_takes() -> None:
    reading = reading_of(Direction.PRODUCTION, PairedReading(-7000.0, 9000.0, 9000.0, 0.0))
    assert convert(ceiling(3000.0, Basis.FEED_IN), reading.least_w).allowed_w == 5000.0
    assert convert(ceiling(3000.0, Basis.INVERTER), reading.least_w).allowed_w == 3000.0


def test_a_value_for_one_device_gets_no_credit() -> None:
    assert convert(ceiling(4200.0, devices=frozenset({"wallbox"})), 5000.0).allowed_w == 4200.0


def test_a_source_that_bounds_nothing_cannot_be_converted() -> None:
    with pytest.raises(ValueError, match="bounds nothing"):
        convert(ceiling(None), 0.0)


def test_the_strictest_after_conversion_binds_by_name() -> None:
    in_force = [ceiling(4000.0, Basis.FEED_IN, source="lpp"), ceiling(5000.0, Basis.INVERTER, source="plate")]
    assert [b.source for b in budgets(Direction.PRODUCTION, in_force, 0.0)] == ["lpp"]
    assert [b.source for b in budgets(Direction.PRODUCTION, in_force, 2000.0)] == ["plate"]
    assert budgets(Direction.CONSUMPTION, in_force, 0.0) == ()


def test_trap_11_no_fresh_meter_no_credit() -> None:
    tracker = CreditTracker()
    feed(tracker, 3000.0, 0, 30)
    assert tracker.credit_w == 3000.0
    tracker.update(None, frozen_until_s=NEVER)
    assert tracker.credit_w == 0.0
    assert tracker.reason.code == "no_credit_without_meter"


def test_new_credit_waits_thirty_seconds() -> None:
    tracker = CreditTracker()
    feed(tracker, 3000.0, 0, 29)
    assert tracker.credit_w == 0.0
    assert tracker.reason.code == "credit_held"
    feed(tracker, 3000.0, 30, 30)
    assert tracker.credit_w == 3000.0


def test_only_the_least_seen_meanwhile_is_granted() -> None:
    tracker = CreditTracker()
    feed(tracker, 3000.0, 0, 10)
    feed(tracker, 1200.0, 11, 12)
    feed(tracker, 5000.0, 13, 30)
    assert tracker.credit_w == 1200.0


def test_a_loss_counts_at_once() -> None:
    tracker = CreditTracker()
    feed(tracker, 3000.0, 0, 30)
    feed(tracker, 500.0, 31, 31)
    assert tracker.credit_w == 500.0


def test_a_gap_in_the_surplus_starts_the_wait_again() -> None:
    tracker = CreditTracker()
    feed(tracker, 3000.0, 0, 20)
    feed(tracker, 0.0, 21, 21)
    feed(tracker, 3000.0, 22, 51)
    assert tracker.credit_w == 0.0


def test_credit_is_frozen_until_all_samples_are_newer_than_the_rise() -> None:
    tracker = CreditTracker()
    feed(tracker, 3000.0, 0, 100, frozen=70.0)
    assert tracker.credit_w == 0.0
    feed(tracker, 3000.0, 101, 101, frozen=70.0)
    assert tracker.credit_w == 3000.0


def test_frozen_credit_can_still_be_lost() -> None:
    tracker = CreditTracker()
    feed(tracker, 3000.0, 0, 30)
    feed(tracker, 1000.0, 31, 31, frozen=float("inf"))
    assert tracker.credit_w == 1000.0


def test_a_device_that_moves_between_two_readings_neither_gains_nor_loses_credit() -> None:
    tracker = CreditTracker()
    feed(tracker, 3000.0, 0, 30)
    tracker.update(CreditReading(800.0, 6000.0, 31.0), frozen_until_s=NEVER)
    assert tracker.credit_w == 3000.0


readings = st.lists(st.one_of(st.none(), st.floats(0.0, 20000.0)), min_size=1, max_size=120)


@given(readings)
def test_credit_never_exceeds_what_the_last_half_minute_showed(samples: list[float | None]) -> None:
    tracker = CreditTracker()
    for second, power_w in enumerate(samples):
        reading = None if power_w is None else shown(power_w, float(second))
        tracker.update(reading, frozen_until_s=NEVER)
        window = samples[max(0, second - 30) : second + 1]
        least_w = min(0.0 if w is None else w for w in window) if second >= 30 else 0.0
        assert tracker.credit_w <= least_w
