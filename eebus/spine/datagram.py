"""Datagrams: header and one command, read from and written to the form on the wire (SPINE 2.1, 2.2)."""

from typing import Final

import msgspec

from eebus.errors import DecodeError
from eebus.jsonform import Record, from_wire, merge_members, to_wire
from eebus.spine.functions import FUNCTIONS, FunctionSpec, spec_of
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
    named: str | None = None
    filters: tuple[Filter, ...] = ()
    spec: FunctionSpec | None = None
    others: list[tuple[str, object]] = []
    for name, value in members.items():
        if name == "function":
            named = _function_name(value)
        elif name == "filter":
            filters = _decode_filters(value)
        elif name not in FUNCTIONS:
            others.append((name, value))
        elif spec is not None:
            raise DecodeError(f"cmd: several functions at once: {spec.name}, {name}")
        else:
            spec = FUNCTIONS[name]
    if spec is not None:
        data = from_wire(spec.data, members[spec.name])
        return Command(spec.name, data, filters, named, msgspec.UNSET, tuple(others))
    return _unknown_command(named, filters, others)


def _unknown_command(
    named: str | None, filters: tuple[Filter, ...], others: list[tuple[str, object]]
) -> Command:
    """A command without a function that we know: its data is the element that `function` names, or any."""
    candidates = [name for name, _ in others if name not in _COMMAND_EXTRAS]
    if not candidates:
        return Command(named or "", None, filters, named, msgspec.UNSET, tuple(others))
    function = named if named in candidates else candidates[0]
    extras = tuple(item for item in others if item[0] != function)
    return Command(function, None, filters, named, dict(others)[function], extras)


def _function_name(wire: object) -> str | None:
    if wire is None or isinstance(wire, str):
        return wire
    raise DecodeError("cmd: 'function' is not a text")


def _decode_filters(wire: object) -> tuple[Filter, ...]:
    if wire is None:
        return ()
    if not isinstance(wire, list):
        raise DecodeError("cmd: 'filter' is not a list")
    return tuple(from_wire(Filter, item) for item in wire)


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
