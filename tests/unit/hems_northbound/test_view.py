"""The gateway as JSON."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from eebus.usecases.controllable_system import ControllableSystemStatus, DirectionStatus
from eebus.usecases.events import LimitKind
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from hems.control.execution import Obedience
from hems.control.status import ControlStatus, DeviceStatus, LaneStatus
from hems.devices import Direction as DeviceDirection
from hems.devices import Kind
from hems.limits.reason import Reason
from hems.metering.measurements import Quality
from hems.northbound.view import Instant, device_json, limits_json, meter_json, warnings_of

INSTANT = Instant(1000.0, datetime(2026, 1, 31, 10, 0, tzinfo=UTC))

LIMITED = DirectionStatus(
    state=LimitState.LIMITED,
    since=940.0,
    rule="LPC-910",
    effective_limit_w=4200.0,
    limit_kind=LimitKind.GRID_OPERATOR,
    limit_until=1300.0,
    limit_remaining_s=300.0,
    stored_value_w=4200.0,
    failsafe_limit_w=4200.0,
    next_transition_at=1090.0,
    next_transition="no heartbeat for 120 s",
)


def test_a_limit_is_told_with_dates_and_what_comes_next() -> None:
    system = ControllableSystemStatus(LIMITED, None, 30.0, None, 7200.0, True)
    (limit,) = limits_json(system, {Direction.CONSUMPTION: "activated limit"}, INSTANT)
    assert limit == {
        "direction": "consumption",
        "state": "limited",
        "since": "2026-01-31T09:59:00+00:00",
        "rule": "LPC-910",
        "reason": "activated limit",
        "limit_w": 4200.0,
        "kind": "grid_operator",
        "remaining_s": 300.0,
        "failsafe_limit_w": 4200.0,
        "next": "in 90 s, failsafe unless a heartbeat comes",
    }


def test_after_a_failsafe_comes_no_limit_any_more() -> None:
    failsafe = replace(LIMITED, state=LimitState.FAILSAFE, next_transition="the failsafe duration is over")
    system = ControllableSystemStatus(failsafe, None, 150.0, None, 7200.0, True)
    (limit,) = limits_json(system, {}, INSTANT)
    assert limit["next"] == "in 90 s, no limit any more unless the control box writes one"


def _control(quality: Quality, trouble: str = "") -> ControlStatus:
    return ControlStatus(1000.0, 7, 0.2, (), (), (), 4740.0, quality, 0.4, trouble)


def test_a_meter_that_was_never_read_is_no_meter() -> None:
    assert meter_json(_control(Quality.MISSING)) is None
    assert meter_json(_control(Quality.GOOD)) == {"power_w": 4740.0, "age_s": 0.4, "quality": "good"}


def test_what_needs_attention_is_told() -> None:
    assert warnings_of(_control(Quality.STALE, "no route to host")) == [
        "no reading of the grid meter: no route to host"
    ]
    assert warnings_of(_control(Quality.GOOD)) == []


def _device(obedience: Obedience, standing: Reason) -> DeviceStatus:
    lane = LaneStatus(
        DeviceDirection.CONSUMPTION,
        True,
        4140.0,
        4140.0,
        4135.0,
        obedience,
        standing,
        Reason("gets_the_rest", "all that is left of the budget"),
    )
    return DeviceStatus("wallbox", Kind.WALLBOX, True, "", 4135.0, 0.5, "charging", (lane,))


def test_a_device_that_does_not_obey_is_named_without_figures_that_change() -> None:
    device = _device(Obedience.DISOBEYING, Reason("measured_above", "measured at 4.14 kW"))
    assert warnings_of(replace(_control(Quality.GOOD), devices=(device,))) == [
        "wallbox does not keep to its set-point for consumption; others make up for it as far as they can"
    ]


def test_a_device_is_told_with_the_reason_of_its_set_point() -> None:
    told = device_json(_device(Obedience.EFFECTIVE, Reason("ok", "measured below")))
    assert told["orders"][0]["setpoint_w"] == 4140.0
    assert told["orders"][0]["reason"] == "all that is left of the budget"
    assert json.loads(json.dumps(told)) == told
