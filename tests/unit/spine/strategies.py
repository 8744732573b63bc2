"""Arbitrary SPINE records for property tests, made from the model itself."""

from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from eebus.jsonform import Record

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
JSON_SCALAR = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), TEXT)


@cache
def records(type_: type[Record], with_unknown: bool = True) -> st.SearchStrategy[Record]:
    """Any record of a type; with elements that the model does not know if wanted."""
    hints = get_type_hints(type_, include_extras=True)
    names = [name for name in type_.__struct_fields__ if name != "unknown"]
    fields: dict[str, st.SearchStrategy[Any]] = {
        name: st.one_of(st.none(), _values(hints[name], with_unknown)) for name in names
    }
    if with_unknown:
        fields["unknown"] = _unknown(frozenset(f.encode_name for f in msgspec.structs.fields(type_)))
    return st.builds(type_, **fields)


def _unknown(known: frozenset[str]) -> st.SearchStrategy[tuple[tuple[str, object], ...]]:
    names = TEXT.filter(lambda name: name not in known)
    return st.dictionaries(names, JSON_SCALAR, max_size=1).map(lambda members: tuple(members.items()))


def _values(hint: object, with_unknown: bool) -> st.SearchStrategy[Any]:
    if get_origin(hint) is Annotated:
        base, meta = get_args(hint)
        assert base is int
        return st.integers(meta.ge, meta.le if meta.le is not None else 2**64 - 1)
    if get_origin(hint) in (Union, UnionType):
        return st.one_of(
            [_values(option, with_unknown) for option in get_args(hint) if option is not NoneType]
        )
    if get_origin(hint) is tuple:
        return st.lists(_values(get_args(hint)[0], with_unknown), min_size=1, max_size=3).map(tuple)
    if hint is bool:
        return st.booleans()
    if hint is str:
        return TEXT
    assert isinstance(hint, type)
    assert issubclass(hint, Record)
    return records(hint, with_unknown)
