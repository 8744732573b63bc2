"""SHIP messages to and from bytes: a type byte, then JSON in the SHIP form (SHIP 11, 13.4.2)."""

import re
from enum import IntEnum

import msgspec

from eebus.errors import DecodeError
from eebus.jsonform import from_wire, to_wire
from eebus.ship.messages import (
    AccessMethods,
    AccessMethodsRequest,
    ConnectionClose,
    ConnectionHello,
    ConnectionPinError,
    ConnectionPinInput,
    ConnectionPinState,
    Message,
    MessageProtocolHandshake,
    MessageProtocolHandshakeError,
)


class MessageType(IntEnum):
    """The first byte of every SHIP message."""

    INIT = 0
    CONTROL = 1
    DATA = 2
    END = 3


class ExcessiveError(DecodeError):
    """A message beyond the bounds of size, depth or element count; the connection must close."""


class Init(msgspec.Struct, frozen=True):
    """The connection mode initialisation; only head 0 is valid (SHIP 13.4.3)."""

    head: int


class Data(msgspec.Struct, frozen=True):
    """One SPINE datagram: the JSON value of the member ``datagram``, still in wire form."""

    datagram: object
    size: int
    """Bytes of the message it came in."""


class Ignorable(msgspec.Struct, frozen=True):
    """A message that carries nothing for us: empty, of a reserved type, with an unknown name or protocol."""

    text: str


Frame = Init | Message | Data | Ignorable

_INIT, _DATA, _END = int(MessageType.INIT), int(MessageType.DATA), int(MessageType.END)
"""Plain numbers: comparing with members of an enumeration takes a noticeable part of reading."""

CMI = bytes((MessageType.INIT, 0))

_ROOTS: dict[str, tuple[MessageType, type[Message]]] = {
    "connectionHello": (MessageType.CONTROL, ConnectionHello),
    "messageProtocolHandshake": (MessageType.CONTROL, MessageProtocolHandshake),
    "messageProtocolHandshakeError": (MessageType.CONTROL, MessageProtocolHandshakeError),
    "connectionPinState": (MessageType.CONTROL, ConnectionPinState),
    "connectionPinInput": (MessageType.CONTROL, ConnectionPinInput),
    "connectionPinError": (MessageType.CONTROL, ConnectionPinError),
    "accessMethodsRequest": (MessageType.CONTROL, AccessMethodsRequest),
    "accessMethods": (MessageType.CONTROL, AccessMethods),
    "connectionClose": (MessageType.END, ConnectionClose),
}
_NAMES = {message: (type_, name) for name, (type_, message) in _ROOTS.items()}

_SPINE_PROTOCOL = "ee1.0"
_DATA_START = b'\x02{"data":[{"header":[{"protocolId":"ee1.0"}]},{"payload":'
_DATA_END = b"}]}"

_PADDING = b"\x00 \t\r\n"
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_NEITHER_BRACKET_NOR_QUOTE = bytes(set(_NO_BRACKET) - set(b'"\\'))
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A string, also one without end. What was matched is never tried again: else one message full of quotes
would take minutes.
"""

_json = msgspec.json.Decoder()
_encode_json = msgspec.json.Encoder().encode


def encode(message: Message) -> bytes:
    """A control or end message, minified and in schema order."""
    type_, name = _NAMES[type(message)]
    return bytes((type_,)) + _encode_json({name: to_wire(message)})


def encode_data(datagram: bytes) -> bytes:
    """A data message around the JSON text of the object ``{"datagram": […]}``."""
    return _DATA_START + datagram + _DATA_END


def decode(message: bytes, *, max_bytes: int, max_depth: int, max_elements: int) -> Frame:
    """Read one binary WebSocket message, as tolerantly as real devices need (SHIP reference 4.5).

    Raises ExcessiveError beyond the given bounds and DecodeError when the text is not the JSON form of the
    message it names. An empty message, a reserved type and an unknown name are Ignorable.
    """
    if len(message) > max_bytes:
        raise ExcessiveError(f"a message of {len(message)} bytes, {max_bytes} are accepted")
    if len(message) < 2:
        return Ignorable("a message without value")
    type_ = message[0]
    if type_ == _INIT:
        return Init(message[1])
    if type_ > _END:
        return Ignorable(f"the reserved message type {type_}")
    # some chargers append zero octets to most messages
    text = message[1:].strip(_PADDING)
    if not text:
        return Ignorable("a message without value")
    _check_bounds(text, max_depth, max_elements)
    root = _parse(text)
    if type_ == _DATA:
        return _data(root, len(message))
    return _control(type_, root)


def _parse(text: bytes) -> dict[str, object]:
    try:
        root = _json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not JSON: {error}") from error
    if not isinstance(root, dict):
        raise DecodeError("the root of a message must be an object")
    return root


def _control(type_: int, root: dict[str, object]) -> Frame:
    if type_ == MessageType.CONTROL and "error" in root and not _ROOTS.keys() & root.keys():
        # older Go peers send the protocol handshake error without its wrapper
        return from_wire(MessageProtocolHandshakeError, root)
    for name, content in root.items():
        expected_type, message = _ROOTS.get(name, (None, None))
        if message is not None and expected_type == type_:
            return from_wire(message, content)
    return Ignorable(f"an unknown message {next(iter(root), '')[:40]!r}")


def _data(root: dict[str, object], size: int) -> Frame:
    if "data" not in root:
        return Ignorable("a data message without data")
    members = _members(root["data"])
    if _members(members.get("header")).get("protocolId") != _SPINE_PROTOCOL:
        return Ignorable("data of another protocol")
    payload = _members(members.get("payload"))
    if "datagram" not in payload:
        return Ignorable("data without a datagram")
    return Data(payload["datagram"], size)


def _members(wire: object) -> dict[str, object]:
    """The members of one record in array form or as a plain object; nested values stay as they are."""
    if isinstance(wire, dict):
        return wire
    members: dict[str, object] = {}
    if isinstance(wire, list):
        for item in wire:
            if isinstance(item, dict):
                members.update(item)
    return members


def _check_bounds(text: bytes, max_depth: int, max_elements: int) -> None:
    """Refuse hostile nesting and element counts before anything is built from them."""
    if len(text) >= max_elements and text.count(b",") >= max_elements:
        raise ExcessiveError(f"a message with more than {max_elements} elements")
    if _is_deeper(_brackets(text), max_depth):
        raise ExcessiveError(f"a message nested deeper than {max_depth} levels")


def _brackets(text: bytes) -> bytes:
    """The brackets outside strings, braces written as brackets.

    Strings without brackets and escapes leave two quotes side by side; only if a quote stays over, strings
    have to be looked for one by one, which is slow.
    """
    brackets = text.translate(_ONE_KIND, _NEITHER_BRACKET_NOR_QUOTE).replace(b'""', b"")
    if b'"' in brackets:
        return _STRING.sub(b"", text).translate(_ONE_KIND, _NO_BRACKET)
    return brackets


def _is_deeper(brackets: bytes, max_depth: int) -> bool:
    """Remove pairs from the inside outwards, level by level, until the rest cannot be too deep."""
    for removed in range(max_depth):
        if len(brackets) <= 2 * (max_depth - removed):
            return False
        rest = brackets.replace(b"[]", b"")
        if len(rest) == len(brackets):
            return False  # brackets without a partner: no JSON, as the parser will find
        brackets = rest
    return bool(brackets)
