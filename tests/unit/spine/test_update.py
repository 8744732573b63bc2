"""Restricted function exchange (SPINE 6): combinations, merge rules, and the stricter rules for writes."""

import contextlib

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eebus.jsonform import Record, from_wire, to_wire
from eebus.spine.datagram import CmdControl, Command, Filter, command_for
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import ErrorNumber, ScaledNumber, Tag, TimePeriod
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueListData,
    DeviceDiagnosisHeartbeatData,
    KeyValue,
)
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.model.measurement import MeasurementData, MeasurementListData
from eebus.spine.update import PARTIAL, ExchangeError, apply, apply_write, check_read, delete_filter
from tests.unit.spine.support import LIMITS, limit_write

LIMIT = FUNCTIONS["loadControlLimitListData"]
MEASUREMENT = FUNCTIONS["measurementListData"]
KEY_VALUE = FUNCTIONS["deviceConfigurationKeyValueListData"]

DELETE_PERIOD = delete_filter(LIMIT, LoadControlLimitData(limit_id=1), "timePeriod")


def limits(data: Record) -> dict[int | None, LoadControlLimitData]:
    assert isinstance(data, LoadControlLimitListData)
    return {item.limit_id: item for item in data.load_control_limit_data or ()}


def raw_filter(**parts: object) -> Filter:
    """A filter as it comes from the wire."""
    return from_wire(Filter, [{name: value} for name, value in parts.items()])


def refused(command: Command, current: Record = LIMITS) -> ErrorNumber:
    with pytest.raises(ExchangeError) as error:
        apply_write(LIMIT, current, command)
    return error.value.number


# --- combinations (6.3) ---


def test_without_filter_the_data_is_replaced() -> None:
    new = LoadControlLimitListData(load_control_limit_data=(LoadControlLimitData(limit_id=5),))
    assert apply(LIMIT, LIMITS, command_for(new)) == new


def test_without_filter_and_data_the_data_is_emptied() -> None:
    assert apply(LIMIT, LIMITS, command_for(LoadControlLimitListData())) == LoadControlLimitListData()


def test_partial_merges_by_identifier_and_leaves_the_rest() -> None:
    after = limits(
        apply(
            LIMIT,
            LIMITS,
            limit_write(LoadControlLimitData(limit_id=1, is_limit_active=False), filters=(PARTIAL,)),
        )
    )
    before = limits(LIMITS)
    assert after[0] == before[0]
    assert after[1] == msgspec.structs.replace(before[1], is_limit_active=False)


def test_partial_adds_unknown_identifiers() -> None:
    new = LoadControlLimitData(limit_id=7, is_limit_active=True)
    assert limits(apply(LIMIT, LIMITS, limit_write(new, filters=(PARTIAL,))))[7] == new


def test_partial_item_without_identifier_applies_to_all() -> None:
    item = LoadControlLimitData(is_limit_active=True)
    after = limits(apply(LIMIT, LIMITS, limit_write(item, filters=(PARTIAL,))))
    assert [limit.is_limit_active for limit in after.values()] == [True, True]


def test_partial_item_without_identifier_adds_nothing_to_an_empty_list() -> None:
    item = LoadControlLimitData(is_limit_active=True)
    after = apply(LIMIT, LoadControlLimitListData(), limit_write(item, filters=(PARTIAL,)))
    assert after == LoadControlLimitListData()


def test_partial_with_selectors_applies_to_the_selected_and_never_adds() -> None:
    item = LoadControlLimitData(is_limit_active=True)
    one = raw_filter(cmdControl=[{"partial": []}], loadControlLimitListDataSelectors=[{"limitId": 0}])
    other = raw_filter(cmdControl=[{"partial": []}], loadControlLimitListDataSelectors=[{"limitId": 9}])
    assert limits(apply(LIMIT, LIMITS, limit_write(item, filters=(one,))))[0].is_limit_active
    assert apply(LIMIT, LIMITS, limit_write(item, filters=(other,))) == LIMITS


def test_partial_with_elements_is_not_supported() -> None:
    item = raw_filter(cmdControl=[{"partial": []}], loadControlLimitDataElements=[{"value": []}])
    command = limit_write(LoadControlLimitData(limit_id=0), filters=(item,))
    with pytest.raises(ExchangeError) as error:
        apply(LIMIT, LIMITS, command)
    assert error.value.number == ErrorNumber.RESTRICTED_EXCHANGE_NOT_SUPPORTED


def test_delete_with_selectors_removes_items() -> None:
    command = limit_write(filters=(delete_filter(LIMIT, LoadControlLimitData(limit_id=0)),))
    assert list(limits(apply(LIMIT, LIMITS, command))) == [1]


def test_delete_with_elements_removes_them_from_all_items() -> None:
    after = limits(apply(LIMIT, LIMITS, limit_write(filters=(delete_filter(LIMIT, None, "value"),))))
    assert [item.value for item in after.values()] == [None, None]


def test_delete_with_selectors_and_elements_removes_them_from_the_selected() -> None:
    after = limits(apply(LIMIT, LIMITS, limit_write(filters=(DELETE_PERIOD,))))
    assert after[1] == msgspec.structs.replace(limits(LIMITS)[1], time_period=None)


def test_delete_of_a_child_element_is_the_same_when_nothing_is_left() -> None:
    child = raw_filter(
        cmdControl=[{"delete": []}],
        loadControlLimitListDataSelectors=[{"limitId": 1}],
        loadControlLimitDataElements=[{"timePeriod": [{"endTime": []}]}],
    )
    assert limits(apply(LIMIT, LIMITS, limit_write(filters=(child,))))[1].time_period is None


def test_delete_comes_before_partial_whatever_their_order() -> None:
    item = LoadControlLimitData(limit_id=1, time_period=TimePeriod(start_time="PT1M"))
    for filters in ((DELETE_PERIOD, PARTIAL), (PARTIAL, DELETE_PERIOD)):
        after = limits(apply(LIMIT, LIMITS, limit_write(item, filters=filters)))
        assert after[1].time_period == TimePeriod(start_time="PT1M")


def test_delete_without_anything_removes_everything() -> None:
    command = limit_write(filters=(Filter(cmd_control=CmdControl(delete=Tag())),))
    assert apply(LIMIT, LIMITS, command) == LoadControlLimitListData()


@pytest.mark.parametrize(
    "filters",
    [
        (Filter(),),
        (Filter(cmd_control=CmdControl(partial=Tag(), delete=Tag())),),
        (PARTIAL, PARTIAL),
        (DELETE_PERIOD, DELETE_PERIOD),
    ],
)
def test_other_combinations_are_not_supported(filters: tuple[Filter, ...]) -> None:
    assert refused(limit_write(filters=filters)) == ErrorNumber.RESTRICTED_EXCHANGE_NOT_SUPPORTED


def test_parts_of_another_function_are_rejected() -> None:
    selectors = raw_filter(cmdControl=[{"partial": []}], measurementListDataSelectors=[{"measurementId": 0}])
    assert refused(limit_write(LIMITS_ITEM, filters=(selectors,))) == ErrorNumber.COMMAND_REJECTED
    named = Command("loadControlLimitListData", LIMITS, (PARTIAL,), named="measurementListData")
    assert refused(named) == ErrorNumber.COMMAND_REJECTED


LIMITS_ITEM = LoadControlLimitData(limit_id=0, is_limit_active=True)


def test_G6_empty_function_with_a_filter_counts_as_absent() -> None:
    command = Command(
        "loadControlLimitListData",
        LoadControlLimitListData(load_control_limit_data=(LIMITS_ITEM,)),
        (PARTIAL,),
        named="",
    )
    assert limits(apply(LIMIT, LIMITS, command))[0].is_limit_active


def test_time_stamp_selectors_are_not_supported() -> None:
    interval = raw_filter(
        cmdControl=[{"delete": []}],
        measurementListDataSelectors=[{"timestampInterval": [{"startTime": "PT0S"}]}],
    )
    with pytest.raises(ExchangeError) as error:
        apply(MEASUREMENT, MeasurementListData(), command_for(MeasurementListData(), (interval,)))
    assert error.value.number == ErrorNumber.RESTRICTED_EXCHANGE_NOT_SUPPORTED


def test_selectors_need_a_list() -> None:
    spec = FUNCTIONS["deviceDiagnosisHeartbeatData"]
    selected = raw_filter(
        cmdControl=[{"partial": []}], deviceDiagnosisHeartbeatDataSelectors=[{"heartbeatCounter": 1}]
    )
    with pytest.raises(ExchangeError):
        apply(spec, spec.data(), command_for(DeviceDiagnosisHeartbeatData(), (selected,)))


def test_a_read_takes_one_partial_filter() -> None:
    check_read(LIMIT, limit_write(filters=(PARTIAL,)))
    with pytest.raises(ExchangeError):
        check_read(LIMIT, limit_write(filters=(DELETE_PERIOD,)))


# --- merge rules (6.4) ---


def test_TC_SPINE_RTS_005_number_without_scale_keeps_the_stored_scale() -> None:
    """Trap use cases 13.6."""
    item = LoadControlLimitData(limit_id=1, value=ScaledNumber(number=37))
    after = limits(apply_write(LIMIT, LIMITS, limit_write(item, filters=(PARTIAL,))).candidate)
    assert after[1].value == ScaledNumber(number=37, scale=2)


def test_scale_without_number_keeps_the_stored_number() -> None:
    item = LoadControlLimitData(limit_id=1, value=ScaledNumber(scale=1))
    after = limits(apply(LIMIT, LIMITS, limit_write(item, filters=(PARTIAL,))))
    assert after[1].value == ScaledNumber(number=42, scale=1)


def test_end_time_alone_keeps_the_stored_start_time() -> None:
    stored = LoadControlLimitListData(
        load_control_limit_data=(
            LoadControlLimitData(limit_id=0, time_period=TimePeriod(start_time="PT0S", end_time="PT1H")),
        )
    )
    item = LoadControlLimitData(limit_id=0, time_period=TimePeriod(end_time="PT2H"))
    after = limits(apply(LIMIT, stored, limit_write(item, filters=(PARTIAL,))))
    assert after[0].time_period == TimePeriod(start_time="PT0S", end_time="PT2H")


def key_values(value: KeyValue | None) -> DeviceConfigurationKeyValueListData:
    item = DeviceConfigurationKeyValueData(key_id=0, value=value, is_value_changeable=True)
    return DeviceConfigurationKeyValueListData(device_configuration_key_value_data=(item,))


def test_key_value_is_a_choice_a_new_member_replaces_the_old_one() -> None:
    stored = key_values(KeyValue(scaled_number=ScaledNumber(number=42, scale=2)))
    command = command_for(key_values(KeyValue(duration="PT2H")), (PARTIAL,))
    assert apply(KEY_VALUE, stored, command) == key_values(KeyValue(duration="PT2H"))


def test_key_value_number_without_scale_keeps_the_stored_scale() -> None:
    stored = key_values(KeyValue(scaled_number=ScaledNumber(number=42, scale=2)))
    command = command_for(key_values(KeyValue(scaled_number=ScaledNumber(number=43))), (PARTIAL,))
    outcome = apply_write(KEY_VALUE, stored, command)
    assert outcome.candidate == key_values(KeyValue(scaled_number=ScaledNumber(number=43, scale=2)))


def test_key_value_with_two_members_is_rejected() -> None:
    command = command_for(key_values(KeyValue(duration="PT2H", string="x")), (PARTIAL,))
    with pytest.raises(ExchangeError):
        apply_write(KEY_VALUE, key_values(None), command)


def test_items_are_matched_by_the_complete_identifier() -> None:
    def values(*items: tuple[int, str | None, int]) -> MeasurementListData:
        return MeasurementListData(
            measurement_data=tuple(
                MeasurementData(measurement_id=i, value_type=t, value=ScaledNumber(number=n, scale=0))
                for i, t, n in items
            )
        )

    stored = values((0, "value", 1), (0, "maxValue", 2), (1, "value", 3))
    after = apply(MEASUREMENT, stored, command_for(values((0, "maxValue", 9)), (PARTIAL,)))
    assert after == values((0, "value", 1), (0, "maxValue", 9), (1, "value", 3))


def test_item_with_an_incomplete_identifier_touches_only_what_agrees_with_it() -> None:
    item = MeasurementData(measurement_id=1, value=ScaledNumber(number=9, scale=0))
    stored = MeasurementListData(
        measurement_data=(
            MeasurementData(measurement_id=0, value_type="value"),
            MeasurementData(measurement_id=1, value_type="value"),
        )
    )
    command = command_for(MeasurementListData(measurement_data=(item,)), (PARTIAL,))
    after = apply(MEASUREMENT, stored, command)
    assert isinstance(after, MeasurementListData)
    assert [item.value for item in after.measurement_data or ()] == [None, item.value]


def test_duplicate_identifier_in_complete_data_last_one_wins() -> None:
    data = LoadControlLimitListData(
        load_control_limit_data=(
            LoadControlLimitData(limit_id=0, is_limit_active=True),
            LoadControlLimitData(limit_id=0, is_limit_active=False),
        )
    )
    last = LoadControlLimitListData(
        load_control_limit_data=(LoadControlLimitData(limit_id=0, is_limit_active=False),)
    )
    assert apply(LIMIT, LIMITS, command_for(data)) == last


def test_object_functions_merge_and_delete_elements() -> None:
    spec = FUNCTIONS["deviceDiagnosisHeartbeatData"]
    stored = DeviceDiagnosisHeartbeatData(heartbeat_counter=1, heartbeat_timeout="PT1M")
    merged = apply(spec, stored, command_for(DeviceDiagnosisHeartbeatData(heartbeat_counter=2), (PARTIAL,)))
    assert merged == DeviceDiagnosisHeartbeatData(heartbeat_counter=2, heartbeat_timeout="PT1M")
    delete = delete_filter(spec, None, "heartbeatTimeout")
    command = command_for(DeviceDiagnosisHeartbeatData(), (delete,))
    assert apply(spec, stored, command) == DeviceDiagnosisHeartbeatData(heartbeat_counter=1)


# --- writes by clients (6.4, points 7 to 9) ---


def test_flags_of_the_server_are_ignored_in_a_write() -> None:
    item = LoadControlLimitData(limit_id=0, is_limit_changeable=False, is_limit_active=True)
    for filters in ((PARTIAL,), ()):
        after = limits(apply_write(LIMIT, LIMITS, limit_write(item, filters=filters)).candidate)
        assert after[0].is_limit_changeable is True


@pytest.mark.parametrize("flag", [False, None])
def test_item_that_is_not_changeable_is_rejected(flag: bool | None) -> None:
    stored = LoadControlLimitListData(
        load_control_limit_data=(LoadControlLimitData(limit_id=0, is_limit_changeable=flag),)
    )
    for filters in ((PARTIAL,), (), (delete_filter(LIMIT, None, "value"),)):
        command = limit_write(LIMITS_ITEM, filters=filters)
        assert refused(command, stored) == ErrorNumber.COMMAND_REJECTED


def test_item_without_identifier_is_rejected() -> None:
    for filters in ((PARTIAL,), ()):
        command = limit_write(LoadControlLimitData(is_limit_active=True), filters=filters)
        assert refused(command) == ErrorNumber.COMMAND_REJECTED


def test_unknown_identifier_is_rejected_and_spoils_the_whole_write() -> None:
    for filters in ((PARTIAL,), ()):
        command = limit_write(LIMITS_ITEM, LoadControlLimitData(limit_id=9), filters=filters)
        assert refused(command) == ErrorNumber.COMMAND_REJECTED


def test_TC_SPINE_RTS_004_unknown_elements_are_left_out_and_the_rest_is_applied() -> None:
    item = from_wire(LoadControlLimitData, [{"limitId": 0}, {"futureElement": 1}, {"isLimitActive": True}])
    after = limits(apply_write(LIMIT, LIMITS, limit_write(item, filters=(PARTIAL,))).candidate)
    assert after[0].is_limit_active
    assert after[0].unknown == ()


def test_complete_write_keeps_items_that_it_does_not_name() -> None:
    outcome = apply_write(LIMIT, LIMITS, limit_write(LIMITS_ITEM))
    after = limits(outcome.candidate)
    assert after[0] == LoadControlLimitData(limit_id=0, is_limit_changeable=True, is_limit_active=True)
    assert after[1] == limits(LIMITS)[1]
    assert [(change.before, change.after) for change in outcome.changes] == [(limits(LIMITS)[0], after[0])]


@pytest.mark.parametrize(
    "filters",
    [
        (Filter(cmd_control=CmdControl(delete=Tag())),),
        (delete_filter(LIMIT, LoadControlLimitData(limit_id=0)),),
        (delete_filter(LIMIT, LoadControlLimitData(limit_id=0), "limitId"),),
        (delete_filter(LIMIT, LoadControlLimitData(limit_id=0), "isLimitChangeable"),),
        (delete_filter(LIMIT, LoadControlLimitData(limit_id=9), "timePeriod"),),
    ],
)
def test_items_identifiers_and_flags_cannot_be_deleted(filters: tuple[Filter, ...]) -> None:
    assert refused(limit_write(filters=filters)) == ErrorNumber.COMMAND_REJECTED


def test_deleting_only_the_duration_is_a_write_like_any_other() -> None:
    outcome = apply_write(LIMIT, LIMITS, limit_write(filters=(DELETE_PERIOD,)))
    (change,) = outcome.changes
    assert (change.before, change.after) == (limits(LIMITS)[1], limits(outcome.candidate)[1])


def test_write_that_addresses_nothing_is_rejected() -> None:
    assert refused(limit_write(filters=(PARTIAL,))) == ErrorNumber.COMMAND_REJECTED


def test_E2_texts_that_peers_cannot_read_are_rejected() -> None:
    command = command_for(key_values(KeyValue(string="a},{b")), (PARTIAL,))
    with pytest.raises(ExchangeError):
        apply_write(KEY_VALUE, key_values(None), command)


# --- properties ---

ITEMS = st.lists(
    st.builds(
        LoadControlLimitData,
        limit_id=st.sampled_from([None, 0, 1, 2]),
        is_limit_changeable=st.sampled_from([None, True, False]),
        is_limit_active=st.sampled_from([None, True, False]),
        time_period=st.sampled_from([None, TimePeriod(), TimePeriod(end_time="PT1H")]),
        value=st.sampled_from(
            [None, ScaledNumber(), ScaledNumber(number=1), ScaledNumber(number=1, scale=1)]
        ),
    ),
    max_size=3,
).map(tuple)
SELECTORS = st.sampled_from([None, *(LoadControlLimitData(limit_id=i) for i in range(3))])
ELEMENTS = st.lists(st.sampled_from(["limitId", "value", "timePeriod", "other"]), max_size=2, unique=True)
DELETES = st.builds(
    lambda selectors, elements: delete_filter(LIMIT, selectors, *elements), SELECTORS, ELEMENTS
)
FILTERS = st.lists(st.one_of(st.just(PARTIAL), DELETES), max_size=2).map(tuple)
COMMANDS = st.builds(lambda items, filters: limit_write(*items, filters=filters), ITEMS, FILTERS)
STORED = ITEMS.map(
    lambda items: apply(LIMIT, LoadControlLimitListData(), limit_write(*items, filters=(PARTIAL,)))
)


@settings(deadline=None)
@given(STORED, COMMANDS)
def test_the_input_is_never_edited(stored: Record, command: Command) -> None:
    before = msgspec.json.encode(to_wire(stored)), msgspec.json.encode(command)
    for change in (apply, apply_write):
        with contextlib.suppress(ExchangeError):
            change(LIMIT, stored, command)
    assert (msgspec.json.encode(to_wire(stored)), msgspec.json.encode(command)) == before


@settings(deadline=None)
@given(STORED, COMMANDS)
def test_a_write_changes_addressed_changeable_items_only(stored: Record, command: Command) -> None:
    try:
        outcome = apply_write(LIMIT, stored, command)
    except ExchangeError:
        return
    before, after = limits(stored), limits(outcome.candidate)
    assert before.keys() == after.keys()
    addressed = {LIMIT.key_of(change.before) for change in outcome.changes}
    for limit_id, item in before.items():
        assert after[limit_id].is_limit_changeable == item.is_limit_changeable
        if (limit_id,) not in addressed:
            assert after[limit_id] == item
        else:
            assert item.is_limit_changeable is True


@settings(deadline=None)
@given(STORED, COMMANDS)
def test_applying_named_items_twice_is_the_same_as_once(stored: Record, command: Command) -> None:
    assume(command.data is None or all(LIMIT.key_of(item) for item in LIMIT.items(command.data)))
    try:
        once = apply(LIMIT, stored, command)
    except ExchangeError:
        return
    assert limits(apply(LIMIT, once, command)) == limits(once)
