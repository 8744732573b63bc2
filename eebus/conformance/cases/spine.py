"""The 31 SPINE cases (SPINE reference 9)."""

import re
import string
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Final, cast

import msgspec

from eebus.conformance.cases.limitation_guard import connect_system
from eebus.conformance.cases.limitation_system import connect_guard
from eebus.conformance.registry import case
from eebus.conformance.stage import Stage
from eebus.conformance.tester.guard import ACK, GuardLayout, GuardTester
from eebus.conformance.tester.heartbeat import heartbeat_times
from eebus.conformance.tester.ship import ANSWER_S
from eebus.conformance.tester.spine import (
    DISCOVERY_READ,
    FUTURE_VERSION,
    TESTER_ADDRESS,
    USE_CASE_READ,
    Incoming,
    SpinePeer,
    plain_device,
)
from eebus.conformance.tester.system import SystemLayout, SystemTester
from eebus.conformance.verdict import CaseFailed, Warned, check, precondition
from eebus.jsonform import Record, from_wire, to_wire
from eebus.spine.datagram import SPECIFICATION_VERSION, Command, command_for
from eebus.spine.model.common import Classifier, FeatureAddress, ScaledNumber
from eebus.spine.model.load_control import LoadControlLimitDescriptionListData
from eebus.spine.model.node_management import (
    BindingDelete,
    BindingRequest,
    EntityInformation,
    NodeManagementBindingData,
    NodeManagementBindingDeleteCall,
    NodeManagementBindingRequestCall,
    NodeManagementDetailedDiscoveryData,
    NodeManagementSubscriptionData,
    NodeManagementSubscriptionDeleteCall,
    NodeManagementSubscriptionRequestCall,
    NodeManagementUseCaseData,
    SubscriptionDelete,
    SubscriptionRequest,
)
from eebus.spine.update import PARTIAL
from eebus.spine.values import to_scaled

_SILENCE_S: Final = 10.0
_READ_S: Final = 30.0
_SCENARIOS_S: Final = 120.0
_VERSION: Final = re.compile(r"[1-9][0-9]*\.[0-9]+\.[0-9]+", re.ASCII)
_NODE_MANAGEMENT: Final = FeatureAddress(entity=(0,), feature=0)
_BOTH_USE_CASES: Final = ("LPC", "LPP")


async def _peer(stage: Stage, *, automatic: bool = True, address: str = TESTER_ADDRESS) -> SpinePeer:
    """PRE_SPINE_NewConnectionEstablished."""
    return SpinePeer(await stage.established(), stage.dut, plain_device(address), automatic=automatic)


async def _expect_discovery_request(peer: SpinePeer) -> Incoming:
    await peer.until(peer.discovery_request, _READ_S)
    request = peer.discovery_request()
    if request is None:
        raise CaseFailed("the device does not read the discovery data within 30 s")
    return request


# -- versions and unknown elements --------------------------------------------------------------------


@case("TC_SPINE_COMP_001")
async def comp_001(stage: Stage) -> None:
    peer = await _peer(stage)
    peer.version = FUTURE_VERSION
    letters = Random(stage.entry.id)
    name = "".join(letters.choice(string.ascii_lowercase) for _ in range(20))
    counter = await peer.read(Command(name, raw=[]))
    check(await peer.error_number(counter) > 0, "the unknown function was not refused")


@case("TC_SPINE_COMP_002")
async def comp_002(stage: Stage) -> None:
    peer = await _peer(stage)
    peer.version = FUTURE_VERSION
    await peer.fetch(NodeManagementDetailedDiscoveryData())


@case("TC_SPINE_COMP_003")
async def comp_003(stage: Stage) -> None:
    peer = await _peer(stage)
    peer.version = FUTURE_VERSION
    peer.change_discovery = _with_future_elements
    await _expect_discovery_request(peer)
    await peer.run(_SILENCE_S)
    check(not peer.results(), "the device answered the reply with a result")
    peer.ship.check_open("after the reply")


def _with_future_elements(tree: NodeManagementDetailedDiscoveryData) -> Record:
    wire = to_wire(tree)
    members = {name: value for member in wire for name, value in cast(dict[str, object], member).items()}
    device = TESTER_ADDRESS
    entity = [
        {
            "description": [
                {"entityAddress": [{"device": device}, {"entity": [99]}]},
                {"entityType": "EntityOfTheFuture"},
            ]
        }
    ]
    feature = [
        {
            "description": [
                {"featureAddress": [{"device": device}, {"entity": [99]}, {"feature": 99}]},
                {"featureType": "FeatureOfTheFuture"},
                {"role": "server"},
            ]
        }
    ]
    cast(list[object], members["entityInformation"]).append(entity)
    cast(list[object], members["featureInformation"]).append(feature)
    members["elementOfTheFuture"] = [{"answer": 42}]
    return from_wire(NodeManagementDetailedDiscoveryData, [{name: value} for name, value in members.items()])


@case("TC_SPINE_COMP_004")
async def comp_004(stage: Stage) -> None:
    peer = await _peer(stage)
    peer.answers_discovery = False
    request = await _expect_discovery_request(peer)
    text_for_number = [
        {"entityInformation": [[{"description": [{"entityAddress": [{"entity": ["text"]}]}]}]]}
    ]
    counter = await peer.send(
        Classifier.REPLY,
        Command("nodeManagementDetailedDiscoveryData", raw=text_for_number),
        reference=request.header.msg_counter,
        ack=True,
    )
    await peer.run(_SILENCE_S)
    check(peer.error_of(counter) in (None, ACK), "the device answered with an application error")


@case("TC_SPINE_COMP_005")
async def comp_005(stage: Stage) -> None:
    peer = await _peer(stage)
    discovery = await peer.reply_to(await peer.read(DISCOVERY_READ))
    use_cases = await peer.reply_to(await peer.read(USE_CASE_READ))
    for header in (discovery.header, use_cases.header):
        _check_version(header.specification_version, "the header")
    tree = cast(NodeManagementDetailedDiscoveryData, discovery.data)
    versions = tree.specification_version_list
    listed = versions.specification_version if versions else None
    check(bool(listed), "the version list is empty")
    for version in listed or ():
        _check_version(version, "the version list")
    for information in cast(NodeManagementUseCaseData, use_cases.data).use_case_information or ():
        for support in information.use_case_support or ():
            _check_version(support.use_case_version, support.use_case_name or "a use case")
            check(bool(support.use_case_document_sub_revision), "a sub-revision is missing")


def _check_version(text: str | None, where: str) -> None:
    check(_VERSION.fullmatch(text or "") is not None, f"{where} says version '{text}'")


@case(
    "TC_SPINE_COMP_006",
    sets=("TS1.3.0", "V0.3.0", "v0.3.0", "0.3.0", "2.0.0", "V1.3.0", "v1.3.0"),
)
async def comp_006(stage: Stage) -> None:
    peer = await _peer(stage)
    peer.version = stage.data_set
    counter = await peer.read(DISCOVERY_READ)
    await peer.until(lambda: peer.answer_to(counter) is not None or peer.ship.link.closed, ANSWER_S)
    answer = peer.answer_to(counter)
    if answer is not None and answer.header.cmd_classifier == Classifier.REPLY:
        raise Warned(f"the version {stage.data_set} was tolerated")
    refused = answer is not None and (peer.error_of(counter) or 0) > 0
    check(refused or peer.ship.link.closed, "neither an error nor a close came")


# -- counters, references and acknowledgements --------------------------------------------------------


@case("TC_SPINE_DATA_001")
async def data_001(stage: Stage) -> None:
    peer = await _peer(stage)
    asked = [await peer.read(DISCOVERY_READ) for _ in range(20)]
    counters = [(await peer.reply_to(counter)).header.msg_counter or 0 for counter in asked]
    check(all(a < b for a, b in pairwise(counters)), f"the counters do not rise: {counters}")


@case("TC_SPINE_DATA_002", "TC_SPINE_DATA_003", "TC_SPINE_DATA_004")
async def data_002_to_004(stage: Stage) -> None:
    peer = await _peer(stage)
    numbers = {
        "TC_SPINE_DATA_002": (21012, 123321),
        "TC_SPINE_DATA_003": (123456, 1000, 2000),
        "TC_SPINE_DATA_004": tuple(88777 + 200 * i for i in range(20)),
    }[stage.entry.id]
    for number in numbers:
        await peer.read(DISCOVERY_READ, counter=number)
    for number in numbers:
        await peer.reply_to(number)
        check(len(peer.answers_to(number)) == 1, f"read {number} has several answers")


@case("TC_SPINE_DATA_005")
async def data_005(stage: Stage) -> None:
    peer = await _peer(stage)
    await _expect_discovery_request(peer)
    check(
        await peer.until(lambda: peer.subscribers(_NODE_MANAGEMENT), _READ_S),
        "the device does not subscribe to NodeManagement",
    )
    item = {
        "description": [
            {"entityAddress": [{"device": TESTER_ADDRESS}, {"entity": [0]}]},
            {"lastStateChange": "modified"},
        ]
    }
    data = NodeManagementDetailedDiscoveryData(entity_information=(from_wire(EntityInformation, item),))
    counter = await peer.send(Classifier.NOTIFY, command_for(data, (PARTIAL,)), ack=True)
    check(await peer.error_number(counter) == ACK, "the notify was acknowledged with an error")


@case("TC_SPINE_DATA_006")
async def data_006(stage: Stage) -> None:
    peer = await _peer(stage)
    reply = await peer.reply_to(await peer.read(DISCOVERY_READ))
    before = len(peer.results())
    await peer.result(reply.header.msg_counter or 0, ACK, ack=True)
    await peer.run(_SILENCE_S)
    check(len(peer.results()) == before, "the device answered a result")


@case("TC_SPINE_DATA_007")
async def data_007(stage: Stage) -> None:
    peer = await _peer(stage)
    asked = [await peer.read(DISCOVERY_READ, ack=ack) for ack in (False, True)]
    for counter in asked:
        await peer.reply_to(counter)
    await peer.run(_SILENCE_S)
    for counter in asked:
        check(len(peer.answers_to(counter)) == 1, "a result came on top of the reply")


@case("TC_SPINE_DATA_008")
async def data_008(stage: Stage) -> None:
    peer = await _peer(stage)
    peer.answers_discovery = False
    request = await _expect_discovery_request(peer)
    before = len(peer.results())
    await peer.result(request.header.msg_counter or 0, 1, ack=True)
    await peer.run(_SILENCE_S)
    check(len(peer.results()) == before, "the device answered a result")


# -- NodeManagement -----------------------------------------------------------------------------------


def _subscription(peer: SpinePeer) -> NodeManagementSubscriptionRequestCall:
    request = SubscriptionRequest(
        client_address=peer.own(_NODE_MANAGEMENT),
        server_address=_NODE_MANAGEMENT,
        server_feature_type="NodeManagement",
    )
    return NodeManagementSubscriptionRequestCall(subscription_request=request)


@case("TC_SPINE_FC_001")
async def fc_001(stage: Stage) -> None:
    peer = await _peer(stage)
    number = await peer.call(_subscription(peer), FeatureAddress(entity=(1,), feature=0))
    check(number > 0, "a call of NodeManagement was taken at another address")


@case("TC_SPINE_DDISC_001")
async def ddisc_001(stage: Stage) -> None:
    peer = await _peer(stage, address="d:_n:Never_Seen_Before-4711")
    await _expect_discovery_request(peer)


@case("TC_SPINE_DDISC_002")
async def ddisc_002(stage: Stage) -> None:
    peer = await _peer(stage, automatic=False)
    await peer.until(
        lambda: peer.ship.link.closed or len(peer.discovery_requests()) > 1 or _announces_close(peer), 32.0
    )
    acted = peer.ship.link.closed or len(peer.discovery_requests()) > 1 or _announces_close(peer)
    check(acted, "the device neither closed nor asked again within 32 s")


def _announces_close(peer: SpinePeer) -> bool:
    return any(getattr(frame, "phase", "") == "announce" for frame in peer.controls)


@case("TC_SPINE_BIND_001")
async def bind_001(stage: Stage) -> None:
    peer = await _peer(stage)
    await peer.fetch(NodeManagementDetailedDiscoveryData())
    request = BindingRequest(
        client_address=peer.own(_NODE_MANAGEMENT),
        server_address=_NODE_MANAGEMENT,
        server_feature_type="NodeManagement",
    )
    number = await peer.call(NodeManagementBindingRequestCall(binding_request=request))
    check(number > 0, "NodeManagement could be bound")
    check(not await _bindings_to(peer, _NODE_MANAGEMENT), "the binding table lists NodeManagement")


async def _bindings_to(peer: SpinePeer, server: FeatureAddress) -> bool:
    table = cast(NodeManagementBindingData, await peer.fetch(NodeManagementBindingData()))
    return any(_is_at(entry.server_address, server) for entry in table.binding_entry or ())


async def _subscribed_to_node_management(peer: SpinePeer) -> bool:
    table = cast(NodeManagementSubscriptionData, await peer.fetch(NodeManagementSubscriptionData()))
    return any(_is_at(entry.server_address, _NODE_MANAGEMENT) for entry in table.subscription_entry or ())


def _is_at(one: FeatureAddress | None, other: FeatureAddress) -> bool:
    return one is not None and (one.entity, one.feature) == (other.entity, other.feature)


@case("TC_SPINE_SUBS_001")
async def subs_001(stage: Stage) -> None:
    peer = await _peer(stage)
    await peer.fetch(NodeManagementDetailedDiscoveryData())
    check(await peer.call(_subscription(peer)) == ACK, "the subscription was refused")
    check(await _subscribed_to_node_management(peer), "the table does not list the subscription")


@case("TC_SPINE_SUBS_002")
async def subs_002(stage: Stage) -> None:
    peer = await _peer(stage)
    precondition(await peer.call(_subscription(peer)) == ACK, "the subscription was refused")
    delete = NodeManagementSubscriptionDeleteCall(
        subscription_delete=SubscriptionDelete(
            client_address=peer.own(_NODE_MANAGEMENT), server_address=_NODE_MANAGEMENT
        )
    )
    check(await peer.call(delete) == ACK, "the deletion was refused")
    await peer.call(delete)
    check(not await _subscribed_to_node_management(peer), "the table still lists the subscription")


# -- with a running limitation use case: controllable system ------------------------------------------


def _test_values(stage: Stage) -> tuple[float, float]:
    numbers = (stage.sheet.number("SHIP", f"PAR_lpcLpp_Test_Value{n}") for n in (1, 2))
    first, second = (abs(number) for number in numbers)
    return first, second


async def _scenarios_1_to_3(stage: Stage, guard: GuardTester) -> None:
    """Heartbeats in both directions, an acknowledged limit and an acknowledged failsafe value."""
    await guard.peer.until(lambda: guard.heartbeat.listeners, _SCENARIOS_S)
    check(bool(guard.heartbeat.listeners), "the device does not subscribe to the heartbeat within 120 s")
    (counter, *_rest) = await guard.heartbeat.beat(ack=True)
    check(await guard.peer.error_number(counter) == ACK, "the heartbeat was not acknowledged")
    check(await guard.message(6, _test_values(stage)[0]) == ACK, "the limit was refused")
    check(await guard.write_failsafe_limit(4567.0) == ACK, "the failsafe limit was refused")
    heard = await guard.peer.until(lambda: heartbeat_times(guard.peer), _SCENARIOS_S)
    check(heard, "no heartbeat of the device came")


@case("TC_SPINE_BIND_002", sets=_BOTH_USE_CASES)
async def bind_002(stage: Stage) -> None:
    guard = await connect_guard(stage)
    await _scenarios_1_to_3(stage, guard)
    server = guard.server("LoadControl").address
    delete = BindingDelete(client_address=guard.client("LoadControl").address, server_address=server)
    number = await guard.peer.call(NodeManagementBindingDeleteCall(binding_delete=delete))
    check(number == ACK, "the deletion of the binding was refused")
    (counter, *_rest) = await guard.heartbeat.beat(ack=True)
    check(await guard.peer.error_number(counter) == ACK, "the heartbeat was not acknowledged")
    check(await guard.message(6, _test_values(stage)[1]) > 0, "a write without binding was accepted")
    check(not await _bindings_to(guard.peer, server), "the binding table still lists LoadControl")


@case("TC_SPINE_ENTITY_002", sets=_BOTH_USE_CASES)
async def entity_002(stage: Stage) -> None:
    first = await connect_guard(stage)
    await _scenarios_1_to_3(stage, first)
    await first.peer.ship.link.close()
    moved = await connect_guard(stage, GuardLayout(entities_before=2))
    await _scenarios_1_to_3(stage, moved)


@case("TC_SPINE_RTS_001", sets=_BOTH_USE_CASES, alternatives=("Measurement", "Generic"))
async def rts_001(stage: Stage) -> None:
    client_type = stage.data_set.split()[-1]
    await _scenarios_1_to_3(stage, await connect_guard(stage, GuardLayout(client_type=client_type)))


@case("TC_SPINE_RTS_002", sets=_BOTH_USE_CASES)
async def rts_002(stage: Stage) -> None:
    layout = GuardLayout(client_type="FeatureOfTheFuture")
    await _scenarios_1_to_3(stage, await connect_guard(stage, layout, version=FUTURE_VERSION))


@case("TC_SPINE_RTS_003", sets=_BOTH_USE_CASES)
async def rts_003(stage: Stage) -> None:
    guard = await connect_guard(stage, GuardLayout(guards=2))
    bound, unbound = guard.heartbeats
    await guard.peer.run(_SCENARIOS_S)
    check(bool(bound.listeners), "the heartbeat of the entity that bound is not subscribed to")
    check(not unbound.listeners, "the heartbeat of the entity that did not bind is subscribed to")


@case("TC_SPINE_RTS_004", sets=_BOTH_USE_CASES)
async def rts_004(stage: Stage) -> None:
    guard = await connect_guard(stage)
    await _scenarios_1_to_3(stage, guard)
    guard.peer.version = FUTURE_VERSION
    value = to_scaled(_test_values(stage)[1] * stage.limitation.sign)
    number = await guard.write_number(value, unknown=(("elementOfTheFuture", "42"),))
    check(number == ACK, f"a write with an unknown element was refused with {number}")


@case("TC_SPINE_RTS_005", sets=_BOTH_USE_CASES)
async def rts_005(stage: Stage) -> None:
    guard = await connect_guard(stage)
    await _scenarios_1_to_3(stage, guard)
    sign = stage.limitation.sign
    check(
        await guard.write_number(ScaledNumber(number=4201 * sign, scale=-1)) == ACK, "the limit was refused"
    )
    scale = ((await guard.limit()).value or ScaledNumber()).scale or 0
    wanted = round(_test_values(stage)[1])
    check(await guard.write_number(ScaledNumber(number=wanted * sign)) == ACK, "the bare number was refused")
    read = await guard.limit_value_w()
    check(read == wanted * 10.0**scale, f"{read} W read, {wanted} with the scale {scale} was written")


# -- with a running limitation use case: energy guard -------------------------------------------------


async def _system_in_scenarios_1_to_3(
    stage: Stage,
    layout: SystemLayout | None = None,
    *,
    version: str = SPECIFICATION_VERSION,
    change_reply: Callable[[Record], Record] = lambda data: data,
) -> SystemTester:
    """The device discovers the tester, sends its heartbeat and an acknowledged limit within 120 s."""
    system = await connect_system(stage, layout, version=version, change_reply=change_reply)
    wait_s = _SCENARIOS_S
    await system.peer.until(lambda: system.written() and heartbeat_times(system.peer), wait_s)
    check(bool(heartbeat_times(system.peer)), "no heartbeat came within 120 s")
    check(bool(system.written()), "no limit was written within 120 s")
    check(system.written()[-1].accepted, "the limit that was written is not valid")
    check(len(system.peer.bindings) >= 2, "limits and configuration were not both bound")
    check(bool(system.heartbeat.listeners), "the heartbeat of the tester is not subscribed to")
    return system


@case("TC_SPINE_ENTITY_001", sets=_BOTH_USE_CASES)
async def entity_001(stage: Stage) -> None:
    first = await _system_in_scenarios_1_to_3(stage)
    await first.peer.ship.link.close()
    moved = await _system_in_scenarios_1_to_3(stage, SystemLayout(entities_before=2, limit_ids=10))
    check(moved.peer.discovery_request() is not None, "the device did not read the discovery data again")


@case("TC_SPINE_RTC_001", sets=_BOTH_USE_CASES)
async def rtc_001(stage: Stage) -> None:
    await _system_in_scenarios_1_to_3(stage, change_reply=lambda data: _labelled(data, label="Grid limit"))


@case("TC_SPINE_RTC_002", sets=_BOTH_USE_CASES)
async def rtc_002(stage: Stage) -> None:
    unknown = (("elementOfTheFuture", "42"),)
    await _system_in_scenarios_1_to_3(
        stage, version=FUTURE_VERSION, change_reply=lambda data: _labelled(data, unknown=unknown)
    )


def _labelled(data: Record, **extra: object) -> Record:
    """Limit descriptions with something more in each of them."""
    if not isinstance(data, LoadControlLimitDescriptionListData):
        return data
    items = data.load_control_limit_description_data or ()
    return LoadControlLimitDescriptionListData(
        load_control_limit_description_data=tuple(msgspec.structs.replace(item, **extra) for item in items)
    )


@case("TC_SPINE_RTC_003", sets=_BOTH_USE_CASES)
async def rtc_003(stage: Stage) -> None:
    await _system_in_scenarios_1_to_3(stage, SystemLayout(available=False))
