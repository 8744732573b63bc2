"""From a received message to the events it raises: its own, that of its family, and MESSAGE."""

from collections.abc import Callable
from typing import Any

from eebus.ship.effects import PinState
from eebus.ship.frames import Data, Frame, Ignorable, Init
from eebus.ship.machine import Event
from eebus.ship.messages import (
    AccessMethods,
    AccessMethodsRequest,
    ConnectionClose,
    ConnectionHello,
    ConnectionPinError,
    ConnectionPinInput,
    ConnectionPinState,
    MessageProtocolHandshake,
    MessageProtocolHandshakeError,
)

Events = tuple[Event, ...]

UNPARSABLE: Events = (Event.UNPARSABLE, Event.MESSAGE)
EXCESSIVE: Events = (Event.EXCESSIVE, Event.MESSAGE)


def events_of(frame: Frame) -> Events:
    """All events a message raises; the tables decide which one counts in a state."""
    return _EVENTS[type(frame)](frame)


def _always(*events: Event) -> Callable[[Any], Events]:
    return lambda _frame: events


def _init(init: Init) -> Events:
    return (Event.CMI_VALID, Event.MESSAGE) if init.head == 0 else (Event.MESSAGE,)


def _hello(hello: ConnectionHello) -> Events:
    return (*_hello_phase(hello), Event.HELLO, Event.MESSAGE)


def _hello_phase(hello: ConnectionHello) -> Events:
    match hello.phase:
        case "ready":
            return (Event.HELLO_READY,)
        case "pending":
            return (Event.HELLO_PROLONGATION if hello.prolongation_request else Event.HELLO_PENDING,)
        case "aborted":
            return (Event.HELLO_ABORTED,)
        case _:
            return ()


def _protocol(handshake: MessageProtocolHandshake) -> Events:
    match handshake.handshake_type:
        case "announceMax":
            return (Event.ANNOUNCE_MAX, Event.MESSAGE)
        case "select":
            return (Event.SELECT, Event.MESSAGE)
        case _:
            return (Event.MESSAGE,)


def _pin_state(state: ConnectionPinState) -> Events:
    match state.pin_state:
        case PinState.NONE | PinState.PIN_OK:
            return (Event.PIN_SATISFIED, Event.PIN, Event.MESSAGE)
        case PinState.REQUIRED:
            return (Event.PIN_REQUIRED, Event.PIN, Event.MESSAGE)
        case PinState.OPTIONAL:
            return (Event.PIN_OPTIONAL, Event.PIN, Event.MESSAGE)
        case _:
            return (Event.PIN, Event.MESSAGE)


def _close(message: ConnectionClose) -> Events:
    if message.phase == "confirm":
        return (Event.CLOSE_CONFIRM, Event.CLOSE, Event.MESSAGE)
    return (Event.CLOSE, Event.MESSAGE)


_EVENTS: dict[type[Frame], Callable[[Any], Events]] = {
    Init: _init,
    ConnectionHello: _hello,
    MessageProtocolHandshake: _protocol,
    MessageProtocolHandshakeError: _always(Event.PROTOCOL_ERROR, Event.MESSAGE),
    ConnectionPinState: _pin_state,
    ConnectionPinInput: _always(Event.PIN_INPUT, Event.PIN, Event.MESSAGE),
    ConnectionPinError: _always(Event.PIN_ERROR, Event.PIN, Event.MESSAGE),
    AccessMethodsRequest: _always(Event.ACCESS_METHODS_REQUEST, Event.MESSAGE),
    AccessMethods: _always(Event.ACCESS_METHODS, Event.MESSAGE),
    Data: _always(Event.DATA, Event.MESSAGE),
    ConnectionClose: _close,
    Ignorable: _always(Event.IGNORABLE, Event.MESSAGE),
}
