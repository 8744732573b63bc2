"""Connection mode initialisation (SHIP 13.4.3): both sides exchange ``00 00``, the client first."""

from eebus.ship.effects import EndCause, SendMessage, ShipRole
from eebus.ship.frames import CMI
from eebus.ship.machine import Context, Event, Row, State, close, close_transport, nothing

_INVALID = "the connection mode initialisation of the peer is invalid"


def is_client(context: Context, _message: object, _now: float) -> bool:
    """Did we open the transport?"""
    return context.role is ShipRole.CLIENT


def _start_client(context: Context, message: object, now: float) -> None:
    _send_cmi(context, message, now)
    _start_waiting(context, message, now)


def _start_waiting(context: Context, _message: object, now: float) -> None:
    context.started_at = now
    context.only_timer(Event.CMI_TIMEOUT, now + context.settings.cmi_timeout_s)


def _send_cmi(context: Context, _message: object, _now: float) -> None:
    context.effects.append(SendMessage(CMI))


def _answer_and_close(context: Context, message: object, now: float) -> None:
    _send_cmi(context, message, now)
    context.decide_end(EndCause.PROTOCOL_VIOLATION, _INVALID)
    close_transport(context, message, now)


_CLIENT, _SERVER = State.CMI_CLIENT_WAIT, State.CMI_SERVER_WAIT

ROWS = (
    Row(State.IDLE, Event.START, _start_client, _CLIENT, when=is_client),
    Row(State.IDLE, Event.START, _start_waiting, _SERVER),
    Row(_CLIENT, Event.CMI_VALID, nothing, State.HELLO),
    Row(_CLIENT, Event.MESSAGE, close(EndCause.PROTOCOL_VIOLATION, _INVALID), State.CLOSED),
    Row(_SERVER, Event.CMI_VALID, _send_cmi, State.HELLO),
    Row(_SERVER, Event.MESSAGE, _answer_and_close, State.CLOSED),
    Row(
        (_CLIENT, _SERVER),
        Event.CMI_TIMEOUT,
        close(EndCause.TIMEOUT, "no connection mode initialisation in time"),
        State.CLOSED,
    ),
)
