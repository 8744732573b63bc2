"""How far an order has come: decided, first write, confirmed by the devices, measured. Pure.

Each ceiling is judged by the devices of its own budget, feed-in at the grid connection by the meter there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hems.control.budget import Budget, Part
from hems.control.execution import LaneView, Obedience
from hems.devices import Direction, MeterSample
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason, watts

_NOISE_W = 1.0
"""Arithmetic noise only; there is no official tolerance for being inside a limit."""
ABOVE_S = 30.0
"""What is measured above a limit, or within it again, is told once it has lasted for so long."""
_CLEAR_W, _CLEAR = 50.0, 0.02
"""So much above is clearly above: meters differ."""


class Milestone(StrEnum):
    """The steps between an order and its effect, in their order."""

    DECIDED = "decided"
    FIRST_WRITE = "first_write"
    CONFIRMED = "confirmed"
    MEASURED_BELOW = "measured_below"
    MEASURED_ABOVE = "measured_above"
    """Measured above for longer than it may take to follow; then below again, as a new step."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step that a ceiling in force has reached. `at_s`: monotonic. `source`, `kind`: of the ceiling."""

    milestone: Milestone
    direction: Direction
    at_s: float
    source: str
    allowed_w: float
    reason: Reason
    kind: CeilingKind


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known at a moment: how the devices stand, and the newest trusted reading of the grid meter."""

    views: Sequence[LaneView]
    meter: MeterSample | None = None


class ProgressTracker:
    """Follows each ceiling in force in one direction from its beginning, or its last change, to its end."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def decided(
        self, in_force: Iterable[tuple[Ceiling, Budget]], evidence: Evidence, now: float
    ) -> list[Progress]:
        """A division was made, each ceiling with its own budget; new steps only for those that are new."""
        former, self._tracks = self._tracks, {}
        steps = []
        for ceiling, budget in in_force:
            track = former.get(ceiling.source)
            if track is None or not track.is_about(ceiling):
                track = _Track(ceiling, budget, now)
                steps += track.begin(evidence)
            track.budget = budget
            self._tracks[ceiling.source] = track
        return steps

    def write_started(self, name: str, power_w: float | None, now: float) -> list[Progress]:
        """A set-point leaves for a device."""
        told = "free" if power_w is None else watts(power_w)
        reason = Reason("first_write", f"{name} is told {told}", {"device": name, "power_w": power_w})
        steps = []
        for track in self._tracks.values():
            if track.budget.part(name).covers:
                steps += track.reach(Milestone.FIRST_WRITE, reason, now)
        return steps

    def observe(self, evidence: Evidence, now: float) -> list[Progress]:
        """Look at devices and meter once a cycle."""
        return [step for track in self._tracks.values() for step in track.observe(evidence, now)]


class _Track:
    """One ceiling with the devices that its budget covers; none of them proves nothing."""

    def __init__(self, ceiling: Ceiling, budget: Budget, now: float) -> None:
        self._ceiling = ceiling
        self.budget = budget
        self._began_s = now
        self._reached: set[Milestone] = set()
        self._is_above = False
        self._other_since_s: float | None = None

    def is_about(self, ceiling: Ceiling) -> bool:
        return (self._ceiling.value_w, self._ceiling.since_s) == (ceiling.value_w, ceiling.since_s)

    def begin(self, evidence: Evidence) -> list[Progress]:
        covered = self._covered(evidence)
        if not covered:
            return self.reach(Milestone.DECIDED, _nobody(self.budget.allowed_w), self._began_s)
        shown = self._shown(evidence, None)
        below = shown is not None and shown.within
        return self.reach(Milestone.DECIDED, _decision(self.budget.allowed_w, below), self._began_s)

    def observe(self, evidence: Evidence, now: float) -> list[Progress]:
        steps = []
        bounded = [v for v in self._covered(evidence) if v.told and v.told_w is not None]
        if bounded and all(v.obedience in _HELD for v in bounded):
            steps += self.reach(Milestone.CONFIRMED, _confirmed(len(bounded)), now)
        shown = self._shown(evidence, self._began_s)
        if shown is not None and shown.within:
            steps += self.reach(Milestone.MEASURED_BELOW, shown.reason(), now)
        return steps if shown is None else steps + self._follow(shown, now)

    def _follow(self, shown: "_Shown", now: float) -> list[Progress]:
        """Tell when it comes to lie above the limit for long, and when it is within it again."""
        if shown.clearly_above == self._is_above or (self._is_above and not shown.within):
            self._other_since_s = None
            return []
        if self._other_since_s is None:
            self._other_since_s = now
        if now - self._other_since_s < ABOVE_S:
            return []
        self._is_above, self._other_since_s = not self._is_above, None
        milestone = Milestone.MEASURED_ABOVE if self._is_above else Milestone.MEASURED_BELOW
        self._reached.discard(milestone)
        return self.reach(milestone, shown.reason(), now)

    def reach(self, milestone: Milestone, reason: Reason, now: float) -> list[Progress]:
        if milestone in self._reached:
            return []
        self._reached.add(milestone)
        ceiling, allowed_w = self._ceiling, self.budget.allowed_w
        direction = ceiling.basis.direction
        return [Progress(milestone, direction, now, ceiling.source, allowed_w, reason, ceiling.kind)]

    def _covered(self, evidence: Evidence) -> list[LaneView]:
        return [view for view in evidence.views if self.budget.part(view.name).covers]

    def _shown(self, evidence: Evidence, since_s: float | None) -> "_Shown | None":
        """What measurements show; None while they show nothing, or are older than the beginning."""
        meter = evidence.meter
        if self._ceiling.basis is Basis.FEED_IN and meter is not None:
            if since_s is not None and meter.at_s < since_s:
                return None
            return _Shown("fed in", max(0.0, -meter.power_w), self._ceiling.value_w or 0.0)
        covered = self._covered(evidence)
        taken_w = _taken([(view, self.budget.part(view.name)) for view in covered], since_s)
        return None if taken_w is None else _Shown("measured at", taken_w, self.budget.allowed_w)


@dataclass(frozen=True, slots=True)
class _Shown:
    how: str
    power_w: float
    bound_w: float

    @property
    def within(self) -> bool:
        return self.power_w <= self.bound_w + _NOISE_W

    @property
    def clearly_above(self) -> bool:
        return self.power_w > self.bound_w + max(_CLEAR_W, _CLEAR * self.bound_w)

    def reason(self) -> Reason:
        values = {"taken_w": self.power_w, "allowed_w": self.bound_w}
        shown, bound = f"{self.how} {watts(self.power_w)}", watts(self.bound_w)
        if self.within:
            return Reason("measured_below", f"{shown}, within {bound}", values)
        return Reason("measured_above", f"{shown}, above {bound} for {ABOVE_S:.0f} s", values)


_HELD = frozenset({Obedience.CONFIRMED, Obedience.EFFECTIVE})


def _taken(counted: Sequence[tuple[LaneView, Part]], since_s: float | None) -> float | None:
    """What devices take by measurement; None for no devices, or while one was not read since then.

    A device that never measures counts with the most that it may take; one out of reach proves nothing.
    """
    if not counted:
        return None
    total_w = 0.0
    for view, part in counted:
        if since_s is not None and view.obedience is Obedience.UNREACHABLE:
            return None
        if view.measured_w is None:
            total_w += part.counted_w(view.charge_w)
        elif since_s is not None and (view.measured_at_s is None or view.measured_at_s < since_s):
            return None
        else:
            total_w += part.counted_w(view.measured_w)
    return total_w


def _nobody(allowed_w: float) -> Reason:
    text = "no device can be told to follow it"
    return Reason("decided", text, {"allowed_w": allowed_w, "already_below": 0, "devices": 0})


def _decision(allowed_w: float, already_below: bool) -> Reason:
    text = f"{watts(allowed_w)} divided between the devices"
    if already_below:
        text += "; they already take less"
    return Reason("decided", text, {"allowed_w": allowed_w, "already_below": int(already_below)})


def _confirmed(devices: int) -> Reason:
    text = "one device holds its set-point" if devices == 1 else f"{devices} devices hold their set-points"
    return Reason("confirmed", text, {"devices": devices})
