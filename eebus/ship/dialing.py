"""When to dial a trusted peer (SHIP reference 13.1): random delays, one attempt at a time, no end."""

from collections.abc import Callable

from eebus.errors import LocalError
from eebus.ship.effects import EndCause

_DELAYS_S = ((1.0, 3.0), (3.0, 10.0), (10.0, 20.0))
"""By the number of attempts since the last stable connection.

Never at once, also not after our own start: half a second after a connection broke, one stack removes the
SPINE session of the peer, and that would be the one of the new connection (12.2).
"""
_SLOW_DELAY_S = (60.0, 120.0)
_SLOW_AFTER_S = 1800.0
"""Some wallboxes refuse everybody for half an hour after a restart of their peer."""
_MUTE_DELAY_S = (3.0, 10.0)
_STABLE_S = 60.0

SILENT = frozenset({EndCause.DOUBLE_CONNECTION, EndCause.CLOSED_AT_UPGRADE})
"""Ends that are no error for the user: another connection lives or comes."""


class DialSchedule:
    """The dial times of one peer.

    ``uniform`` draws a number between two bounds. The shell asks for ``next_deadline``, calls ``begin`` when
    it dials, and reports how that went.
    """

    def __init__(self, uniform: Callable[[float, float], float], now: float) -> None:
        self._uniform = uniform
        self._attempts = 0
        self._failing_since: float | None = None
        self._up_since: float | None = None
        self._dialling = False
        self._muted = False
        self._next: float | None = None
        self._plan(now)

    def next_deadline(self) -> float | None:
        """When to dial; None while a connection or an attempt exists, or after the peer removed us."""
        return self._next

    def is_due(self, now: float) -> bool:
        """Is it time to dial?"""
        return self._next is not None and now >= self._next

    def begin(self) -> None:
        """An attempt starts. Raises LocalError while another one runs."""
        if self._dialling:
            raise LocalError("this peer is being dialled already")
        self._dialling = True
        self._attempts += 1
        self._next = None

    def failed(self, now: float) -> None:
        """The attempt did not lead to a WebSocket connection."""
        self._dialling = False
        self._plan(now)

    def connection_up(self) -> None:
        """A connection exists, dialled by either side: no further attempts."""
        self._dialling = False
        self._next = None

    def data_exchange(self, now: float) -> None:
        """A connection reached the data exchange."""
        self._up_since = now
        self._failing_since = None

    def ended(self, cause: EndCause, now: float) -> None:
        """The last connection of this peer ended.

        Only a connection that lasted resets the attempts; one that is refused or lost at once backs off.
        After the peer removed the pairing nothing is dialled until ``request``.
        """
        self._dialling = False
        if self._up_since is not None and now - self._up_since >= _STABLE_S:
            self._attempts = 0
        self._up_since = None
        muted, self._muted = self._muted, False
        if cause is EndCause.REMOTE_REMOVAL:
            self._next = None
        elif not muted:
            self._plan(now)

    def mute(self, now: float) -> None:
        """All connections are being closed because the peer no longer answers on them (rule 12.4-6)."""
        self._muted = True
        self._next = now + self._uniform(*_MUTE_DELAY_S)

    def request(self, now: float) -> None:
        """Dial at once: the user wants it, or the peer has just announced that it accepts new peers."""
        if not self._dialling:
            self._next = now

    def _plan(self, now: float) -> None:
        if self._failing_since is None:
            self._failing_since = now
        slow = now - self._failing_since >= _SLOW_AFTER_S
        bounds = _SLOW_DELAY_S if slow else _DELAYS_S[min(self._attempts, len(_DELAYS_S) - 1)]
        self._next = now + self._uniform(*bounds)
