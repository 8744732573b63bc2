"""What is told as an event: every order, self-imposed phases, and own limits. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

from eebus.usecases.events import LimitStateChanged, OrderReceived
from eebus.usecases.limit_rules import LimitState
from hems.northbound.home_assistant.sentences import Sentences
from hems.northbound.mqtt.commands import CommandRefused

Json = dict[str, Any]


class Happenings:
    """Turns what the gateway hears into events; remembers the last order to tell what followed from it.

    Each has a `reason` for people; `cause` is that of the rule that acted. `most_own_limit_w`: the largest.
    """

    def __init__(self, sentences: Sentences, most_own_limit_w: int) -> None:
        self._sentences = sentences
        self._most_own_limit_w = most_own_limit_w
        self._last_order_at: float | None = None

    def told(self, event: object, now: datetime) -> Json | None:
        """The event for people, or None. `now`: in the time zone of the house."""
        match event:
            case OrderReceived():
                self._last_order_at = event.at
                return self._order(event, now) | _at(now)
            case LimitStateChanged():
                kind = self._kind(event)
                return None if kind is None else self._change(event, kind) | _at(now)
            case _:
                return None

    def own_limit(self, value_w: float | None, now: datetime) -> Json:
        """An own limit was taken, or lifted."""
        reason = self._sentences.own_limit(value_w)
        return {"event_type": "own_limit", "limit_w": value_w, "reason": reason} | _at(now)

    def own_limit_refused(self, refusal: CommandRefused, now: datetime) -> Json:
        """A command was not followed."""
        reason = self._sentences.own_limit_refused(refusal.cause, refusal.detail, self._most_own_limit_w)
        return {"event_type": "own_limit_refused", "reason": reason} | _at(now)

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

    def _order(self, order: OrderReceived, now: datetime) -> Json:
        kind = "refused" if not order.accepted else "limit" if order.active else "release"
        limit_w = order.value_w if order.active else None
        return {
            "event_type": kind,
            "direction": None if order.direction is None else order.direction.value,
            "limit_w": limit_w,
            "duration_s": order.duration_s,
            "reason": self._why(order, limit_w, now),
            "cause": order.reason,
            "rule": order.rule,
            "ski": order.peer_ski,
        }

    def _why(self, order: OrderReceived, limit_w: float | None, now: datetime) -> str:
        if order.direction is None or not order.accepted:
            return self._sentences.refused(order.direction, limit_w, order.rule)
        if not order.active:
            return self._sentences.released(order.direction)
        until = None if order.duration_s is None else now + timedelta(seconds=order.duration_s)
        return self._sentences.limited(order.direction, limit_w, until, now)

    def _change(self, change: LimitStateChanged, kind: str) -> Json:
        limit_w = change.effective_limit_w
        sentences = {
            "failsafe": self._sentences.failsafe(change.direction, limit_w),
            "failsafe_ended": self._sentences.failsafe_ended(change.direction),
            "limit_ended": self._sentences.limit_ended(change.direction),
        }
        return {
            "event_type": kind,
            "direction": change.direction.value,
            "limit_w": limit_w,
            "reason": sentences[kind],
            "cause": change.reason,
            "rule": change.rule,
        }


def _at(now: datetime) -> Json:
    return {"at": now.astimezone(UTC).isoformat(timespec="milliseconds")}
