"""Partial reads with selectors, elements and spans of time, and partial notifies (SPINE 6.3, 6.4)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eebus.jsonform import Elements
from eebus.spine.datagram import Command, Datagram, Filter, command_for
from eebus.spine.device import READ, READ_PARTIAL, LocalDevice
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import ResultData, ScaledNumber
from eebus.spine.model.device import DeviceDiagnosisHeartbeatData
from eebus.spine.model.measurement import MeasurementData, MeasurementListData
from eebus.spine.update import PARTIAL, apply, changed_part, delete_filter, read_filter
from tests.unit.spine.support import BOX, GATEWAY, Bench, at

SPEC = FUNCTIONS["measurementListData"]
HEARTBEAT = FUNCTIONS["deviceDiagnosisHeartbeatData"]
SERVER, CLIENT = at(1, 1), at(1, 1, BOX)


def value(number: int, hour: int, watts: int, value_type: str = "value") -> MeasurementData:
    return MeasurementData(
        measurement_id=number,
        value_type=value_type,
        timestamp=f"2026-01-31T{hour:02}:00:00Z",
        value=ScaledNumber(number=watts, scale=0),
        value_source="measuredValue",
    )


VALUES = (value(0, 8, 100), value(1, 9, 200), value(2, 10, 300))


def bench(*, announced: bool = True) -> Bench:
    device = LocalDevice(GATEWAY, "SubMeter")
    entity = device.add_entity("SubMeterElectricity")
    operations = READ_PARTIAL if announced else READ
    meter = entity.add_feature("Measurement", "server", {"measurementListData": operations})
    meter.preset(MeasurementListData(measurement_data=VALUES))
    diagnosis = entity.add_feature("DeviceDiagnosis", "server", {"deviceDiagnosisHeartbeatData": operations})
    diagnosis.preset(DeviceDiagnosisHeartbeatData(heartbeat_counter=7, heartbeat_timeout="PT60S"))
    return Bench(device=device)


def read(tester: Bench, selection: Filter, feature: int = 1) -> Datagram:
    spec = SPEC if feature == 1 else HEARTBEAT
    (answer,) = tester.send("read", command_for(spec.data(), (selection,)), destination=at(1, feature))
    return answer


def selecting_measurements(wire: object) -> Filter:
    return Filter(cmd_control=PARTIAL.cmd_control, unknown=Elements([("measurementListDataSelectors", wire)]))


def items(answer: Datagram) -> tuple[MeasurementData, ...]:
    assert isinstance(answer.command.data, MeasurementListData), answer
    return answer.command.data.measurement_data or ()


def error(answer: Datagram) -> int:
    assert isinstance(answer.command.data, ResultData)
    return answer.command.data.error_number or 0


# --- partial reads at our server ---


def test_SPINE_6_3_selectors_read_only_the_selected_items_and_the_reply_says_that_it_is_partial() -> None:
    answer = read(bench(), read_filter(SPEC, MeasurementData(measurement_id=1)))
    assert items(answer) == (VALUES[1],)
    assert answer.command.named == "measurementListData"
    assert answer.command.filters == (PARTIAL,)


def test_SPINE_6_3_elements_read_only_those_and_the_identifiers() -> None:
    answer = read(bench(), read_filter(SPEC, None, "value"))
    assert items(answer) == tuple(
        MeasurementData(measurement_id=v.measurement_id, value_type="value", value=v.value) for v in VALUES
    )


def test_SPINE_6_3_selectors_and_elements_together() -> None:
    answer = read(bench(), read_filter(SPEC, MeasurementData(measurement_id=2), "timestamp"))
    assert items(answer) == (
        MeasurementData(measurement_id=2, value_type="value", timestamp="2026-01-31T10:00:00Z"),
    )


@pytest.mark.parametrize(
    ("since", "until", "numbers"),
    [(9, None, [1, 2]), (None, 9, [0, 1]), (9, 9, [1]), (11, 12, []), (8, 10, [0, 1, 2])],
)
def test_SPINE_6_2_timestampInterval_picks_values_by_their_time(
    since: int | None, until: int | None, numbers: list[int]
) -> None:
    def hour(number: int | None) -> datetime | None:
        return None if number is None else datetime(2026, 1, 31, number, tzinfo=UTC)

    answer = read(bench(), read_filter(SPEC, since=hour(since), until=hour(until)))
    assert [item.measurement_id for item in items(answer)] == numbers


def test_SPINE_6_2_several_selectors_must_all_fit() -> None:
    selection = read_filter(
        SPEC, MeasurementData(measurement_id=0), since=datetime(2026, 1, 31, 9, tzinfo=UTC)
    )
    assert items(read(bench(), selection)) == ()


def test_SPINE_6_2_a_value_without_a_time_lies_in_no_span() -> None:
    tester = bench()
    feature = tester.device.entities[1,].features[1]
    feature.preset(
        MeasurementListData(measurement_data=(MeasurementData(measurement_id=9, value_type="value"),))
    )
    assert items(read(tester, read_filter(SPEC, since=datetime(2000, 1, 1, tzinfo=UTC)))) == ()


@pytest.mark.parametrize(
    "wire",
    [
        [{"timestampInterval": [{"startTime": "-PT1H"}]}],
        [{"value": [{"number": 1}]}],
        [{"unheardOf": 1}],
    ],
)
def test_SPINE_6_3_what_cannot_be_selected_by_is_refused_with_8(wire: object) -> None:
    assert error(read(bench(), selecting_measurements(wire))) == 8


def test_an_unreadable_span_of_time_is_a_general_error() -> None:
    wire = [{"timestampInterval": [{"startTime": "yesterday"}]}]
    assert error(read(bench(), selecting_measurements(wire))) == 1


def test_SPINE_6_3_elements_of_a_function_without_items() -> None:
    answer = read(bench(), read_filter(HEARTBEAT, None, "heartbeatCounter"), feature=2)
    assert answer.command.data == DeviceDiagnosisHeartbeatData(heartbeat_counter=7)


def test_SPINE_6_3_a_read_takes_no_delete_filter() -> None:
    selection = delete_filter(SPEC, MeasurementData(measurement_id=1))
    assert error(read(bench(), selection)) == 8


def test_SPINE_6_3_where_partial_reads_are_not_announced_the_answer_is_complete() -> None:
    answer = read(bench(announced=False), read_filter(SPEC, MeasurementData(measurement_id=1)))
    assert items(answer) == VALUES
    assert answer.command.filters == ()


def test_SPINE_6_1_partial_reads_are_announced_where_they_are_offered() -> None:
    tester = bench()
    tester.answer_discovery()
    (reply,) = tester.sent("reply", "nodeManagementDetailedDiscoveryData")
    features = reply.command.data.feature_information or ()  # type: ignore[union-attr]
    announced = {
        prop.function: prop.possible_operations.read.partial is not None
        for feature in features
        for prop in (feature.description.supported_function or ())
        if prop.possible_operations and prop.possible_operations.read
    }
    assert announced["measurementListData"]
    assert not announced["deviceClassificationManufacturerData"]


# --- partial notifies of ours ---


def notified(*after: MeasurementData, partial: bool = True) -> Command | None:
    tester = bench()
    tester.answer_discovery()
    tester.subscribe(CLIENT, SERVER)
    feature = tester.device.entities[1,].features[1]
    data = MeasurementListData(measurement_data=after)
    tester.take(
        tester.stack.run(
            tester.now, lambda turn: turn.set_data(feature, "measurementListData", data, partial=partial)
        )
    )
    sent = tester.sent("notify", "measurementListData")
    return sent[-1].command if sent else None


def test_SPINE_6_3_a_partial_notify_carries_the_changed_items_only() -> None:
    changed = value(1, 11, 250)
    command = notified(VALUES[0], changed, VALUES[2])
    assert command is not None
    assert command.filters == (PARTIAL,)
    assert command.data == MeasurementListData(measurement_data=(changed,))


def test_a_new_item_is_part_of_a_partial_notify() -> None:
    new = value(3, 11, 1)
    command = notified(*VALUES, new)
    assert command is not None
    assert command.data == MeasurementListData(measurement_data=(new,))


def test_SPINE_6_7_what_was_taken_away_cannot_be_merged_so_the_notify_is_complete() -> None:
    for after in (VALUES[:2], (MeasurementData(measurement_id=0, value_type="value"), *VALUES[1:])):
        command = notified(*after)
        assert command is not None
        assert command.filters == ()
        assert command.data == MeasurementListData(measurement_data=after)


def test_complete_notifies_stay_the_default() -> None:
    command = notified(value(0, 11, 1), *VALUES[1:], partial=False)
    assert command is not None
    assert command.filters == ()


def test_an_unchanged_list_is_not_notified() -> None:
    assert notified(*VALUES) is None


ITEM = st.builds(
    MeasurementData,
    measurement_id=st.integers(0, 3),
    value_type=st.sampled_from(["value", "minValue"]),
    timestamp=st.sampled_from([None, "2026-01-31T08:00:00Z"]),
    value=st.builds(
        ScaledNumber,
        number=st.one_of(st.none(), st.integers(0, 3)),
        scale=st.one_of(st.none(), st.integers(0, 1)),
    ),
)
LIST = st.lists(ITEM, max_size=6, unique_by=lambda i: (i.measurement_id, i.value_type)).map(
    lambda found: MeasurementListData(measurement_data=tuple(found))
)


@given(LIST, LIST)
def test_who_merges_a_partial_notify_has_what_we_have(
    before: MeasurementListData, after: MeasurementListData
) -> None:
    part = changed_part(SPEC, before, after)
    if part is None:
        return
    merged = apply(SPEC, before, command_for(part, (PARTIAL,)))
    assert {SPEC.key_of(i): i for i in SPEC.items(merged)} == {SPEC.key_of(i): i for i in SPEC.items(after)}


# --- partial reads of ours ---


def test_a_partial_reply_is_merged_into_what_is_known() -> None:
    before = MeasurementListData(measurement_data=VALUES)
    reply = command_for(MeasurementListData(measurement_data=(value(1, 12, 999),)), (PARTIAL,))
    after = apply(SPEC, before, reply)
    assert isinstance(after, MeasurementListData)
    assert [item.value for item in after.measurement_data or ()] == [
        VALUES[0].value,
        ScaledNumber(number=999, scale=0),
        VALUES[2].value,
    ]
