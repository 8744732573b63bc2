"""What the phases of a connection share: states, events, rows of a table, and the memory of a connection.

Each phase is a table of rows that can be laid beside the specification. The first row that names the state
and the event, and whose condition holds, is taken: its action runs, then the state changes. An event without
a row is ignored. States and events are whole numbers because every message looks them up.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

from eebus.ids import Ski
from eebus.ship.effects import (
    CloseTransport,
    EndCause,
    Ended,
    Phase,
    PhaseReached,
    PinState,
    SendMessage,
    ShipEffect,
    ShipRole,
    SpineMessage,
    Trust,
)
from eebus.ship.frames import encode
from eebus.ship.messages import Message, MessageProtocolHandshake
from eebus.ship.pin_guard import PinGuard
from eebus.ship.settings import ShipSettings
from eebus.ship.text import cut

CLOSE_NORMAL = 4001
CLOSE_REJECTED = 4452
REJECTED = "Node rejected by application"
_MAX_REASON_BYTES = 123


class State(IntEnum):
    """The states of SHIP 13.4, named as in the specification where it names them.

    HELLO, HELLO_OK, PROTOCOL_OK, PIN_ASK_OK and the INIT states before them are passed through at once.
    """

    IDLE = auto()
    CMI_CLIENT_WAIT = auto()
    CMI_SERVER_WAIT = auto()
    HELLO = auto()
    READY_INIT = auto()
    READY_LISTEN = auto()
    PENDING_INIT = auto()
    PENDING_LISTEN = auto()
    HELLO_OK = auto()
    PROTOCOL_SERVER_INIT = auto()
    PROTOCOL_CLIENT_INIT = auto()
    PROTOCOL_SERVER_LISTEN_PROPOSAL = auto()
    PROTOCOL_SERVER_LISTEN_CONFIRM = auto()
    PROTOCOL_CLIENT_LISTEN_CHOICE = auto()
    PROTOCOL_OK = auto()
    PIN_ASK_INIT = auto()
    PIN_ASK_PROCESS = auto()
    PIN_CHECK_LISTEN = auto()
    PIN_ASK_OK = auto()
    DATA_EXCHANGE = auto()
    ABORTING = auto()
    CLOSE_ANNOUNCED = auto()
    CLOSED = auto()


PHASES: dict[State, Phase] = {
    State.IDLE: Phase.CMI,
    State.CMI_CLIENT_WAIT: Phase.CMI,
    State.CMI_SERVER_WAIT: Phase.CMI,
    State.HELLO: Phase.HELLO,
    State.READY_INIT: Phase.HELLO,
    State.READY_LISTEN: Phase.HELLO,
    State.PENDING_INIT: Phase.HELLO,
    State.PENDING_LISTEN: Phase.HELLO,
    State.HELLO_OK: Phase.HELLO,
    State.PROTOCOL_SERVER_INIT: Phase.PROTOCOL,
    State.PROTOCOL_CLIENT_INIT: Phase.PROTOCOL,
    State.PROTOCOL_SERVER_LISTEN_PROPOSAL: Phase.PROTOCOL,
    State.PROTOCOL_SERVER_LISTEN_CONFIRM: Phase.PROTOCOL,
    State.PROTOCOL_CLIENT_LISTEN_CHOICE: Phase.PROTOCOL,
    State.PROTOCOL_OK: Phase.PROTOCOL,
    State.PIN_ASK_INIT: Phase.PIN,
    State.PIN_ASK_PROCESS: Phase.PIN,
    State.PIN_CHECK_LISTEN: Phase.PIN,
    State.PIN_ASK_OK: Phase.DATA,
    State.DATA_EXCHANGE: Phase.DATA,
    State.ABORTING: Phase.CLOSING,
    State.CLOSE_ANNOUNCED: Phase.CLOSING,
    State.CLOSED: Phase.CLOSED,
}


class Event(IntEnum):
    """What can happen to a connection. A message raises its own event, that of its family, and MESSAGE."""

    START = auto()
    ENTER = auto()
    """The state was entered by the row before."""
    USER_ACCEPTS = auto()
    USER_REFUSES = auto()
    USER_ENTERS_PIN = auto()
    CLOSE_REQUESTED = auto()
    TRANSPORT_CLOSED = auto()

    CMI_TIMEOUT = auto()
    WAIT_FOR_READY_EXPIRED = auto()
    SEND_PROLONGATION_DUE = auto()
    PROLONGATION_REPLY_EXPIRED = auto()
    PENDING_LIMIT_REACHED = auto()
    PROTOCOL_TIMEOUT = auto()
    PIN_TIMEOUT = auto()
    PIN_LIMIT_REACHED = auto()
    PIN_PENALTY_OVER = auto()
    ABORT_DELAY_OVER = auto()
    CLOSE_TIME_OVER = auto()

    CMI_VALID = auto()
    HELLO_READY = auto()
    HELLO_PENDING = auto()
    HELLO_PROLONGATION = auto()
    HELLO_ABORTED = auto()
    HELLO = auto()
    ANNOUNCE_MAX = auto()
    SELECT = auto()
    PROTOCOL_ERROR = auto()
    PIN_SATISFIED = auto()
    PIN_REQUIRED = auto()
    PIN_OPTIONAL = auto()
    PIN_INPUT = auto()
    PIN_ERROR = auto()
    PIN = auto()
    ACCESS_METHODS_REQUEST = auto()
    ACCESS_METHODS = auto()
    DATA = auto()
    CLOSE_CONFIRM = auto()
    CLOSE = auto()
    IGNORABLE = auto()
    UNPARSABLE = auto()
    EXCESSIVE = auto()
    TEXT_MESSAGE = auto()
    MESSAGE = auto()


_REGULAR_CLOSE = CloseTransport(CLOSE_NORMAL, "close")


@dataclass(slots=True)
class Context:
    """The memory of one connection, changed only by the actions of the tables."""

    role: ShipRole
    settings: ShipSettings
    trust: Trust
    peer_ski: Ski
    pins: PinGuard
    state: State = State.IDLE
    timers: dict[Event, float] = field(default_factory=dict)
    """Absolute deadlines by the event they raise."""
    effects: list[ShipEffect] = field(default_factory=list)
    end: Ended | None = None
    """How the connection ends, once that is decided."""
    close_frame: CloseTransport = _REGULAR_CLOSE

    started_at: float = 0.0
    hello_started_at: float = 0.0
    peer_ready: bool = False
    peer_was_pending: bool = False
    peer_waiting_s: float | None = None
    request_unanswered: bool = False
    extra_ready_allowed: bool = False
    prolongations: int = 0
    selection: MessageProtocolHandshake | None = None
    access_methods_asked: bool = False
    pin_demand: PinState | None = None
    """What the peer demands of us, while it does."""
    pin_input_permitted: bool = False
    entered_pin: str | None = None
    """Entered by a person, not yet sent."""
    early: list[SpineMessage] = field(default_factory=list)
    early_bytes: int = 0
    unparsable: int = 0

    def send(self, message: Message) -> None:
        """Queue a control or end message."""
        self.effects.append(SendMessage(encode(message)))

    def only_timer(self, event: Event, deadline: float) -> None:
        """Stop all timers and start this one."""
        self.timers = {event: deadline}

    def decide_end(
        self, cause: EndCause, text: str, code: int = CLOSE_NORMAL, reason: str | None = None
    ) -> None:
        """Remember why the connection ends; the first decision counts.

        ``code`` and ``reason`` go into the close frame; without ``reason`` the text itself does.
        """
        if self.end is None:
            self.end = Ended(cause, text)
            told = text if reason is None else reason
            self.close_frame = CloseTransport(code, cut(told, _MAX_REASON_BYTES))


Action = Callable[[Context, Any, float], None]
"""Gets the memory, the message (or None) and the time."""
Guard = Callable[[Context, Any, float], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: in this state (or these), on this event, under this condition, do that and go there.

    ``next`` None: the state stays, whichever it is.
    """

    state: State | tuple[State, ...]
    event: Event
    action: Action
    next: State | None
    when: Guard | None = None


def nothing(_context: Context, _message: object, _now: float) -> None:
    """The action of a row that only changes the state, or that says 'ignored' aloud."""


def close(cause: EndCause, text: str, code: int = CLOSE_NORMAL, reason: str | None = None) -> Action:
    """The action that closes the transport at once, for a reason known beforehand."""

    def action(context: Context, message: object, now: float) -> None:
        context.decide_end(cause, text, code, reason)
        close_transport(context, message, now)

    return action


def close_transport(context: Context, _message: object, _now: float) -> None:
    """Close the transport as already decided."""
    context.effects.append(context.close_frame)


class Machine:
    """Runs a table."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[tuple[State, Event], list[tuple[int, Row]]] = {}
        for position, row in enumerate(rows):
            for state in row.state if isinstance(row.state, tuple) else (row.state,):
                self._rows.setdefault((state, row.event), []).append((position, row))
        self._candidates: dict[tuple[State, tuple[Event, ...]], tuple[Row, ...]] = {}

    def dispatch(self, context: Context, events: tuple[Event, ...], message: object, now: float) -> None:
        """Take the first fitting row for one happening, and the rows of the states it leads through."""
        while True:
            row = self._find(context, events, message, now)
            if row is None:
                return
            row.action(context, message, now)
            if row.next is None or row.next is context.state:
                return
            self._move(context, row.next)
            events, message = (Event.ENTER,), None

    def _find(self, context: Context, events: tuple[Event, ...], message: object, now: float) -> Row | None:
        key = (context.state, events)
        candidates = self._candidates.get(key)
        if candidates is None:
            found = sorted(
                (item for event in events for item in self._rows.get((context.state, event), ())),
                key=lambda item: item[0],
            )
            candidates = self._candidates[key] = tuple(row for _, row in found)
        for row in candidates:
            if row.when is None or row.when(context, message, now):
                return row
        return None

    @staticmethod
    def _move(context: Context, state: State) -> None:
        before = PHASES[context.state]
        context.state = state
        if PHASES[state] is not before:
            context.effects.append(PhaseReached(PHASES[state]))
