"""How far an order has come."""

from dataclasses import replace

from hems.control.budget import Budget
from hems.control.execution import LaneView, Obedience
from hems.control.progress import Evidence, Milestone, Progress, ProgressTracker
from hems.devices import MeterSample
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from tests.unit.hems_control.house import order
from tests.unit.hems_control.test_planning import WHY, standing

LIMIT = order(4200.0, 100.0)


def held(measured_w: float | None, measured_at_s: float, *, charge_w: float = 4140.0) -> LaneView:
    """A device that holds its set-point, read at some time."""
    view = standing("box", 4140.0, charge_w).view
    return replace(view, measured_w=measured_w, measured_at_s=measured_at_s)


def reached(steps: list[Progress]) -> list[Milestone]:
    return [step.milestone for step in steps]


def budget(allowed_w: float = 4200.0, *names: str) -> Budget:
    return Budget("eebus/lpc", allowed_w, frozenset(names) if names else None, WHY)


def decided(view: LaneView) -> ProgressTracker:
    tracker = ProgressTracker()
    assert reached(tracker.decided([(LIMIT, budget())], Evidence([view]), 100.0)) == [Milestone.DECIDED]
    return tracker


def observed(tracker: ProgressTracker, now: float, *views: LaneView) -> list[Milestone]:
    return reached(tracker.observe(Evidence(views), now))


def test_without_an_order_there_is_no_progress() -> None:
    tracker = ProgressTracker()
    assert tracker.decided([], Evidence([held(0.0, 100.0)]), 100.0) == []
    assert tracker.write_started("box", 4140.0, 100.0) == []
    assert observed(tracker, 101.0, held(0.0, 101.0)) == []


def test_the_same_ceiling_decided_again_is_no_new_step() -> None:
    tracker = decided(held(9000.0, 99.0))
    assert tracker.decided([(LIMIT, budget(4500.0))], Evidence([held(9000.0, 99.0)]), 101.0) == []


def test_a_reading_from_before_the_decision_proves_nothing() -> None:
    tracker = decided(held(3000.0, 99.0))
    assert observed(tracker, 101.0, held(3000.0, 99.9)) == [Milestone.CONFIRMED]
    assert observed(tracker, 101.0, held(3000.0, 100.5)) == [Milestone.MEASURED_BELOW]


def test_what_cannot_be_measured_counts_with_what_it_may_take() -> None:
    tracker = decided(held(None, 0.0))
    assert observed(tracker, 101.0, held(None, 0.0, charge_w=11040.0)) == [Milestone.CONFIRMED]
    assert observed(tracker, 102.0, held(None, 0.0)) == [Milestone.MEASURED_BELOW]


def test_an_unreachable_device_is_not_confirmed() -> None:
    lost = replace(held(None, 0.0, charge_w=9000.0), obedience=Obedience.UNREACHABLE)
    assert observed(decided(lost), 101.0, lost) == []


def test_what_is_set_aside_for_an_unreachable_device_is_not_called_measured() -> None:
    lost = replace(held(None, 0.0, charge_w=3000.0), obedience=Obedience.UNREACHABLE)
    tracker = decided(lost)
    assert observed(tracker, 101.0, lost) == []
    assert observed(tracker, 102.0, held(3000.0, 102.0)) == [Milestone.CONFIRMED, Milestone.MEASURED_BELOW]


def test_the_first_write_is_told_once_with_its_device() -> None:
    tracker = decided(held(9000.0, 99.0))
    (step,) = tracker.write_started("box", 4140.0, 100.1)
    assert (step.milestone, step.reason.values["device"]) == (Milestone.FIRST_WRITE, "box")
    assert tracker.write_started("pump", 0.0, 100.2) == []


def test_a_changed_value_starts_anew() -> None:
    tracker = decided(held(9000.0, 99.0))
    changed = order(3000.0, 200.0)
    (step,) = tracker.decided([(changed, budget(3000.0))], Evidence([held(2000.0, 199.0)]), 200.0)
    assert (step.allowed_w, step.reason.values["already_below"]) == (3000.0, 1)


def test_each_ceiling_is_judged_by_the_devices_of_its_own_budget() -> None:
    """A battery that does not count and a wallbox under direct control take what they like."""
    tracker = ProgressTracker()
    other = replace(held(9000.0, 101.0), name="battery", obedience=Obedience.DISOBEYING)
    for_battery = Ceiling("relays", 5000.0, Basis.CONTROLLABLE, CeilingKind.GRID_OPERATOR, WHY, 100.0)
    in_force = [(LIMIT, budget(4200.0, "box")), (for_battery, budget(5000.0, "battery"))]
    tracker.decided(in_force, Evidence([]), 100.0)
    steps = tracker.observe(Evidence([held(4140.0, 101.0), other]), 101.0)
    assert [(step.source, step.milestone) for step in steps] == [
        ("eebus/lpc", Milestone.CONFIRMED),
        ("eebus/lpc", Milestone.MEASURED_BELOW),
    ]
    (step,) = tracker.write_started("battery", 5000.0, 102.0)
    assert step.source == "relays"


def test_a_source_that_comes_in_says_nothing_anew_about_another() -> None:
    tracker = decided(held(4140.0, 99.0))
    fuse = Ceiling("fuse", 15_000.0, Basis.CONNECTION, CeilingKind.PROTECTION, WHY, 200.0)
    steps = tracker.decided(
        [(LIMIT, budget()), (fuse, budget(15_000.0))], Evidence([held(0.0, 200.0)]), 200.0
    )
    assert [step.source for step in steps] == ["fuse"]


def test_no_devices_prove_nothing() -> None:
    tracker = ProgressTracker()
    (step,) = tracker.decided([(LIMIT, budget())], Evidence([]), 100.0)
    assert (step.reason.values["already_below"], step.reason.text) == (
        0,
        "no device can be told to follow it",
    )
    assert observed(tracker, 101.0) == []


def test_feed_in_at_the_connection_is_judged_by_the_meter() -> None:
    feed_in = order(3000.0, 100.0, Basis.FEED_IN)
    south = held(3500.0, 101.0)
    tracker = ProgressTracker()
    tracker.decided([(feed_in, budget(3500.0))], Evidence([south], MeterSample(99.0, -2000.0)), 100.0)
    for at_s, grid_w, steps in (
        (99.5, -2000.0, [Milestone.CONFIRMED]),
        (101.0, -9000.0, []),
        (102.0, -2990.0, [Milestone.MEASURED_BELOW]),
    ):
        assert reached(tracker.observe(Evidence([south], MeterSample(at_s, grid_w)), 102.0)) == steps


def test_what_comes_to_lie_above_the_limit_is_told_once_it_lasts_and_so_is_what_is_within_it_again() -> None:
    """A device that restarts during an order and takes all it can must not be left out of the record."""
    tracker = decided(held(3000.0, 99.0))
    assert observed(tracker, 101.0, held(3000.0, 101.0)) == [Milestone.CONFIRMED, Milestone.MEASURED_BELOW]
    steps = [(second, observed(tracker, second, held(11_000.0, second))) for second in range(102, 180)]
    assert [(second, each) for second, each in steps if each] == [(132, [Milestone.MEASURED_ABOVE])]
    steps = [(second, observed(tracker, second, held(4000.0, second))) for second in range(180, 260)]
    assert [(second, each) for second, each in steps if each] == [(210, [Milestone.MEASURED_BELOW])]


def test_a_moment_above_the_limit_or_a_trifle_is_not_told() -> None:
    tracker = decided(held(3000.0, 99.0))
    observed(tracker, 101.0, held(3000.0, 101.0))
    for second in range(102, 300):
        power_w = 11_000.0 if second % 25 else 4000.0
        assert observed(tracker, second, held(power_w, second)) == []
    for second in range(300, 400):
        assert observed(tracker, second, held(4240.0, second)) == []
