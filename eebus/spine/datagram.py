"""Datagrams: header and one command, read from and written to the form on the wire (SPINE 2.1, 2.2)."""

from typing import Final

import msgspec

from eebus.errors import DecodeError
from eebus.jsonform import Record, from_wire, merge_members, to_wire
from eebus.spine.functions import FUNCTIONS, spec_of
from eebus.spine.model.common import FeatureAddress, Tag, Uint32, Uint64

SPECIFICATION_VERSION: Final = "1.3.0"

_COMMAND_EXTRAS = frozenset({"manufacturerSpecificExtension", "lastUpdateAt"})


class Header(Record, frozen=True):
    """The header of a datagram (SPINE 2.1)."""

    specification_version: str | None = None
    address_source: FeatureAddress | None = None
    address_destination: FeatureAddress | None = None
    address_originator: FeatureAddress | None = None
    msg_counter: Uint64 | None = None
    msg_counter_reference: Uint64 | None = None
    cmd_classifier: str | None = None
    ack_request: bool | None = None
    timestamp: str | None = None


class CmdControl(Record, frozen=True):
    delete: Tag | None = None
    partial: Tag | None = None


class Filter(Record, frozen=True):
    """One filter of a command (SPINE 6.2).

    Selectors and elements are called after the function and stay among the unknown elements;
    :mod:`eebus.spine.update` reads them with the function in hand.
    """

    filter_id: Uint32 | None = None
    cmd_control: CmdControl | None = None


class Command(msgspec.Struct, frozen=True):
    """One command: function data with optional filters.

    `function` is the name of the data element, or the text of the element `function` when there is no data.
    `data` is None without a data element and for a function that the registry does not know; then `raw` holds
    its value as received. `named` is the text of the element `function`, None when absent.
    """

    function: str
    data: Record | None = None
    filters: tuple[Filter, ...] = ()
    named: str | None = None
    raw: object = msgspec.UNSET
    extras: tuple[tuple[str, object], ...] = ()


class Datagram(msgspec.Struct, frozen=True):
    """One message of SPINE."""

    header: Header
    command: Command


class PayloadError(DecodeError):
    """The header could be read, the payload not: the request can be refused."""

    def __init__(self, header: Header, text: str) -> None:
        super().__init__(text)
        self.header = header


def command_for(data: Record, filters: tuple[Filter, ...] = ()) -> Command:
    """The command that carries this function data; `function` is named when there are filters (SPINE 2.2)."""
    function = spec_of(data).name
    return Command(function=function, data=data, filters=filters, named=function if filters else None)


def decode_datagram(wire: object) -> Datagram:
    """Read a datagram from its decoded JSON value (what the member `datagram` of a SHIP message holds).

    Raises PayloadError when only the header could be read, DecodeError when not even that.
    """
    frame = merge_members(wire)
    header = from_wire(Header, frame.get("header"))
    try:
        return Datagram(header, _decode_payload(frame.get("payload")))
    except DecodeError as error:
        raise PayloadError(header, str(error)) from error


def encode_datagram(datagram: Datagram) -> bytes:
    """The JSON text `{"datagram":[…]}` in SHIP form, without white space."""
    frame = [
        {"header": to_wire(datagram.header)},
        {"payload": [{"cmd": [_encode_command(datagram.command)]}]},
    ]
    return msgspec.json.encode({"datagram": frame})


def _decode_payload(wire: object) -> Command:
    commands = merge_members(wire).get("cmd")
    if not isinstance(commands, list) or len(commands) != 1:
        raise DecodeError("payload: exactly one command is allowed")
    return _decode_command(merge_members(commands[0]))


def _decode_command(members: dict[str, object]) -> Command:
    named = members.pop("function", None)
    if not (named is None or isinstance(named, str)):
        raise DecodeError("cmd: 'function' is not a text")
    filters = _decode_filters(members.pop("filter", None))
    extras = tuple((name, members.pop(name)) for name in tuple(members) if name in _COMMAND_EXTRAS)
    function = _data_element(members, named)
    if function is None:
        return Command(named or "", None, filters, named, msgspec.UNSET, extras)
    raw = members.pop(function)
    if members:
        extras += tuple(members.items())
    spec = FUNCTIONS.get(function)
    if spec is None:
        return Command(function, None, filters, named, raw, extras)
    return Command(function, from_wire(spec.data, raw), filters, named, msgspec.UNSET, extras)


def _decode_filters(wire: object) -> tuple[Filter, ...]:
    if wire is None:
        return ()
    if not isinstance(wire, list):
        raise DecodeError("cmd: 'filter' is not a list")
    return tuple(from_wire(Filter, item) for item in wire)


def _data_element(members: dict[str, object], named: str | None) -> str | None:
    """Which member is the data: a known function first, then the one that `function` names, then any."""
    known = [name for name in members if name in FUNCTIONS]
    if len(known) > 1:
        raise DecodeError(f"cmd: several functions at once: {', '.join(known)}")
    if known:
        return known[0]
    if named in members:
        return named
    return next(iter(members), None)


def _encode_command(command: Command) -> list[object]:
    wire: list[object] = []
    if command.named is not None:
        wire.append({"function": command.named})
    if command.filters:
        wire.append({"filter": [to_wire(item) for item in command.filters]})
    if command.data is not None:
        wire.append({command.function: to_wire(command.data)})
    elif command.raw is not msgspec.UNSET:
        wire.append({command.function: command.raw})
    wire.extend({name: value} for name, value in command.extras)
    return wire
