"""PIN verification (SHIP 13.4.4.3). We never ask for a PIN; a peer that does is reported to the user."""

from eebus.ship.effects import EndCause, PinRequired, PinState, SpineMessage
from eebus.ship.exchange import ask_access_methods
from eebus.ship.frames import Data
from eebus.ship.machine import Action, Context, Event, Row, State, close, nothing
from eebus.ship.messages import ConnectionPinState


def _fits_early(context: Context, data: Data, _now: float) -> bool:
    settings = context.settings
    return (
        len(context.early) < settings.max_early_messages
        and context.early_bytes + data.size <= settings.max_early_bytes
    )


def _send_none(context: Context, _message: object, now: float) -> None:
    context.only_timer(Event.PIN_TIMEOUT, now + context.settings.pin_wait_s)
    context.send(ConnectionPinState(pin_state=PinState.NONE))


def _report_required(context: Context, _message: object, now: float) -> None:
    context.only_timer(Event.PIN_LIMIT_REACHED, now + context.settings.pin_limit_s)
    context.effects.append(PinRequired(PinState.REQUIRED))


def _report_optional(context: Context, message: object, now: float) -> None:
    context.effects.append(PinRequired(PinState.OPTIONAL))
    ask_access_methods(context, message, now)


def _report(state: PinState) -> Action:
    def action(context: Context, _message: object, _now: float) -> None:
        context.effects.append(PinRequired(state))

    return action


def _keep_early(context: Context, data: Data, _now: float) -> None:
    context.early.append(SpineMessage(data.datagram))
    context.early_bytes += data.size


_INIT, _PROCESS = State.PIN_ASK_INIT, State.PIN_ASK_PROCESS
_BOTH = (_INIT, _PROCESS)

_timeout = close(EndCause.TIMEOUT, "no PIN state in time")
_no_pin = close(EndCause.PIN_REQUIRED, "the peer demands a PIN")
_unexpected = close(EndCause.PROTOCOL_VIOLATION, "an unexpected message before the data exchange")
_too_much = close(EndCause.PROTOCOL_VIOLATION, "too much data before the PIN state")

ROWS = (
    Row(State.PROTOCOL_OK, Event.ENTER, _send_none, _INIT),
    Row(_BOTH, Event.PIN_SATISFIED, ask_access_methods, State.PIN_ASK_OK),
    Row(_BOTH, Event.PIN_OPTIONAL, _report_optional, State.PIN_ASK_OK),
    Row(_INIT, Event.PIN_REQUIRED, _report_required, _PROCESS),
    Row(_INIT, Event.PIN_TIMEOUT, _timeout, State.CLOSED),
    Row(_PROCESS, Event.PIN_LIMIT_REACHED, _no_pin, State.CLOSED),
    # the peer may be ahead of us: its SPINE data is kept
    Row(_BOTH, Event.DATA, _keep_early, None, when=_fits_early),
    Row(_BOTH, Event.DATA, _too_much, State.CLOSED),
    Row(_BOTH, Event.PIN, nothing, None),
    Row(_BOTH, Event.HELLO, nothing, None),
    Row(_BOTH, Event.IGNORABLE, nothing, None),
    Row(_BOTH, Event.MESSAGE, _unexpected, State.CLOSED),
    # in the data exchange a peer may still change its mind
    Row(State.DATA_EXCHANGE, Event.PIN_REQUIRED, _report(PinState.REQUIRED), None),
    Row(State.DATA_EXCHANGE, Event.PIN_OPTIONAL, _report(PinState.OPTIONAL), None),
)
