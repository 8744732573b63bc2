"""How far an order has come: decided, first write, confirmed by the devices, measured. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from hems.control.execution import LaneView, Obedience
from hems.devices import Direction
from hems.limits.ceilings import Ceiling
from hems.limits.reason import Reason, watts

_NOISE_W = 1.0
"""Arithmetic noise only; there is no official tolerance for being inside a limit."""


class Milestone(StrEnum):
    """The steps between an order and its effect, in their order."""

    DECIDED = "decided"
    FIRST_WRITE = "first_write"
    CONFIRMED = "confirmed"
    MEASURED_BELOW = "measured_below"


@dataclass(frozen=True, slots=True)
class Progress:
    """One step reached. `at_s`: monotonic. `sources`: the ceilings in force, the binding one first."""

    milestone: Milestone
    direction: Direction
    at_s: float
    sources: tuple[str, ...]
    allowed_w: float
    reason: Reason


@dataclass(slots=True)
class ProgressTracker:
    """Follows one direction from one change of the ceilings in force to the next."""

    direction: Direction
    _identity: tuple[tuple[str, float | None, float], ...] = ()
    _sources: tuple[str, ...] = ()
    _allowed_w: float = 0.0
    _decided_s: float = 0.0
    _reached: set[Milestone] = field(default_factory=lambda: set(Milestone))

    def decided(
        self, in_force: Sequence[Ceiling], allowed_w: float | None, views: Sequence[LaneView], now: float
    ) -> list[Progress]:
        """A division was made; new steps only when the ceilings in force are others than before."""
        identity = tuple(sorted((c.source, c.value_w, c.since_s) for c in in_force))
        if allowed_w is not None:
            self._allowed_w = allowed_w
        if identity == self._identity:
            return []
        self._identity = identity
        self._sources = tuple(c.source for c in in_force)
        self._decided_s = now
        self._reached = set() if identity else set(Milestone)
        taken_w = _taken(views, None)
        below = taken_w is not None and taken_w <= self._allowed_w + _NOISE_W
        return self._reach(Milestone.DECIDED, _decision(self._allowed_w, below), now)

    def write_started(self, name: str, power_w: float | None, now: float) -> list[Progress]:
        """A set-point leaves for a device."""
        told = "free" if power_w is None else watts(power_w)
        reason = Reason("first_write", f"{name} is told {told}", {"device": name, "power_w": power_w})
        return self._reach(Milestone.FIRST_WRITE, reason, now)

    def observe(self, views: Sequence[LaneView], now: float) -> list[Progress]:
        """Look at the devices once a cycle."""
        steps = []
        bounded = [v for v in views if v.told and v.told_w is not None]
        if all(v.obedience in _HELD for v in bounded):
            steps += self._reach(Milestone.CONFIRMED, _confirmed(len(bounded)), now)
        taken_w = _taken(views, self._decided_s)
        if taken_w is not None and taken_w <= self._allowed_w + _NOISE_W:
            steps += self._reach(Milestone.MEASURED_BELOW, _below(taken_w, self._allowed_w), now)
        return steps

    def _reach(self, milestone: Milestone, reason: Reason, now: float) -> list[Progress]:
        if milestone in self._reached:
            return []
        self._reached.add(milestone)
        return [Progress(milestone, self.direction, now, self._sources, self._allowed_w, reason)]


_HELD = frozenset({Obedience.CONFIRMED, Obedience.EFFECTIVE})


def _taken(views: Sequence[LaneView], since_s: float | None) -> float | None:
    """What the devices take by measurement; None while one of them was not read since then.

    A device that never measures counts with the most that it may take; one out of reach proves nothing.
    """
    total_w = 0.0
    for view in views:
        if since_s is not None and view.obedience is Obedience.UNREACHABLE:
            return None
        if view.measured_w is None:
            total_w += view.charge_w
        elif since_s is not None and (view.measured_at_s is None or view.measured_at_s < since_s):
            return None
        else:
            total_w += view.measured_w
    return total_w


def _decision(allowed_w: float, already_below: bool) -> Reason:
    text = f"{watts(allowed_w)} divided between the devices"
    if already_below:
        text += "; they already take less"
    return Reason("decided", text, {"allowed_w": allowed_w, "already_below": int(already_below)})


def _confirmed(devices: int) -> Reason:
    return Reason("confirmed", f"{devices} devices hold their set-points", {"devices": devices})


def _below(taken_w: float, allowed_w: float) -> Reason:
    text = f"measured at {watts(taken_w)}, within {watts(allowed_w)}"
    return Reason("measured_below", text, {"taken_w": taken_w, "allowed_w": allowed_w})
