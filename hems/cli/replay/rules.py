"""The state machine of LPC and LPP run beside a recording: what a controllable system should do, and why."""

from collections.abc import Iterator
from dataclasses import dataclass

from eebus.errors import DecodeError
from eebus.jsonform import Record
from eebus.spine.model.common import FeatureAddress
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.values import parse_duration
from eebus.usecases.limit_data import magnitude
from eebus.usecases.limit_rules import (
    UNCHANGED,
    Fired,
    HeartbeatArrived,
    LimitsWritten,
    LimitWrite,
    PowerUp,
    Step,
    TimePassed,
    Unchanged,
    fresh_pair,
    next_deadline,
    step,
)
from eebus.usecases.limitation import Direction, profile_of
from hems.cli.replay.data_words import direction_of
from hems.cli.replay.knowledge import Side

_ASSUMED_FAILSAFE_DURATION_S = 7200.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say to a limit write."""

    accepted: bool
    text: str


class RuleBook:
    """The machines of one controllable system, as if it had started with the connection."""

    def __init__(self, at_s: float) -> None:
        pair = fresh_pair(
            failsafe_limits_w=dict.fromkeys(Direction, 0.0),
            neutral_values_w=dict.fromkeys(Direction, 0.0),
            failsafe_duration_s=_ASSUMED_FAILSAFE_DURATION_S,
            now=at_s,
        )
        self._pair = step(pair, PowerUp(), at_s).pair

    def time_passed(self, at_s: float) -> Iterator[tuple[float, str]]:
        """What time alone has done up to now, with its moment."""
        while (due := next_deadline(self._pair)) is not None and due < at_s:
            happened = step(self._pair, TimePassed(), due)
            self._pair = happened.pair
            for fired in happened.fired:
                if fired.limit_changed:
                    yield due, f"{fired.row.trigger.value}: {_transition(fired)}"

    def heartbeat(self, at_s: float) -> None:
        """The energy guard gave a sign of life."""
        self._pair = step(self._pair, HeartbeatArrived(), at_s).pair

    def written(self, message: Record | None, merged: Record | None, side: Side,
                address: FeatureAddress | None, at_s: float) -> Verdict | None:  # fmt: skip
        """Judge a limit write; None when it names no limit whose direction is known."""
        writes = tuple(_writes(message, merged, side, address))
        if not writes:
            return None
        happened = step(self._pair, LimitsWritten(writes), at_s)
        self._pair = happened.pair
        return Verdict(happened.accepted, "; ".join(_texts(happened)))


def _texts(happened: Step) -> Iterator[str]:
    fired = {one.direction: one for one in happened.fired}
    for outcome in happened.outcomes:
        one = fired[outcome.write.direction]
        yield f"{outcome.write.direction}: {outcome.reason}; {_transition(one)}"


def _transition(fired: Fired) -> str:
    if fired.before.state is fired.after.state:
        return f"stays {fired.after.state.value} ({fired.rule})"
    before, after = fired.before.state.value, fired.after.state.value
    return f"{fired.direction} goes from {before} to {after} ({fired.rule})"


def _writes(
    message: Record | None, merged: Record | None, side: Side, address: FeatureAddress | None
) -> Iterator[LimitWrite]:
    if not isinstance(message, LoadControlLimitListData) or not isinstance(merged, LoadControlLimitListData):
        return
    whole = {item.limit_id: item for item in merged.load_control_limit_data or ()}
    for named in message.load_control_limit_data or ():
        direction = direction_of(named.limit_id, side, address)
        if direction is not None:
            item = whole.get(named.limit_id, named)
            yield LimitWrite(
                direction=direction,
                active=bool(item.is_limit_active),
                value_w=magnitude(profile_of(direction), item.value),
                duration_s=_duration(named, item),
            )


def _duration(named: LoadControlLimitData, merged: LoadControlLimitData) -> float | Unchanged | None:
    if merged.time_period is None or merged.time_period.end_time is None:
        return None
    if named.time_period is None or named.time_period.end_time is None:
        return UNCHANGED
    try:
        return parse_duration(named.time_period.end_time)
    except DecodeError:
        return None
