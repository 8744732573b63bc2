"""The server side: one answer for each request, with the right number (SPINE 2.6, 2.7, 2.10, 5.6, 5.7)."""

import msgspec
import pytest

from eebus.ids import PeerRole
from eebus.jsonform import to_wire
from eebus.spine.datagram import Command, Datagram, Filter, command_for, encode_datagram
from eebus.spine.device import READ, Operations
from eebus.spine.events import (
    BindingAdded,
    BindingRefused,
    BindingRemoved,
    DatagramDropped,
    SubscriptionAdded,
    SubscriptionRemoved,
)
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import FeatureAddress, ResultData
from eebus.spine.model.device import (
    DeviceClassificationManufacturerData,
    DeviceConfigurationKeyValueListData,
    DeviceDiagnosisHeartbeatData,
)
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.model.measurement import MeasurementListData
from eebus.spine.model.node_management import (
    NodeManagementBindingData,
    NodeManagementDestinationListData,
    NodeManagementSubscriptionData,
    NodeManagementSubscriptionDeleteCall,
    NodeManagementSubscriptionRequestCall,
    SubscriptionDelete,
    SubscriptionRequest,
)
from eebus.spine.safety import is_peer_safe
from eebus.spine.stack import (
    Accept,
    Defer,
    Emit,
    Peer,
    Persist,
    Refuse,
    SendDatagram,
    SpineSettings,
    Turn,
    WriteRequest,
)
from eebus.spine.update import PARTIAL, delete_filter
from tests.unit.spine.support import (
    BOX,
    LIMITS,
    OTHER_SKI,
    Bench,
    at,
    box_tree,
    decode_sent,
    limit_write,
    result_of,
)

CLIENT = at(1, 1, BOX)
SERVER = at(1, 2)
ACTIVATE = limit_write(LoadControlLimitData(limit_id=0, is_limit_active=True), filters=(PARTIAL,))


def bound_bench(settings: SpineSettings | None = None) -> Bench:
    bench = Bench(settings=settings)
    bench.start()
    assert bench.bind(CLIENT, SERVER, "LoadControl") == 0
    assert bench.subscribe(CLIENT, SERVER, "LoadControl") == 0
    return bench


def write(bench: Bench, command: Command = ACTIVATE, ack: bool | None = True) -> list[Datagram]:
    return bench.send("write", command, source=CLIENT, destination=SERVER, ack=ack)


def kinds(datagrams: list[Datagram]) -> list[str | None]:
    return [datagram.header.cmd_classifier for datagram in datagrams]


# --- the pipeline of checks ---


@pytest.mark.parametrize(
    ("classifier", "command", "destination", "number"),
    [
        ("read", command_for(LoadControlLimitListData()), at(7, 2), 4),
        ("read", command_for(LoadControlLimitListData()), at(1, 99), 4),
        ("write", ACTIVATE, at(1, 99), 4),
        ("read", Command("unknownFunction", raw=[]), SERVER, 6),
        ("write", Command("unknownFunction", raw=[]), SERVER, 6),
        ("call", Command("unknownFunction", raw=[]), at(0, 0), 6),
        ("read", command_for(MeasurementListData()), SERVER, 6),
        ("read", command_for(NodeManagementSubscriptionRequestCall()), at(0, 0), 6),
        ("call", command_for(NodeManagementSubscriptionData()), at(0, 0), 6),
        ("call", command_for(LoadControlLimitListData()), SERVER, 6),
        ("write", command_for(MeasurementListData()), at(1, 4), 6),
        ("read", command_for(DeviceDiagnosisHeartbeatData()), at(1, 1), 7),
        ("write", ACTIVATE, at(1, 1), 7),
        ("write", ACTIVATE, SERVER, 9),
    ],
)
def test_refused_requests_get_a_result_with_number_and_text(
    classifier: str, command: Command, destination: FeatureAddress, number: int
) -> None:
    bench = Bench()
    bench.start()
    (answer,) = bench.send(classifier, command, destination=destination)
    assert isinstance(answer.command.data, ResultData)
    assert answer.command.data.error_number == number
    assert answer.command.data.description
    assert answer.header.address_source == destination
    assert answer.header.address_destination == at(0, 0, BOX)


def frame(header: dict[str, object], payload: object) -> list[object]:
    complete: dict[str, object] = {
        "specificationVersion": "1.3.0",
        "addressSource": to_wire(at(0, 0, BOX)),
        "addressDestination": to_wire(at(0, 0)),
        "msgCounter": 1,
        "cmdClassifier": "read",
    } | header
    return [{"header": [{k: v} for k, v in complete.items() if v is not None]}, {"payload": payload}]


READ_DISCOVERY: object = [{"cmd": [[{"nodeManagementDetailedDiscoveryData": []}]]}]


@pytest.mark.parametrize(
    "payload",
    [
        [{"cmd": []}],
        [{"cmd": [[{"resultData": []}], [{"resultData": []}]]}],
        [],
        {},
        [{"cmd": 5}],
        [{"cmd": [[{"loadControlLimitListData": "text"}]]}],
        [{"cmd": [[{"function": 5}]]}],
        [{"cmd": [[{"filter": 5}]]}],
        [{"cmd": [[{"resultData": []}, {"loadControlLimitListData": []}]]}],
        [{"cmd": [[{"resultData": []}, {"resultData": []}]]}],
    ],
)
@pytest.mark.parametrize("classifier", ["read", "write", "call"])
def test_undecodable_payload_of_a_request_is_refused_with_1(payload: object, classifier: str) -> None:
    assert result_of(Bench().receive(frame({"cmdClassifier": classifier}, payload))) == 1


@pytest.mark.parametrize("classifier", ["reply", "notify", "result"])
def test_undecodable_payload_of_other_messages_is_dropped(classifier: str) -> None:
    bench = Bench()
    assert bench.receive(frame({"cmdClassifier": classifier, "ackRequest": True}, [{"cmd": []}])) == []
    assert bench.emitted(DatagramDropped)


@pytest.mark.parametrize(
    "header",
    [
        {"addressSource": None},
        {"addressSource": [{"device": BOX}]},
        {"addressSource": [{"device": BOX}, {"entity": [0]}]},
        {"addressSource": [{"device": BOX}, {"entity": []}, {"feature": 0}]},
        {"addressDestination": None},
        {"msgCounter": None},
        {"cmdClassifier": None},
        {"cmdClassifier": "shout"},
        {"addressDestination": [{"device": "d:_n:Somebody_Else"}, {"entity": [1]}, {"feature": 2}]},
        {"msgCounter": "one"},
    ],
)
def test_incomplete_or_foreign_header_is_dropped_silently(header: dict[str, object]) -> None:
    bench = Bench()
    assert bench.receive(frame(header, READ_DISCOVERY)) == []
    assert bench.emitted(DatagramDropped)


@pytest.mark.parametrize("wire", [None, [], {}, 5, "text", [5], [[]], [{"header": []}]])
def test_anything_else_is_dropped_silently(wire: object) -> None:
    assert Bench().receive(wire) == []


@pytest.mark.parametrize("device", [None, "", "n:Acme_Gate-0001", "d:_n:Old_Address"])
def test_node_management_answers_under_any_device_text(device: str | None) -> None:
    (answer,) = Bench().send(
        "read", command_for(NodeManagementBindingData()), destination=at(0, 0, device=device)
    )
    assert answer.header.address_source == at(0, 0)


def test_other_features_take_a_missing_device_as_ours() -> None:
    answer = Bench().read(LoadControlLimitListData(), at(1, 2, device=None))
    assert answer.command.data == LIMITS


def test_message_of_a_peer_that_is_not_connected_is_ignored() -> None:
    bench = Bench()
    assert bench.stack.receive(OTHER_SKI, frame({}, READ_DISCOVERY), bench.now) == []


# --- read ---


def test_function_without_data_is_answered_with_empty_data() -> None:
    answer = Bench().read(MeasurementListData(), at(1, 4))
    assert answer.command.data == MeasurementListData()
    assert b'"measurementListData":[]' in encode_datagram(answer)


def test_handler_can_answer_a_read_with_other_data() -> None:
    bench = Bench()
    fresh = DeviceDiagnosisHeartbeatData(heartbeat_counter=5)
    bench.handler.on_read = lambda feature, function, turn: (  # type: ignore[method-assign]
        fresh if function == "deviceDiagnosisHeartbeatData" else None
    )
    assert bench.read(DeviceDiagnosisHeartbeatData(), at(1, 3)).command.data == fresh
    assert bench.read(LoadControlLimitListData(), SERVER).command.data == LIMITS


def test_read_with_a_filter_is_answered_in_full() -> None:
    command = command_for(LoadControlLimitListData(), (PARTIAL,))
    (answer,) = Bench().send("read", command, destination=SERVER)
    assert answer.command.data == LIMITS


def test_read_with_a_delete_filter_is_refused_with_8() -> None:
    spec = FUNCTIONS["loadControlLimitListData"]
    command = command_for(LoadControlLimitListData(), (delete_filter(spec, None, "value"),))
    assert result_of(Bench().send("read", command, destination=SERVER)) == 8


def test_name_plate_and_destination_list_can_be_read() -> None:
    bench = Bench()
    plate = bench.read(DeviceClassificationManufacturerData(), at(0, 1)).command.data
    assert plate == DeviceClassificationManufacturerData()
    data = bench.read(NodeManagementDestinationListData()).command.data
    assert isinstance(data, NodeManagementDestinationListData)
    assert len(data.node_management_destination_data or ()) == 1


# --- write ---


def test_accepted_write_notifies_subscribers_first_and_then_answers() -> None:
    bench = bound_bench()
    notify, result = write(bench)
    assert kinds([notify, result]) == ["notify", "result"]
    assert notify.command.filters == ()
    assert isinstance(notify.command.data, LoadControlLimitListData)
    assert len(notify.command.data.load_control_limit_data or ()) == 2
    assert result_of([result]) == 0


def test_effects_of_a_limit_write_come_in_the_order_act_store_tell_answer() -> None:
    bench = bound_bench()

    def decide(request: WriteRequest, turn: Turn) -> None:
        turn.emit("order")
        turn.persist("record", grace_s=0.2)

    bench.handler.before_verdict = decide
    before = len(bench.effects)
    write(bench)
    effects = bench.effects[before:]
    assert effects[:2] == [Emit("order"), Persist("record", 0.2, None)]
    sent = [decode_sent(e.datagram) for e in effects[2:] if isinstance(e, SendDatagram)]
    assert kinds(sent) == ["notify", "result"]
    assert len(effects) == 4


def test_write_without_ack_request_is_applied_without_result() -> None:
    bench = bound_bench()
    assert kinds(write(bench, ack=None)) == ["notify"]


def test_refused_write_changes_nothing_and_is_answered_even_without_ack_request() -> None:
    bench = bound_bench()
    bench.handler.verdict = Refuse(7, "limit below 0 W")
    (answer,) = write(bench, ack=None)
    assert answer.command.data == ResultData(error_number=7, description="limit below 0 W")
    assert bench.read(LoadControlLimitListData(), SERVER).command.data == LIMITS


def test_accept_can_replace_the_candidate() -> None:
    bench = bound_bench()
    bench.handler.verdict = Accept(LoadControlLimitListData())
    write(bench)
    assert bench.read(LoadControlLimitListData(), SERVER).command.data == LoadControlLimitListData()


def test_write_that_no_handler_decides_on_is_refused() -> None:
    bench = bound_bench()
    bench.handler.verdict = None
    assert result_of(write(bench)) == 7


def test_write_that_changes_nothing_is_accepted_and_not_notified() -> None:
    bench = bound_bench()
    write(bench)
    assert kinds(write(bench)) == ["result"]


def test_write_request_tells_who_wrote_what() -> None:
    bench = bound_bench()
    write(bench)
    (request,) = bench.handler.writes
    assert request.peer == Peer(bench.ski, PeerRole.CONTROL_BOX)
    assert (request.source, request.destination.address) == (CLIENT, SERVER)
    assert request.msg_counter == bench.counter
    (change,) = request.changes
    assert isinstance(change.before, LoadControlLimitData)
    assert isinstance(change.after, LoadControlLimitData)
    assert (change.before.is_limit_active, change.after.is_limit_active) == (False, True)


def test_write_from_another_feature_than_the_bound_one_is_refused_with_9() -> None:
    bench = bound_bench()
    answers = bench.send("write", ACTIVATE, source=at(1, 2, BOX), destination=SERVER, ack=True)
    assert result_of(answers) == 9


def test_write_without_data_is_refused() -> None:
    bench = bound_bench()
    assert result_of(write(bench, Command("loadControlLimitListData", named="loadControlLimitListData"))) == 1


def test_delete_only_write_needs_no_data_element() -> None:
    bench = bound_bench()
    spec = FUNCTIONS["loadControlLimitListData"]
    remove = delete_filter(spec, LoadControlLimitData(limit_id=1), "timePeriod")
    command = Command("loadControlLimitListData", None, (remove,), named="loadControlLimitListData")
    assert result_of(write(bench, command)) == 0


def test_unsupported_filter_is_refused_with_8() -> None:
    bench = bound_bench()
    item = LoadControlLimitData(limit_id=0)
    assert result_of(write(bench, limit_write(item, filters=(Filter(),)))) == 8


def test_partial_write_where_only_complete_ones_are_offered_is_refused_with_8() -> None:
    bench = Bench()
    (entity,) = [e for path, e in bench.device.entities.items() if path == (1,)]
    feature = entity.add_feature(
        "DeviceConfiguration",
        "server",
        {"deviceConfigurationKeyValueListData": Operations(read=True, write=True)},
    )
    assert bench.bind(CLIENT, feature.address) == 0
    command = command_for(DeviceConfigurationKeyValueListData(), (PARTIAL,))
    assert result_of(bench.send("write", command, source=CLIENT, destination=feature.address)) == 8


def test_description_of_a_refusal_is_readable_for_peers() -> None:
    bench = bound_bench()
    bench.handler.verdict = Refuse(7, "a [{ b },{ c }] d [] " + "x" * 500)
    (answer,) = write(bench)
    assert isinstance(answer.command.data, ResultData)
    assert is_peer_safe(answer.command.data)
    assert len(answer.command.data.description or "") <= 200


def test_G16_a_refusal_always_has_a_description() -> None:
    bench = bound_bench()
    bench.handler.verdict = Refuse(7, "")
    (answer,) = write(bench)
    assert isinstance(answer.command.data, ResultData)
    assert answer.command.data.description


# --- deferred writes ---


def deferring_bench() -> Bench:
    bench = bound_bench(settings=SpineSettings(max_held_writes=1))
    bench.handler.verdict = Defer(5)
    bench.handler.stored_verdict = Accept()
    bench.handler.before_verdict = lambda request, turn: turn.persist("values", grace_s=None, token=5)
    return bench


def test_deferred_write_does_nothing_but_store() -> None:
    bench = deferring_bench()
    before = len(bench.effects)
    assert write(bench) == []
    assert bench.effects[before:] == [Persist("values", None, 5)]
    assert bench.read(LoadControlLimitListData(), SERVER).command.data == LIMITS


def test_stored_write_is_committed_told_and_answered() -> None:
    bench = deferring_bench()
    write(bench)
    sent = bench.take(bench.stack.stored(5, True, bench.now))
    assert kinds(sent) == ["notify", "result"]
    assert result_of(sent) == 0


def test_write_that_could_not_be_stored_is_refused_and_nothing_changed() -> None:
    bench = deferring_bench()
    bench.handler.stored_verdict = Refuse(1, "cannot be stored")
    write(bench)
    assert result_of(bench.take(bench.stack.stored(5, False, bench.now))) == 1
    assert bench.read(LoadControlLimitListData(), SERVER).command.data == LIMITS


def test_later_write_waits_for_the_deferred_one_and_builds_on_it() -> None:
    bench = deferring_bench()
    write(bench)
    bench.handler.verdict = Accept()
    other = limit_write(LoadControlLimitData(limit_id=1, is_limit_active=False), filters=(PARTIAL,))
    assert write(bench, other) == []
    sent = bench.take(bench.stack.stored(5, True, bench.now))
    assert kinds(sent) == ["notify", "result", "notify", "result"]
    data = bench.read(LoadControlLimitListData(), SERVER).command.data
    assert isinstance(data, LoadControlLimitListData)
    assert [item.is_limit_active for item in data.load_control_limit_data or ()] == [True, False]


def test_flood_of_writes_behind_a_deferred_one_is_refused_with_3() -> None:
    bench = deferring_bench()
    write(bench)
    assert write(bench) == []
    assert result_of(write(bench)) == 3


def test_stored_write_of_a_peer_that_has_gone_is_committed() -> None:
    bench = deferring_bench()
    write(bench)
    bench.take(bench.stack.disconnect(bench.ski, bench.now))
    assert bench.take(bench.stack.stored(5, True, bench.now)) == []
    limits = bench.device.feature((1,), 2)
    assert limits is not None
    assert limits.data("loadControlLimitListData") != LIMITS


# --- notifications ---


def test_changed_data_is_notified_completely_and_without_filter() -> None:
    bench = bound_bench()
    feature = bench.device.feature((1,), 2)
    assert feature is not None
    new = LoadControlLimitListData()
    (notify,) = bench.run(lambda turn: turn.set_data(feature, "loadControlLimitListData", new))
    assert (notify.header.cmd_classifier, notify.command.data, notify.command.filters) == ("notify", new, ())
    assert (notify.header.address_source, notify.header.address_destination) == (SERVER, CLIENT)
    assert notify.header.ack_request is None


def test_unchanged_data_is_notified_only_by_force() -> None:
    """Trap SPINE G15: only a heartbeat goes out unchanged."""
    bench = bound_bench()
    feature = bench.device.feature((1,), 2)
    assert feature is not None
    assert bench.run(lambda turn: turn.set_data(feature, "loadControlLimitListData", LIMITS)) == []
    forced = bench.run(lambda turn: turn.set_data(feature, "loadControlLimitListData", LIMITS, force=True))
    assert kinds(forced) == ["notify"]


# --- subscriptions and bindings ---


def test_subscription_before_our_discovery_of_the_peer_is_accepted() -> None:
    bench = Bench()
    assert bench.subscribe(CLIENT, SERVER) == 0
    assert bench.bind(CLIENT, SERVER) == 0


def test_repeated_subscription_and_binding_are_confirmed_and_kept_once() -> None:
    bench = bound_bench()
    assert bench.subscribe(CLIENT, SERVER) == 0
    assert bench.bind(CLIENT, SERVER) == 0
    snapshot = bench.stack.peers()[bench.ski]
    assert (len(snapshot.subscriptions), len(snapshot.bindings)) == (1, 1)
    assert len(bench.handler.of_type(SubscriptionAdded)) == 1
    assert len(bench.handler.of_type(BindingAdded)) == 1


def test_missing_devices_mean_sender_and_receiver() -> None:
    bench = Bench()
    bench.start()
    assert bench.subscribe(at(1, 1, None), at(1, 2, None)) == 0
    (relation,) = bench.stack.peers()[bench.ski].subscriptions
    assert (relation.client, relation.server) == (CLIENT, SERVER)


@pytest.mark.parametrize(
    ("client", "server", "feature_type", "number"),
    [
        (CLIENT, at(1, 99), None, 4),
        (CLIENT, at(1, 2, "d:_n:Else_1"), None, 4),
        (CLIENT, at(1, 1), None, 7),
        (CLIENT, SERVER, "Measurement", 7),
        (at(1, 1, "d:_n:Else_1"), SERVER, None, 7),
        (FeatureAddress(), SERVER, None, 7),
    ],
)
def test_wrong_subscriptions_and_bindings_are_refused(
    client: FeatureAddress, server: FeatureAddress, feature_type: str | None, number: int
) -> None:
    bench = Bench()
    bench.start()
    assert bench.subscribe(client, server, feature_type) == number
    assert bench.bind(client, server, feature_type) == number


def test_client_may_use_the_device_of_its_headers_or_the_one_that_it_announced() -> None:
    bench = Bench()
    bench.answer_discovery(box_tree(device="d:_n:Announced_1"))
    assert bench.subscribe(CLIENT, SERVER) == 0
    assert bench.subscribe(at(1, 2, "d:_n:Announced_1"), SERVER) == 0


def test_feature_without_writable_function_cannot_be_bound() -> None:
    assert Bench().bind(CLIENT, at(1, 4)) == 7


def test_second_client_cannot_bind_and_that_is_shown() -> None:
    bench = bound_bench()
    bench.take(bench.stack.connect(Peer(OTHER_SKI, PeerRole.CONTROL_BOX), bench.now))
    bench.ski = OTHER_SKI
    assert bench.bind(CLIENT, SERVER) == 7
    (refusal,) = bench.emitted(BindingRefused)
    assert (refusal.ski, refusal.error_number) == (OTHER_SKI, 7)


def test_handler_can_refuse_a_binding() -> None:
    bench = Bench(role=PeerRole.DEVICE)
    bench.handler.bind_verdict = Refuse(7, "only the control box may bind")
    assert bench.bind(CLIENT, SERVER) == 7
    assert len(bench.emitted(BindingRefused)) == 1
    assert bench.stack.peers()[bench.ski].bindings == ()


def test_too_many_subscriptions_are_refused_with_3() -> None:
    bench = Bench(settings=SpineSettings(max_relations=2))
    numbers = [bench.subscribe(at(1, feature, BOX), SERVER) for feature in range(1, 4)]
    assert numbers == [0, 0, 3]


def test_relations_are_shown_only_to_those_who_take_part() -> None:
    bench = bound_bench()
    bench.take(bench.stack.connect(Peer(OTHER_SKI, PeerRole.DEVICE), bench.now))
    bench.ski = OTHER_SKI
    assert bench.read(NodeManagementBindingData()).command.data == NodeManagementBindingData()
    assert bench.read(NodeManagementSubscriptionData()).command.data == NodeManagementSubscriptionData()


def test_subscription_can_be_deleted_by_number_or_by_parts_of_the_addresses() -> None:
    for delete in (
        SubscriptionDelete(subscription_id=1),
        SubscriptionDelete(client_address=CLIENT),
        SubscriptionDelete(server_address=at(1, 2, None)),
    ):
        bench = bound_bench()
        assert bench.call(NodeManagementSubscriptionDeleteCall(subscription_delete=delete)) == 0
        assert bench.stack.peers()[bench.ski].subscriptions == ()
        assert len(bench.handler.of_type(SubscriptionRemoved)) == 1


def test_delete_that_names_nothing_is_refused() -> None:
    bench = bound_bench()
    delete = NodeManagementSubscriptionDeleteCall(subscription_delete=SubscriptionDelete())
    assert bench.call(delete) == 7
    assert len(bench.stack.peers()[bench.ski].subscriptions) == 1


def test_peer_cannot_delete_what_another_one_has() -> None:
    bench = bound_bench()
    bench.take(bench.stack.connect(Peer(OTHER_SKI, PeerRole.CONTROL_BOX), bench.now))
    ours, bench.ski = bench.ski, OTHER_SKI
    delete = SubscriptionDelete(subscription_id=1)
    assert bench.call(NodeManagementSubscriptionDeleteCall(subscription_delete=delete)) == 0
    assert len(bench.stack.peers()[ours].subscriptions) == 1


def test_call_without_content_is_refused() -> None:
    assert Bench().call(NodeManagementSubscriptionRequestCall()) == 7
    request = SubscriptionRequest(client_address=CLIENT)
    assert Bench().call(NodeManagementSubscriptionRequestCall(subscription_request=request)) == 4


def test_disconnect_ends_all_relations_and_keeps_the_data() -> None:
    bench = bound_bench()
    write(bench)
    changed = bench.read(LoadControlLimitListData(), SERVER).command.data
    bench.take(bench.stack.disconnect(bench.ski, bench.now))
    assert len(bench.handler.of_type(BindingRemoved)) == 1
    assert len(bench.handler.of_type(SubscriptionRemoved)) == 1
    bench.take(bench.stack.connect(Peer(bench.ski, PeerRole.CONTROL_BOX), bench.now))
    assert bench.read(LoadControlLimitListData(), SERVER).command.data == changed
    assert result_of(write(bench)) == 9


def test_client_of_the_same_entity_number_keeps_its_binding_when_another_peer_goes() -> None:
    bench = bound_bench()
    bench.take(bench.stack.connect(Peer(OTHER_SKI, PeerRole.DEVICE), bench.now))
    bench.take(bench.stack.disconnect(OTHER_SKI, bench.now))
    assert result_of(write(bench)) == 0


# --- entities at run time ---


def test_added_and_removed_entities_are_announced_partially() -> None:
    bench = Bench()
    bench.start()
    assert bench.subscribe(at(0, 0, BOX), at(0, 0)) == 0
    entity = bench.device.add_entity("SubMeterElectricity")
    feature = entity.add_feature("Measurement", "server", {"measurementListData": READ})
    added, use_cases = bench.run(lambda turn: turn.announce_entity(entity))
    text = encode_datagram(added)
    assert b'"filter":[[{"cmdControl":[{"partial":[]}]}]]' in text
    assert b'"lastStateChange":"added"' in text
    assert b'"featureInformation"' in text
    assert use_cases.command.function == "nodeManagementUseCaseData"
    assert bench.subscribe(CLIENT, feature.address) == 0
    removed, _ = bench.run(lambda turn: turn.remove_entity(entity))
    text = encode_datagram(removed)
    assert b'"lastStateChange":"removed"' in text
    assert b'"featureInformation"' not in text
    assert len(bench.handler.of_type(SubscriptionRemoved)) == 1
    assert result_of(bench.send("read", command_for(MeasurementListData()), destination=feature.address)) == 4


def test_everything_sent_is_minified_json() -> None:
    bench = bound_bench()
    write(bench)
    for effect in bench.effects:
        if isinstance(effect, SendDatagram):
            again = msgspec.json.encode(msgspec.json.decode(effect.datagram))
            assert effect.datagram == again
