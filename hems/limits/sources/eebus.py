"""The control box over EEBUS: what the limit machines decide, as ceilings.

LPC bounds the grid-effective draw of the controllable devices, LPP the power fed in at the connection. The
limit machines watch heartbeat, durations and failsafe themselves, so these ceilings carry no freshness.
"""

from dataclasses import replace

from eebus.usecases.events import LimitKind, LimitStateChanged
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason, watts

LPC_SOURCE = "eebus/lpc"
LPP_SOURCE = "eebus/lpp"

_SOURCE = {Direction.CONSUMPTION: LPC_SOURCE, Direction.PRODUCTION: LPP_SOURCE}
_WHAT = {Direction.CONSUMPTION: "consumption", Direction.PRODUCTION: "feed-in"}


def source_name(direction: Direction) -> str:
    """The name under which one direction's ceiling is kept."""
    return _SOURCE[direction]


def ceiling_of(change: LimitStateChanged, production: Basis = Basis.FEED_IN) -> Ceiling:
    """The ceiling that follows from a state of one limit machine.

    `production`: what a production limit means. § 9 EEG and the practice point to feed-in at the connection;
    the text of the use case leaves it open.
    """
    return Ceiling(
        source=_SOURCE[change.direction],
        value_w=change.effective_limit_w,
        basis=Basis.CONTROLLABLE if change.direction is Direction.CONSUMPTION else production,
        kind=_kind(change),
        reason=_explain(change),
        since_s=change.at,
        until_s=change.until if change.after is LimitState.LIMITED else None,
    )


class EebusSource:
    """The ceilings of both directions. A limit that is written again as it was is no other ceiling: it holds
    since it was written first, so that nothing is decided and proven anew each minute.
    """

    def __init__(self, production: Basis) -> None:
        self._production = production
        self._told: dict[Direction, Ceiling] = {}

    def take(self, change: LimitStateChanged) -> Ceiling:
        """The ceiling after a change of a limit machine."""
        ceiling, told = ceiling_of(change, self._production), self._told.get(change.direction)
        if told is not None and (told.value_w, told.kind) == (ceiling.value_w, ceiling.kind):
            ceiling = replace(ceiling, since_s=told.since_s)
        self._told[change.direction] = ceiling
        return ceiling


def _kind(change: LimitStateChanged) -> CeilingKind:
    if change.limit_kind is LimitKind.SELF_IMPOSED:
        return CeilingKind.SELF_IMPOSED
    return CeilingKind.GRID_OPERATOR


def _explain(change: LimitStateChanged) -> Reason:
    return Reason(
        code=f"eebus_{change.after.name.lower()}",
        text=_sentence(change),
        values={
            "direction": change.direction.value,
            "limit_w": change.effective_limit_w,
            "rule": change.rule,
            "state": change.after.value,
            "cause": change.reason,
        },
    )


def _sentence(change: LimitStateChanged) -> str:
    what, limit_w = _WHAT[change.direction], change.effective_limit_w
    if limit_w is None:
        return f"the control box does not limit {what} ({change.rule})"
    if change.limit_kind is LimitKind.SELF_IMPOSED:
        return f"failsafe value of {watts(limit_w)} for {what} in state {change.after} ({change.rule})"
    return f"the grid operator limits {what} to {watts(limit_w)} ({change.rule})"
