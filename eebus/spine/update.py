"""Restricted function exchange: complete and partial changes of function data (SPINE 6).

Everything works on copies and is all or nothing: the result is a new record, or :class:`ExchangeError`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import msgspec

from eebus.errors import DecodeError, RemoteError
from eebus.jsonform import Elements, Record, merge_members, to_wire
from eebus.spine.datagram import CmdControl, Command, Filter
from eebus.spine.functions import FunctionSpec
from eebus.spine.handler import ItemChange
from eebus.spine.model.common import ErrorNumber, Tag
from eebus.spine.model.device import KeyValue
from eebus.spine.safety import is_peer_safe
from eebus.spine.selection import Selection, UnsupportedSelectionError, interval_selector, read_selection

_RecordT = TypeVar("_RecordT", bound=Record)

ElementTree = Mapping[str, "ElementTree"]
"""Names of elements as a filter gives them; an empty tree means the whole element."""

_MOST_MERGES = 50_000
"""Of one message: items without complete identifiers concern many stored ones each."""

_MOST_SPREAD_BYTES = 1024 * 1024
"""What one item may grow to by being merged into many."""

_CHOICES = (KeyValue,)
"""Records of which exactly one member is set: a new member replaces the old one (SPINE 6.4)."""


class ExchangeError(RemoteError):
    """A command that cannot be executed, with the error number to answer (SPINE 2.7)."""

    def __init__(self, number: ErrorNumber, text: str) -> None:
        super().__init__(text)
        self.number = number
        self.text = text


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What a remote write would lead to: the whole data, and the addressed items before and after."""

    candidate: Record
    changes: tuple[ItemChange, ...]


def delete_filter(spec: FunctionSpec, selectors: Record | None, *elements: str) -> Filter:
    """A filter that deletes elements (names as on the wire) of the items that `selectors` picks.

    `selectors` is an item of the function with only the selecting fields set.
    """
    parts: list[tuple[str, object]] = []
    if selectors is not None:
        parts.append((spec.selectors_name, to_wire(selectors)))
    if elements:
        parts.append((spec.elements_name, [{name: []} for name in elements]))
    return Filter(cmd_control=CmdControl(delete=Tag()), unknown=Elements(parts))


def read_filter(
    spec: FunctionSpec,
    selectors: Record | None = None,
    *elements: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Filter:
    """A filter that reads only some items and of them only some elements (names as on the wire).

    `selectors` is an item with only the selecting fields set; `since` and `until` pick measured values.
    """
    members = [] if selectors is None else list(merge_members(to_wire(selectors)).items())
    if since is not None or until is not None:
        members.append(interval_selector(since, until))
    parts: list[tuple[str, object]] = []
    if members:
        parts.append((spec.selectors_name, [{name: value} for name, value in members]))
    if elements:
        parts.append((spec.elements_name, [{name: []} for name in elements]))
    return Filter(cmd_control=CmdControl(partial=Tag()), unknown=Elements(parts))


PARTIAL = Filter(cmd_control=CmdControl(partial=Tag()))
"""The filter of a plain partial change: merge by identifiers."""


def check_read(spec: FunctionSpec, command: Command) -> None:
    """Raises ExchangeError when the filter of a read does not fit, or there are several (SPINE 6.3)."""
    _read_part(spec, command)


def select(spec: FunctionSpec, data: Record, command: Command) -> Record:
    """The part of the data that a partial read asks for; identifiers always stay (SPINE 6.3).

    Raises ExchangeError when the filter does not fit.
    """
    part = _read_part(spec, command)
    if part is None:
        return data
    wanted = part.elements
    if spec.item is None:
        return data if wanted is None else _only_elements(data, wanted)
    items = _items_where(spec.items(data), part.selectors)
    if wanted is not None:
        wanted = {**wanted, **{name: {} for name in _wire_names(spec, spec.keys)}}
        items = [_only_elements(item, wanted) for item in items]
    return _with_items(spec, data, items)


def changed_part(spec: FunctionSpec, before: Record | None, after: Record) -> Record | None:
    """The items that a partial notify has to carry, so that who merges them ends with `after`.

    None when that cannot be said by a merge: something was taken away, or the items have no identifiers.
    """
    if before is None or spec.item is None or not spec.keys:
        return None
    old = {spec.key_of(item): item for item in spec.items(before)}
    new = {spec.key_of(item): item for item in spec.items(after)}
    if None in new or not old.keys() <= new.keys():
        return None
    changed = [item for key, item in new.items() if old.get(key) != item]
    if any(key in old and merge(old[key], new[key]) != new[key] for key in map(spec.key_of, changed)):
        return None
    return _with_items(spec, after, changed)


def _read_part(spec: FunctionSpec, command: Command) -> "_Part | None":
    plan = _plan(spec, command)
    if plan is not None and plan.delete is not None:
        raise _unsupported("a read takes one partial filter")
    return None if plan is None else plan.partial


def _only_elements(record: _RecordT, elements: ElementTree) -> _RecordT:
    """The record with the named elements only."""
    kept: dict[str, Any] = {}
    for name, children in elements.items():
        field = _fields_by_wire_name(type(record)).get(name)
        value = None if field is None else getattr(record, field)
        if field is not None and value is not None:
            kept[field] = _only_elements(value, children) if children and isinstance(value, Record) else value
    return type(record)(**kept)


def apply(spec: FunctionSpec, current: Record, command: Command) -> Record:
    """The function data after a write, notify or reply. Raises ExchangeError when it cannot be executed."""
    plan = _plan(spec, command)
    update = command.data if command.data is not None else spec.data()
    if plan is None:
        return _without_repeated_items(spec, update)
    result = current
    if plan.delete is not None:
        result = _delete(spec, result, plan.delete)
    if plan.partial is not None and command.data is not None:
        result = _merge_data(spec, result, update, plan.partial)
    return result


def apply_write(spec: FunctionSpec, current: Record, command: Command) -> WriteOutcome:
    """The outcome of a write by a client: stricter than :func:`apply`, because the data is ours (SPINE 6.4).

    Unknown elements and flags of the server are left out. In a list with a write permission every item needs
    its complete identifier, must exist and must be changeable; items are neither added nor removed, and a
    complete write keeps the items that it does not name. Raises ExchangeError otherwise.
    """
    command = _without_server_parts(spec, command)
    if command.data is not None and not is_peer_safe(command.data):
        raise ExchangeError(ErrorNumber.COMMAND_REJECTED, "a text contains sequences of brackets")
    if spec.write_permit is None:
        candidate = apply(spec, current, command)
        return WriteOutcome(candidate, _differences(spec, current, candidate))
    addressed = _addressed_items(spec, current, command)
    for item in addressed:
        if getattr(item, spec.write_permit) is not True:
            raise ExchangeError(ErrorNumber.COMMAND_REJECTED, f"{_name(spec, item)} is not changeable")
    is_complete = _plan(spec, command) is None
    change = _replace_items if is_complete else apply
    candidate = change(spec, current, command)
    after = {spec.key_of(item): item for item in spec.items(candidate)}
    return WriteOutcome(candidate, tuple(ItemChange(item, after[spec.key_of(item)]) for item in addressed))


# --- filters ---


@dataclass(frozen=True, slots=True)
class _Part:
    """One filter: which items (None: all), which elements (None: the items themselves)."""

    selectors: Selection | None
    elements: ElementTree | None


@dataclass(frozen=True, slots=True)
class _Plan:
    delete: _Part | None = None
    partial: _Part | None = None


def _plan(spec: FunctionSpec, command: Command) -> _Plan | None:
    """What the filters ask for; None without filters: the data is complete."""
    if command.named and command.named != spec.name:
        raise ExchangeError(ErrorNumber.COMMAND_REJECTED, f"function '{command.named[:60]}' has other data")
    plan = _Plan()
    for item in command.filters:
        part = _part(spec, item)
        control = item.cmd_control or CmdControl()
        if control.delete is not None and control.partial is None and plan.delete is None:
            plan = _Plan(part, plan.partial)
        elif control.partial is not None and control.delete is None and plan.partial is None:
            plan = _Plan(plan.delete, part)
        else:
            raise _unsupported("a filter must be either delete or partial, each at most once")
    return plan if command.filters else None


def _part(spec: FunctionSpec, item: Filter) -> _Part:
    selectors: Selection | None = None
    elements: ElementTree | None = None
    for name, wire in item.unknown:
        if name == spec.selectors_name:
            selectors = _selectors(spec, wire)
        elif name == spec.elements_name:
            elements = _element_tree(wire) or None
        elif name.endswith(("Selectors", "Elements")):
            raise ExchangeError(ErrorNumber.COMMAND_REJECTED, f"'{name[:80]}' belongs to another function")
    return _Part(selectors, elements)


def _selectors(spec: FunctionSpec, wire: object) -> Selection | None:
    try:
        return read_selection(spec, wire)
    except DecodeError as error:
        raise ExchangeError(ErrorNumber.GENERAL, str(error)) from error
    except UnsupportedSelectionError as error:
        raise _unsupported(str(error)) from error


def _element_tree(wire: object) -> ElementTree:
    try:
        return {name: _element_tree(child) for name, child in merge_members(wire).items()}
    except DecodeError as error:
        raise ExchangeError(ErrorNumber.GENERAL, str(error)) from error


def _selected(selectors: Selection | None, item: Record) -> bool:
    return selectors is None or selectors.picks(item)


def _unsupported(text: str) -> ExchangeError:
    return ExchangeError(ErrorNumber.RESTRICTED_EXCHANGE_NOT_SUPPORTED, text)


# --- delete ---


def _delete(spec: FunctionSpec, current: Record, part: _Part) -> Record:
    if spec.item is None:
        return spec.data() if part.elements is None else _without_elements(current, part.elements)
    if part.elements is None:
        kept = [item for item in spec.items(current) if not _selected(part.selectors, item)]
        return _with_items(spec, current, kept)
    if not part.elements.keys().isdisjoint(_wire_names(spec, spec.keys)):
        raise ExchangeError(ErrorNumber.COMMAND_REJECTED, "identifiers cannot be deleted")
    elements = part.elements
    return _with_items(
        spec,
        current,
        [
            _without_elements(item, elements) if _selected(part.selectors, item) else item
            for item in spec.items(current)
        ],
    )


def _without_elements(record: _RecordT, elements: ElementTree) -> _RecordT:
    """The record without the named elements; a nested record that is left empty goes as a whole."""
    changes: dict[str, object] = {}
    for name, children in elements.items():
        field = _fields_by_wire_name(type(record)).get(name)
        if field is None:
            continue
        value = getattr(record, field)
        remaining = _without_elements(value, children) if children and isinstance(value, Record) else None
        changes[field] = remaining if remaining is not None and remaining != type(remaining)() else None
    return msgspec.structs.replace(record, **changes)


# --- merge ---


def merge(stored: _RecordT, update: _RecordT) -> _RecordT:
    """The stored record with the elements that the update mentions.

    Nested records are merged by their children, so that a number without a scale keeps the stored scale;
    lists and choices are replaced.
    """
    changes = _set_fields(update)
    for name, value in changes.items():
        old = getattr(stored, name)
        if isinstance(value, Record) and isinstance(old, Record) and _mergeable(old, value):
            changes[name] = merge(old, value)
    if update.unknown:
        changes["unknown"] = Elements((dict(stored.unknown) | dict(update.unknown)).items())
    return msgspec.structs.replace(stored, **changes)


def _mergeable(stored: Record, update: Record) -> bool:
    return not isinstance(stored, _CHOICES) or _set_fields(stored).keys() == _set_fields(update).keys()


def _merge_data(spec: FunctionSpec, current: Record, update: Record, part: _Part) -> Record:
    if part.elements is not None:
        raise _unsupported("elements belong to delete and read")
    if spec.item is None:
        return merge(current, update)
    if not spec.keys:
        raise _unsupported("this list has no identifiers: only complete data")
    items = list(spec.items(current))
    updates = spec.items(update)
    if part.selectors is not None:
        items = _merge_selected(spec, items, updates, part.selectors)
    else:
        items = _merge_items(spec, items, updates)
    return _with_items(spec, current, items)


def _merge_selected(
    spec: FunctionSpec, items: list[Record], updates: tuple[Record, ...], selectors: Selection
) -> list[Record]:
    """Apply the fields of one item to every selected item; never adds."""
    if len(updates) != 1:
        raise _unsupported("selectors need exactly one item")
    update = updates[0]
    _check_spread(update, sum(_selected(selectors, item) for item in items))
    merged = [merge(item, update) if _selected(selectors, item) else item for item in items]
    if any(spec.key_of(old) != spec.key_of(new) for old, new in zip(items, merged, strict=True)):
        raise ExchangeError(ErrorNumber.COMMAND_REJECTED, "the item has other identifiers than the selection")
    return merged


def _merge_items(spec: FunctionSpec, stored: list[Record], updates: tuple[Record, ...]) -> list[Record]:
    """Merge each update into every item that agrees in all identifiers that it gives; add it as a new item
    when none does and at least one was given.
    """
    items = _IndexedItems(spec, stored)
    left = _MOST_MERGES
    for update in updates:
        agreeing = items.agreeing(update)
        left -= len(agreeing)
        if left < 0:
            raise _unsupported("the change concerns too many items")
        _check_spread(update, len(agreeing))
        for place in agreeing:
            items.all[place] = merge(items.all[place], update)
        if not agreeing and items.given(update):
            items.add(update)
    return items.all


class _IndexedItems:
    """Items that are found by their identifiers in time that does not grow with their number: a peer that
    sends thousands of items must not stop everybody else. Merging never changes an identifier.
    """

    def __init__(self, spec: FunctionSpec, items: list[Record]) -> None:
        self.all = list(items)
        self._spec = spec
        self._indexes: dict[tuple[str, ...], dict[tuple[object, ...], list[int]]] = {}
        """By the names of the identifiers that were asked for; one for each combination."""

    def given(self, update: Record) -> tuple[str, ...]:
        """The identifiers that an item gives."""
        return tuple(name for name in self._spec.keys if getattr(update, name) is not None)

    def agreeing(self, update: Record) -> list[int]:
        """The places of the items that agree; without any identifier every item does."""
        names = self.given(update)
        if names not in self._indexes:
            index = self._indexes[names] = {}
            for place, item in enumerate(self.all):
                index.setdefault(_values(item, names), []).append(place)
        return list(self._indexes[names].get(_values(update, names), ()))

    def add(self, item: Record) -> None:
        """Append a new item."""
        for names, index in self._indexes.items():
            index.setdefault(_values(item, names), []).append(len(self.all))
        self.all.append(item)


def _values(item: Record, names: tuple[str, ...]) -> tuple[object, ...]:
    return tuple(getattr(item, name) for name in names)


def size_of(data: Record) -> int:
    """How much a record is: the bytes of its JSON."""
    return len(msgspec.json.encode(data))


def _check_spread(update: Record, count: int) -> None:
    """One item may concern thousands of stored ones, but not make something huge of a small message."""
    if count > 1 and count * size_of(update) > _MOST_SPREAD_BYTES:
        raise _unsupported("the change would spread too far")


# --- writes by clients ---


def _without_server_parts(spec: FunctionSpec, command: Command) -> Command:
    """The command without unknown elements and without the flag that only the server may change."""
    if command.data is None:
        return command
    data = _known_only(command.data)
    if spec.write_permit is not None:
        cleared = {spec.write_permit: None}
        data = _with_items(
            spec, data, [msgspec.structs.replace(item, **cleared) for item in spec.items(data)]
        )
    return msgspec.structs.replace(command, data=data)


def _known_only(record: _RecordT) -> _RecordT:
    fields = _set_fields(record)
    if isinstance(record, _CHOICES) and len(fields) > 1:
        raise ExchangeError(ErrorNumber.COMMAND_REJECTED, f"one of {', '.join(fields)} is allowed, not all")
    changes: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, Record):
            changes[name] = _known_only(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Record):
            changes[name] = tuple(map(_known_only, value))
    return msgspec.structs.replace(record, unknown=Elements(), **changes)


def _addressed_items(spec: FunctionSpec, current: Record, command: Command) -> list[Record]:
    """The stored items that a write addresses. Raises ExchangeError for a write that addresses others."""
    plan = _plan(spec, command) or _Plan(partial=_Part(None, None))
    stored = spec.items(current)
    addressed: list[Record] = []
    if plan.delete is not None:
        protected = _wire_names(spec, (*spec.keys, spec.write_permit or ""))
        if plan.delete.elements is None or not plan.delete.elements.keys().isdisjoint(protected):
            raise ExchangeError(ErrorNumber.COMMAND_REJECTED, "only values may be deleted")
        addressed += _items_where(stored, plan.delete.selectors)
    if plan.partial is not None and command.data is not None:
        if plan.partial.selectors is not None:
            addressed += _items_where(stored, plan.partial.selectors)
        else:
            by_key = {spec.key_of(item): item for item in stored}
            addressed += [_named_item(spec, by_key, item) for item in spec.items(command.data)]
    if not addressed:
        raise ExchangeError(ErrorNumber.COMMAND_REJECTED, "the write addresses nothing")
    return list({spec.key_of(item): item for item in addressed}.values())


def _items_where(items: Iterable[Record], selectors: Selection | None) -> list[Record]:
    return [item for item in items if _selected(selectors, item)]


def _named_item(
    spec: FunctionSpec, by_key: Mapping[tuple[object, ...] | None, Record], item: Record
) -> Record:
    key = spec.key_of(item)
    if key is None:
        raise ExchangeError(ErrorNumber.COMMAND_REJECTED, f"an item needs {' and '.join(spec.keys)}")
    if key not in by_key:
        raise ExchangeError(ErrorNumber.COMMAND_REJECTED, f"{_name(spec, item)} does not exist")
    return by_key[key]


def _replace_items(spec: FunctionSpec, current: Record, command: Command) -> Record:
    """A complete write: named items are replaced but keep their flag, the others stay."""
    permit = spec.write_permit or ""
    update = command.data if command.data is not None else spec.data()
    new = {spec.key_of(item): item for item in spec.items(update)}
    items = [
        msgspec.structs.replace(named, **{permit: getattr(item, permit)})
        if (named := new.get(spec.key_of(item))) is not None
        else item
        for item in spec.items(current)
    ]
    return _with_items(spec, current, items)


def _differences(spec: FunctionSpec, before: Record, after: Record) -> tuple[ItemChange, ...]:
    if spec.item is None or not spec.keys:
        return (ItemChange(before, after),)
    old = {spec.key_of(item): item for item in spec.items(before)}
    return tuple(
        ItemChange(old.get(spec.key_of(item), spec.item_type()), item)
        for item in spec.items(after)
        if old.get(spec.key_of(item)) != item
    )


# --- records ---


def _set_fields(record: Record) -> dict[str, object]:
    """The known fields that have a value."""
    return {
        name: value
        for name in _model_fields(type(record))
        if (value := getattr(record, name)) is not None and value != ()
    }


@cache
def _model_fields(type_: type[Record]) -> tuple[str, ...]:
    return tuple(name for name in type_.__struct_fields__ if name != "unknown")


@cache
def _fields_by_wire_name(type_: type[Record]) -> Mapping[str, str]:
    return {item.encode_name: item.name for item in msgspec.structs.fields(type_) if item.name != "unknown"}


def _wire_names(spec: FunctionSpec, fields: Iterable[str]) -> set[str]:
    wanted = set(fields)
    return {wire for wire, field in _fields_by_wire_name(spec.item_type).items() if field in wanted}


def _with_items(spec: FunctionSpec, data: Record, items: Iterable[Record]) -> Record:
    return msgspec.structs.replace(data, **{spec.item or "": tuple(items) or None})


def _without_repeated_items(spec: FunctionSpec, data: Record) -> Record:
    """Of several items with the same identifier the last one wins (SPINE 10)."""
    if spec.item is None or not spec.keys:
        return data
    items = spec.items(data)
    last = {spec.key_of(item) or index: item for index, item in enumerate(items)}
    return data if len(last) == len(items) else _with_items(spec, data, last.values())


def _name(spec: FunctionSpec, item: Record) -> str:
    return ", ".join(f"{name} {getattr(item, name)}" for name in spec.keys)
