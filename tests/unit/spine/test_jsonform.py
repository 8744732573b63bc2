"""The JSON form of SHIP, folded with the model in hand (SPINE 1, SHIP 4.5)."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eebus.errors import DecodeError
from eebus.jsonform import Elements, Record, from_wire, merge_members, to_wire
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import (
    EntityAddress,
    FeatureAddress,
    PossibleOperation,
    PossibleOperations,
    ScaledNumber,
    Tag,
)
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from tests.unit.spine.strategies import records


class Skipping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A struct that does not keep unknown elements, as SHIP messages are."""

    phase: str | None = None
    max_time: int | None = None
    formats: tuple[str, ...] | None = None


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_round_trips(function: str) -> None:
    @settings(max_examples=30, deadline=None)
    @given(records(FUNCTIONS[function].data))
    def round_trips(record: Record) -> None:
        text = msgspec.json.encode(to_wire(record))
        assert from_wire(type(record), msgspec.json.decode(text)) == record

    round_trips()


@settings(deadline=None)
@given(records(LoadControlLimitListData, with_unknown=False))
def test_plain_objects_read_like_the_array_form(record: LoadControlLimitListData) -> None:
    plain = msgspec.to_builtins(record)
    assert from_wire(LoadControlLimitListData, plain) == record


def test_members_are_written_in_schema_order_and_absent_ones_left_out() -> None:
    record = LoadControlLimitData(value=ScaledNumber(scale=0, number=100), limit_id=0, is_limit_active=True)
    assert to_wire(record) == [
        {"limitId": 0},
        {"isLimitActive": True},
        {"value": [{"number": 100}, {"scale": 0}]},
    ]


def test_tag_is_written_as_an_empty_list() -> None:
    record = PossibleOperations(read=PossibleOperation(), write=PossibleOperation(partial=Tag()))
    assert to_wire(record) == [{"read": []}, {"write": [{"partial": []}]}]
    assert from_wire(PossibleOperations, to_wire(record)) == record


def test_list_of_records_is_wrapped_twice_even_with_one_element() -> None:
    record = LoadControlLimitListData(load_control_limit_data=(LoadControlLimitData(limit_id=1),))
    assert to_wire(record) == [{"loadControlLimitData": [[{"limitId": 1}]]}]
    assert from_wire(LoadControlLimitListData, to_wire(record)) == record


def test_E3_empty_lists_are_never_written() -> None:
    assert to_wire(LoadControlLimitListData(load_control_limit_data=())) == []
    assert to_wire(EntityAddress(entity=())) == []


@pytest.mark.parametrize("empty", [[], {}, None])
def test_empty_list_empty_object_and_null_are_the_same(empty: object) -> None:
    assert from_wire(ScaledNumber, empty) == ScaledNumber()
    items = from_wire(LoadControlLimitListData, [{"loadControlLimitData": empty}])
    assert not items.load_control_limit_data


@pytest.mark.parametrize("empty", [[], {}, None])
def test_empty_list_or_object_where_a_single_value_belongs_counts_as_absent(empty: object) -> None:
    wire = [{"limitId": empty}, {"isLimitActive": True}, {"value": empty}]
    record = from_wire(LoadControlLimitData, wire)
    assert (record.limit_id, record.is_limit_active) == (None, True)


@pytest.mark.parametrize("empty", [[], {}])
def test_empty_object_where_a_list_of_numbers_belongs(empty: object) -> None:
    assert not from_wire(EntityAddress, [{"device": "x"}, {"entity": empty}]).entity


def test_member_objects_may_hold_several_members() -> None:
    record = from_wire(FeatureAddress, [{"device": "x", "entity": [1]}, {"feature": 2}])
    assert record == FeatureAddress(device="x", entity=(1,), feature=2)


def test_one_plain_object_where_a_list_belongs_is_one_item() -> None:
    record = from_wire(LoadControlLimitListData, {"loadControlLimitData": {"limitId": 3}})
    assert record.load_control_limit_data == (LoadControlLimitData(limit_id=3),)


def test_unknown_elements_survive_at_any_depth() -> None:
    wire = [{"loadControlLimitData": [[{"limitId": 1}, {"future": [{"a": []}]}]]}, {"more": 1}]
    record = from_wire(LoadControlLimitListData, wire)
    assert to_wire(record) == wire


def test_no_name_of_an_element_reaches_the_place_of_the_unknown_ones() -> None:
    wire: list[object] = [{"$unknown": [["a", 1]]}, {"unknown": []}]
    assert to_wire(from_wire(ScaledNumber, wire)) == wire


def test_unknown_elements_are_skipped_by_other_structs() -> None:
    message = from_wire(Skipping, [{"phase": "announce"}, {"future": 1}, {"maxTime": 500}])
    assert message == Skipping(phase="announce", max_time=500)
    assert to_wire(message) == [{"phase": "announce"}, {"maxTime": 500}]


def test_repeated_members_of_a_skipping_struct_last_one_wins() -> None:
    assert from_wire(Skipping, [{"phase": "announce"}, {"phase": "confirm"}]).phase == "confirm"


def test_E8_repeated_element_of_a_record_is_malformed() -> None:
    with pytest.raises(DecodeError, match="'number' appears twice"):
        from_wire(ScaledNumber, [{"number": 1}, {"number": 2}])
    with pytest.raises(DecodeError, match="'cmd' appears twice"):
        merge_members([{"cmd": 1}, {"cmd": 2}])


@pytest.mark.parametrize("value", ["1", 1.0, 1e3, True, [1], {"a": 1}, -1, 2**32])
def test_E5_identifiers_are_unsigned_integers(value: object) -> None:
    with pytest.raises(DecodeError, match=r"limitId|limit_id"):
        from_wire(LoadControlLimitData, [{"limitId": value}])


def test_the_error_names_the_place() -> None:
    wire = [{"loadControlLimitData": [[{"value": [{"number": "12"}]}]]}]
    with pytest.raises(DecodeError, match=r"loadControlLimitData\[0\]\.value\.number"):
        from_wire(LoadControlLimitListData, wire)


ELEMENTS = st.sampled_from(["loadControlLimitData", "limitId", "value", "number", "future"])
WIRE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ELEMENTS, inner),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(ELEMENTS, WIRE, max_size=2), max_size=3))
def test_an_unknown_element_changes_nothing_of_how_the_others_are_read(wire: list[object]) -> None:
    """Records that fit their model are read in a shorter way: it must lead to the same."""
    extended = [*wire, {"newer": 1}]
    try:
        record = from_wire(LoadControlLimitListData, wire)
    except DecodeError:
        with pytest.raises(DecodeError):
            from_wire(LoadControlLimitListData, extended)
    else:
        again = from_wire(LoadControlLimitListData, extended)
        assert again == msgspec.structs.replace(record, unknown=Elements((*record.unknown, ("newer", 1))))


@given(WIRE)
def test_any_json_value_is_read_or_refused_with_a_decode_error(wire: object) -> None:
    try:
        record = from_wire(LoadControlLimitListData, wire)
    except DecodeError:
        return
    assert from_wire(LoadControlLimitListData, to_wire(record)) == from_wire(
        LoadControlLimitListData, to_wire(from_wire(LoadControlLimitListData, wire))
    )
