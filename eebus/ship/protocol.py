"""The protocol handshake (SHIP 13.4.4.2): client and server agree on a version and a text format."""

from enum import IntEnum

from eebus.ship.effects import EndCause
from eebus.ship.machine import Action, Context, Event, Row, State, close, close_transport, nothing
from eebus.ship.messages import (
    MessageProtocolHandshake,
    MessageProtocolHandshakeError,
    ProtocolFormats,
    ProtocolVersion,
)

_FORMAT = "JSON-UTF8"
_LOWEST_VERSION = (1, 0)


class HandshakeError(IntEnum):
    """The error numbers of SHIP 13.4.4.2.3."""

    TIMEOUT = 1
    UNEXPECTED_MESSAGE = 2
    SELECTION_MISMATCH = 3


# --- conditions ---


def _is_possible(_context: Context, proposal: MessageProtocolHandshake, _now: float) -> bool:
    return _version(proposal) >= _LOWEST_VERSION and _FORMAT in _formats(proposal)


def _was_offered(context: Context, choice: MessageProtocolHandshake, _now: float) -> bool:
    in_range = _LOWEST_VERSION <= _version(choice) <= context.settings.version
    return in_range and _formats(choice) == (_FORMAT,)


def _is_confirmed(context: Context, confirmation: MessageProtocolHandshake, _now: float) -> bool:
    return confirmation == context.selection


def _late_ready_allowed(context: Context, _message: object, _now: float) -> bool:
    return context.extra_ready_allowed


def _version(handshake: MessageProtocolHandshake) -> tuple[int, int]:
    version = handshake.version
    if version is None or version.major is None or version.minor is None:
        return (0, 0)
    return version.major, version.minor


def _formats(handshake: MessageProtocolHandshake) -> tuple[str, ...]:
    return (handshake.formats.format or ()) if handshake.formats else ()


# --- actions ---


def _announce(context: Context, _message: object, now: float) -> None:
    _wait(context, now)
    context.send(_handshake("announceMax", context.settings.version))


def _await_proposal(context: Context, _message: object, now: float) -> None:
    _wait(context, now)


def _select(context: Context, proposal: MessageProtocolHandshake, now: float) -> None:
    _wait(context, now)
    context.selection = _handshake("select", min(_version(proposal), context.settings.version))
    context.send(context.selection)


def _confirm(context: Context, choice: MessageProtocolHandshake, _now: float) -> None:
    context.send(_handshake("select", _version(choice)))


def _swallow_ready(context: Context, _message: object, _now: float) -> None:
    context.extra_ready_allowed = False


def _wait(context: Context, now: float) -> None:
    context.only_timer(Event.PROTOCOL_TIMEOUT, now + context.settings.protocol_wait_s)


def _handshake(type_: str, version: tuple[int, int]) -> MessageProtocolHandshake:
    return MessageProtocolHandshake(
        handshake_type=type_,
        version=ProtocolVersion(major=version[0], minor=version[1]),
        formats=ProtocolFormats(format=(_FORMAT,)),
    )


def _fail(error: HandshakeError, cause: EndCause, text: str) -> Action:
    def action(context: Context, message: object, now: float) -> None:
        context.send(MessageProtocolHandshakeError(error=error))
        context.decide_end(cause, text)
        close_transport(context, message, now)

    return action


_timeout = _fail(HandshakeError.TIMEOUT, EndCause.TIMEOUT, "no protocol handshake in time")
_unexpected = _fail(
    HandshakeError.UNEXPECTED_MESSAGE,
    EndCause.PROTOCOL_VIOLATION,
    "an unexpected message in the protocol handshake",
)
_mismatch = _fail(
    HandshakeError.SELECTION_MISMATCH, EndCause.PROTOCOL_VIOLATION, "no common protocol version and format"
)
_unparsable = close(EndCause.PROTOCOL_VIOLATION, "an unreadable message in the protocol handshake")

_CHOICE = State.PROTOCOL_CLIENT_LISTEN_CHOICE
_PROPOSAL = State.PROTOCOL_SERVER_LISTEN_PROPOSAL
_CONFIRM = State.PROTOCOL_SERVER_LISTEN_CONFIRM
_LISTENING = (_CHOICE, _PROPOSAL, _CONFIRM)

ROWS = (
    Row(State.PROTOCOL_CLIENT_INIT, Event.ENTER, _announce, _CHOICE),
    Row(_CHOICE, Event.SELECT, _confirm, State.PROTOCOL_OK, when=_was_offered),
    Row(_CHOICE, Event.SELECT, _mismatch, State.CLOSED),
    Row(State.PROTOCOL_SERVER_INIT, Event.ENTER, _await_proposal, _PROPOSAL),
    Row(_PROPOSAL, Event.ANNOUNCE_MAX, _select, _CONFIRM, when=_is_possible),
    Row(_PROPOSAL, Event.ANNOUNCE_MAX, _mismatch, State.CLOSED),
    Row(_CONFIRM, Event.SELECT, nothing, State.PROTOCOL_OK, when=_is_confirmed),
    Row(_CONFIRM, Event.SELECT, _mismatch, State.CLOSED),
    Row(_LISTENING, Event.HELLO_READY, _swallow_ready, None, when=_late_ready_allowed),
    Row(_LISTENING, Event.PROTOCOL_TIMEOUT, _timeout, State.CLOSED),
    Row(_LISTENING, Event.IGNORABLE, nothing, None),
    Row(_LISTENING, Event.UNPARSABLE, _unparsable, State.CLOSED),
    Row(_LISTENING, Event.MESSAGE, _unexpected, State.CLOSED),
)
