"""Data exchange (SHIP 13.4.5) and access methods (13.4.6), which never wait for each other."""

from eebus.ship.effects import EndCause, PeerShipId, SpineMessage
from eebus.ship.frames import Data
from eebus.ship.machine import Context, Event, Row, State, close, nothing
from eebus.ship.messages import AccessMethods, AccessMethodsRequest
from eebus.ship.text import clean_received

_MAX_SHIP_ID_BYTES = 63


# --- conditions ---


def _was_asked(context: Context, _message: object, _now: float) -> bool:
    return context.access_methods_asked


def _too_often(context: Context, _message: object, _now: float) -> bool:
    return context.unparsable + 1 >= context.settings.max_consecutive_unparsable


# --- actions ---


def ask_access_methods(context: Context, _message: object, _now: float) -> None:
    """Enter the data exchange; our request, if we make one, goes out before anything else.

    Older Go peers answer it only then, and take every other control message for an error.
    """
    penalty = context.timers.get(Event.PIN_PENALTY_OVER)
    context.timers = {} if penalty is None else {Event.PIN_PENALTY_OVER: penalty}
    if context.settings.ask_access_methods:
        context.access_methods_asked = True
        context.send(AccessMethodsRequest())


def _answer_access_methods(context: Context, _message: object, _now: float) -> None:
    context.send(AccessMethods(id=context.settings.local_ship_id))


def _take_access_methods(context: Context, methods: AccessMethods, _now: float) -> None:
    """A missing identifier stays unknown; it is no error."""
    context.access_methods_asked = False
    ship_id = clean_received(methods.id or "", _MAX_SHIP_ID_BYTES)
    if ship_id:
        context.effects.append(PeerShipId(ship_id))


def _deliver_early(context: Context, _message: object, _now: float) -> None:
    context.effects.extend(context.early)
    context.early.clear()


def _deliver(context: Context, data: Data, _now: float) -> None:
    context.unparsable = 0
    context.effects.append(SpineMessage(data.datagram))


def _count_unparsable(context: Context, _message: object, _now: float) -> None:
    context.unparsable += 1


_DATA = State.DATA_EXCHANGE
_AFTER_PROTOCOL = (State.PIN_ASK_INIT, State.PIN_ASK_PROCESS, State.PIN_CHECK_LISTEN, _DATA)

_unreadable = close(EndCause.PROTOCOL_VIOLATION, "too many unreadable messages")

ROWS = (
    Row(State.PIN_ASK_OK, Event.ENTER, _deliver_early, _DATA),
    Row(_DATA, Event.DATA, _deliver, _DATA),
    Row(_AFTER_PROTOCOL, Event.ACCESS_METHODS_REQUEST, _answer_access_methods, None),
    Row(_AFTER_PROTOCOL, Event.ACCESS_METHODS, _take_access_methods, None, when=_was_asked),
    Row(_AFTER_PROTOCOL, Event.ACCESS_METHODS, nothing, None),
    Row(_DATA, Event.UNPARSABLE, _unreadable, State.CLOSED, when=_too_often),
    Row(_DATA, Event.UNPARSABLE, _count_unparsable, _DATA),
)
