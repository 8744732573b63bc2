"""What is told as an event: every order, self-imposed phases, and own limits. Pure."""

from typing import Any

from eebus.usecases.events import LimitStateChanged, OrderReceived
from eebus.usecases.limit_rules import LimitState
from hems.limits.reason import watts

Json = dict[str, Any]


class Happenings:
    """Turns what the gateway hears into events; remembers the last order to tell what followed from it."""

    def __init__(self) -> None:
        self._last_order_at: float | None = None

    def told(self, event: object, at: str) -> Json | None:
        """The event for people, or None. `at`: the date as text."""
        match event:
            case OrderReceived():
                self._last_order_at = event.at
                return _order(event) | {"at": at}
            case LimitStateChanged():
                kind = self._kind(event)
                return None if kind is None else _change(event, kind) | {"at": at}
            case _:
                return None

    def _kind(self, change: LimitStateChanged) -> str | None:
        before, after = change.before, change.after
        if after is LimitState.FAILSAFE and before is not after:
            return "failsafe"
        if before is LimitState.FAILSAFE and after is not before:
            return "failsafe_ended"
        by_order = change.at == self._last_order_at
        if before is LimitState.LIMITED and after is not before and not by_order:
            return "limit_ended"
        return None


def own_limit_event(value_w: float | None, at: str) -> Json:
    """An own limit was taken, or lifted."""
    lifted = "the own limit was lifted by MQTT"
    reason = lifted if value_w is None else f"an own limit of {watts(value_w)} was set by MQTT"
    return {"event_type": "own_limit", "limit_w": value_w, "reason": reason, "at": at}


def refused_command_event(reason: str, at: str) -> Json:
    """A command was not followed."""
    return {"event_type": "own_limit_refused", "reason": reason, "at": at}


def _order(order: OrderReceived) -> Json:
    kind = "refused" if not order.accepted else "limit" if order.active else "release"
    return {
        "event_type": kind,
        "direction": None if order.direction is None else order.direction.value,
        "limit_w": order.value_w,
        "duration_s": order.duration_s,
        "reason": order.reason,
        "rule": order.rule,
        "ski": order.peer_ski,
    }


def _change(change: LimitStateChanged, kind: str) -> Json:
    return {
        "event_type": kind,
        "direction": change.direction.value,
        "limit_w": change.effective_limit_w,
        "reason": change.reason,
        "rule": change.rule,
    }
