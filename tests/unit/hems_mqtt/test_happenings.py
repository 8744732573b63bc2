"""An event for every order, and for what happens without one."""

from eebus.ids import Ski
from eebus.usecases.events import LimitKind, LimitStateChanged, OrderReceived
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from hems.northbound.home_assistant.entities import EVENT_TYPES
from hems.northbound.mqtt.happenings import Happenings, own_limit_event, refused_command_event

AT = "2026-01-31T10:00:00.000+00:00"


def _order(*, active: bool = True, accepted: bool = True, at: float = 10.0) -> OrderReceived:
    return OrderReceived(
        direction=Direction.CONSUMPTION,
        peer_ski=Ski("a" * 40),
        msg_counter=1,
        value_w=4200.0,
        active=active,
        duration_s=600.0,
        accepted=accepted,
        reason="activated limit",
        rule="LPC-910",
        at=at,
    )


def _change(before: LimitState, after: LimitState, at: float = 10.0) -> LimitStateChanged:
    return LimitStateChanged(
        direction=Direction.CONSUMPTION,
        before=before,
        after=after,
        rule="LPC-911",
        reason="no heartbeat for 120 s",
        effective_limit_w=4200.0,
        limit_kind=LimitKind.SELF_IMPOSED,
        until=None,
        at=at,
    )


def test_every_order_is_told_with_value_duration_reason_and_sender() -> None:
    assert Happenings().told(_order(), AT) == {
        "event_type": "limit",
        "direction": "consumption",
        "limit_w": 4200.0,
        "duration_s": 600.0,
        "reason": "activated limit",
        "rule": "LPC-910",
        "ski": "a" * 40,
        "at": AT,
    }


def _kind(happenings: Happenings, event: object) -> str | None:
    told = happenings.told(event, AT)
    return None if told is None else told["event_type"]


def test_released_and_refused_orders_have_words_of_their_own() -> None:
    assert _kind(Happenings(), _order(active=False)) == "release"
    assert _kind(Happenings(), _order(accepted=False)) == "refused"


def test_failsafe_begins_and_ends_once() -> None:
    happenings = Happenings()
    assert _kind(happenings, _change(LimitState.LIMITED, LimitState.FAILSAFE)) == "failsafe"
    assert _kind(happenings, _change(LimitState.FAILSAFE, LimitState.FAILSAFE)) is None
    assert (
        _kind(happenings, _change(LimitState.FAILSAFE, LimitState.UNLIMITED_AUTONOMOUS)) == "failsafe_ended"
    )


def test_a_limit_whose_duration_is_over_ends_by_itself() -> None:
    happenings = Happenings()
    happenings.told(_order(), AT)
    ended = _change(LimitState.LIMITED, LimitState.UNLIMITED_CONTROLLED, at=610.0)
    assert _kind(happenings, ended) == "limit_ended"


def test_a_release_is_told_once_not_again_as_an_end() -> None:
    happenings = Happenings()
    assert _kind(happenings, _order(active=False, at=20.0)) == "release"
    assert _kind(happenings, _change(LimitState.LIMITED, LimitState.UNLIMITED_CONTROLLED, at=20.0)) is None


def test_other_events_are_not_told() -> None:
    assert _kind(Happenings(), object()) is None


def test_every_event_type_is_announced() -> None:
    kinds = {"limit", "release", "refused", "limit_ended", "failsafe", "failsafe_ended"}
    kinds |= {own_limit_event(1.0, AT)["event_type"], refused_command_event("x", AT)["event_type"]}
    assert kinds == set(EVENT_TYPES)


def test_an_own_limit_is_told_with_its_reason_as_orders_are() -> None:
    assert own_limit_event(6000.0, AT) == {
        "event_type": "own_limit",
        "limit_w": 6000.0,
        "reason": "an own limit of 6.00 kW was set by MQTT",
        "at": AT,
    }
    assert own_limit_event(None, AT)["reason"] == "the own limit was lifted by MQTT"
