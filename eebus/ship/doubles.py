"""Several connections to one peer: which one lives, and which one carries SPINE (SHIP reference 12.4).

Different products close duplicates by different criteria. A side that closes at once can end with no
connection at all, so the peer may close first, and only what is left after a settle time is tidied up. Every
connection of a peer, in any phase and direction, is reported here under a number of the shell's choice.
"""

from collections import deque
from dataclasses import dataclass, field

from eebus.errors import LocalError
from eebus.ids import Ski

SETTLE_BIGGER_S = 1.5
SETTLE_SMALLER_S = 3.5
MIN_AGE_S = 1.0
"""No connection is closed sooner after its upgrade: the peer may just be about to choose it."""
MUTE_AFTER_S = 10.0
_MAX_BUFFERED = 64


@dataclass(frozen=True, slots=True)
class DropDial:
    """Give up our own dial; its upgrade request has not been sent."""

    connection: int


@dataclass(frozen=True, slots=True)
class Retire:
    """Close this connection with ``ShipConnection.close(text="double connection")``."""

    connection: int


@dataclass(frozen=True, slots=True)
class SessionStarts:
    """SPINE runs on this connection from now on.

    ``replaces``: it ran on another one before. Discovery, subscriptions and bindings begin anew, the timers
    of the use cases go on, and nobody is told of a loss.
    """

    connection: int
    replaces: bool


@dataclass(frozen=True, slots=True)
class SessionEnds:
    """No connection carries SPINE any longer."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give this SPINE datagram to the stack."""

    datagram: object


@dataclass(frozen=True, slots=True)
class ProbeSession:
    """Send a NodeManagement read on the connection that carries SPINE; any datagram proves life."""

    connection: int


@dataclass(frozen=True, slots=True)
class PeerMute:
    """The surviving connection is open but dead: all are being retired, dial again after a while."""


DoubleEffect = DropDial | Retire | SessionStarts | SessionEnds | Deliver | ProbeSession | PeerMute


@dataclass(slots=True)
class _Connection:
    opened_at: float
    committed: bool
    """Past the point of no return: our upgrade request is out, or it is an incoming one."""
    upgraded_at: float | None = None
    alive: bool = False
    """A valid connection mode initialisation arrived on it."""
    in_data_exchange: bool = False
    missed_ping: bool = False
    retiring: bool = False
    buffer: deque[object] = field(default_factory=deque)


class PeerConnections:
    """All connections to one peer. ``opened_at`` and ``now`` are seconds of the same clock.

    ``strict`` is the literal reading of TC_SHIP_CONN_001, for certification only: with the bigger SKI the
    older connection ends as soon as the certificate of a newer one is verified. Against other products
    that can end with no connection at all, until one side dials again.
    """

    def __init__(self, local_ski: Ski, remote_ski: Ski, *, strict: bool = False) -> None:
        if local_ski == remote_ski:
            raise LocalError("a connection to ourselves")
        self._bigger = local_ski > remote_ski
        self._is_strict = strict and self._bigger
        self._connections: dict[int, _Connection] = {}
        self._owner: int | None = None
        self._settle_at: float | None = None
        self._probe_due = False
        self._mute_at: float | None = None

    @property
    def owner(self) -> int | None:
        """The connection that carries SPINE."""
        return self._owner

    def may_dial(self) -> bool:
        """One connection is enough: no dial while any exists, whatever its phase and direction (rule 1)."""
        return not self._connections

    def dial_started(self, connection: int, now: float) -> None:
        """Our own dial begins."""
        self._connections[connection] = _Connection(now, committed=False)

    def upgrade_requested(self, connection: int, now: float) -> bool:
        """Our HTTP upgrade request is about to go out: from here on the dial is not given up (rule 2).

        Returns False when the dial was dropped before; then the request must not be sent.
        """
        dial = self._connections.get(connection)
        if dial is None:
            return False
        dial.committed = True
        self._arm_settle(now)
        return True

    def incoming_verified(self, connection: int, now: float) -> list[DoubleEffect]:
        """An accepted connection has shown the certificate of this peer."""
        self._connections[connection] = _Connection(now, committed=True)
        effects: list[DoubleEffect] = []
        if self._bigger:
            for number, other in list(self._connections.items()):
                if not other.committed:
                    del self._connections[number]
                    effects.append(DropDial(number))
        self._arm_settle(now)
        return [*effects, *self._retire_older(connection, now)]

    def upgraded(self, connection: int, now: float) -> list[DoubleEffect]:
        """The WebSocket of a connection is up. Others that missed their last ping are dead (rule 7)."""
        self._connections[connection].upgraded_at = now
        self._arm_settle(now)
        effects: list[DoubleEffect] = []
        for number in self._live():
            if number != connection and self._connections[number].missed_ping:
                effects += self._retire(number)
        return [*effects, *self._leave_retiring(now), *self._retire_older(connection, now)]

    def mode_initialised(self, connection: int) -> None:
        """A valid connection mode initialisation arrived."""
        self._connections[connection].alive = True

    def ping_missed(self, connection: int) -> None:
        """The last ping of a connection is overdue, but its time has not run out yet."""
        self._connections[connection].missed_ping = True

    def data_exchange(self, connection: int, now: float) -> list[DoubleEffect]:
        """A connection reached the data exchange; the first one carries SPINE (rule 5)."""
        self._connections[connection].in_data_exchange = True
        if self._owner is None and not self._connections[connection].retiring:
            return self._start_session(connection, now, replaces=False)
        return []

    def spine_received(self, connection: int, datagram: object) -> list[DoubleEffect]:
        """A SPINE datagram arrived: it is for the stack, or kept until its connection carries SPINE."""
        if connection == self._owner:
            self._mute_at = None
            return [Deliver(datagram)]
        buffer = self._connections[connection].buffer
        if len(buffer) < _MAX_BUFFERED:
            buffer.append(datagram)
        return []

    def ended(self, connection: int, now: float) -> list[DoubleEffect]:
        """A connection is gone, for whatever reason. Unknown numbers (dropped dials) are ignored."""
        gone = self._connections.pop(connection, None)
        if gone is None:
            return []
        if gone.committed:
            self._probe_due = True
        effects = self._move_session(now) if connection == self._owner else self._probe(now)
        if len(self._live()) < 2:
            self._settle_at = None
        if not self._connections:
            self._probe_due = False
            self._mute_at = None
        return effects

    def next_deadline(self) -> float | None:
        """When ``on_deadline`` has to be called next."""
        return min((at for at in (self._settle_at, self._mute_at) if at is not None), default=None)

    def on_deadline(self, now: float) -> list[DoubleEffect]:
        """Tidy up after the settle time, or give up a mute peer."""
        effects: list[DoubleEffect] = []
        if self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None
            effects += self._settle(now)
        if self._mute_at is not None and now >= self._mute_at:
            self._mute_at = None
            effects += self._give_up()
        return effects

    # --- which connections live ---

    def _live(self) -> list[int]:
        return [number for number, item in self._connections.items() if item.committed and not item.retiring]

    def _arm_settle(self, now: float) -> None:
        if self._settle_at is None and len(self._live()) > 1:
            self._settle_at = now + (SETTLE_BIGGER_S if self._bigger else SETTLE_SMALLER_S)

    def _settle(self, now: float) -> list[DoubleEffect]:
        """Keep the newest connection that works; the others go as soon as they are old enough (rule 4)."""
        live = self._live()
        working = [number for number in live if self._connections[number].alive]
        if len(live) < 2:
            return []
        if not working:
            self._settle_at = now + MIN_AGE_S
            return []
        newest = max(working, key=lambda number: self._connections[number].opened_at)
        effects: list[DoubleEffect] = []
        for number in live:
            upgraded_at = self._connections[number].upgraded_at
            if number == newest:
                continue
            if upgraded_at is not None and now >= upgraded_at + MIN_AGE_S:
                effects += self._retire(number)
            else:
                self._settle_at = now + MIN_AGE_S
        return [*effects, *self._leave_retiring(now)]

    def _retire_older(self, newest: int, now: float) -> list[DoubleEffect]:
        if not self._is_strict:
            return []
        opened_at = self._connections[newest].opened_at
        older = [n for n in self._live() if n != newest and self._connections[n].opened_at <= opened_at]
        effects = [effect for number in older for effect in self._retire(number)]
        return [*effects, *self._leave_retiring(now)]

    def _retire(self, connection: int) -> list[DoubleEffect]:
        self._connections[connection].retiring = True
        return [Retire(connection)]

    # --- which connection carries SPINE ---

    def _start_session(self, connection: int, now: float, *, replaces: bool) -> list[DoubleEffect]:
        self._owner = connection
        buffer = self._connections[connection].buffer
        effects: list[DoubleEffect] = [SessionStarts(connection, replaces), *map(Deliver, buffer)]
        buffer.clear()
        return [*effects, *self._probe(now)]

    def _leave_retiring(self, now: float) -> list[DoubleEffect]:
        if self._owner is None or not self._connections[self._owner].retiring:
            return []
        return self._move_session(now)

    def _move_session(self, now: float) -> list[DoubleEffect]:
        """The owner is gone or going: the oldest survivor in data exchange takes over."""
        self._owner = None
        self._mute_at = None
        for number in self._live():
            if self._connections[number].in_data_exchange:
                return self._start_session(number, now, replaces=True)
        return [SessionEnds()]

    def _probe(self, now: float) -> list[DoubleEffect]:
        """After a duplicate has gone the survivor may be open but mute (rule 6)."""
        if not self._probe_due or self._owner is None or len(self._connections) > 1:
            return []
        self._probe_due = False
        self._mute_at = now + MUTE_AFTER_S
        return [ProbeSession(self._owner)]

    def _give_up(self) -> list[DoubleEffect]:
        self._owner = None
        effects = [effect for number in self._live() for effect in self._retire(number)]
        return [*effects, SessionEnds(), PeerMute()]
