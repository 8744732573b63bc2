"""The guards of the credit: it rises late and falls at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.control.credit import CreditReading, CreditTracker

NEVER = float("-inf")


def shown(power_w: float, at_s: float) -> CreditReading:
    return CreditReading(power_w, power_w, at_s)


def feed(tracker: CreditTracker, power_w: float, start_s: int, end_s: int, frozen: float = NEVER) -> None:
    for second in range(start_s, end_s + 1):
        tracker.update(shown(power_w, float(second)), frozen_until_s=frozen)


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


def test_what_keeps_falling_is_expected_to_fall_on_while_the_devices_follow() -> None:
    tracker = CreditTracker()
    feed(tracker, 5000.0, 0, 40)
    for second in range(41, 56):
        feed(tracker, 5000.0 - 200.0 * (second - 40), second, second)
    assert tracker.credit_w == pytest.approx(2000.0 - 5 * 200.0)
    feed(tracker, 0.0, 56, 60)
    assert tracker.credit_w == 0.0


def test_what_fell_once_is_not_expected_to_fall_again() -> None:
    tracker = CreditTracker()
    feed(tracker, 5000.0, 0, 40)
    feed(tracker, 3000.0, 41, 60)
    assert tracker.credit_w == 3000.0


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
