"""When to try the broker again, and when it is worth a line in the log."""

from collections.abc import Callable

from eebus.clock import Clock

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 6.0
"""A broker in the house costs little to ask, and states must be right within ten seconds after its return."""
HOPELESS_PAUSE_S = 60.0
"""After a refused password: brokers may lock out who asks too often."""
CALM_S = 60.0
"""A connection that held so long forgets the failures before it."""
SILENCE_S = 600.0
"""The same trouble is told again after this time."""


class Retries:
    """Counts failures. `spread(low, high)` draws a number in between: clients must not come all at once."""

    def __init__(self, clock: Clock, spread: Callable[[float, float], float]) -> None:
        self._clock = clock
        self._spread = spread
        self._failures = 0
        self._connected_at_s: float | None = None
        self._told = ""
        self._told_at_s = 0.0

    def connected(self) -> None:
        """The connection stands."""
        self._connected_at_s = self._clock.monotonic()
        self._told = ""

    def pause_s(self, *, hopeless: bool) -> float:
        """The pause after a failure; each failure in a row doubles it."""
        if self._connected_at_s is not None and self._clock.monotonic() - self._connected_at_s >= CALM_S:
            self._failures = 0
        self._connected_at_s = None
        if hopeless:
            return HOPELESS_PAUSE_S
        pause_s = min(FIRST_PAUSE_S * 2.0 ** min(self._failures, 30), LONGEST_PAUSE_S)
        self._failures += 1
        return pause_s * self._spread(0.8, 1.2)

    def worth_telling(self, trouble: str) -> bool:
        """Whether this trouble is new, or was not told for long."""
        now = self._clock.monotonic()
        if trouble == self._told and now - self._told_at_s < SILENCE_S:
            return False
        self._told, self._told_at_s = trouble, now
        return True
