"""Datagrams on the wire: golden vectors of the reference (SPINE 1.2, 5.2, 6.6) and encoding traps (1.3)."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eebus.errors import DecodeError, LocalError
from eebus.jsonform import Record, to_wire
from eebus.spine.datagram import (
    Command,
    Datagram,
    Header,
    PayloadError,
    command_for,
    decode_datagram,
    encode_datagram,
)
from eebus.spine.device import READ, READ_WRITE_PARTIAL, LocalDevice, Operations
from eebus.spine.functions import FUNCTIONS, spec_of
from eebus.spine.model.common import FeatureAddress, ScaledNumber, TimePeriod
from eebus.spine.model.device import (
    DeviceClassificationManufacturerData,
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueListData,
    DeviceDiagnosisHeartbeatData,
    KeyValue,
)
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.model.measurement import MeasurementData, MeasurementListData
from eebus.spine.model.node_management import (
    NodeManagementSubscriptionRequestCall,
    NodeManagementUseCaseData,
    SubscriptionRequest,
    UseCaseSupport,
)
from eebus.spine.node_management import discovery_data, use_case_data
from eebus.spine.safety import is_peer_safe, peer_safe_text
from eebus.spine.update import PARTIAL, delete_filter
from tests.unit.spine.strategies import records

GATEWAY, BOX = "d:_n:Acme_Gate-0001", "d:_n:Box_SB-77"
LIMIT = FUNCTIONS["loadControlLimitListData"]


def command_text(command: Command) -> str:
    """The one command inside a datagram, as on the wire."""
    text = encode_datagram(Datagram(Header(), command)).decode()
    return text.removeprefix('{"datagram":[{"header":[]},{"payload":[{"cmd":[[').removesuffix("]]}]}]}")


# --- golden vectors ---

HEARTBEAT_FRAME = (
    '{"datagram":[{"header":[{"specificationVersion":"1.3.0"},{"addressSource":[{"device":"d:_n:Acme_Gate-0001"},'
    '{"entity":[1]},{"feature":4}]},{"addressDestination":[{"device":"d:_n:Box_SB-77"},{"entity":[1]},'
    '{"feature":1}]},{"msgCounter":23},{"cmdClassifier":"notify"}]},{"payload":[{"cmd":[['
    '{"deviceDiagnosisHeartbeatData":[{"timestamp":"2026-01-31T10:15:30Z"},{"heartbeatCounter":5},'
    '{"heartbeatTimeout":"PT1M"}]}]]}]}]}'
)
HEARTBEAT = Datagram(
    Header(
        specification_version="1.3.0",
        address_source=FeatureAddress(device=GATEWAY, entity=(1,), feature=4),
        address_destination=FeatureAddress(device=BOX, entity=(1,), feature=1),
        msg_counter=23,
        cmd_classifier="notify",
    ),
    command_for(
        DeviceDiagnosisHeartbeatData(
            timestamp="2026-01-31T10:15:30Z", heartbeat_counter=5, heartbeat_timeout="PT1M"
        )
    ),
)


def test_1_2_heartbeat_notify() -> None:
    assert encode_datagram(HEARTBEAT).decode() == HEARTBEAT_FRAME
    assert decode_datagram(msgspec.json.decode(HEARTBEAT_FRAME)["datagram"]) == HEARTBEAT


def test_1_1_logical_form_is_read_alike() -> None:
    header = msgspec.to_builtins(HEARTBEAT.header)
    data = msgspec.to_builtins(HEARTBEAT.command.data)
    logical = {"header": header, "payload": {"cmd": [{"deviceDiagnosisHeartbeatData": data}]}}
    assert decode_datagram(logical) == HEARTBEAT


def gateway() -> LocalDevice:
    """The layout of SPINE 4.2, with entity 3 shortened as in the example of 5.2."""
    device = LocalDevice(GATEWAY, "EnergyManagementSystem")
    system = device.add_entity("CEM", description="Controllable System")
    system.add_feature("DeviceDiagnosis", "client")
    system.add_feature(
        "LoadControl",
        "server",
        {"loadControlLimitDescriptionListData": READ, "loadControlLimitListData": READ_WRITE_PARTIAL},
    )
    grid = device.add_entity("GridConnectionPointOfPremises")
    grid.add_feature("Measurement", "server", {"measurementListData": READ})
    for entity, actor in ((system, "ControllableSystem"), (grid, "GridConnectionPoint")):
        device.add_use_case(
            entity,
            actor,
            UseCaseSupport(
                use_case_name="limitationOfPowerConsumption",
                use_case_version="1.0.0",
                use_case_available=True,
                scenario_support=(1, 2, 3, 4),
                use_case_document_sub_revision="release",
            ),
        )
    return device


def test_5_2_discovery_in_ship_form() -> None:
    text = command_text(command_for(discovery_data(gateway())))
    assert text.startswith(
        '{"nodeManagementDetailedDiscoveryData":[{"specificationVersionList":[{"specificationVersion":["1.3.0"]}]},'
        '{"deviceInformation":[{"description":[{"deviceAddress":[{"device":"d:_n:Acme_Gate-0001"}]},'
        '{"deviceType":"EnergyManagementSystem"},{"networkFeatureSet":"smart"}]}]},{"entityInformation":['
    )
    assert (
        '[{"description":[{"entityAddress":[{"device":"d:_n:Acme_Gate-0001"},{"entity":[1]}]},'
        '{"entityType":"CEM"},{"description":"Controllable System"}]}]'
    ) in text
    assert (
        '[{"description":[{"featureAddress":[{"device":"d:_n:Acme_Gate-0001"},{"entity":[1]},{"feature":2}]},'
        '{"featureType":"LoadControl"},{"role":"server"},{"supportedFunction":'
        '[[{"function":"loadControlLimitDescriptionListData"},{"possibleOperations":[{"read":[]}]}],'
        '[{"function":"loadControlLimitListData"},'
        '{"possibleOperations":[{"read":[]},{"write":[{"partial":[]}]}]}]]}]}]'
    ) in text
    assert '{"function":"nodeManagementBindingRequestCall"},{"possibleOperations":[]}' in text
    assert '{"featureType":"DeviceDiagnosis"},{"role":"client"}]}]' in text


def test_5_4_use_cases_are_one_item_for_each_entity_and_actor() -> None:
    data = use_case_data(gateway())
    text = command_text(command_for(data))
    assert (
        '[{"address":[{"device":"d:_n:Acme_Gate-0001"},{"entity":[1]}]},{"actor":"ControllableSystem"},'
        '{"useCaseSupport":[[{"useCaseName":"limitationOfPowerConsumption"},{"useCaseVersion":"1.0.0"},'
        '{"useCaseAvailable":true},{"scenarioSupport":[1,2,3,4]},{"useCaseDocumentSubRevision":"release"}]]}]'
    ) in text
    assert len(data.use_case_information or ()) == 2


def test_5_6_subscription_request() -> None:
    request = SubscriptionRequest(
        client_address=FeatureAddress(device=GATEWAY, entity=(1,), feature=1),
        server_address=FeatureAddress(device=BOX, entity=(1,), feature=5),
        server_feature_type="DeviceDiagnosis",
    )
    assert command_text(command_for(NodeManagementSubscriptionRequestCall(subscription_request=request))) == (
        '{"nodeManagementSubscriptionRequestCall":[{"subscriptionRequest":['
        '{"clientAddress":[{"device":"d:_n:Acme_Gate-0001"},{"entity":[1]},{"feature":1}]},'
        '{"serverAddress":[{"device":"d:_n:Box_SB-77"},{"entity":[1]},{"feature":5}]},'
        '{"serverFeatureType":"DeviceDiagnosis"}]}]}'
    )


PARTIAL_TEXT = '{"filter":[[{"cmdControl":[{"partial":[]}]}]]}'


def test_6_6_activate_a_limit_with_duration() -> None:
    item = LoadControlLimitData(
        limit_id=0,
        is_limit_active=True,
        time_period=TimePeriod(end_time="PT1H2M3S"),
        value=ScaledNumber(number=4200, scale=0),
    )
    data = LoadControlLimitListData(load_control_limit_data=(item,))
    assert command_text(command_for(data, (PARTIAL,))) == (
        f'{{"function":"loadControlLimitListData"}},{PARTIAL_TEXT},'
        '{"loadControlLimitListData":[{"loadControlLimitData":[[{"limitId":0},{"isLimitActive":true},'
        '{"timePeriod":[{"endTime":"PT1H2M3S"}]},{"value":[{"number":4200},{"scale":0}]}]]}]}'
    )


def test_6_6_set_a_limit_and_remove_the_duration() -> None:
    item = LoadControlLimitData(limit_id=0, is_limit_active=True, value=ScaledNumber(number=6000, scale=0))
    data = LoadControlLimitListData(load_control_limit_data=(item,))
    filters = (delete_filter(LIMIT, LoadControlLimitData(limit_id=0), "timePeriod"), PARTIAL)
    assert command_text(command_for(data, filters)) == (
        '{"function":"loadControlLimitListData"},'
        '{"filter":[[{"cmdControl":[{"delete":[]}]},{"loadControlLimitListDataSelectors":[{"limitId":0}]},'
        '{"loadControlLimitDataElements":[{"timePeriod":[]}]}],[{"cmdControl":[{"partial":[]}]}]]},'
        '{"loadControlLimitListData":[{"loadControlLimitData":[[{"limitId":0},{"isLimitActive":true},'
        '{"value":[{"number":6000},{"scale":0}]}]]}]}'
    )


def test_6_6_partial_notify_of_a_measurement() -> None:
    item = MeasurementData(
        measurement_id=0,
        value_type="value",
        timestamp="2026-01-31T10:15:30Z",
        value=ScaledNumber(number=-1530, scale=0),
        value_source="measuredValue",
    )
    assert command_text(command_for(MeasurementListData(measurement_data=(item,)), (PARTIAL,))) == (
        f'{{"function":"measurementListData"}},{PARTIAL_TEXT},'
        '{"measurementListData":[{"measurementData":[[{"measurementId":0},{"valueType":"value"},'
        '{"timestamp":"2026-01-31T10:15:30Z"},{"value":[{"number":-1530},{"scale":0}]},'
        '{"valueSource":"measuredValue"}]]}]}'
    )


def test_7_2_key_values() -> None:
    items = (
        DeviceConfigurationKeyValueData(
            key_id=0,
            value=KeyValue(scaled_number=ScaledNumber(number=4200, scale=0)),
            is_value_changeable=True,
        ),
        DeviceConfigurationKeyValueData(key_id=1, value=KeyValue(duration="PT2H"), is_value_changeable=True),
    )
    data = DeviceConfigurationKeyValueListData(device_configuration_key_value_data=items)
    assert command_text(command_for(data)) == (
        '{"deviceConfigurationKeyValueListData":[{"deviceConfigurationKeyValueData":['
        '[{"keyId":0},{"value":[{"scaledNumber":[{"number":4200},{"scale":0}]}]},{"isValueChangeable":true}],'
        '[{"keyId":1},{"value":[{"duration":"PT2H"}]},{"isValueChangeable":true}]]}]}'
    )


# --- traps ---


def wire(command: object) -> object:
    header = to_wire(HEARTBEAT.header)
    return [{"header": header}, {"payload": [{"cmd": [command]}]}]


def test_E1_no_white_space_between_tokens() -> None:
    text = encode_datagram(HEARTBEAT)
    assert b" " not in text
    assert b"\n" not in text


@pytest.mark.parametrize("text", ["[{", "},{", "}]", "[]", "a[]b"])
def test_E2_texts_that_peers_would_replace_are_refused_in_our_data(text: str) -> None:
    assert not is_peer_safe(text)
    assert is_peer_safe(peer_safe_text(text))
    with pytest.raises(LocalError):
        LocalDevice(text, "Generic")
    with pytest.raises(LocalError):
        LocalDevice(GATEWAY, "Generic", name_plate=DeviceClassificationManufacturerData(device_name=text))
    with pytest.raises(LocalError):
        LocalDevice(GATEWAY, "Generic").add_entity("CEM", description=text)


def test_E2_single_brackets_are_harmless() -> None:
    assert is_peer_safe("size {big}, range [0, 1]")


def test_E3_feature_without_functions_has_no_empty_list() -> None:
    text = command_text(command_for(discovery_data(gateway())))
    assert '"supportedFunction":[]' not in text
    assert command_text(command_for(LoadControlLimitListData(load_control_limit_data=()))) == (
        '{"loadControlLimitListData":[]}'
    )


def test_E6_time_stamps_stay_text() -> None:
    datagram = decode_datagram(
        wire([{"deviceDiagnosisHeartbeatData": [{"timestamp": "2026-01-31T10:15:30.120+01:00"}]}])
    )
    assert datagram.command.data == DeviceDiagnosisHeartbeatData(timestamp="2026-01-31T10:15:30.120+01:00")


def test_E7_escapes_and_utf_8_are_understood() -> None:
    frame = HEARTBEAT_FRAME.replace("Acme", "\\u003cÄ\\u003e")
    source = decode_datagram(msgspec.json.decode(frame)["datagram"]).header.address_source
    assert source is not None
    assert source.device == "d:_n:<Ä>_Gate-0001"


def test_unknown_function_survives_as_received() -> None:
    command = [{"function": "futureData"}, {"futureData": [{"a": [[{"b": []}]]}]}, {"lastUpdateAt": "PT0S"}]
    datagram = decode_datagram(wire(command))
    assert (datagram.command.function, datagram.command.data) == ("futureData", None)
    assert msgspec.json.decode(encode_datagram(datagram))["datagram"] == wire(command)


def test_unknown_elements_survive_everywhere() -> None:
    command = [
        {"filter": [[{"cmdControl": [{"partial": []}]}, {"futureSelectors": [{"x": 1}]}]]},
        {"loadControlLimitListData": [{"loadControlLimitData": [[{"limitId": 0}, {"future": "y"}]]}]},
        {"futureElement": 1},
    ]
    assert msgspec.json.decode(encode_datagram(decode_datagram(wire(command))))["datagram"] == wire(command)


def test_function_alone_names_the_command_but_is_no_data() -> None:
    command = decode_datagram(wire([{"function": "loadControlLimitListData"}])).command
    assert (command.function, command.data, command.named) == (
        "loadControlLimitListData",
        None,
        "loadControlLimitListData",
    )


@pytest.mark.parametrize("phases", [3, "abc"])
def test_openeebus_sends_connected_phases_as_text(phases: object) -> None:
    data = [{"electricalConnectionDescriptionData": [[{"acConnectedPhases": phases}]]}]
    command = decode_datagram(wire([{"electricalConnectionDescriptionListData": data}])).command
    assert command.data is not None


def test_unreadable_payload_keeps_the_header() -> None:
    with pytest.raises(PayloadError) as error:
        decode_datagram(wire([{"loadControlLimitListData": 5}]))
    assert error.value.header == HEARTBEAT.header


def test_unreadable_header_is_a_decode_error_only() -> None:
    with pytest.raises(DecodeError) as error:
        decode_datagram([{"header": [{"msgCounter": "x"}]}])
    assert not isinstance(error.value, PayloadError)


@settings(max_examples=60, deadline=None)
@given(records(Header), st.data())
def test_any_datagram_round_trips(header: Header, data: st.DataObject) -> None:
    spec = FUNCTIONS[data.draw(st.sampled_from(sorted(FUNCTIONS)))]
    record = data.draw(records(spec.data))
    assert isinstance(record, Record)
    datagram = Datagram(header, command_for(record, data.draw(st.sampled_from([(), (PARTIAL,)]))))
    assert decode_datagram(msgspec.json.decode(encode_datagram(datagram))["datagram"]) == datagram


# --- registry and our own tree ---


def test_every_function_knows_itself() -> None:
    for name, spec in FUNCTIONS.items():
        assert spec_of(spec.data()) is spec
        assert spec.name == name
        fields = {field.name for field in msgspec.structs.fields(spec.item_type)}
        assert {
            *spec.keys,
            *spec.selectors,
            spec.write_permit or spec.item_type.__struct_fields__[0],
        } <= fields


@pytest.mark.parametrize(
    ("function", "selectors", "elements"),
    [
        ("loadControlLimitListData", "loadControlLimitListDataSelectors", "loadControlLimitDataElements"),
        ("measurementListData", "measurementListDataSelectors", "measurementDataElements"),
        (
            "deviceConfigurationKeyValueListData",
            "deviceConfigurationKeyValueListDataSelectors",
            "deviceConfigurationKeyValueDataElements",
        ),
        (
            "deviceDiagnosisHeartbeatData",
            "deviceDiagnosisHeartbeatDataSelectors",
            "deviceDiagnosisHeartbeatDataElements",
        ),
    ],
)
def test_names_of_selectors_and_elements(function: str, selectors: str, elements: str) -> None:
    assert (FUNCTIONS[function].selectors_name, FUNCTIONS[function].elements_name) == (selectors, elements)


def test_feature_of_a_type_and_role_exists_once_and_combines_functions() -> None:
    entity = LocalDevice(GATEWAY, "Generic").add_entity("CEM")
    first = entity.add_feature("LoadControl", "server", {"loadControlLimitListData": READ})
    second = entity.add_feature("LoadControl", "server", {"loadControlLimitListData": Operations(write=True)})
    assert first is second
    assert first.functions == {"loadControlLimitListData": Operations(read=True, write=True)}
    assert entity.add_feature("LoadControl", "client") is not first


def test_device_is_built_without_mistakes() -> None:
    device = LocalDevice(GATEWAY, "Generic")
    entity = device.add_entity("CEM")
    assert (device.node_management.address.entity, device.node_management.address.feature) == ((0,), 0)
    assert entity.add_feature("Measurement", "server").address.feature == 1
    with pytest.raises(LocalError, match="unknown function"):
        entity.add_feature("Measurement", "server", {"nonsense": READ})
    with pytest.raises(LocalError, match="client"):
        entity.add_feature("Measurement", "client", {"measurementListData": READ})
    with pytest.raises(LocalError, match="does not offer"):
        entity.add_feature("Measurement", "server").preset(LoadControlLimitListData())
    with pytest.raises(LocalError, match="sub-revision"):
        device.add_use_case(
            entity, "EnergyGuard", UseCaseSupport(use_case_name="x", use_case_version="1.0.0")
        )
    assert use_case_data(device) == NodeManagementUseCaseData(use_case_information=())
