"""The end of a connection (SHIP 13.4.7): announced, confirmed, aborted, refused or simply lost."""

from dataclasses import dataclass

from eebus.ship.effects import EndCause
from eebus.ship.machine import (
    CLOSE_REJECTED,
    REJECTED,
    Action,
    Context,
    Event,
    Row,
    State,
    close,
    close_transport,
)
from eebus.ship.messages import ConnectionClose, MessageProtocolHandshakeError

DOUBLE_CONNECTION = "double connection"
_CLOSE_UNSUPPORTED_DATA = 1003
_CLOSE_SHIP_ID_MISMATCH = 4450
_UPGRADE_WINDOW_S = 2.0
"""A close without any message within this time counts as one right after the upgrade."""


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """The wish to end a connection; ``text`` is the reason of a close before the data exchange."""

    text: str


@dataclass(frozen=True, slots=True)
class TransportEnd:
    """How the WebSocket ended; without code no close frame came."""

    code: int | None
    reason: str


# --- conditions ---


def _is_removal(_context: Context, message: ConnectionClose, _now: float) -> bool:
    return message.reason == "removedConnection"


def _says_rejected(_context: Context, end: TransportEnd, _now: float) -> bool:
    return end.code == CLOSE_REJECTED


def _says_ship_id_mismatch(_context: Context, end: TransportEnd, _now: float) -> bool:
    return end.code == _CLOSE_SHIP_ID_MISMATCH or "SHIP id mismatch" in end.reason


def _says_double(_context: Context, end: TransportEnd, _now: float) -> bool:
    return DOUBLE_CONNECTION in end.reason


def _came_at_upgrade(context: Context, _end: TransportEnd, now: float) -> bool:
    return now < context.started_at + _UPGRADE_WINDOW_S


def _peer_was_pending(context: Context, _end: TransportEnd, _now: float) -> bool:
    return context.peer_was_pending


def _has_code(_context: Context, end: TransportEnd, _now: float) -> bool:
    return end.code is not None


# --- actions ---


def _announce(reason: str, cause: EndCause) -> Action:
    def action(context: Context, _message: object, now: float) -> None:
        max_time_s = context.settings.close_max_time_s
        context.only_timer(Event.CLOSE_TIME_OVER, now + max_time_s)
        context.decide_end(cause, cause.value, reason="close")
        context.send(ConnectionClose(phase="announce", max_time=round(max_time_s * 1000), reason=reason))

    return action


def _confirm(cause: EndCause) -> Action:
    def action(context: Context, message: object, now: float) -> None:
        context.send(ConnectionClose(phase="confirm"))
        context.decide_end(cause, cause.value, reason="close")
        close_transport(context, message, now)

    return action


def _close_as_asked(context: Context, request: CloseRequest, now: float) -> None:
    context.decide_end(EndCause.LOCAL_CLOSE, request.text)
    close_transport(context, request, now)


def _protocol_error(context: Context, message: MessageProtocolHandshakeError, now: float) -> None:
    text = f"the peer ended the protocol handshake with error {message.error}"
    context.decide_end(EndCause.PROTOCOL_VIOLATION, text, reason="close")
    close_transport(context, message, now)


def _lost(cause: EndCause) -> Action:
    def action(context: Context, end: TransportEnd, _now: float) -> None:
        detail = f" ({end.code} {end.reason[:123]!r})" if end.code is not None else ""
        context.decide_end(cause, cause.value + detail)

    return action


def _tell_end(context: Context, _message: object, _now: float) -> None:
    context.timers = {}
    if context.end is not None:
        context.effects.append(context.end)


# --- rows ---

_CMI = (State.CMI_CLIENT_WAIT, State.CMI_SERVER_WAIT)
_HELLO = (State.READY_LISTEN, State.PENDING_LISTEN)
_PROTOCOL = (
    State.PROTOCOL_CLIENT_LISTEN_CHOICE,
    State.PROTOCOL_SERVER_LISTEN_PROPOSAL,
    State.PROTOCOL_SERVER_LISTEN_CONFIRM,
)
_PIN = (State.PIN_ASK_INIT, State.PIN_ASK_PROCESS, State.PIN_CHECK_LISTEN)
_DATA, _ANNOUNCED = State.DATA_EXCHANGE, State.CLOSE_ANNOUNCED
_AFTER_CMI = (*_HELLO, *_PROTOCOL, *_PIN, _DATA)
_OPEN = (State.IDLE, *_CMI, *_AFTER_CMI, State.ABORTING, _ANNOUNCED)

_text_message = close(EndCause.PROTOCOL_VIOLATION, "a text message: SHIP is binary", _CLOSE_UNSUPPORTED_DATA)
_excessive = close(EndCause.PROTOCOL_VIOLATION, "a message beyond the bounds")
_reject = close(EndCause.LOCAL_REFUSAL, "we do not trust the peer", CLOSE_REJECTED, REJECTED)

ROWS = (
    # we end it
    Row(_DATA, Event.CLOSE_REQUESTED, _announce("unspecific", EndCause.LOCAL_CLOSE), _ANNOUNCED),
    Row(_DATA, Event.USER_REFUSES, _announce("removedConnection", EndCause.LOCAL_REFUSAL), _ANNOUNCED),
    Row((State.IDLE, *_CMI, *_PROTOCOL, *_PIN), Event.USER_REFUSES, _reject, State.CLOSED),
    Row((State.IDLE, *_CMI, *_AFTER_CMI), Event.CLOSE_REQUESTED, _close_as_asked, State.CLOSED),
    Row(_ANNOUNCED, Event.CLOSE_CONFIRM, close_transport, State.CLOSED),
    Row(_ANNOUNCED, Event.CLOSE, _confirm(EndCause.LOCAL_CLOSE), State.CLOSED),
    Row(_ANNOUNCED, Event.CLOSE_TIME_OVER, close_transport, State.CLOSED),
    Row(State.ABORTING, Event.ABORT_DELAY_OVER, close_transport, State.CLOSED),
    # the peer ends it
    Row((*_PIN, _DATA), Event.CLOSE_CONFIRM, close(EndCause.REMOTE_CLOSE, "close"), State.CLOSED),
    Row((*_PIN, _DATA), Event.CLOSE, _confirm(EndCause.REMOTE_REMOVAL), State.CLOSED, when=_is_removal),
    Row((*_PIN, _DATA), Event.CLOSE, _confirm(EndCause.REMOTE_CLOSE), State.CLOSED),
    Row((*_HELLO, *_PROTOCOL), Event.CLOSE, close(EndCause.REMOTE_CLOSE, "close"), State.CLOSED),
    Row(_AFTER_CMI, Event.PROTOCOL_ERROR, _protocol_error, State.CLOSED),
    # violations of the framing
    Row(_OPEN, Event.TEXT_MESSAGE, _text_message, State.CLOSED),
    Row((*_AFTER_CMI, State.ABORTING, _ANNOUNCED), Event.EXCESSIVE, _excessive, State.CLOSED),
    # the transport is gone; a reason decided before stays
    Row(
        _OPEN,
        Event.TRANSPORT_CLOSED,
        _lost(EndCause.SHIP_ID_MISMATCH),
        State.CLOSED,
        when=_says_ship_id_mismatch,
    ),
    Row(_OPEN, Event.TRANSPORT_CLOSED, _lost(EndCause.DOUBLE_CONNECTION), State.CLOSED, when=_says_double),
    Row(_OPEN, Event.TRANSPORT_CLOSED, _lost(EndCause.REMOTE_REFUSAL), State.CLOSED, when=_says_rejected),
    Row(_CMI, Event.TRANSPORT_CLOSED, _lost(EndCause.CLOSED_AT_UPGRADE), State.CLOSED, when=_came_at_upgrade),
    Row(
        State.READY_LISTEN,
        Event.TRANSPORT_CLOSED,
        _lost(EndCause.REMOTE_UNDECIDED),
        State.CLOSED,
        when=_peer_was_pending,
    ),
    Row(_OPEN, Event.TRANSPORT_CLOSED, _lost(EndCause.REMOTE_CLOSE), State.CLOSED, when=_has_code),
    Row(_OPEN, Event.TRANSPORT_CLOSED, _lost(EndCause.TRANSPORT_LOST), State.CLOSED),
    Row(State.CLOSED, Event.ENTER, _tell_end, None),
)
