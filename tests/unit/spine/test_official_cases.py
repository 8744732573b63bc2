"""The official SPINE cases that the node decides without a use case (SPINE 9). The tester is the peer."""

import re

import msgspec
import pytest

from eebus.jsonform import from_wire, to_wire
from eebus.spine.datagram import Command, command_for, encode_datagram
from eebus.spine.model.common import ResultData, ScaledNumber
from eebus.spine.model.device import DeviceDiagnosisHeartbeatData
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.model.node_management import (
    BindingDelete,
    EntityInformation,
    NodeManagementBindingData,
    NodeManagementBindingDeleteCall,
    NodeManagementDetailedDiscoveryData,
    NodeManagementSubscriptionData,
    NodeManagementSubscriptionDeleteCall,
    NodeManagementSubscriptionRequestCall,
    NodeManagementUseCaseData,
    SubscriptionDelete,
    SubscriptionRequest,
)
from eebus.spine.update import PARTIAL
from tests.unit.spine.support import BOX, Bench, at, box_tree, limit_write, result_of

DISCOVERY = NodeManagementDetailedDiscoveryData()
NODE_MANAGEMENT = at(0, 0)
BOX_NODE_MANAGEMENT = at(0, 0, BOX)
LIMIT_CLIENT = at(1, 1, BOX)
LIMIT_SERVER = at(1, 2)
HEARTBEAT = DeviceDiagnosisHeartbeatData(
    timestamp="2026-01-31T10:15:30.123Z", heartbeat_counter=7, heartbeat_timeout="PT120S"
)
VERSION_PATTERN = r"[1-9][0-9]*\.[0-9]+\.[0-9]+"


def connected() -> Bench:
    bench = Bench()
    bench.start()
    return bench


def bound() -> Bench:
    """The tester as energy guard, bound to the limits."""
    bench = connected()
    assert bench.bind(LIMIT_CLIENT, LIMIT_SERVER) == 0
    return bench


def test_TC_SPINE_COMP_001_unknown_function_is_refused_with_6() -> None:
    bench = connected()
    bench.version = "1.999.999"
    answers = bench.send("read", Command("qwertzuiopasdfghjkly", raw=[]))
    assert result_of(answers) == 6


def test_TC_SPINE_COMP_002_future_minor_version_is_answered() -> None:
    bench = connected()
    bench.version = "1.999.999"
    assert isinstance(bench.read(DISCOVERY).command.data, NodeManagementDetailedDiscoveryData)


def test_TC_SPINE_COMP_003_unknown_elements_in_a_reply_earn_no_result() -> None:
    bench = Bench()
    bench.version = "1.999.999"
    tree = to_wire(box_tree(entities=(1, 99), client_type="FeatureFromTheFuture"))
    tree.append({"undefinedElement": [{"a": 1}]})
    (request,) = bench.sent("read")
    answers = bench.reply_to(request, from_wire(NodeManagementDetailedDiscoveryData, tree))
    assert not [a for a in answers if a.header.cmd_classifier == "result"]
    assert (99,) in bench.stack.peers()[bench.ski].remote.entities


def test_TC_SPINE_COMP_004_invalid_reply_with_ack_request_earns_no_error() -> None:
    bench = Bench()
    (request,) = bench.sent("read")
    wire = [
        {
            "header": [
                {"specificationVersion": "1.3.0"},
                {"addressSource": to_wire(BOX_NODE_MANAGEMENT)},
                {"addressDestination": to_wire(NODE_MANAGEMENT)},
                {"msgCounter": 1},
                {"msgCounterReference": request.header.msg_counter},
                {"cmdClassifier": "reply"},
                {"ackRequest": True},
            ]
        },
        {
            "payload": [
                {
                    "cmd": [
                        [
                            {
                                "nodeManagementDetailedDiscoveryData": [
                                    {
                                        "entityInformation": [
                                            [{"description": [{"entityAddress": [{"entity": ["text"]}]}]}]
                                        ]
                                    }
                                ]
                            }
                        ]
                    ]
                }
            ]
        },
    ]
    assert bench.receive(wire) == []


def test_TC_SPINE_COMP_005_own_version_strings() -> None:
    bench = connected()
    reply = bench.read(DISCOVERY)
    data = reply.command.data
    assert isinstance(data, NodeManagementDetailedDiscoveryData)
    assert data.specification_version_list is not None
    assert data.specification_version_list.specification_version == ("1.3.0",)
    assert re.fullmatch(VERSION_PATTERN, reply.header.specification_version or "")
    use_cases = bench.read(NodeManagementUseCaseData()).command.data
    assert isinstance(use_cases, NodeManagementUseCaseData)
    for information in use_cases.use_case_information or ():
        for support in information.use_case_support or ():
            assert re.fullmatch(VERSION_PATTERN, support.use_case_version or "")
            assert support.use_case_document_sub_revision


@pytest.mark.parametrize("version", ["TS1.3.0", "V0.3.0", "v0.3.0", "0.3.0", "2.0.0", "V1.3.0", "v1.3.0"])
def test_TC_SPINE_COMP_006_malformed_version_is_refused(version: str) -> None:
    bench = Bench()
    bench.version = version
    assert result_of(bench.send("read", command_for(DISCOVERY))) == 1


@pytest.mark.parametrize("version", [None, "", "1.0.0", "1.1.1", "1.2.0", "1.3"])
def test_TC_SPINE_COMP_006_tolerable_version_is_answered(version: str | None) -> None:
    bench = Bench()
    bench.version = version
    assert bench.read(DISCOVERY).header.cmd_classifier == "reply"


def test_TC_SPINE_DATA_001_counters_ascend() -> None:
    bench = connected()
    counters = [bench.read(DISCOVERY).header.msg_counter or 0 for _ in range(20)]
    assert counters == sorted(set(counters))


@pytest.mark.parametrize("counters", [(21012, 123321), (123456, 1000, 2000)])
def test_TC_SPINE_DATA_002_and_003_skipped_and_reset_counters_are_answered(counters: tuple[int, ...]) -> None:
    bench = connected()
    for counter in counters:
        (answer,) = bench.send("read", command_for(DISCOVERY), counter=counter)
        assert answer.header.cmd_classifier == "reply"


def test_TC_SPINE_DATA_004_replies_reference_their_read() -> None:
    bench = connected()
    for counter in (88777 + 200 * i for i in range(20)):
        (answer,) = bench.send("read", command_for(DISCOVERY), counter=counter)
        assert answer.header.msg_counter_reference == counter


def test_TC_SPINE_DATA_005_notify_with_ack_request_is_acknowledged() -> None:
    bench = connected()
    assert bench.subscribe(BOX_NODE_MANAGEMENT, NODE_MANAGEMENT) == 0
    item = {"description": [{"entityAddress": [{"entity": [0]}]}, {"lastStateChange": "modified"}]}
    information = from_wire(EntityInformation, item)
    notify = command_for(NodeManagementDetailedDiscoveryData(entity_information=(information,)), (PARTIAL,))
    assert result_of(bench.send("notify", notify, ack=True)) == 0


def test_TC_SPINE_DATA_006_result_is_never_answered() -> None:
    bench = connected()
    reply = bench.read(DISCOVERY)
    answers = bench.send(
        "result",
        command_for(ResultData(error_number=0)),
        reference=reply.header.msg_counter,
        ack=True,
    )
    assert answers == []


@pytest.mark.parametrize("ack", [False, True])
def test_TC_SPINE_DATA_007_ack_request_of_a_read_is_ignored(ack: bool) -> None:
    bench = connected()
    answers = bench.send("read", command_for(DISCOVERY), ack=ack)
    assert [answer.header.cmd_classifier for answer in answers] == ["reply"]


@pytest.mark.parametrize("number", [0, 1])
def test_TC_SPINE_DATA_008_result_to_own_request_is_not_answered(number: int) -> None:
    bench = Bench()
    (request,) = bench.sent("read")
    answers = bench.send(
        "result",
        command_for(ResultData(error_number=number)),
        reference=request.header.msg_counter,
        ack=True,
    )
    assert answers == []


def test_TC_SPINE_FC_001_node_management_function_elsewhere_is_refused() -> None:
    bench = connected()
    request = SubscriptionRequest(client_address=BOX_NODE_MANAGEMENT, server_address=NODE_MANAGEMENT)
    command = command_for(NodeManagementSubscriptionRequestCall(subscription_request=request))
    for feature in (0, 2):
        assert result_of(bench.send("call", command, destination=at(1, feature), ack=True)) > 0
    read = bench.send("read", command_for(DISCOVERY), destination=LIMIT_SERVER)
    assert result_of(read) == 6


def test_TC_SPINE_DDISC_001_unknown_partner_is_asked_for_its_tree() -> None:
    (request,) = Bench().sent()
    assert (request.header.cmd_classifier, request.command.data) == ("read", DISCOVERY)


def test_TC_SPINE_DDISC_002_silent_partner_is_disconnected_after_30_s() -> None:
    bench = Bench()
    bench.wait(29.9)
    assert not bench.closed()
    bench.wait(0.1)
    assert len(bench.closed()) == 1


def test_TC_SPINE_BIND_001_node_management_cannot_be_bound() -> None:
    bench = connected()
    assert bench.bind(BOX_NODE_MANAGEMENT, NODE_MANAGEMENT) == 7
    assert bench.read(NodeManagementBindingData()).command.data == NodeManagementBindingData()


def test_TC_SPINE_BIND_002_write_without_binding_is_refused_with_9() -> None:
    bench = bound()
    delete = BindingDelete(client_address=LIMIT_CLIENT, server_address=LIMIT_SERVER)
    assert bench.call(NodeManagementBindingDeleteCall(binding_delete=delete)) == 0
    heartbeat = bench.send(
        "notify", command_for(HEARTBEAT), source=at(1, 2, BOX), destination=at(1, 1), ack=True
    )
    assert result_of(heartbeat) == 0
    write = limit_write(LoadControlLimitData(limit_id=0, is_limit_active=True), filters=(PARTIAL,))
    assert result_of(bench.send("write", write, source=LIMIT_CLIENT, destination=LIMIT_SERVER)) == 9
    assert bench.read(NodeManagementBindingData()).command.data == NodeManagementBindingData()


def test_TC_SPINE_SUBS_001_node_management_can_be_subscribed() -> None:
    bench = connected()
    assert bench.subscribe(BOX_NODE_MANAGEMENT, NODE_MANAGEMENT) == 0
    table = bench.read(NodeManagementSubscriptionData()).command.data
    assert isinstance(table, NodeManagementSubscriptionData)
    (entry,) = table.subscription_entry or ()
    assert (entry.client_address, entry.server_address) == (BOX_NODE_MANAGEMENT, NODE_MANAGEMENT)


def test_TC_SPINE_SUBS_002_deleting_twice_disturbs_nothing() -> None:
    bench = connected()
    bench.subscribe(BOX_NODE_MANAGEMENT, NODE_MANAGEMENT)
    delete = SubscriptionDelete(client_address=BOX_NODE_MANAGEMENT, server_address=NODE_MANAGEMENT)
    for _ in range(2):
        assert bench.call(NodeManagementSubscriptionDeleteCall(subscription_delete=delete)) == 0
    assert bench.read(NodeManagementSubscriptionData()).command.data == NodeManagementSubscriptionData()


@pytest.mark.parametrize("client_type", ["Measurement", "Generic", "FeatureFromTheFuture"])
def test_TC_SPINE_RTS_001_and_002_client_features_of_any_type_may_bind_and_subscribe(
    client_type: str,
) -> None:
    """Trap SPINE G3: the client feature of a peer may be Generic."""
    bench = Bench()
    bench.version = "1.999.999"
    bench.answer_discovery(box_tree(client_type=client_type))
    assert bench.subscribe(LIMIT_CLIENT, LIMIT_SERVER) == 0
    assert bench.bind(LIMIT_CLIENT, LIMIT_SERVER) == 0


def test_TC_SPINE_RTS_004_unknown_element_in_a_write_is_ignored() -> None:
    bench = bound()
    bench.version = "1.999.999"
    data = from_wire(
        LoadControlLimitListData,
        [{"loadControlLimitData": [[{"limitId": 0}, {"isLimitActive": True}, {"undefined": 1}]]}],
    )
    write = command_for(data, (PARTIAL,))
    answers = bench.send("write", write, source=LIMIT_CLIENT, destination=LIMIT_SERVER, ack=True)
    assert result_of(answers) == 0


def test_TC_SPINE_RTS_005_number_without_scale_keeps_the_scale_on_the_wire() -> None:
    bench = bound()
    write = limit_write(LoadControlLimitData(limit_id=1, value=ScaledNumber(number=37)), filters=(PARTIAL,))
    assert result_of(bench.send("write", write, source=LIMIT_CLIENT, destination=LIMIT_SERVER, ack=True)) == 0
    reply = bench.read(LoadControlLimitListData(), LIMIT_SERVER)
    text = encode_datagram(reply)
    assert b'"value":[{"number":37},{"scale":2}]' in text
    assert msgspec.json.decode(text)
