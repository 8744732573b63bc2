"""The messages of the SHIP layer in plain words, with the chapter that rules them."""

from eebus.ship.frames import Frame, Ignorable, Init
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

_ERRORS = {1: "it waited too long", 2: "an unexpected message", 3: "the choice does not match the offer"}


def ship_text(frame: Frame) -> str:
    """One line for a message that is no SPINE datagram."""
    match frame:
        case Init(head=0):
            return "begins: connection mode initialisation (SHIP 13.4.3)"
        case Init(head=head):
            return f"begins with the invalid head {head}; the receiver has to close (SHIP 13.4.3)"
        case ConnectionHello():
            return f"{_hello(frame)} (SHIP 13.4.4.1)"
        case MessageProtocolHandshake():
            return f"{_protocol(frame)} (SHIP 13.4.4.2)"
        case MessageProtocolHandshakeError(error=error):
            reason = _ERRORS.get(error or 0, f"error {error}")
            return f"ends the protocol handshake: {reason} (SHIP 13.4.4.2)"
        case ConnectionPinState(pin_state=state):
            wish = "wants no PIN" if state == "none" else f"PIN: {state}"
            return f"{wish} (SHIP 13.4.4.3)"
        case ConnectionPinInput():
            return "gives a PIN (SHIP 13.4.4.3)"
        case ConnectionPinError():
            return "says that the PIN was wrong (SHIP 13.4.4.3)"
        case AccessMethodsRequest():
            return "asks for the SHIP ID and the ways to reach the other side (SHIP 13.4.6)"
        case AccessMethods(id=ship_id):
            return f"its SHIP ID is {ship_id or 'not told'} (SHIP 13.4.6)"
        case ConnectionClose():
            return f"{_close(frame)} (SHIP 13.4.7)"
        case Ignorable(text=text):
            return f"{text}; ignored (SHIP 13.4.2)"
        case _:
            return "SPINE data"


def _hello(hello: ConnectionHello) -> str:
    wait = "" if hello.waiting is None else f", and waits {hello.waiting / 1000:g} s for the other side"
    match hello.phase:
        case "ready":
            return f"trusts the other side{wait}"
        case "pending" if hello.prolongation_request:
            return "needs more time to be accepted by a person and asks for a prolongation"
        case "pending":
            return f"does not trust the other side yet{wait}"
        case "aborted":
            return "does not trust the other side and ends"
        case phase:
            return f"says hello with the unknown phase '{phase}'"


def _protocol(handshake: MessageProtocolHandshake) -> str:
    version = handshake.version
    spoken = f"SHIP {version.major}.{version.minor}" if version else "no version"
    formats = ", ".join((handshake.formats.format if handshake.formats else None) or ()) or "no format"
    verb = {"announceMax": "offers", "select": "chooses"}.get(handshake.handshake_type or "", "proposes")
    return f"{verb} {spoken} with {formats}"


def _close(close: ConnectionClose) -> str:
    if close.phase == "confirm":
        return "confirms the end"
    if close.reason == "removedConnection":
        return "ends the connection because it trusts the other side no longer"
    reason = f", reason '{close.reason}'" if close.reason else ""
    return f"announces the end of the connection{reason}"
