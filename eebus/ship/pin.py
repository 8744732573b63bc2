"""PIN verification (SHIP 13.4.4.3): ASK, the peer verifies us, and CHECK, we verify the peer, at once.

We demand a PIN only when the node has one (``PinGuard``). A peer that demands one is reported; the PIN that a
person enters then is sent as soon as the peer lets us.
"""

from eebus.ship.effects import (
    EndCause,
    PeerVerified,
    PinAnswered,
    PinRequired,
    PinState,
    SpineMessage,
    Trust,
)
from eebus.ship.exchange import ask_access_methods
from eebus.ship.frames import Data
from eebus.ship.machine import Action, Context, Event, Guard, Row, State, close, nothing
from eebus.ship.messages import ConnectionPinError, ConnectionPinInput, ConnectionPinState
from eebus.ship.pin_guard import PinVerdict

_WRONG_PIN = 1
_OK, _BUSY = "ok", "busy"


# --- conditions ---


def _fits_early(context: Context, data: Data, _now: float) -> bool:
    settings = context.settings
    return (
        len(context.early) < settings.max_early_messages
        and context.early_bytes + data.size <= settings.max_early_bytes
    )


def _peer_is_free(context: Context, _message: object, _now: float) -> bool:
    """The peer need not give us a PIN, or not any more."""
    return context.pins.state_for(context.peer_ski) is not PinState.REQUIRED


def _wants_pin(context: Context, _message: object, _now: float) -> bool:
    return context.pins.state_for(context.peer_ski) in (PinState.REQUIRED, PinState.OPTIONAL)


def _verdict(wanted: PinVerdict) -> Guard:
    def condition(context: Context, message: ConnectionPinInput, now: float) -> bool:
        if not _wants_pin(context, message, now):
            return False
        return context.pins.judge(context.peer_ski, message.pin, now) is wanted

    return condition


# --- actions of CHECK ---


def _send_state(context: Context, now: float) -> None:
    """Our demand; whether an input is looked at is only said where there is a demand."""
    state = context.pins.state_for(context.peer_ski)
    permission = None
    if state in (PinState.REQUIRED, PinState.OPTIONAL):
        busy_until = context.pins.busy_until(context.peer_ski, now)
        permission = _OK if busy_until is None else _BUSY
        if busy_until is not None:
            context.timers[Event.PIN_PENALTY_OVER] = busy_until
    context.send(ConnectionPinState(pin_state=state, input_permission=permission))


def _begin(context: Context, _message: object, now: float) -> None:
    context.only_timer(Event.PIN_TIMEOUT, now + context.settings.pin_wait_s)
    _send_state(context, now)


def _take_right_pin(context: Context, _message: object, now: float) -> None:
    context.pins.note_right(context.peer_ski)
    context.effects.append(PeerVerified())
    _send_state(context, now)


def _take_right_pin_and_go_on(context: Context, message: object, now: float) -> None:
    _take_right_pin(context, message, now)
    ask_access_methods(context, message, now)


def _take_wrong_pin(context: Context, _message: object, now: float) -> None:
    context.pins.note_wrong(context.peer_ski, now)
    context.send(ConnectionPinError(error=_WRONG_PIN))
    if context.pins.busy_until(context.peer_ski, now) is not None:
        _send_state(context, now)


def _tell_state(context: Context, _message: object, now: float) -> None:
    _send_state(context, now)


def _wait_for_pin(context: Context, _message: object, now: float) -> None:
    _phase_timer(context, Event.PIN_LIMIT_REACHED, now + context.settings.pin_limit_s)


def _report_and_wait_for_pin(context: Context, message: ConnectionPinState, now: float) -> None:
    _report(context, message, now)
    _wait_for_pin(context, message, now)


def _phase_timer(context: Context, event: Event, deadline: float) -> None:
    """Start the one timer of the phase; a penalty goes on."""
    context.timers.pop(Event.PIN_TIMEOUT, None)
    context.timers.pop(Event.PIN_LIMIT_REACHED, None)
    context.timers[event] = deadline


# --- actions of ASK ---


def _report(context: Context, message: ConnectionPinState, now: float) -> None:
    """Tell people once, and give the PIN as soon as the peer takes it."""
    demand = PinState.REQUIRED if message.pin_state == PinState.REQUIRED else PinState.OPTIONAL
    if context.pin_demand is not demand:
        context.pin_demand = demand
        context.effects.append(PinRequired(demand))
    context.pin_input_permitted = message.input_permission != _BUSY
    _give_pin(context, message, now)


def _report_required(context: Context, message: ConnectionPinState, now: float) -> None:
    _phase_timer(context, Event.PIN_LIMIT_REACHED, now + context.settings.pin_limit_s)
    _report(context, message, now)


def _report_optional(context: Context, message: ConnectionPinState, now: float) -> None:
    _report(context, message, now)
    ask_access_methods(context, message, now)


def _enter(context: Context, pin: str, now: float) -> None:
    context.entered_pin = pin
    _give_pin(context, pin, now)


def _give_pin(context: Context, _message: object, _now: float) -> None:
    """A PIN goes only to a peer that a person has accepted: a trust of 32 or more (SHIP 12.5)."""
    pin = context.entered_pin
    if pin and context.pin_demand and context.pin_input_permitted and context.trust is Trust.TRUSTED:
        context.entered_pin = None
        context.send(ConnectionPinInput(pin=pin))


def _tell_answer(*, accepted: bool) -> Action:
    def action(context: Context, _message: object, _now: float) -> None:
        context.effects.append(PinAnswered(accepted))

    return action


def _satisfied_later(context: Context, _message: object, _now: float) -> None:
    if context.pin_demand is not None:
        context.pin_demand = None
        context.effects.append(PinAnswered(accepted=True))


def _satisfied_and_go_on(context: Context, message: object, now: float) -> None:
    _satisfied_later(context, message, now)
    ask_access_methods(context, message, now)


def _satisfied_and_wait_for_pin(context: Context, message: object, now: float) -> None:
    _satisfied_later(context, message, now)
    _wait_for_pin(context, message, now)


def _keep_early(context: Context, data: Data, _now: float) -> None:
    context.early.append(SpineMessage(data.datagram))
    context.early_bytes += data.size


_INIT, _PROCESS, _CHECK = State.PIN_ASK_INIT, State.PIN_ASK_PROCESS, State.PIN_CHECK_LISTEN
_DATA = State.DATA_EXCHANGE
_ASK = (_INIT, _PROCESS)
_ALL = (_INIT, _PROCESS, _CHECK)

_timeout = close(EndCause.TIMEOUT, "no PIN state in time")
_no_pin = close(EndCause.PIN_REQUIRED, "the peer demands a PIN")
_no_pin_given = close(EndCause.PIN_REQUIRED, "the peer did not give our PIN")
_unexpected = close(EndCause.PROTOCOL_VIOLATION, "an unexpected message before the data exchange")
_too_much = close(EndCause.PROTOCOL_VIOLATION, "too much data before the PIN state")
_wrong = _tell_answer(accepted=False)

ROWS = (
    Row(State.PROTOCOL_OK, Event.ENTER, _begin, _INIT),
    # CHECK: the peer answers our demand
    Row(
        _CHECK, Event.PIN_INPUT, _take_right_pin_and_go_on, State.PIN_ASK_OK, when=_verdict(PinVerdict.RIGHT)
    ),
    Row((*_ASK, _DATA), Event.PIN_INPUT, _take_right_pin, None, when=_verdict(PinVerdict.RIGHT)),
    Row((*_ALL, _DATA), Event.PIN_INPUT, _take_wrong_pin, None, when=_verdict(PinVerdict.WRONG)),
    Row((*_ALL, _DATA), Event.PIN_INPUT, _tell_state, None, when=_wants_pin),
    Row((*_ALL, _DATA), Event.PIN_PENALTY_OVER, _tell_state, None, when=_wants_pin),
    Row(_CHECK, Event.PIN_LIMIT_REACHED, _no_pin_given, State.CLOSED),
    # ASK: the peer's demand
    Row(_ASK, Event.PIN_SATISFIED, _satisfied_and_go_on, State.PIN_ASK_OK, when=_peer_is_free),
    Row(_ASK, Event.PIN_SATISFIED, _satisfied_and_wait_for_pin, _CHECK),
    Row(_ASK, Event.PIN_OPTIONAL, _report_optional, State.PIN_ASK_OK, when=_peer_is_free),
    Row(_ASK, Event.PIN_OPTIONAL, _report_and_wait_for_pin, _CHECK),
    Row(_INIT, Event.PIN_REQUIRED, _report_required, _PROCESS),
    Row(_PROCESS, Event.PIN_REQUIRED, _report, None),
    Row((_PROCESS, _CHECK, _DATA), Event.PIN_ERROR, _wrong, None),
    Row((*_ALL, _DATA), Event.USER_ENTERS_PIN, _enter, None),
    # in the data exchange a peer may still change its mind, or be satisfied at last
    Row((_CHECK, _DATA), Event.PIN_REQUIRED, _report, None),
    Row((_CHECK, _DATA), Event.PIN_OPTIONAL, _report, None),
    Row((_CHECK, _DATA), Event.PIN_SATISFIED, _satisfied_later, None),
    Row(_INIT, Event.PIN_TIMEOUT, _timeout, State.CLOSED),
    Row(_PROCESS, Event.PIN_LIMIT_REACHED, _no_pin, State.CLOSED),
    # the peer may be ahead of us: its SPINE data is kept
    Row(_ALL, Event.DATA, _keep_early, None, when=_fits_early),
    Row(_ALL, Event.DATA, _too_much, State.CLOSED),
    Row(_ALL, Event.PIN, nothing, None),
    Row(_ALL, Event.HELLO, nothing, None),
    Row(_ALL, Event.IGNORABLE, nothing, None),
    Row(_ALL, Event.MESSAGE, _unexpected, State.CLOSED),
)
