"""The client side: start, requests and their answers, what peers tell (SPINE 2.4, 2.8, 5.3, 5.8, 10)."""

from collections.abc import Callable

import pytest

from eebus.errors import LocalError
from eebus.ids import PeerRole
from eebus.jsonform import from_wire
from eebus.spine.datagram import Datagram, Filter, command_for, encode_datagram
from eebus.spine.device import LocalFeature, Operations, RemoteDevice
from eebus.spine.events import (
    BindingConfirmed,
    BindingRemoved,
    PeerDiscovered,
    PeerGone,
    PeerTopologyChanged,
    PeerUseCases,
    RemoteData,
    RequestTimedOut,
    ResultReceived,
    SubscriptionConfirmed,
    SubscriptionRemoved,
)
from eebus.spine.model.common import FeatureAddress, FunctionProperty, ScaledNumber
from eebus.spine.model.device import DeviceDiagnosisHeartbeatData
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.model.measurement import MeasurementData, MeasurementListData
from eebus.spine.model.node_management import (
    EntityInformation,
    FeatureDescription,
    FeatureInformation,
    NodeManagementDetailedDiscoveryData,
    NodeManagementSubscriptionRequestCall,
    NodeManagementUseCaseData,
    UseCaseInformation,
    UseCaseSupport,
)
from eebus.spine.stack import Peer, SpineSettings, Turn
from eebus.spine.update import PARTIAL
from tests.unit.spine.support import BOX, LIMITS, Bench, at, box_tree, limit_write, result_of

HEARTBEAT_SERVER = at(1, 2, BOX)
LIMIT_SERVER = at(1, 3, BOX)
DISCOVERY = "nodeManagementDetailedDiscoveryData"


def tree_with_limits(
    *, partial: bool = True, delay: str | None = None
) -> NodeManagementDetailedDiscoveryData:
    """The box's tree with a writable limit feature 3 on entity 1."""
    write: object = {"write": [{"partial": []}] if partial else []}
    function = from_wire(
        FunctionProperty,
        [{"function": "loadControlLimitListData"}, {"possibleOperations": [{"read": []}, write]}],
    )
    limits = FeatureInformation(
        description=FeatureDescription(
            feature_address=FeatureAddress(entity=(1,), feature=3),
            feature_type="LoadControl",
            role="server",
            supported_function=(function,),
            max_response_delay=delay,
        )
    )
    tree = box_tree()
    return NodeManagementDetailedDiscoveryData(
        device_information=tree.device_information,
        entity_information=tree.entity_information,
        feature_information=(*(tree.feature_information or ()), limits),
    )


def started(
    tree: NodeManagementDetailedDiscoveryData | None = None, *, settings: SpineSettings | None = None
) -> Bench:
    bench = Bench(settings=settings)
    for request in bench.answer_discovery(tree or tree_with_limits()):
        if request.header.cmd_classifier == "call":
            bench.result_to(request, 0)
        else:
            bench.reply_to(request, NodeManagementUseCaseData())
    return bench


def client_of(bench: Bench) -> LocalFeature:
    feature = bench.device.feature((1,), 1)
    assert feature is not None
    return feature


def remote_of(bench: Bench) -> RemoteDevice:
    return bench.stack.peers()[bench.ski].remote


def request_of(bench: Bench, action: Callable[[Turn], object]) -> Datagram:
    (request,) = bench.run(action)
    return request


# --- start ---


def test_first_read_names_no_device_and_counts_from_one() -> None:
    """Trap SPINE G2."""
    (request,) = Bench().sent()
    assert request.header.address_destination == FeatureAddress(entity=(0,), feature=0)
    assert (request.header.msg_counter, request.header.ack_request) == (1, None)
    assert b'"nodeManagementDetailedDiscoveryData":[]' in encode_datagram(request)


def test_nothing_is_asked_before_the_peer_has_read_our_tree() -> None:
    """Trap SPINE G1: what comes from a feature that it does not know yet, a peer drops silently."""
    bench = Bench()
    assert bench.reply_to(bench.sent("read")[0], box_tree()) == []
    assert bench.handler.of_type(PeerDiscovered) == []
    answers = bench.send("read", command_for(NodeManagementDetailedDiscoveryData()))
    assert [a.header.cmd_classifier for a in answers] == ["reply", "call", "read"]
    assert len(bench.handler.of_type(PeerDiscovered)) == 1


def test_peer_that_never_reads_our_tree_is_asked_after_five_seconds() -> None:
    bench = Bench()
    bench.reply_to(bench.sent("read")[0], box_tree())
    assert bench.wait(4.9) == []
    assert [request.header.cmd_classifier for request in bench.wait(0.1)] == ["call", "read"]


def test_calls_ask_for_an_acknowledgement_and_reads_do_not() -> None:
    bench = started()
    assert [d.header.ack_request for d in bench.sent("call")] == [True]
    assert {d.header.ack_request for d in bench.sent("read")} == {None}


def test_own_subscription_names_everything_that_peers_need() -> None:
    (call,) = started().sent("call")
    text = encode_datagram(call)
    for part in (
        b'"clientAddress"',
        b'"serverAddress"',
        b'"serverFeatureType":"NodeManagement"',
        BOX.encode(),
    ):
        assert part in text


@pytest.mark.parametrize("answer", ["nothing", "error"])
def test_missing_use_cases_are_reported_as_none(answer: str) -> None:
    bench = Bench()
    bench.answer_discovery()
    (read,) = bench.sent("read", "nodeManagementUseCaseData")
    if answer == "error":
        bench.result_to(read, 6)
    else:
        bench.wait(10)
    assert bench.handler.of_type(PeerUseCases) == [PeerUseCases(bench.ski)]
    assert remote_of(bench).use_cases() == []


def test_use_cases_may_come_unasked_and_without_address() -> None:
    bench = started()
    data = NodeManagementUseCaseData(
        use_case_information=(
            UseCaseInformation(
                actor="EnergyGuard",
                use_case_support=(
                    UseCaseSupport(
                        use_case_name="limitationOfPowerConsumption",
                        use_case_version="1.0.1b",
                        use_case_available=False,
                        scenario_support=(1, 2),
                    ),
                ),
            ),
        )
    )
    bench.send("notify", command_for(data))
    (use_case,) = remote_of(bench).use_cases("limitationOfPowerConsumption", "EnergyGuard")
    assert (use_case.entity, use_case.available, use_case.scenarios) == (None, False, frozenset({1, 2}))
    assert len(bench.handler.of_type(PeerUseCases)) == 2


def test_discovery_error_is_waited_out_and_closed_after_30_s() -> None:
    bench = Bench()
    bench.result_to(bench.sent("read")[0], 1)
    bench.wait(29.9)
    assert not bench.closed()
    bench.wait(0.2)
    assert len(bench.closed()) == 1


def test_discovered_peer_is_not_closed() -> None:
    bench = started()
    bench.wait(3600)
    assert not bench.closed()


def test_name_plate_of_the_peer_is_read() -> None:
    tree = box_tree()
    plate = FeatureInformation(
        description=FeatureDescription(
            feature_address=FeatureAddress(entity=(0,), feature=1),
            feature_type="DeviceClassification",
            role="server",
        )
    )
    bench = Bench()
    bench.answer_discovery(
        NodeManagementDetailedDiscoveryData(
            device_information=tree.device_information,
            entity_information=tree.entity_information,
            feature_information=(*(tree.feature_information or ()), plate),
        )
    )
    (read,) = bench.sent("read", "deviceClassificationManufacturerData")
    assert read.header.address_destination == at(0, 1, BOX)


def test_everything_is_learned_anew_after_a_reconnect() -> None:
    bench = started()
    bench.take(bench.stack.connect(Peer(bench.ski, PeerRole.CONTROL_BOX), bench.now))
    assert len(bench.handler.of_type(PeerGone)) == 1
    assert len(bench.sent("read", DISCOVERY)) == 2
    assert remote_of(bench).entities == {}
    assert bench.sent()[-1].header.msg_counter == 1


def test_probe_closes_a_mute_peer_after_ten_seconds_and_spares_a_living_one() -> None:
    for is_mute in (True, False):
        bench = started()
        (probe,) = bench.take(bench.stack.probe(bench.ski, bench.now))
        if not is_mute:
            bench.reply_to(probe, tree_with_limits())
        bench.wait(10)
        assert bool(bench.closed()) is is_mute
        assert bench.handler.of_type(PeerTopologyChanged) == []


def test_tree_that_comes_unasked_is_as_good_as_a_reply() -> None:
    bench = Bench()
    bench.read(NodeManagementDetailedDiscoveryData())
    tell(bench, box_tree())
    assert len(bench.handler.of_type(PeerDiscovered)) == 1
    bench.wait(60)
    assert not bench.closed()


def test_handlers_learn_of_the_end_before_the_new_start() -> None:
    bench = started()
    seen: list[bool] = []

    def react(event: object, turn: Turn) -> None:
        if isinstance(event, PeerGone):
            seen.append(turn.peer(event.ski) is None)

    bench.handler.react = react
    bench.take(bench.stack.connect(Peer(bench.ski, PeerRole.CONTROL_BOX), bench.now))
    assert seen == [True]


# --- reads ---


def read_limits(bench: Bench) -> Datagram:
    return request_of(
        bench, lambda turn: turn.read(bench.ski, client_of(bench), LIMIT_SERVER, "loadControlLimitListData")
    )


def test_reply_becomes_known_data() -> None:
    bench = started()
    read = read_limits(bench)
    assert read.header.address_source == at(1, 1)
    bench.reply_to(read, LIMITS)
    event = RemoteData(bench.ski, LIMIT_SERVER, "loadControlLimitListData", LIMITS, is_reply=True)
    assert bench.handler.of_type(RemoteData) == [event]
    assert remote_of(bench).data(LIMIT_SERVER, "loadControlLimitListData") == LIMITS
    assert bench.stack.peers()[bench.ski].pending == ()


def test_unanswered_read_times_out_after_ten_seconds_and_a_late_reply_still_counts() -> None:
    bench = started()
    read = read_limits(bench)
    bench.wait(9.9)
    assert bench.handler.of_type(RequestTimedOut) == []
    bench.wait(0.1)
    (event,) = bench.handler.of_type(RequestTimedOut)
    assert event.reference == read.header.msg_counter
    bench.reply_to(read, LIMITS)
    assert len(bench.handler.of_type(RemoteData)) == 1


@pytest.mark.parametrize(
    ("delay", "seconds"), [("PT30S", 30), ("PT1S", 10), ("P9D", 600), ("nonsense", 10), (None, 10)]
)
def test_announced_response_delay_is_respected_within_reason(delay: str | None, seconds: float) -> None:
    bench = started(tree_with_limits(delay=delay))
    read_limits(bench)
    bench.wait(seconds - 0.1)
    assert bench.handler.of_type(RequestTimedOut) == []
    bench.wait(0.1)
    assert len(bench.handler.of_type(RequestTimedOut)) == 1


def test_refused_read_is_reported() -> None:
    bench = started()
    bench.result_to(read_limits(bench), 6, "not here")
    (event,) = bench.handler.of_type(ResultReceived)
    assert (event.error_number, event.description) == (6, "not here")
    assert event.request.function == "loadControlLimitListData"


def test_reply_without_known_reference_is_applied_and_such_a_result_ignored() -> None:
    bench = started()
    read = read_limits(bench)
    bench.send("reply", command_for(LIMITS), source=LIMIT_SERVER, destination=at(1, 1), reference=9999)
    assert len(bench.handler.of_type(RemoteData)) == 1
    assert len(bench.stack.peers()[bench.ski].pending) == 1
    stray = Datagram(read.header, read.command)
    bench.result_to(stray, 0)
    bench.result_to(stray, 1)
    assert len(bench.handler.of_type(ResultReceived)) == 1


def test_answer_under_an_outdated_device_address_is_taken() -> None:
    bench = started()
    read = read_limits(bench)
    bench.send(
        "reply",
        command_for(LIMITS),
        source=LIMIT_SERVER,
        destination=at(1, 1, "n:Acme_Gate-0001"),
        reference=read.header.msg_counter,
    )
    assert len(bench.handler.of_type(RemoteData)) == 1


def test_request_to_a_peer_that_is_not_connected_is_our_mistake() -> None:
    bench = started()
    bench.take(bench.stack.disconnect(bench.ski, bench.now))
    with pytest.raises(LocalError):
        read_limits(bench)


def test_open_requests_are_bounded() -> None:
    bench = Bench(settings=SpineSettings(max_pending_requests=3))
    bench.start()
    for _ in range(3):
        read_limits(bench)
    with pytest.raises(LocalError, match="too many"):
        read_limits(bench)


# --- subscriptions and bindings ---


def subscribe(bench: Bench) -> list[Datagram]:
    return bench.run(
        lambda turn: turn.subscribe(bench.ski, client_of(bench), HEARTBEAT_SERVER, "DeviceDiagnosis")
    )


def bind(bench: Bench) -> list[Datagram]:
    return bench.run(lambda turn: turn.bind(bench.ski, client_of(bench), LIMIT_SERVER, "LoadControl"))


def test_confirmed_relations_are_reported_and_not_asked_again() -> None:
    bench = started()
    bench.result_to(subscribe(bench)[0], 0)
    bench.result_to(bind(bench)[0], 0)
    assert len(bench.handler.of_type(SubscriptionConfirmed)) == 2
    assert len(bench.handler.of_type(BindingConfirmed)) == 1
    assert subscribe(bench) == bind(bench) == []
    snapshot = bench.stack.peers()[bench.ski]
    assert (len(snapshot.own_subscriptions), len(snapshot.own_bindings)) == (2, 1)


def test_refused_early_subscription_is_repeated_once_after_five_seconds() -> None:
    bench = started()
    bench.result_to(subscribe(bench)[0], 1)
    assert bench.wait(4.9) == []
    (again,) = bench.wait(0.1)
    bench.result_to(again, 1, "still no")
    (event,) = bench.handler.of_type(ResultReceived)
    assert event.error_number == 1
    assert bench.wait(60) == []
    assert len(subscribe(bench)) == 1


def test_refused_early_subscription_that_is_then_accepted_is_confirmed() -> None:
    bench = started()
    bench.result_to(subscribe(bench)[0], 1)
    bench.result_to(bench.wait(5)[0], 0)
    assert len(bench.handler.of_type(SubscriptionConfirmed)) == 2


def test_error_on_the_repetition_of_an_unanswered_subscription_means_duplicate() -> None:
    bench = started()
    subscribe(bench)
    (again,) = bench.wait(15)
    bench.result_to(again, 1)
    assert len(bench.handler.of_type(SubscriptionConfirmed)) == 2


def test_SPINE_2_8_an_unanswered_subscription_is_asked_for_again_soon_and_then_ever_more_rarely() -> None:
    bench = started()
    subscribe(bench)
    for seconds in (15, 10 + 30, 10 + 300, 10 + 900):
        assert bench.wait(seconds - 0.1) == []
        (again,) = bench.wait(0.1)
        assert isinstance(again.command.data, NodeManagementSubscriptionRequestCall)
    assert bench.wait(3600) == []
    assert len(bench.handler.of_type(RequestTimedOut)) == 1
    assert bench.closed() == []


def test_SPINE_2_8_a_subscription_that_is_answered_late_is_a_subscription() -> None:
    bench = started()
    subscribe(bench)
    bench.wait(15)
    (again,) = bench.wait(40)
    bench.result_to(again, 0)
    assert len(bench.handler.of_type(SubscriptionConfirmed)) == 2
    assert bench.wait(3600) == []


def test_SPINE_2_8_an_unanswered_read_is_repeated_after_30_s_5_min_and_15_min() -> None:
    bench = started()
    first = read_limits(bench)
    counters = [first.header.msg_counter]
    for seconds in (10 + 30, 10 + 300, 10 + 900):
        assert bench.wait(seconds - 0.1) == []
        (again,) = bench.wait(0.1)
        assert again.command == first.command
        counters.append(again.header.msg_counter)
    assert len(set(counters)) == 4
    assert bench.wait(7200) == []
    assert len(bench.handler.of_type(RequestTimedOut)) == 1
    assert bench.closed() == []


def test_SPINE_2_8_reads_of_the_same_data_share_one_row_of_repetitions() -> None:
    bench = started()
    read_limits(bench)
    bench.wait(5)
    read_limits(bench)
    bench.wait(10)
    assert len(bench.wait(20)) == 0
    assert len(bench.wait(10)) == 1
    assert len(bench.wait(250)) == 0


def test_SPINE_2_8_the_answer_to_a_repetition_is_data_and_ends_the_repeating() -> None:
    bench = started()
    read_limits(bench)
    (again,) = bench.wait(40)
    bench.reply_to(again, LIMITS)
    assert len(bench.handler.of_type(RemoteData)) == 1
    assert bench.wait(3600) == []


def test_SPINE_2_8_a_late_reply_to_the_first_attempt_ends_the_repeating() -> None:
    bench = started()
    first = read_limits(bench)
    bench.wait(20)
    bench.reply_to(first, LIMITS)
    assert bench.wait(3600) == []


def test_IG_SPINE_2_6_1_an_explicit_refusal_is_not_repeated() -> None:
    bench = started()
    bench.result_to(read_limits(bench), 6)
    assert bench.wait(3600) == []


def test_SPINE_2_8_a_write_is_never_repeated_by_the_protocol_layer() -> None:
    bench = started()
    write(bench, ACTIVATE)
    assert bench.wait(3600) == []
    assert len(bench.handler.of_type(RequestTimedOut)) == 1


def test_SPINE_2_8_a_peer_that_answers_nothing_may_be_closed_at_the_end() -> None:
    bench = started(settings=SpineSettings(close_unanswering_peer=True))
    read_limits(bench)
    bench.wait(10 + 30 + 10 + 300 + 10 + 900 + 9.9)
    assert bench.closed() == []
    bench.wait(0.1)
    assert [close.text for close in bench.closed()] == ["the peer does not answer"]


def test_SPINE_2_8_nothing_is_repeated_to_a_removed_entity() -> None:
    bench = started()
    read_limits(bench)
    bench.wait(15)
    removal = NodeManagementDetailedDiscoveryData(entity_information=(entity_change((1,), "removed"),))
    tell(bench, removal, PARTIAL)
    assert bench.wait(3600) == []


def test_relations_can_be_ended() -> None:
    bench = started()
    bench.result_to(subscribe(bench)[0], 0)
    (delete,) = bench.run(lambda turn: turn.unsubscribe(bench.ski, client_of(bench), HEARTBEAT_SERVER))
    text = encode_datagram(delete)
    assert b'"subscriptionDelete":[{"clientAddress"' in text
    assert b'"serverAddress"' in text
    assert len(subscribe(bench)) == 1
    bench.result_to(bind(bench)[0], 0)
    (unbind,) = bench.run(lambda turn: turn.unbind(bench.ski, client_of(bench), LIMIT_SERVER))
    assert unbind.command.function == "nodeManagementBindingDeleteCall"


# --- writes ---


def write(bench: Bench, *items: LoadControlLimitData, filters: tuple[Filter, ...] = (PARTIAL,)) -> Datagram:
    data = LoadControlLimitListData(load_control_limit_data=items or None)
    return request_of(
        bench,
        lambda turn: turn.write(
            bench.ski, client_of(bench), LIMIT_SERVER, "loadControlLimitListData", data, filters=filters
        ),
    )


ACTIVATE = LoadControlLimitData(limit_id=0, is_limit_active=True)


def test_write_asks_for_an_acknowledgement_and_reports_the_result() -> None:
    bench = started()
    request = write(bench, ACTIVATE)
    assert request.header.ack_request is True
    assert request.command.named == "loadControlLimitListData"
    bench.result_to(request, 0)
    (event,) = bench.handler.of_type(ResultReceived)
    assert (event.error_number, event.reference) == (0, request.header.msg_counter)


def test_server_without_partial_writes_gets_the_complete_merged_data() -> None:
    bench = started(tree_with_limits(partial=False))
    bench.reply_to(read_limits(bench), LIMITS)
    request = write(bench, ACTIVATE)
    assert request.command.filters == ()
    assert isinstance(request.command.data, LoadControlLimitListData)
    first, second = request.command.data.load_control_limit_data or ()
    assert (first.is_limit_active, first.value) == (True, ScaledNumber(number=4200, scale=0))
    assert second.limit_id == 1


def test_G16_selection_without_data_is_never_sent() -> None:
    bench = started()
    selection = from_wire(
        Filter, [{"cmdControl": [{"partial": []}]}, {"loadControlLimitListDataSelectors": [{"limitId": 0}]}]
    )
    with pytest.raises(LocalError):
        write(bench, filters=(selection,))


@pytest.mark.parametrize("number", [1, 9])
@pytest.mark.parametrize("rebinding", [0, 1, None])
def test_write_refused_although_bound_is_repeated_once_after_binding_again(
    number: int, rebinding: int | None
) -> None:
    bench = started()
    bench.result_to(bind(bench)[0], 0)
    first = write(bench, ACTIVATE)
    (call,) = bench.result_to(first, number)
    assert call.command.function == "nodeManagementBindingRequestCall"
    (second,) = bench.wait(10) if rebinding is None else bench.result_to(call, rebinding)
    assert second.command == first.command
    assert bench.result_to(second, number) == []
    (event,) = bench.handler.of_type(ResultReceived)
    assert (event.error_number, event.reference) == (number, first.header.msg_counter)


def test_write_refused_by_the_application_or_without_binding_is_final() -> None:
    bench = started()
    assert bench.result_to(write(bench, ACTIVATE), 9) == []
    bench.result_to(bind(bench)[0], 0)
    assert bench.result_to(write(bench, ACTIVATE), 7) == []
    assert [event.error_number for event in bench.handler.of_type(ResultReceived)] == [9, 7]


# --- notifies ---


def notify(bench: Bench, data: LoadControlLimitListData, *filters: Filter) -> list[Datagram]:
    return bench.send("notify", command_for(data, filters), source=LIMIT_SERVER, destination=at(1, 1))


def test_heartbeat_notify_is_data_with_or_without_subscription() -> None:
    bench = started()
    beat = DeviceDiagnosisHeartbeatData(heartbeat_counter=3, heartbeat_timeout="PT10S")
    answers = bench.send("notify", command_for(beat), source=HEARTBEAT_SERVER, destination=at(1, 1), ack=True)
    assert result_of(answers) == 0
    (event,) = bench.handler.of_type(RemoteData)
    assert (event.data, event.is_reply) == (beat, False)


def test_partial_notify_is_merged_into_what_we_know() -> None:
    bench = started()
    bench.reply_to(read_limits(bench), LIMITS)
    partial = limit_write(ACTIVATE).data
    assert isinstance(partial, LoadControlLimitListData)
    assert notify(bench, partial, PARTIAL) == []
    data = remote_of(bench).data(LIMIT_SERVER, "loadControlLimitListData")
    assert isinstance(data, LoadControlLimitListData)
    assert [item.is_limit_active for item in data.load_control_limit_data or ()] == [True, True]


def test_partial_notify_without_base_is_applied_and_the_whole_is_read_once() -> None:
    """Trap SPINE G14."""
    bench = started()
    (read,) = notify(bench, LIMITS, PARTIAL)
    assert (read.header.cmd_classifier, read.header.address_source) == ("read", at(1, 1))
    assert len(bench.handler.of_type(RemoteData)) == 1
    assert notify(bench, LIMITS, PARTIAL) == []


def test_notify_that_cannot_be_applied_leads_to_a_read() -> None:
    bench = started()
    (read,) = notify(bench, LIMITS, Filter())
    assert read.command.function == "loadControlLimitListData"
    assert notify(bench, LIMITS, Filter()) == []


def test_broken_partial_reply_does_not_cause_another_read() -> None:
    bench = started()
    read = read_limits(bench)
    command = command_for(LIMITS, (Filter(),))
    answers = bench.send(
        "reply",
        command,
        source=LIMIT_SERVER,
        destination=at(1, 1),
        reference=read.header.msg_counter,
    )
    assert answers == []


def test_notify_of_a_feature_that_we_do_not_know_is_dropped() -> None:
    bench = started()
    assert bench.send("notify", command_for(LIMITS), source=at(9, 9, BOX), destination=at(1, 1)) == []
    assert bench.handler.of_type(RemoteData) == []


def test_lists_of_a_peer_are_bounded() -> None:
    bench = Bench(settings=SpineSettings(max_list_items=2))
    bench.start()
    items = tuple(MeasurementData(measurement_id=i, value_type="value") for i in range(3))
    data = MeasurementListData(measurement_data=items)
    bench.send("notify", command_for(data), source=HEARTBEAT_SERVER, destination=at(1, 1))
    assert bench.handler.of_type(RemoteData) == []


# --- topology ---


def entity_change(number: tuple[int, ...], change: str | None) -> EntityInformation:
    description: list[object] = [
        {"entityAddress": [{"entity": list(number)}]},
        {"entityType": "EV"},
        {"lastStateChange": change},
    ]
    return from_wire(EntityInformation, [{"description": description}])


def tell(bench: Bench, data: NodeManagementDetailedDiscoveryData, *filters: Filter) -> list[Datagram]:
    return bench.send("notify", command_for(data, filters))


def test_added_entity_joins_the_tree() -> None:
    bench = started()
    feature = FeatureInformation(
        description=FeatureDescription(
            feature_address=FeatureAddress(entity=(1, 1), feature=1),
            feature_type="Measurement",
            role="server",
        )
    )
    data = NodeManagementDetailedDiscoveryData(
        entity_information=(entity_change((1, 1), "added"),), feature_information=(feature,)
    )
    assert tell(bench, data, PARTIAL) == []
    assert len(remote_of(bench).find_features("Measurement", "server", (1, 1))) == 1
    assert bench.emitted(PeerTopologyChanged) == [PeerTopologyChanged(bench.ski, ((1, 1),), ())]


def test_removed_entity_takes_its_sub_entities_relations_and_requests_along() -> None:
    bench = started()
    sub = NodeManagementDetailedDiscoveryData(entity_information=(entity_change((1, 1), "added"),))
    tell(bench, sub, PARTIAL)
    bench.subscribe(at(1, 1, BOX), at(1, 2))
    bench.bind(at(1, 1, BOX), at(1, 2))
    bench.result_to(subscribe(bench)[0], 0)
    read_limits(bench)
    removal = NodeManagementDetailedDiscoveryData(entity_information=(entity_change((1,), "removed"),))
    tell(bench, removal, PARTIAL)
    assert set(remote_of(bench).entities) == {(0,)}
    snapshot = bench.stack.peers()[bench.ski]
    assert snapshot.subscriptions == snapshot.bindings == snapshot.own_bindings == ()
    assert snapshot.pending == ()
    assert len(snapshot.own_subscriptions) == 1
    assert len(bench.handler.of_type(SubscriptionRemoved)) == 1
    assert len(bench.handler.of_type(BindingRemoved)) == 1
    assert len(bench.handler.of_type(RequestTimedOut)) == 1


def test_reannounced_entity_replaces_its_subtree() -> None:
    bench = started()
    bench.reply_to(read_limits(bench), LIMITS)
    added = NodeManagementDetailedDiscoveryData(entity_information=(entity_change((1,), "added"),))
    tell(bench, added, PARTIAL)
    assert remote_of(bench).entities[(1,)].features == {}
    assert bench.emitted(PeerTopologyChanged) == [PeerTopologyChanged(bench.ski, ((1,),), ((1,),))]


@pytest.mark.parametrize("change", ["modified", None])
def test_modified_entity_leads_to_a_new_discovery(change: str | None) -> None:
    bench = started()
    data = NodeManagementDetailedDiscoveryData(entity_information=(entity_change((0,), change),))
    (read,) = tell(bench, data, PARTIAL)
    assert read.command.function == DISCOVERY


def test_full_notify_is_compared_with_the_known_tree() -> None:
    bench = started()
    bench.reply_to(read_limits(bench), LIMITS)
    assert tell(bench, tree_with_limits()) == []
    assert bench.emitted(PeerTopologyChanged) == []
    assert remote_of(bench).data(LIMIT_SERVER, "loadControlLimitListData") == LIMITS
    tell(bench, box_tree(entities=(2,)))
    assert bench.emitted(PeerTopologyChanged) == [PeerTopologyChanged(bench.ski, ((2,),), ((1,),))]


def test_discovery_of_a_peer_is_bounded() -> None:
    bench = Bench(settings=SpineSettings(max_entities=3, max_features=4))
    bench.answer_discovery(box_tree(entities=tuple(range(1, 50))))
    assert len(remote_of(bench).entities) == 3
    assert len(list(remote_of(bench).features())) == 4
    data = NodeManagementDetailedDiscoveryData(
        entity_information=tuple(entity_change((n,), "added") for n in range(100, 103))
    )
    tell(bench, data, PARTIAL)
    assert len(remote_of(bench).entities) == 3


def test_device_that_lists_parts_without_addresses_is_understood_as_far_as_possible() -> None:
    bench = Bench()
    tree = NodeManagementDetailedDiscoveryData(
        entity_information=(EntityInformation(), *(box_tree().entity_information or ())),
        feature_information=(FeatureInformation(), *(box_tree().feature_information or ())),
    )
    bench.answer_discovery(tree)
    assert remote_of(bench).address == BOX
    assert set(remote_of(bench).entities) == {(0,), (1,)}


def test_operations_of_remote_functions_are_known() -> None:
    feature = remote_of(started()).feature(LIMIT_SERVER)
    assert feature is not None
    assert feature.functions["loadControlLimitListData"] == Operations(
        read=True, write=True, write_partial=True
    )
