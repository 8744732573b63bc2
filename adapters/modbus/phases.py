"""Switching a wallbox between one phase and all of them: paused, rested, and not too often. Pure.

Contactors must not switch under current, cars need a pause to notice, and every change costs minutes of
charging. So: pause, rest, switch, rest, go on; and a while between two changes. Only a change to one phase
that a limit demands lets the box pause for so long; otherwise it goes on as it is.
"""

from enum import Enum, auto


class Move(Enum):
    """What comes next."""

    RUN = auto()
    PAUSE = auto()
    SWITCH = auto()


def wants_all_phases(
    power_w: float | None, on_all: bool, least_on_one_w: float, least_on_all_w: float
) -> bool:
    """Whether a set-point means all phases; one below the least of a single phase leaves them as they are."""
    if power_w is not None and power_w < least_on_one_w:
        return on_all
    return power_w is None or power_w >= least_on_all_w


class PhaseChange:
    """Decides when. `rest_s`: pause before and after a change; `dwell_s`: shortest time between two."""

    def __init__(self, rest_s: float, dwell_s: float) -> None:
        self._rest_s = rest_s
        self._dwell_s = dwell_s
        self._paused_since_s: float | None = None
        self._changed_at_s = float("-inf")

    def next_move(self, wants_all: bool, on_all: bool, now: float) -> Move:
        """`wants_all`: what the limit makes possible; `on_all`: how the box stands."""
        if now < self._changed_at_s + self._rest_s:
            return Move.PAUSE
        if wants_all == on_all:
            return Move.RUN
        if now < self._changed_at_s + self._dwell_s:
            return Move.RUN if wants_all else Move.PAUSE
        if self._paused_since_s is None or now < self._paused_since_s + self._rest_s:
            return Move.PAUSE
        return Move.SWITCH

    def note_pause(self, paused: bool, now: float) -> None:
        """What the box was told: to pause, or to run."""
        if not paused:
            self._paused_since_s = None
        elif self._paused_since_s is None:
            self._paused_since_s = now

    def note_change(self, now: float) -> None:
        """Its phases were switched."""
        self._changed_at_s = now
