"""An event for every order, and for what happens without one."""

from datetime import UTC, datetime, timedelta, timezone

from eebus.ids import Ski
from eebus.usecases.events import LimitKind, LimitStateChanged, OrderReceived
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from hems.northbound.home_assistant.entities import EVENT_TYPES
from hems.northbound.home_assistant.sentences import Sentences
from hems.northbound.home_assistant.words import Language
from hems.northbound.mqtt.commands import Cause, CommandRefused
from hems.northbound.mqtt.happenings import Happenings

NOW = datetime(2026, 1, 31, 18, 20, tzinfo=timezone(timedelta(hours=1)))
AT = NOW.astimezone(UTC).isoformat(timespec="milliseconds")


def _happenings(language: Language = Language.EN) -> Happenings:
    return Happenings(Sentences(language), 24_150)


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
    assert _happenings().told(_order(), NOW) == {
        "event_type": "limit",
        "direction": "consumption",
        "limit_w": 4200.0,
        "duration_s": 600.0,
        "reason": "The grid operator limits consumption to 4.20 kW until 18:30",
        "cause": "activated limit",
        "rule": "LPC-910",
        "ski": "a" * 40,
        "at": AT,
    }


def _kind(happenings: Happenings, event: object) -> str | None:
    told = happenings.told(event, NOW)
    return None if told is None else told["event_type"]


def test_released_and_refused_orders_have_words_of_their_own() -> None:
    assert _kind(_happenings(), _order(active=False)) == "release"
    assert _kind(_happenings(), _order(accepted=False)) == "refused"


def test_failsafe_begins_and_ends_once() -> None:
    happenings = _happenings()
    assert _kind(happenings, _change(LimitState.LIMITED, LimitState.FAILSAFE)) == "failsafe"
    assert _kind(happenings, _change(LimitState.FAILSAFE, LimitState.FAILSAFE)) is None
    assert (
        _kind(happenings, _change(LimitState.FAILSAFE, LimitState.UNLIMITED_AUTONOMOUS)) == "failsafe_ended"
    )


def test_a_limit_whose_duration_is_over_ends_by_itself() -> None:
    happenings = _happenings()
    happenings.told(_order(), NOW)
    ended = _change(LimitState.LIMITED, LimitState.UNLIMITED_CONTROLLED, at=610.0)
    assert _kind(happenings, ended) == "limit_ended"


def test_a_release_is_told_once_not_again_as_an_end() -> None:
    happenings = _happenings()
    assert _kind(happenings, _order(active=False, at=20.0)) == "release"
    assert _kind(happenings, _change(LimitState.LIMITED, LimitState.UNLIMITED_CONTROLLED, at=20.0)) is None


def test_other_events_are_not_told() -> None:
    assert _kind(_happenings(), object()) is None


def test_every_event_type_is_announced() -> None:
    kinds = {"limit", "release", "refused", "limit_ended", "failsafe", "failsafe_ended"}
    kinds |= {_happenings().own_limit(1.0, NOW)["event_type"]}
    kinds |= {_happenings().own_limit_refused(CommandRefused(Cause.RETAINED), NOW)["event_type"]}
    assert kinds == set(EVENT_TYPES)


def test_an_own_limit_is_told_with_its_reason_as_orders_are() -> None:
    assert _happenings().own_limit(6000.0, NOW) == {
        "event_type": "own_limit",
        "limit_w": 6000.0,
        "reason": "An own limit of 6.00 kW for consumption was set by MQTT",
        "at": AT,
    }
    assert _happenings().own_limit(None, NOW)["reason"] == "The own limit was lifted by MQTT"


def test_a_release_carries_no_limit() -> None:
    told = _happenings().told(_order(active=False), NOW)
    assert told is not None
    assert (told["event_type"], told["limit_w"]) == ("release", None)


def test_a_refused_command_tells_why_in_the_set_language() -> None:
    refusal = CommandRefused(Cause.OUT_OF_RANGE, "30000")
    assert _happenings(Language.DE).own_limit_refused(refusal, NOW) == {
        "event_type": "own_limit_refused",
        "reason": "Die eigene Grenze wurde abgelehnt: 30000 W liegt nicht zwischen 0 und 24150 W",
        "at": AT,
    }
