"""Doubt after a loss: a session that began anew may be ended behind our back.

When a connection is lost without a goodbye, the peer may keep its end open until its own ping goes
unanswered. Some stacks then take the session of the newer connection down with it: that one stays open but
mute (SHIP reference 12.2). So for a while after a loss the peer is asked now and then for a sign of life.
"""

WATCH_S = 150.0
"""Pings go unanswered for 60 to 110 s before such a stack gives a connection up."""
PROBE_INTERVAL_S = 15.0


class LossWatch:
    """The probes towards one peer. Pure: ``now`` in seconds comes with each call."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._in_session = False
        self._next: float | None = None

    def connection_lost(self, now: float) -> None:
        """A connection broke off; the peer may not know it yet."""
        self._until = now + WATCH_S
        self._plan(now)

    def session_started(self, now: float) -> None:
        """SPINE runs with the peer (again)."""
        self._in_session = True
        self._plan(now)

    def session_ended(self) -> None:
        """Nobody can be asked any more."""
        self._in_session = False
        self._next = None

    def next_deadline(self) -> float | None:
        """When to probe next; None: there is no doubt, or no session."""
        return self._next

    def take_due(self, now: float) -> bool:
        """Whether to probe now; plans the next probe."""
        if self._next is None or now < self._next:
            return False
        self._plan(now)
        return True

    def _plan(self, now: float) -> None:
        following = now + PROBE_INTERVAL_S
        self._next = following if self._in_session and following <= self._until else None
