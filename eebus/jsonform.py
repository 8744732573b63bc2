"""The JSON form of SHIP: a record is a list of single-member objects in schema order.

Both SHIP messages and SPINE datagrams use it. An empty list may be an empty record, a tag or an empty list;
only the type of the element tells which. Therefore records are folded with the model in hand, and no text is
replaced.

Reading is tolerant as real devices require (SHIP 4.5, SPINE 1.1): array form or plain objects at any depth,
``[]``, ``{}`` and null alike. Writing has one form: schema order, no absent members, no empty lists.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from eebus.errors import DecodeError

_Fold = Callable[[object], object]
_StructT = TypeVar("_StructT", bound=msgspec.Struct)

_UNKNOWN = "$unknown"
_OUT_OF_RANGE = re.compile(r"Expected `(?:int|float)` ([<>]=) (\S+)")
_WRONG_KIND = re.compile(r"Expected `(\w+)(?: \| null)?`, got `(\w+)`")
_KINDS = {
    "int": "a whole number",
    "float": "a number with a fraction",
    "str": "a text",
    "bool": "true or false",
    "object": "a record",
    "array": "a list",
    "null": "nothing",
}


class Elements(tuple[tuple[str, object], ...]):
    """Names and raw values of elements outside a model.

    A type of its own, so that no value of a peer converts to it: an element called as the member that holds
    them is one of them.
    """


class Record(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename="camel",
    gc=False,
):
    """A record that keeps the elements which its model does not know.

    Element names are the field names in camel case. Fields stand in schema order, are optional and default to
    None. A record without fields is a tag: its presence is the information.
    """

    unknown: Elements = msgspec.field(default=Elements(), name=_UNKNOWN)
    """Received elements outside the model; they survive decoding and encoding."""


def from_wire(type_: type[_StructT], wire: object) -> _StructT:
    """Read a record from its decoded JSON value.

    Unknown elements are kept by a :class:`Record` and skipped by any other struct. Raises DecodeError, which
    names the place, for values of a wrong type and for a repeated element of a :class:`Record` (SPINE 1.3).
    """
    try:
        return msgspec.convert(_folder(type_, False)(wire), type_)
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.convert(_folder(type_, True)(wire), type_)
    except msgspec.ValidationError as error:
        raise DecodeError(f"{type_.__name__}: {_in_plain_words(str(error))}") from error


def _in_plain_words(text: str) -> str:
    """What is wrong with a value, for people who do not know our decoder; unknown texts stay as they are."""
    what, _, place = text.partition(" - at `$")
    name = place.rstrip("`").lstrip(".") or "the value"
    if found := _OUT_OF_RANGE.fullmatch(what):
        return f"{name} must be {'at most' if found[1] == '<=' else 'at least'} {found[2]}"
    if found := _WRONG_KIND.fullmatch(what):
        return f"{name} must be {_KINDS.get(found[1], found[1])}, not {_KINDS.get(found[2], found[2])}"
    return text


def to_wire(value: msgspec.Struct) -> list[object]:
    """The SHIP form of a record, ready for a JSON encoder."""
    return _writer(type(value))(value)


def merge_members(wire: object) -> dict[str, object]:
    """The members of a record whose model is not known yet, by name; its values stay as they are.

    Raises DecodeError when the value is no record or repeats an element.
    """
    members: dict[str, object] = {}
    if isinstance(wire, list):
        for member in wire:
            if not isinstance(member, dict):
                raise DecodeError(f"a record was expected, not a list of {type(member).__name__}")
            members |= member
        if len(members) < len(wire):
            _refuse_repeated("record", wire)
    elif isinstance(wire, dict):
        members.update(wire)
    elif wire is not None:
        raise DecodeError(f"a record was expected, not {type(wire).__name__}")
    return members


# --- reading ---


@cache
def _folder(type_: type[msgspec.Struct], tolerant: bool) -> _Fold:
    """A function that merges the members of a record into one dictionary with the element names of the model.

    Values of a wrong shape are left alone: the conversion that follows reports them with their place.
    With `tolerant`, unknown elements are set apart, and an empty list or object where a single value belongs
    counts as an absent element. Few devices send either, so it is looked for only after a first attempt has
    failed.
    """
    members = _members(type_)
    known = frozenset(members)
    nested = tuple(
        (name, fold) for name, item in members.items() if (fold := _member_folder(item, tolerant)) is not None
    )
    keeps_unknown = issubclass(type_, Record)

    def fold_record(wire: object) -> object:
        record: dict[str, object] = {}
        if wire.__class__ is list:
            for member in wire:
                if member.__class__ is not dict:
                    return wire
                record |= member
            if keeps_unknown and len(record) < len(wire):
                _refuse_repeated(type_.__name__, wire)
        elif wire.__class__ is dict:
            record.update(wire)
        elif wire is not None:
            return wire
        if tolerant and keeps_unknown and not known.issuperset(record):
            unknown = [name for name in record if name not in known]
            record[_UNKNOWN] = Elements([(name, record.pop(name)) for name in unknown])
        for name, fold in nested:
            value = record.get(name)
            if value is not None:
                record[name] = fold(value)
        return record

    return fold_record


def _member_folder(item: "_Member", tolerant: bool) -> _Fold | None:
    """How to prepare the value of one element; None when it can be taken as it is."""
    if item.record is not None:
        fold_record = _folder(item.record, tolerant)
        return _list_folder(fold_record) if item.is_list else fold_record
    if item.is_list:
        return _empty_as_list if tolerant else None
    return _empty_as_absent if tolerant and not item.is_raw else None


def _list_folder(fold_record: _Fold) -> _Fold:
    def fold_list(wire: object) -> object:
        if wire.__class__ is list:
            return [fold_record(item) for item in wire]
        if wire.__class__ is dict:
            return [fold_record(wire)] if wire else []
        return wire

    return fold_list


def _empty_as_absent(wire: object) -> object:
    return None if wire in ([], {}) else wire


def _empty_as_list(wire: object) -> object:
    return [] if wire == {} else wire


def _refuse_repeated(name: str, wire: list[dict[str, object]]) -> None:
    seen: set[str] = set()
    for member in wire:
        repeated = seen.intersection(member)
        if repeated:
            raise DecodeError(f"{name}: element '{repeated.pop()}' appears twice")
        seen.update(member)


# --- writing ---


@cache
def _writer(type_: type[msgspec.Struct]) -> Callable[[Any], list[object]]:
    members = _members(type_)
    names = tuple(members)
    writers = tuple(_member_writer(item) for item in members.values())
    astuple = msgspec.structs.astuple
    keeps_unknown = issubclass(type_, Record)

    def write_plain(record: msgspec.Struct) -> list[object]:
        return [
            {name: value} for name, value in zip(names, astuple(record), strict=False) if value is not None
        ]

    def write_nested(record: msgspec.Struct) -> list[object]:
        wire: list[object] = []
        for name, write, value in zip(names, writers, astuple(record), strict=False):
            if value is None:
                continue
            if write is not None:
                value = write(value)
                if value is None:
                    continue
            wire.append({name: value})
        return wire

    write_known = write_nested if any(writers) else write_plain
    if not keeps_unknown:
        return write_known

    def write_record(record: Record) -> list[object]:
        wire = write_known(record)
        if record.unknown:
            wire.extend({name: value} for name, value in record.unknown)
        return wire

    return write_record


def _member_writer(item: "_Member") -> Callable[[Any], object] | None:
    if item.record is None:
        return _list_or_absent if item.is_list else None
    write = _writer(item.record)
    if not item.is_list:
        return write
    return lambda records: [write(record) for record in records] or None


def _list_or_absent(values: tuple[object, ...]) -> object:
    return list(values) or None


# --- the model ---


class _Member(msgspec.Struct, frozen=True):
    """What the codec must know of one element."""

    record: type[msgspec.Struct] | None
    is_list: bool
    is_raw: bool


def _members(type_: type[msgspec.Struct]) -> Mapping[str, _Member]:
    """The elements of a record by their name on the wire, in schema order."""
    hints = get_type_hints(type_)
    return {
        item.encode_name: _member(hints[item.name])
        for item in msgspec.structs.fields(type_)
        if item.encode_name != _UNKNOWN
    }


def _member(hint: object) -> _Member:
    if get_origin(hint) is Annotated:
        return _member(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return _member(next(option for option in get_args(hint) if option is not NoneType))
    if get_origin(hint) in (tuple, list):
        return msgspec.structs.replace(_member(get_args(hint)[0]), is_list=True)
    is_record = isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    return _Member(record=hint if is_record else None, is_list=False, is_raw=hint is object)  # type: ignore[arg-type]
