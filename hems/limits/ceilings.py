"""A ceiling: one source's upper bound, with everything needed to compare, explain and end it.

0 W is a value. A source that bounds nothing at the moment holds a ceiling of None: it stays listed, so that
people see that the source is alive and asks for nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from hems.devices import Direction
from hems.limits.reason import Reason, watts


class Basis(StrEnum):
    """What the value of a ceiling is compared with."""

    CONTROLLABLE = "controllable"
    """Grid-effective draw of the controllable devices (BNetzA BK6-22-300, annex 1, 2.3)."""
    CONNECTION = "connection"
    """Import at the grid connection point, whatever causes it."""
    PHASE_1 = "phase_1"
    PHASE_2 = "phase_2"
    PHASE_3 = "phase_3"
    """Import over one phase."""
    UNBALANCE_1 = "unbalance_1"
    UNBALANCE_2 = "unbalance_2"
    UNBALANCE_3 = "unbalance_3"
    """Draw of single-phase devices on one phase: the most that it can lie above the other phases."""
    FEED_IN = "feed_in"
    """Power fed in at the grid connection point."""
    INVERTER = "inverter"
    """Output of the inverters themselves, whatever the house takes."""

    @property
    def direction(self) -> Direction:
        """Which side of the devices this basis bounds."""
        return Direction.PRODUCTION if self in _FEEDING else Direction.CONSUMPTION

    @property
    def phase(self) -> int | None:
        """The number of the phase that it looks at, from 1; None for all together."""
        return int(self[-1]) if self[-1].isdigit() else None


_FEEDING = frozenset({Basis.FEED_IN, Basis.INVERTER})


class CeilingKind(StrEnum):
    """Who speaks. The order of declaration names the binding source when two bind equally."""

    PROTECTION = "protection"
    GRID_OPERATOR = "grid_operator"
    SELF_IMPOSED = "self_imposed"
    """Init, failsafe, input fault: restrictions that nobody ordered; recorded apart from orders."""
    STATUTORY = "statutory"
    USER = "user"


class FaultAction(StrEnum):
    """What stands in for a source that has gone silent."""

    KEEP = "keep"
    VALUE = "value"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class FaultPolicy:
    """What to do when a ceiling is no longer fresh; `value_w` only with `VALUE`."""

    action: FaultAction = FaultAction.KEEP
    value_w: float = 0.0


@dataclass(frozen=True, slots=True)
class Fuse:
    """A bound on current: on each of `lines`, the numbers of phases from 1.

    `is_whole`: there are no other lines at the connection. `least_voltage_v`: what a line is taken to have
    while nothing shows it; the less, the more amperes are a device's watts.
    """

    current_a: float
    lines: tuple[int, ...]
    is_whole: bool
    least_voltage_v: float

    @property
    def least_w(self) -> float:
        """What it carries at the least voltage."""
        return self.current_a * len(self.lines) * self.least_voltage_v


@dataclass(frozen=True, slots=True)
class Ceiling:
    """One source's bound. Times are monotonic seconds.

    `source`: its name, unique in the arbiter. `value_w`: magnitude, None when the source bounds nothing.
    `devices`: the names it is meant for, None for all that its basis covers. `until_s`: when it ends.
    `fresh_until_s`: after that the source counts as faulty and `fault_policy` takes over; None for a source
    that watches its own freshness, such as the limit machine of EEBUS. `fuse`: for a bound on current;
    `value_w` is then what it carries at least.
    """

    source: str
    value_w: float | None
    basis: Basis
    kind: CeilingKind
    reason: Reason
    since_s: float
    until_s: float | None = None
    devices: frozenset[str] | None = None
    fresh_until_s: float | None = None
    fault_policy: FaultPolicy = FaultPolicy()
    fuse: Fuse | None = None

    def __post_init__(self) -> None:
        if self.value_w is not None and not self.value_w >= 0.0:
            raise ValueError(f"a ceiling is a magnitude in watts, not {self.value_w}")

    def at(self, now: float) -> "Ceiling":
        """This ceiling as it stands at `now`: ended, or replaced by its fault policy, or unchanged."""
        if self.until_s is not None and now >= self.until_s:
            return replace(self, value_w=None, reason=_ended(self))
        if self.fresh_until_s is not None and now >= self.fresh_until_s:
            return self._faulty()
        return self

    def _faulty(self) -> "Ceiling":
        policy = self.fault_policy
        if policy.action is FaultAction.KEEP:
            value_w = self.value_w
        elif policy.action is FaultAction.RELEASE:
            value_w = None
        else:
            value_w = policy.value_w
        return replace(self, value_w=value_w, kind=CeilingKind.SELF_IMPOSED, reason=_fault(self, value_w))


def strictest_feed_in(in_force: Iterable[Ceiling]) -> tuple[float, float] | None:
    """The least that may be fed in at the connection, and since when; None where it is not limited."""
    limits = [
        (c.value_w, c.since_s)
        for c in in_force
        if c.basis is Basis.FEED_IN and c.devices is None and c.value_w is not None
    ]
    return min(limits, default=None)


def _ended(ceiling: Ceiling) -> Reason:
    return Reason(
        "ceiling_ended", f"the limit of {ceiling.source} has reached its end", {"source": ceiling.source}
    )


def _fault(ceiling: Ceiling, value_w: float | None) -> Reason:
    stands = "nothing is bounded" if value_w is None else f"{watts(value_w)} holds"
    return Reason(
        "source_fault",
        f"{ceiling.source} is silent; by its fault policy ({ceiling.fault_policy.action}) {stands}",
        {"source": ceiling.source, "policy": ceiling.fault_policy.action.value, "value_w": value_w},
    )
