"""The official SPINE cases that need a running limitation use case (SPINE 9), for the controllable system."""

import pytest

from eebus.jsonform import Elements
from eebus.spine.model.common import ScaledNumber
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.stack import Turn
from eebus.spine.values import to_float
from eebus.usecases.limit_rules import CONTROLLED, LIMITED
from eebus.usecases.limitation import LPC, PROFILES, Profile
from tests.unit.usecases.twin import BOX_SKI, GATEWAY_SKI, BoxLayout, HandBox, House

ACK = 0
BINDING_REQUIRED = 9


@pytest.fixture(params=PROFILES, ids=["LPC", "LPP"])
def profile(request: pytest.FixtureRequest) -> Profile:
    chosen: Profile = request.param
    return chosen


def scenarios_1_to_3(house: House) -> None:
    """Discovery, bindings, subscriptions, heartbeats both ways and an acknowledged limit write."""
    house.tester.heartbeat()
    assert house.message(6, 4321.0) == ACK
    assert house.state is LIMITED
    assert house.failsafe_limit(4567.0) == ACK
    house.wire.wait(1)
    assert house.tester.notifies("deviceDiagnosisHeartbeatData")


def bound_features(house: House) -> set[int | None]:
    return {relation.server.feature for relation in house.node.stack.peers()[BOX_SKI].bindings}


def test_TC_SPINE_BIND_002_no_write_without_binding(profile: Profile) -> None:
    """Trap SPINE G4."""
    house = House(profile)
    scenarios_1_to_3(house)
    server = house.tester.server("LoadControl")
    client = house.tester.clients[0]["LoadControl"]
    house.wire.run(BOX_SKI, lambda turn: turn.unbind(GATEWAY_SKI, client, server.address))
    house.tester.heartbeat()
    assert house.message(6, 1234.0) == BINDING_REQUIRED
    assert house.status.effective_limit_w == 4321.0
    assert server.address.feature not in bound_features(house)


@pytest.mark.parametrize("client_type", ["Measurement", "Generic"])
def test_TC_SPINE_RTS_001_client_feature_of_another_type(profile: Profile, client_type: str) -> None:
    scenarios_1_to_3(House(profile, layout=BoxLayout(client_type=client_type)))


def test_TC_SPINE_RTS_002_client_feature_of_an_unknown_type(profile: Profile) -> None:
    scenarios_1_to_3(House(profile, layout=BoxLayout(client_type="FeatureOfTheFuture")))


def test_TC_SPINE_RTS_003_the_entity_that_bound_is_heard_and_never_the_other(profile: Profile) -> None:
    house = House(profile, layout=BoxLayout(guards=2))
    own = house.node.stack.peers()[BOX_SKI].own_subscriptions
    heard = {relation.server.entity for relation in own if relation.server.entity != (0,)}
    assert heard == {(1,)}
    scenarios_1_to_3(house)


def test_TC_SPINE_RTS_003_nobody_is_heard_before_the_bindings_when_there_are_two(profile: Profile) -> None:
    """Trap SPINE G10."""
    house = House(profile, layout=BoxLayout(guards=2, bind_configuration=False))
    own = house.node.stack.peers()[BOX_SKI].own_subscriptions
    assert {relation.server.entity for relation in own} <= {(0,)}


def test_TC_SPINE_RTS_004_unknown_element_in_a_write(profile: Profile) -> None:
    house = House(profile)
    scenarios_1_to_3(house)
    item = LoadControlLimitData(
        limit_id=profile.limit_id,
        is_limit_active=True,
        value=ScaledNumber(number=3000 * profile.wire_sign, scale=0),
        unknown=Elements([("elementOfTheFuture", "42")]),
    )
    data = LoadControlLimitListData(load_control_limit_data=(item,))
    assert house.tester.write("LoadControl", data) == ACK
    assert house.status.effective_limit_w == 3000.0


def test_TC_SPINE_RTS_005_number_without_scale_keeps_the_scale(profile: Profile) -> None:
    house = House(profile)
    scenarios_1_to_3(house)
    first = LoadControlLimitData(
        limit_id=profile.limit_id,
        is_limit_active=True,
        value=ScaledNumber(number=432 * profile.wire_sign, scale=1),
    )
    assert (
        house.tester.write("LoadControl", LoadControlLimitListData(load_control_limit_data=(first,))) == ACK
    )
    scale = (house.published_limit().value or ScaledNumber()).scale
    second = LoadControlLimitData(
        limit_id=profile.limit_id, value=ScaledNumber(number=317 * profile.wire_sign)
    )
    assert (
        house.tester.write("LoadControl", LoadControlLimitListData(load_control_limit_data=(second,))) == ACK
    )
    assert scale is not None
    assert to_float(house.published_limit().value) == 317 * profile.wire_sign * 10**scale


def test_TC_SPINE_ENTITY_002_energy_guard_moves_to_another_entity(profile: Profile) -> None:
    house = House(profile)
    scenarios_1_to_3(house)
    house.cut()
    del house.wire.nodes[BOX_SKI]
    house.tester = HandBox(house.wire, layout=BoxLayout(entities_before=2))
    house.connect()
    own = house.node.stack.peers()[BOX_SKI].own_subscriptions
    assert (3,) in {relation.server.entity for relation in own}
    scenarios_1_to_3(house)
    assert house.gateway.controllable_system.status(house.wire.now).energy_guard == BOX_SKI


def test_use_cases_that_come_late_are_acted_upon() -> None:
    """An energy guard may announce itself after the bindings, or anew at run time."""
    house = House(LPC)
    before = len(house.node.stack.peers()[BOX_SKI].own_subscriptions)

    def add(turn: Turn) -> None:
        entity = house.tester.node.stack.device.add_entity("Generic")
        turn.announce_entity(entity)

    house.wire.run(BOX_SKI, add)
    assert len(house.node.stack.peers()[BOX_SKI].own_subscriptions) == before
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert house.state is CONTROLLED
