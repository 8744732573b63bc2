"""Who comes first where devices are alike and not all can run. Pure.

Pauses go round, and nobody starts for a moment only.
"""

from dataclasses import dataclass, field

from hems.devices import FeasiblePowers

MIN_RUN_S = 600.0
"""A device that was started keeps its place for so long, as far as the limit allows."""
TURN_S = 900.0
"""A device that has paused for so long comes before those that run."""


def has_gap(feasible: FeasiblePowers | None) -> bool:
    """Whether a device can pause or run, with nothing between."""
    return feasible is not None and len(feasible.ranges) > 1


@dataclass(slots=True)
class Turns:
    """Remembers since when each device runs or pauses."""

    min_run_s: float = MIN_RUN_S
    turn_s: float = TURN_S
    _since_s: dict[str, tuple[bool, float]] = field(default_factory=dict)

    def note(self, name: str, running: bool, now: float) -> None:
        """What the device is told now: to run, or to pause."""
        known = self._since_s.get(name)
        if known is None or known[0] != running:
            self._since_s[name] = (running, now)

    def running_s(self, name: str, now: float) -> float | None:
        """For how long it has been told to run; None while it pauses or was never told."""
        known = self._since_s.get(name)
        return now - known[1] if known is not None and known[0] else None

    def rank(self, name: str, now: float, idle: bool = False) -> int:
        """Its turn, lower first: just started, paused for long, running, paused lately, taking nothing."""
        if idle:
            return 4
        running, since_s = self._since_s.get(name, (True, float("-inf")))
        lasted_s = now - since_s
        if running:
            return 0 if lasted_s < self.min_run_s else 2
        return 1 if lasted_s >= self.turn_s else 3
