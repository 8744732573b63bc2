"""How far an order has come."""

from dataclasses import replace

from hems.control.execution import LaneView, Obedience
from hems.control.progress import Milestone, Progress, ProgressTracker
from tests.unit.hems_control.house import CONSUMPTION, order
from tests.unit.hems_control.test_planning import standing

LIMIT = order(4200.0, 100.0)


def held(measured_w: float | None, measured_at_s: float, *, charge_w: float = 4140.0) -> LaneView:
    """A device that holds its set-point, read at some time."""
    view = standing("box", 4140.0, charge_w).view
    return replace(view, measured_w=measured_w, measured_at_s=measured_at_s)


def reached(steps: list[Progress]) -> list[Milestone]:
    return [step.milestone for step in steps]


def decided(view: LaneView) -> ProgressTracker:
    tracker = ProgressTracker(CONSUMPTION)
    assert reached(tracker.decided([LIMIT], 4200.0, [view], 100.0)) == [Milestone.DECIDED]
    return tracker


def test_without_an_order_there_is_no_progress() -> None:
    tracker = ProgressTracker(CONSUMPTION)
    assert tracker.decided([], None, [held(0.0, 100.0)], 100.0) == []
    assert tracker.write_started("box", 4140.0, 100.0) == []
    assert tracker.observe([held(0.0, 101.0)], 101.0) == []


def test_the_same_ceilings_decided_again_are_no_new_step() -> None:
    tracker = decided(held(9000.0, 99.0))
    assert tracker.decided([LIMIT], 4500.0, [held(9000.0, 99.0)], 101.0) == []


def test_a_reading_from_before_the_decision_proves_nothing() -> None:
    tracker = decided(held(3000.0, 99.0))
    assert reached(tracker.observe([held(3000.0, 99.9)], 101.0)) == [Milestone.CONFIRMED]
    assert reached(tracker.observe([held(3000.0, 100.5)], 101.0)) == [Milestone.MEASURED_BELOW]


def test_what_cannot_be_measured_counts_with_what_it_may_take() -> None:
    tracker = decided(held(None, 0.0))
    assert reached(tracker.observe([held(None, 0.0, charge_w=11040.0)], 101.0)) == [Milestone.CONFIRMED]
    assert reached(tracker.observe([held(None, 0.0)], 102.0)) == [Milestone.MEASURED_BELOW]


def test_an_unreachable_device_is_not_confirmed() -> None:
    lost = replace(held(None, 0.0, charge_w=9000.0), obedience=Obedience.UNREACHABLE)
    assert decided(lost).observe([lost], 101.0) == []


def test_what_is_set_aside_for_an_unreachable_device_is_not_called_measured() -> None:
    lost = replace(held(None, 0.0, charge_w=3000.0), obedience=Obedience.UNREACHABLE)
    tracker = decided(lost)
    assert tracker.observe([lost], 101.0) == []
    back = held(3000.0, 102.0)
    assert reached(tracker.observe([back], 102.0)) == [Milestone.CONFIRMED, Milestone.MEASURED_BELOW]


def test_the_first_write_is_told_once_with_its_device() -> None:
    tracker = decided(held(9000.0, 99.0))
    (step,) = tracker.write_started("box", 4140.0, 100.1)
    assert (step.milestone, step.reason.values["device"]) == (Milestone.FIRST_WRITE, "box")
    assert tracker.write_started("pump", 0.0, 100.2) == []


def test_a_changed_value_starts_anew() -> None:
    tracker = decided(held(9000.0, 99.0))
    changed = order(3000.0, 200.0)
    (step,) = tracker.decided([changed], 3000.0, [held(2000.0, 199.0)], 200.0)
    assert (step.allowed_w, step.reason.values["already_below"]) == (3000.0, 1)
