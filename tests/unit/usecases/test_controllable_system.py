"""What a controllable system does beyond the official cases: roles, records, switches, traps."""

from dataclasses import replace

import pytest

from eebus.clock import FakeClock
from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski
from eebus.spine.events import BindingRefused, PeerGone, RemoteData, SubscriptionAdded
from eebus.spine.handler import Peer
from eebus.spine.model.common import FeatureAddress, ScaledNumber, TimePeriod
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceConfigurationKeyValueListData,
    DeviceDiagnosisHeartbeatData,
    KeyValue,
)
from eebus.spine.model.load_control import (
    LoadControlLimitData,
    LoadControlLimitDescriptionListData,
    LoadControlLimitListData,
)
from eebus.spine.values import format_date_time, to_float
from eebus.usecases.controllable_system import ControllableSystemSettings
from eebus.usecases.events import (
    EnergyGuardChanged,
    FailsafeChanged,
    FailsafeRefused,
    HeartbeatReceived,
    LimitKind,
    LimitStateChanged,
    OrderReceived,
    PersistFailsafe,
    PersistOrder,
    StoredFailsafe,
)
from eebus.usecases.house import build_gateway, build_stack
from eebus.usecases.limit_rules import AUTONOMOUS, CONTROLLED, FAILSAFE, INIT, LIMITED, OPTIONAL_RULES
from eebus.usecases.limitation import LPC, LPP, Direction, Profile
from eebus.usecases.monitoring import MonitoringSettings
from tests.unit.usecases.twin import (
    BOX_SKI,
    GATEWAY_SKI,
    BoxLayout,
    HandBox,
    House,
    duration_item,
    failsafe_item,
    key_item,
    limit_item,
)

ACK, NACK = 0, 7
SECOND_SKI = Ski("c" * 40)
HEARTBEAT = "deviceDiagnosisHeartbeatData"
LIMITS = "loadControlLimitListData"


def limits_of(*items: LoadControlLimitData) -> LoadControlLimitListData:
    return LoadControlLimitListData(load_control_limit_data=items)


def both(consumption_w: float, production_w: float, active: bool = True) -> LoadControlLimitListData:
    lists = (limit_item(LPC, consumption_w, active), limit_item(LPP, production_w, active))
    return limits_of(*(item for data in lists for item in data.load_control_limit_data or ()))


def states(house: House) -> tuple[object, object]:
    status = house.gateway.controllable_system.status(house.wire.now)
    assert status.consumption is not None
    assert status.production is not None
    return status.consumption.state, status.production.state


# ------------------------------------------------------------------------------------------- who may do what


def test_a_trusted_device_can_neither_bind_nor_write_and_nothing_changes() -> None:
    house = House(connect=False)
    house.connect(role=PeerRole.DEVICE)
    house.tester.heartbeat()
    refused = house.node.events(BindingRefused)
    assert [event.error_number for event in refused if isinstance(event, BindingRefused)]
    assert house.message(14) not in (ACK, None)
    assert house.failsafe_limit(1.0) not in (ACK, None)
    assert states(house) == (INIT, INIT)
    assert house.node.events(OrderReceived) == []
    assert house.gateway.controllable_system.status(house.wire.now).heartbeat_age_s is None


def test_a_device_may_read_everything() -> None:
    house = House(connect=False)
    house.connect(role=PeerRole.DEVICE)
    assert house.published_limit().limit_id == 0


def test_a_second_box_is_refused_and_shown_and_its_heartbeat_does_not_count() -> None:
    house = House().bring_to(CONTROLLED)
    second = HandBox(house.wire, SECOND_SKI)
    house.connect(second)
    refused = [e for e in house.node.events(BindingRefused) if isinstance(e, BindingRefused)]
    assert {event.ski for event in refused} == {SECOND_SKI}
    for _ in range(5):
        house.wire.wait(30)
        second.heartbeat()
    assert states(house)[0] is FAILSAFE
    assert house.gateway.controllable_system.status(house.wire.now).energy_guard == BOX_SKI


def test_a_second_box_may_not_take_the_feature_that_the_first_one_left_free() -> None:
    house = House(layout=BoxLayout(bind_configuration=False)).bring_to(CONTROLLED)
    second = HandBox(house.wire, SECOND_SKI)
    house.connect(second)
    refused = [e for e in house.node.events(BindingRefused) if isinstance(e, BindingRefused)]
    assert {event.ski for event in refused} == {SECOND_SKI}
    assert len({event.server.feature for event in refused}) == 2


@pytest.mark.parametrize("entity_type", ["GridGuard", "CEM", "ControlBox", "Generic"])
def test_a_box_may_call_its_entity_what_it_likes(entity_type: str) -> None:
    """Trap SPINE G9: a revision of 2026 without GridGuard lost the heartbeat of its own control box."""
    house = House(layout=BoxLayout(guard_type=entity_type))
    house.tester.heartbeat()
    assert house.message(14) == ACK
    assert states(house)[0] is LIMITED


def test_only_the_heartbeat_of_the_entity_that_bound_both_counts() -> None:
    """Trap use cases 13.14."""
    house = House(layout=BoxLayout(guards=2), connect=False)
    house.connect()
    house.tester.heartbeat(guard=1)
    assert house.message(16) == NACK
    house.tester.heartbeat(guard=0)
    assert house.message(16) == ACK


def test_a_heartbeat_that_nobody_asked_for_does_not_count() -> None:
    house = House()
    source = FeatureAddress(device="d:_n:Test_Box-1", entity=(2,), feature=5)
    data = DeviceDiagnosisHeartbeatData(heartbeat_counter=1, heartbeat_timeout="PT1M")
    stray = RemoteData(BOX_SKI, source, HEARTBEAT, data, is_reply=False)
    system = house.gateway.controllable_system
    house.wire.run(GATEWAY_SKI, lambda turn: system.on_event(stray, turn))
    assert house.message(16) == NACK


def test_an_energy_guard_that_binds_the_limits_only_is_heard_as_single_candidate() -> None:
    """Trap SPINE G10."""
    house = House(layout=BoxLayout(bind_configuration=False))
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert house.gateway.controllable_system.status(house.wire.now).energy_guard == BOX_SKI


def test_a_binding_in_the_name_of_node_management_means_the_only_candidate() -> None:
    house = House(connect=False)
    node_management = house.tester.node.stack.device.node_management
    house.tester.clients[0] = dict.fromkeys(house.tester.clients[0], node_management)
    house.connect()
    house.tester.heartbeat()
    assert house.message(16) == ACK


def test_the_energy_guard_is_told_when_it_comes_and_goes() -> None:
    house = House()
    house.cut()
    changes = house.node.events(EnergyGuardChanged)
    assert [change for change in changes if isinstance(change, EnergyGuardChanged)] == [
        EnergyGuardChanged(BOX_SKI, (1,)),
        EnergyGuardChanged(None, None),
    ]


# ------------------------------------------------------------------------------------------------ heartbeat


def test_trap_resubscribe_on_every_connection() -> None:
    house = House().bring_to(CONTROLLED)
    for _ in range(3):
        house.cut()
        house.wire.wait(10)
        house.connect()
        house.tester.heartbeat()
        house.wire.wait(100)
        assert states(house)[0] is CONTROLLED, "the heartbeat after the reconnect was heard"
        house.tester.heartbeat()


def test_trap_a_lost_connection_alone_changes_nothing() -> None:
    """Trap use cases 13.4."""
    house = House().bring_to(LIMITED)
    house.cut()
    house.wire.wait(100)
    assert states(house)[0] is LIMITED
    house.connect()
    house.tester.heartbeat()
    house.wire.wait(100)
    assert states(house)[0] is LIMITED


def test_trap_silence_counts_while_connected() -> None:
    house = House().bring_to(LIMITED)
    house.wire.wait(121)
    assert states(house)[0] is FAILSAFE


def _connect_with_old_heartbeat(house: House, age_s: float) -> None:
    """The tester has a stored heartbeat that the gateway reads on connecting."""
    house.tester.heartbeat()
    house.wire.wait(age_s)
    house.connect()


@pytest.mark.parametrize(("age_s", "counts"), [(5.0, True), (59.0, True), (70.0, False)])
def test_a_read_heartbeat_counts_when_it_is_fresh(age_s: float, counts: bool) -> None:
    """Trap SPINE G7."""
    house = House(connect=False)
    _connect_with_old_heartbeat(house, age_s)
    assert (house.message(16) == ACK) is counts


def test_a_read_heartbeat_that_was_heard_before_does_not_count_again() -> None:
    house = House().bring_to(CONTROLLED)
    house.cut()
    house.wire.wait(50)
    house.connect()
    assert house.gateway.controllable_system.status(house.wire.now).heartbeat_age_s == 50


def test_a_read_heartbeat_counts_for_nothing_when_switched_off() -> None:
    house = House(settings=ControllableSystemSettings(heartbeat_reply_counts=False), connect=False)
    _connect_with_old_heartbeat(house, 1.0)
    assert not any(
        b'"cmdClassifier":"read"' in entry and HEARTBEAT.encode() in entry for entry in _sent(house)
    )
    assert house.message(16) == NACK
    house.tester.heartbeat()
    assert house.message(16) == ACK


def _sent(house: House) -> list[bytes]:
    return [entry for entry in house.node.log if isinstance(entry, bytes)]


@pytest.mark.parametrize("timestamp", [None, "PT5S", "yesterday", "2020-01-01T00:00:00Z"])
def test_a_notified_heartbeat_is_judged_by_its_arrival_only(timestamp: str | None) -> None:
    house = House()
    data = DeviceDiagnosisHeartbeatData(timestamp=timestamp, heartbeat_counter=0, heartbeat_timeout="PT2M")
    feature = house.tester.heartbeats[0]
    house.wire.run(BOX_SKI, lambda turn: turn.set_data(feature, HEARTBEAT, data, force=True))
    assert house.message(16) == ACK
    heard = [e for e in house.node.events(HeartbeatReceived) if isinstance(e, HeartbeatReceived)]
    assert [(event.ski, event.counter) for event in heard] == [(BOX_SKI, 0)]


def test_our_heartbeat_comes_at_once_to_a_new_listener_and_then_every_25_s() -> None:
    """Trap SPINE G8 (peers compare the time that it carries with theirs) and use cases 13.5."""
    house = House()
    connected_at = house.wire.now
    house.wire.wait(100)
    beats = house.tester.notifies(HEARTBEAT)
    assert [at - connected_at for at, _ in beats] == [0, 25, 50, 75, 100]
    data = [beat for _, beat in beats if isinstance(beat, DeviceDiagnosisHeartbeatData)]
    counters = [beat.heartbeat_counter or 0 for beat in data]
    assert counters == list(range(counters[0], counters[0] + 5))
    assert {beat.heartbeat_timeout for beat in data} == {"PT1M"}
    assert data[-1].timestamp == format_date_time(house.wire.clock.utc_now())


def test_a_gateway_that_no_longer_controls_stops_its_heartbeat_and_resumes_it() -> None:
    house = House(settings=ControllableSystemSettings(control_watchdog_s=30.0))
    system = house.gateway.controllable_system
    before = len(house.tester.notifies(HEARTBEAT))
    house.wire.wait(30)
    assert len(house.tester.notifies(HEARTBEAT)) > before
    house.wire.wait(1)
    starving = len(house.tester.notifies(HEARTBEAT))
    assert not system.status(house.wire.now).sending_heartbeats
    house.wire.wait(200)
    assert len(house.tester.notifies(HEARTBEAT)) == starving
    system.feed(house.wire.now)
    house.wire.wait(1)
    assert len(house.tester.notifies(HEARTBEAT)) == starving + 1


def test_a_reader_gets_our_heartbeat_from_the_first_moment_on() -> None:
    house = House()
    data = house.tester.read("DeviceDiagnosis", HEARTBEAT)
    assert isinstance(data, DeviceDiagnosisHeartbeatData)
    assert data.heartbeat_counter is not None


# ------------------------------------------------------------------------------------------ order of effects


def kinds(entries: list[object]) -> list[str]:
    return [
        ("notify" if b'"notify"' in entry else "result" if b'"result"' in entry else "other")
        if isinstance(entry, bytes)
        else type(entry).__name__
        for entry in entries
    ]


def test_a_limit_acts_before_it_is_stored_and_acknowledged() -> None:
    house = House().bring_to(CONTROLLED)
    start = len(house.node.log)
    house.message(14)
    assert kinds(house.node.log[start:]) == [
        "OrderReceived",
        "LimitStateChanged",
        "PersistOrder",
        "notify",
        "result",
    ]


def test_a_refused_limit_is_recorded_too() -> None:
    house = House()
    start = len(house.node.log)
    assert house.message(14) == NACK
    assert kinds(house.node.log[start:]) == ["OrderReceived", "PersistOrder", "result"]
    [order] = [e for e in house.node.log[start:] if isinstance(e, OrderReceived)]
    assert (order.accepted, order.rule, order.value_w) == (False, "LPC-TS-036", 4321.0)
    assert "heartbeat" in order.reason


def test_orders_name_magnitudes_and_the_time_that_is_left() -> None:
    house = House(LPP).bring_to(CONTROLLED)
    house.message(15, 3000.0, duration_s=100.0)
    house.wire.wait(40)
    house.message(6, 2000.0)
    orders = [e for e in house.node.events(OrderReceived) if isinstance(e, OrderReceived)]
    assert [(o.direction, o.value_w, o.active, o.duration_s) for o in orders[-2:]] == [
        (Direction.PRODUCTION, 3000.0, True, 100.0),
        (Direction.PRODUCTION, 2000.0, True, 60.0),
    ]
    records = [e for e in house.node.events(PersistOrder) if isinstance(e, PersistOrder)]
    assert [record.order for record in records] == orders


def test_a_failsafe_value_is_stored_before_anything_else_happens() -> None:
    house = House().bring_to(CONTROLLED)
    start = len(house.node.log)
    house.failsafe_limit(5001.0)
    assert kinds(house.node.log[start:]) == ["PersistFailsafe", "FailsafeChanged", "notify", "result"]
    assert house.node.log[start] == PersistFailsafe(5001.0, None, None, BOX_SKI, 0)
    assert house.node.log[start + 1] == FailsafeChanged(Direction.CONSUMPTION, 5001.0, BOX_SKI)


def test_a_failsafe_value_that_cannot_be_stored_is_refused_and_nothing_changes() -> None:
    house = House().bring_to(CONTROLLED)
    house.node.disk_works = False
    assert house.failsafe_limit(5001.0) == NACK
    assert to_float(house.published_failsafe()) == 4200.0
    assert house.node.events(FailsafeChanged) == []
    house.wire.wait(121)
    assert house.status.effective_limit_w == 4200.0


def test_a_failsafe_value_waits_for_a_slow_disk_while_limits_go_on() -> None:
    house = House().bring_to(CONTROLLED)
    house.node.disk_answers = False
    assert house.failsafe_limit(5001.0) is None
    assert to_float(house.published_failsafe()) == 4200.0
    house.wire.do(house.node, house.node.stack.stored(1, True, house.wire.now))
    house.wire.pump()
    assert to_float(house.published_failsafe()) == 5001.0


def test_a_failsafe_value_that_was_stored_after_the_box_left_is_in_force() -> None:
    house = House().bring_to(CONTROLLED)
    house.node.disk_answers = False
    house.failsafe_limit(5001.0)
    house.cut()
    house.wire.do(house.node, house.node.stack.stored(1, True, house.wire.now))
    assert house.status.failsafe_limit_w == 5001.0


def test_an_unknown_token_is_not_ours() -> None:
    house = House()
    house.wire.run(GATEWAY_SKI, lambda turn: house.gateway.controllable_system.on_stored(99, True, turn))
    assert house.node.events(FailsafeChanged) == []


# ------------------------------------------------------------------------------------------- failsafe values


def test_LPC_022_5_a_duration_above_the_maximum_is_refused_set_to_the_maximum_and_notified() -> None:
    """Trap use cases 13.8."""
    house = House(settings=ControllableSystemSettings(max_failsafe_duration_s=43200.0)).bring_to(CONTROLLED)
    assert house.failsafe_duration(90000.0) == NACK
    assert house.published_key(1).duration == "PT12H"
    notified = [
        data
        for _, data in house.tester.notifies("deviceConfigurationKeyValueListData")
        if isinstance(data, DeviceConfigurationKeyValueListData)
    ]
    items = notified[-1].device_configuration_key_value_data or ()
    assert [item.value.duration for item in items if item.key_id == 1 and item.value] == ["PT12H"]
    assert house.node.events(PersistFailsafe) == [PersistFailsafe(None, None, 43200.0, BOX_SKI)]


def test_LPC_022_5_does_not_take_over_the_neighbours_of_a_refused_duration() -> None:
    house = House().bring_to(CONTROLLED)
    items = [
        *(failsafe_item(LPC, 5001.0).device_configuration_key_value_data or ()),
        *(duration_item(90000.0).device_configuration_key_value_data or ()),
    ]
    data = DeviceConfigurationKeyValueListData(device_configuration_key_value_data=tuple(items))
    assert house.tester.write("DeviceConfiguration", data) == NACK
    assert to_float(house.published_failsafe()) == 4200.0
    assert house.published_key(1).duration == "PT24H"


def test_LPC_022_5_has_no_side_effect_in_init() -> None:
    house = House()
    house.tester.heartbeat()
    assert house.failsafe_duration(90000.0) == NACK
    assert house.published_key(1).duration == "PT2H"


def test_a_configuration_write_with_one_bad_item_is_refused_whole() -> None:
    house = House().bring_to(CONTROLLED)
    items = [
        *(failsafe_item(LPC, 5001.0).device_configuration_key_value_data or ()),
        *(duration_item(60.0).device_configuration_key_value_data or ()),
    ]
    data = DeviceConfigurationKeyValueListData(device_configuration_key_value_data=tuple(items))
    assert house.tester.write("DeviceConfiguration", data) == NACK
    assert to_float(house.published_failsafe()) == 4200.0


def test_limit_and_duration_in_one_configuration_write() -> None:
    house = House().bring_to(CONTROLLED)
    items = [
        *(failsafe_item(LPC, 5001.0).device_configuration_key_value_data or ()),
        *(duration_item(10800.0).device_configuration_key_value_data or ()),
    ]
    data = DeviceConfigurationKeyValueListData(device_configuration_key_value_data=tuple(items))
    assert house.tester.write("DeviceConfiguration", data) == ACK
    assert house.node.events(PersistFailsafe) == [PersistFailsafe(5001.0, None, 10800.0, BOX_SKI, 0)]


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (0, KeyValue(duration="PT2H")),
        (0, KeyValue(scaled_number=ScaledNumber(number=1, scale=300))),
        (1, KeyValue(scaled_number=ScaledNumber(number=7200, scale=0))),
        (1, KeyValue(duration="two hours")),
        (1, KeyValue(duration="P1M")),
        (9, KeyValue(integer=1)),
    ],
)
def test_a_key_of_the_wrong_kind_is_refused(number: int, value: KeyValue) -> None:
    house = House().bring_to(CONTROLLED)
    assert house.tester.write("DeviceConfiguration", key_item(number, value)) == NACK
    assert house.node.events(PersistFailsafe) == []


def test_the_shared_duration_is_accepted_when_one_direction_is_controlled() -> None:
    settings = ControllableSystemSettings(optional_rules=OPTIONAL_RULES - {"906"})
    house = House(settings=settings).bring_to(CONTROLLED)
    assert states(house) == (CONTROLLED, INIT)
    assert house.failsafe_limit(5001.0, LPP) == NACK
    assert house.failsafe_duration(7260.0) == ACK


def test_a_complete_configuration_write_is_judged_by_what_it_changes() -> None:
    """A client without partial writes repeats the values of the other direction, which may be in init."""
    house = House().bring_to(CONTROLLED)
    current = house.tester.read("DeviceConfiguration", "deviceConfigurationKeyValueListData")
    assert isinstance(current, DeviceConfigurationKeyValueListData)
    changed = failsafe_item(LPC, 5001.0).device_configuration_key_value_data or ()
    kept = [item for item in current.device_configuration_key_value_data or () if item.key_id != 0]
    data = DeviceConfigurationKeyValueListData(device_configuration_key_value_data=(*changed, *kept))
    assert house.tester.write("DeviceConfiguration", data, filters=()) == ACK
    assert to_float(house.published_failsafe()) == 5001.0
    assert house.tester.write("DeviceConfiguration", data, filters=()) == NACK, "nothing new: all is judged"


def test_domain_trap_20_failsafe_values_survive_a_restart() -> None:
    house = House().bring_to(CONTROLLED)
    house.failsafe_limit(1500.0)
    house.failsafe_duration(7260.0)
    house.power_on()
    status = house.gateway.controllable_system.status(house.wire.now)
    assert status.consumption is not None
    assert status.consumption.failsafe_limit_w == 1500.0
    assert status.failsafe_duration_s == 7260.0
    assert house.stored == StoredFailsafe(1500.0, None, 7260.0, 0)


@pytest.mark.parametrize("restarted", [False, True])
def test_SPINE_TS_RT_03_a_failsafe_number_alone_keeps_the_scale_that_was_written(restarted: bool) -> None:
    house = House().bring_to(CONTROLLED)
    in_hundreds = KeyValue(scaled_number=ScaledNumber(number=42, scale=2))
    assert house.tester.write("DeviceConfiguration", key_item(0, in_hundreds)) == ACK
    assert house.published_failsafe() == in_hundreds.scaled_number
    if restarted:
        house.power_on()
        house.connect()
        house.bring_to(CONTROLLED)
    number_alone = KeyValue(scaled_number=ScaledNumber(number=30))
    assert house.tester.write("DeviceConfiguration", key_item(0, number_alone)) == ACK
    assert house.status.failsafe_limit_w == 3000.0


# ---------------------------------------------------------------------------------------- start and restart


def test_the_failsafe_limit_is_in_force_before_any_communication() -> None:
    house = House(connect=False)
    changes = [e for e in house.node.log if isinstance(e, LimitStateChanged)]
    assert [(c.direction, c.after, c.effective_limit_w, c.limit_kind, c.rule) for c in changes] == [
        (Direction.CONSUMPTION, INIT, 4200.0, LimitKind.SELF_IMPOSED, "LPC-901/1"),
        (Direction.PRODUCTION, INIT, None, None, "LPP-901/1"),
    ]


def test_trap_a_restart_never_restores_an_old_limit() -> None:
    """Trap use cases 13.13."""
    house = House().bring_to(LIMITED)
    house.power_on()
    house.connect()
    assert states(house)[0] is INIT
    assert house.published_limit().is_limit_active is False


@pytest.mark.parametrize("profile", [LPC, LPP], ids=["LPC", "LPP"])
def test_an_inactive_limit_is_published_with_a_value(profile: Profile) -> None:
    """Trap SPINE G12: older guards take an inactive limit without a value for no data at all."""
    house = House(profile)
    assert house.published_limit().is_limit_active is False
    assert house.published_limit().value is not None
    house.bring_to(LIMITED)
    assert house.message(3) == ACK
    assert house.published_limit().is_limit_active is False
    assert house.published_limit().value is not None


def test_every_limit_and_key_is_described_and_the_failsafe_duration_is_there_once() -> None:
    """Trap SPINE G11 and use cases 13.11: a guard never writes what is described not at all, or twice."""
    house = House()
    limits = house.tester.read("LoadControl", "loadControlLimitDescriptionListData")
    assert isinstance(limits, LoadControlLimitDescriptionListData)
    described = [item.limit_id for item in limits.load_control_limit_description_data or ()]
    assert described == [LPC.limit_id, LPP.limit_id]
    keys = house.tester.read("DeviceConfiguration", "deviceConfigurationKeyValueDescriptionListData")
    assert isinstance(keys, DeviceConfigurationKeyValueDescriptionListData)
    names = [item.key_name for item in keys.device_configuration_key_value_description_data or ()]
    assert sorted(map(str, names)) == [
        "failsafeConsumptionActivePowerLimit",
        "failsafeDurationMinimum",
        "failsafeProductionActivePowerLimit",
    ]


def test_before_the_start_nothing_is_due() -> None:
    gateway = build_gateway(
        "d:_n:Test_Gateway-2",
        settings=ControllableSystemSettings(),
        failsafe=StoredFailsafe(),
        grid=MonitoringSettings(),
    )
    stack = build_stack(gateway, FakeClock().utc_now)
    assert stack.next_deadline() is None
    assert stack.on_deadline(5000.0) == []
    consumption = gateway.controllable_system.status(5000.0).consumption
    assert consumption is not None
    assert (consumption.state, consumption.effective_limit_w) == (INIT, 4200.0)


# -------------------------------------------------------------------------------------------------- LPP


def test_domain_trap_LPP_that_is_never_written_does_not_cut_feed_in() -> None:
    """Trap use cases 13.12."""
    settings = ControllableSystemSettings(optional_rules=frozenset())
    house = House(settings=settings).bring_to(LIMITED)
    house.profile = LPP
    assert (house.status.state, house.status.effective_limit_w) == (INIT, None)
    assert to_float(house.published_failsafe()) == 30000.0, "the key shows the nominal maximum"


def test_domain_trap_7_8_LPP_limit_is_negative_failsafe_is_positive_and_not_the_last_limit() -> None:
    """Trap use cases 13.1."""
    house = House(LPP).bring_to(LIMITED, 2500.0)
    assert to_float(house.published_limit().value) == -2500.0
    assert house.failsafe_limit(4000.0) == ACK
    assert to_float(house.published_failsafe()) == 4000.0
    house.wire.wait(121)
    assert house.status.effective_limit_w == 4000.0


def test_no_feed_in_at_all_is_zero_without_a_sign() -> None:
    house = House(LPP).bring_to(CONTROLLED)
    assert house.message(14, 0.0) == ACK
    assert str(house.status.effective_limit_w) == "0.0"


def test_a_positive_production_limit_is_refused_by_default() -> None:
    house = House(LPP).bring_to(CONTROLLED)
    assert house.message(14, -3000.0) == NACK
    assert house.status.effective_limit_w is None


def test_a_positive_production_limit_is_a_magnitude_when_switched_on() -> None:
    settings = ControllableSystemSettings(positive_production_limit="magnitude")
    house = House(LPP, settings=settings).bring_to(CONTROLLED)
    assert house.message(14, -3000.0) == ACK
    assert house.status.effective_limit_w == 3000.0
    assert to_float(house.published_limit().value) == 3000.0, "read back as it was sent"
    house.profile = LPC
    assert house.message(14, -3000.0) == NACK


# ------------------------------------------------------------------------------------------ writing limits


def test_a_write_with_LPC_and_LPP_is_accepted_whole() -> None:
    house = House()
    house.tester.heartbeat()
    assert house.tester.write("LoadControl", both(5000.0, 3000.0)) == ACK
    assert states(house) == (LIMITED, LIMITED)
    assert len(house.node.events(PersistOrder)) == 2


def test_a_write_with_one_bad_item_is_refused_whole_and_both_machines_move() -> None:
    house = House()
    house.tester.heartbeat()
    assert house.tester.write("LoadControl", both(5000.0, -3000.0)) == NACK
    assert states(house) == (CONTROLLED, CONTROLLED)
    assert to_float(house.published_limit().value) == 34500.0


def test_an_unknown_limit_is_refused_without_moving_the_machines() -> None:
    house = House()
    house.tester.heartbeat()
    item = LoadControlLimitData(limit_id=7, is_limit_active=False, value=ScaledNumber(number=1, scale=0))
    assert house.tester.write("LoadControl", limits_of(item)) not in (ACK, None)
    assert states(house) == (INIT, INIT)


def test_domain_trap_1_zero_watts_is_a_limit() -> None:
    house = House().bring_to(CONTROLLED)
    assert house.message(14, 0.0) == ACK
    change = [e for e in house.node.log if isinstance(e, LimitStateChanged)][-1]
    assert (change.effective_limit_w, change.limit_kind) == (0.0, LimitKind.GRID_OPERATOR)


def test_domain_trap_5_a_renewal_with_the_same_text_restarts_the_duration() -> None:
    house = House().bring_to(CONTROLLED)
    house.run_heartbeats()
    house.message(15, 5000.0, duration_s=60.0)
    house.wire.wait(50)
    assert house.message(15, 5000.0, duration_s=60.0) == ACK
    house.wire.wait(59)
    assert house.status.state is LIMITED
    house.wire.wait(1)
    assert house.status.state is CONTROLLED


def test_a_write_without_duration_keeps_what_is_left() -> None:
    house = House().bring_to(CONTROLLED)
    house.run_heartbeats()
    house.message(15, 5000.0, duration_s=60.0)
    house.wire.wait(50)
    assert house.message(6, 4000.0) == ACK
    assert house.status.limit_remaining_s == 10
    house.wire.wait(10)
    assert house.status.state is CONTROLLED


def test_a_read_shows_the_remaining_duration_and_time_alone_is_not_notified() -> None:
    house = House().bring_to(CONTROLLED)
    house.run_heartbeats()
    house.message(15, 5000.0, duration_s=3600.0)
    notified = len(house.tester.notifies(LIMITS))
    house.wire.wait(90)
    period = house.published_limit().time_period
    assert period is not None
    assert period.end_time == "PT58M30S"
    assert len(house.tester.notifies(LIMITS)) == notified


def test_a_complete_write_without_duration_removes_it_and_leaves_the_other_limit_alone() -> None:
    house = House().bring_to(CONTROLLED)
    house.message(15, 5000.0, duration_s=60.0)
    house.message(6, 2000.0, profile=LPP)
    assert house.tester.write("LoadControl", limit_item(LPC, 4000.0, active=True), filters=()) == ACK
    assert house.published_limit().time_period is None
    assert to_float(house.published_limit(LPP).value) == -2000.0
    assert states(house) == (LIMITED, LIMITED)


def test_trap_a_write_without_flag_is_no_deactivation() -> None:
    """Trap use cases 13.6."""
    house = House().bring_to(LIMITED)
    assert house.tester.write("LoadControl", limit_item(LPC, 4000.0)) == ACK
    assert house.tester.write("LoadControl", limit_item(LPC, 3000.0), filters=()) == ACK
    assert (house.status.state, house.status.effective_limit_w) == (LIMITED, 3000.0)


def _with_end(text: str) -> LoadControlLimitListData:
    return limits_of(
        LoadControlLimitData(
            limit_id=0,
            is_limit_active=True,
            time_period=TimePeriod(end_time=text),
            value=ScaledNumber(number=4200, scale=0),
        )
    )


def test_an_absolute_end_is_converted_with_the_local_clock() -> None:
    house = House().bring_to(CONTROLLED)
    end = house.wire.clock.utc_now().timestamp() + 90
    text = format_date_time(house.wire.clock.utc_now().fromtimestamp(end, house.wire.clock.utc_now().tzinfo))
    assert house.tester.write("LoadControl", _with_end(text)) == ACK
    assert house.status.limit_remaining_s == 90


def test_domain_trap_19_an_end_in_the_past_expires_at_once() -> None:
    house = House().bring_to(CONTROLLED)
    assert house.tester.write("LoadControl", _with_end("2020-01-01T00:00:00Z")) == ACK
    assert house.status.state is CONTROLLED
    assert house.published_limit().time_period is None


def test_an_unreadable_duration_is_refused_and_moves_nothing() -> None:
    house = House()
    house.tester.heartbeat()
    assert house.tester.write("LoadControl", _with_end("soon")) == NACK
    assert states(house) == (INIT, INIT)


def test_an_unreadable_order_is_evidence_all_the_same() -> None:
    house = House()
    house.tester.heartbeat()
    house.tester.write("LoadControl", _with_end("soon"))
    [order] = [event for event in house.node.log if isinstance(event, OrderReceived)]
    assert (order.peer_ski, order.accepted, order.rule) == (BOX_SKI, False, "LPC-003/1")
    assert "soon" in order.reason
    assert PersistOrder(order) in house.node.log


def test_what_can_be_read_of_an_order_with_a_strange_duration_is_told() -> None:
    house = House().bring_to(CONTROLLED)
    assert house.tester.write("LoadControl", _with_end("P1M")) == NACK
    order = [event for event in house.node.log if isinstance(event, OrderReceived)][-1]
    assert (order.direction, order.value_w, order.active) == (Direction.CONSUMPTION, 4200.0, True)
    assert (order.duration_s, order.duration_readable) == (None, False)


@pytest.mark.parametrize(("profile", "written_w"), [(LPC, -3000.0), (LPP, 3000.0)])
def test_a_wrong_sign_is_told_as_it_was_written(profile: Profile, written_w: float) -> None:
    house = House(profile).bring_to(CONTROLLED)
    assert house.message(14, -3000.0) == NACK
    order = [event for event in house.node.log if isinstance(event, OrderReceived)][-1]
    assert order.wrong_sign_w == written_w


def test_a_number_out_of_range_is_refused_in_plain_words() -> None:
    house = House().bring_to(CONTROLLED)
    item = LoadControlLimitData(limit_id=0, is_limit_active=True, value=ScaledNumber(number=2**63, scale=0))
    assert house.tester.write("LoadControl", limits_of(item)) not in (ACK, None)
    order = [event for event in house.node.log if isinstance(event, OrderReceived)][-1]
    assert order.reason.endswith("loadControlLimitData[0].value.number must be at most 9223372036854775807")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (KeyValue(duration="PT1H"), (None, 3600.0, "at least 2 h")),
        (KeyValue(duration="PT25H"), (None, 90000.0, "maximum")),
        (KeyValue(duration="P1M"), (None, None, "not a duration")),
        (KeyValue(scaled_number=ScaledNumber(number=-1, scale=0)), (-1.0, None, "negative")),
    ],
)
def test_refused_failsafe_values_are_told_with_the_reason(
    value: KeyValue, told: tuple[float | None, float | None, str]
) -> None:
    house = House().bring_to(CONTROLLED)
    key = 0 if value.scaled_number else 1
    assert house.tester.write("DeviceConfiguration", key_item(key, value)) == NACK
    [refused] = [event for event in house.node.log if isinstance(event, FailsafeRefused)]
    assert (refused.by_ski, refused.consumption_w, refused.duration_s) == (BOX_SKI, *told[:2])
    assert told[2] in refused.reason


def test_failsafe_values_in_the_wrong_state_or_not_stored_are_told_as_refused() -> None:
    house = House()
    assert house.failsafe_limit(5001.0) == NACK
    house.bring_to(CONTROLLED)
    house.node.disk_works = False
    assert house.failsafe_limit(5002.0) == NACK
    refused = [event for event in house.node.log if isinstance(event, FailsafeRefused)]
    assert [event.consumption_w for event in refused] == [5001.0, 5002.0]
    assert "in control" in refused[0].reason
    assert "not be stored" in refused[1].reason


@pytest.mark.parametrize("limit_id", [None, 99])
def test_an_order_that_names_no_limit_of_ours_is_evidence_though_the_use_case_never_sees_it(
    limit_id: int | None,
) -> None:
    house = House()
    house.tester.heartbeat()
    item = LoadControlLimitData(
        limit_id=limit_id, is_limit_active=True, value=ScaledNumber(number=1, scale=3)
    )
    assert house.tester.write("LoadControl", limits_of(item)) == NACK
    [order] = [event for event in house.node.log if isinstance(event, OrderReceived)]
    assert (order.direction, order.accepted) == (None, False)
    assert order.reason == house.tester.answer_text()
    assert PersistOrder(order) in house.node.log
    assert states(house) == (INIT, INIT)


def test_an_order_without_a_binding_is_evidence() -> None:
    house = House(connect=False)
    house.wire.connect(Peer(GATEWAY_SKI, PeerRole.DEVICE), Peer(BOX_SKI, PeerRole.CONTROL_BOX))
    assert house.message(14) not in (ACK, None)
    [order] = [event for event in house.node.log if isinstance(event, OrderReceived)]
    assert "binding" in order.reason


def test_an_order_that_is_no_order_of_a_trusted_device_is_no_evidence() -> None:
    house = House(connect=False)
    house.connect(role=PeerRole.DEVICE)
    house.message(14)
    assert house.node.events(OrderReceived) == []


def test_an_unreadable_failsafe_write_is_no_order() -> None:
    house = House().bring_to(CONTROLLED)
    before = len(house.node.events(OrderReceived))
    assert house.tester.write("DeviceConfiguration", key_item(99, KeyValue(duration="PT3H"))) == NACK
    assert len(house.node.events(OrderReceived)) == before


# ------------------------------------------------------------------------------------------- factory reset


def test_ATC_LPC_CSInit_001_a_factory_reset_brings_the_defaults_back_and_begins_in_init() -> None:
    house = House().bring_to(CONTROLLED)
    assert house.failsafe_limit(6000.0) == ACK
    assert house.failsafe_duration(10_000.0) == ACK
    house.bring_to(LIMITED)
    system = house.gateway.controllable_system
    house.wire.run(GATEWAY_SKI, system.factory_reset)
    settings = ControllableSystemSettings()
    assert states(house) == (INIT, INIT)
    assert house.status.effective_limit_w == settings.failsafe_consumption_w
    assert house.status.limit_kind is LimitKind.SELF_IMPOSED
    assert house.status.limit_until is None
    assert system.status(house.wire.now).failsafe_duration_s == settings.failsafe_duration_s
    assert to_float(house.published_failsafe()) == settings.failsafe_consumption_w
    assert house.published_limit().is_limit_active is False
    assert house.published_limit().time_period is None
    assert to_float(house.published_limit().value) == settings.contractual_consumption_w
    changed = [e for e in house.node.log if isinstance(e, FailsafeChanged) and e.by_ski is None]
    assert FailsafeChanged(Direction.CONSUMPTION, settings.failsafe_consumption_w, None) in changed
    assert FailsafeChanged(None, settings.failsafe_duration_s, None) in changed


def test_ATC_LPC_CSInit_002_after_a_factory_reset_the_box_may_go_on_at_once() -> None:
    house = House().bring_to(LIMITED)
    house.wire.run(GATEWAY_SKI, house.gateway.controllable_system.factory_reset)
    assert house.message(14) == NACK
    house.tester.heartbeat()
    assert house.message(14) == ACK
    assert states(house)[0] is LIMITED


def test_a_factory_reset_forgets_a_failsafe_write_that_still_waits_for_the_disk() -> None:
    house = House().bring_to(CONTROLLED)
    house.node.disk_answers = False
    house.failsafe_limit(6000.0)
    [record] = [entry for entry in house.node.log if isinstance(entry, PersistFailsafe)]
    assert record.consumption_w == 6000.0
    house.wire.run(GATEWAY_SKI, house.gateway.controllable_system.factory_reset)
    house.wire.do(house.node, house.node.stack.stored(1, True, house.wire.now))
    house.wire.pump()
    assert house.status.failsafe_limit_w == ControllableSystemSettings().failsafe_consumption_w


def test_a_factory_reset_of_production_shows_no_cut_again() -> None:
    house = House(LPP).bring_to(CONTROLLED)
    assert house.failsafe_limit(1000.0, LPP) == ACK
    house.wire.run(GATEWAY_SKI, house.gateway.controllable_system.factory_reset)
    status = house.gateway.controllable_system.status(house.wire.now).production
    assert status is not None
    assert status.effective_limit_w is None


def test_every_change_is_notified_with_the_complete_list() -> None:
    house = House().bring_to(CONTROLLED)
    house.message(14)
    house.wire.wait(121)
    lists = [data for _, data in house.tester.notifies(LIMITS) if isinstance(data, LoadControlLimitListData)]
    flags = [
        [(item.limit_id, item.is_limit_active) for item in data.load_control_limit_data or ()]
        for data in lists
    ]
    assert flags[-2:] == [[(0, True), (1, False)], [(0, False), (1, False)]]
    for data in lists:
        for item in data.load_control_limit_data or ():
            assert item.is_limit_changeable is True
            assert to_float(item.value) is not None


# --------------------------------------------------------------------------------------- leaving failsafe


def test_domain_trap_3_failsafe_is_released_when_the_box_stays_dead() -> None:
    house = House().bring_to(LIMITED)
    house.cut()
    house.wire.wait(121 + 7200)
    assert states(house)[0] is AUTONOMOUS
    assert house.status.effective_limit_w is None


def test_domain_trap_4_a_heartbeat_alone_does_not_release_failsafe() -> None:
    house = House().bring_to(FAILSAFE)
    house.run_heartbeats()
    house.wire.wait(119)
    assert states(house)[0] is FAILSAFE
    house.wire.wait(2)
    assert states(house)[0] is AUTONOMOUS


def test_domain_trap_18_failsafe_is_self_imposed_and_no_order_of_the_grid() -> None:
    house = House().bring_to(LIMITED)
    orders = len(house.node.events(OrderReceived))
    house.wire.wait(121)
    change = [e for e in house.node.log if isinstance(e, LimitStateChanged)][-1]
    assert (change.after, change.limit_kind) == (FAILSAFE, LimitKind.SELF_IMPOSED)
    assert len(house.node.events(OrderReceived)) == orders


def test_LPC_923_an_own_interruption_ends_the_limit_and_is_published() -> None:
    house = House().bring_to(LIMITED)
    system = house.gateway.controllable_system
    house.wire.run(GATEWAY_SKI, lambda turn: system.interrupt(Direction.CONSUMPTION, turn))
    assert states(house)[0] is CONTROLLED
    assert house.published_limit().is_limit_active is False


# ---------------------------------------------------------------------------------------------- inspection


def test_status_says_what_holds_why_and_what_comes_next() -> None:
    house = House().bring_to(CONTROLLED)
    house.wire.wait(10)
    house.message(15, 5000.0, duration_s=60.0)
    house.wire.wait(20)
    status = house.status
    assert (status.state, status.rule, status.effective_limit_w) == (LIMITED, "LPC-910", 5000.0)
    assert status.limit_kind is LimitKind.GRID_OPERATOR
    assert status.limit_until == house.wire.now + 40
    assert status.limit_remaining_s == 40
    assert status.stored_value_w == 5000.0
    assert status.failsafe_limit_w == 4200.0
    assert status.next_transition_at == house.wire.now + 40
    assert status.next_transition == "the duration of the limit is over"
    whole = house.gateway.controllable_system.status(house.wire.now)
    assert (whole.heartbeat_age_s, whole.energy_guard, whole.failsafe_duration_s) == (30, BOX_SKI, 7200)


@pytest.mark.parametrize(
    ("settings", "use_cases"),
    [
        (ControllableSystemSettings(lpp=False), {"limitationOfPowerConsumption"}),
        (ControllableSystemSettings(lpc=False), {"limitationOfPowerProduction"}),
    ],
)
def test_a_direction_that_is_not_served_is_not_shown(
    settings: ControllableSystemSettings, use_cases: set[str]
) -> None:
    house = House(settings=settings)
    status = house.gateway.controllable_system.status(house.wire.now)
    assert (status.consumption is None, status.production is None) == (not settings.lpc, not settings.lpp)
    remote = house.wire.run(BOX_SKI, lambda turn: turn.remote(GATEWAY_SKI))
    assert remote is not None
    assert {u.name for u in remote.use_cases(actor="ControllableSystem")} == use_cases
    data = house.tester.read("LoadControl", LIMITS)
    assert isinstance(data, LoadControlLimitListData)
    assert len(data.load_control_limit_data or ()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"lpc": False, "lpp": False},
        {"failsafe_consumption_w": -1.0},
        {"failsafe_production_w": -1.0},
        {"contractual_production_w": -1.0},
        {"failsafe_duration_s": 7199.0},
        {"max_failsafe_duration_s": 90000.0},
        {"failsafe_duration_s": 9000.0, "max_failsafe_duration_s": 8000.0},
        {"heartbeat_interval_s": 61.0},
        {"heartbeat_interval_s": 0.0},
    ],
)
def test_nonsense_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalError):
        replace(ControllableSystemSettings(), **wrong)  # type: ignore[arg-type]


def test_layout_follows_SPINE_4_2() -> None:
    house = House()
    remote = house.wire.run(BOX_SKI, lambda turn: turn.remote(GATEWAY_SKI))
    assert remote is not None
    assert remote.device_type == "EnergyManagementSystem"
    assert [(e.address, e.entity_type) for e in remote.entities.values()] == [
        ((0,), "DeviceInformation"),
        ((1,), "CEM"),
        ((2,), "GridConnectionPointOfPremises"),
    ]
    assert [(f.feature_type, f.role) for f in remote.entities[1,].features.values()] == [
        ("DeviceDiagnosis", "client"),
        ("LoadControl", "server"),
        ("DeviceConfiguration", "server"),
        ("DeviceDiagnosis", "server"),
        ("ElectricalConnection", "server"),
    ]
    announced = {(u.actor, u.name, u.entity, u.scenarios, u.version) for u in remote.use_cases()}
    assert announced == {
        ("ControllableSystem", LPC.use_case, (1,), frozenset({1, 2, 3, 4}), "1.0.0"),
        ("ControllableSystem", LPP.use_case, (1,), frozenset({1, 2, 3, 4}), "1.0.0"),
        (
            "GridConnectionPoint",
            "monitoringOfGridConnectionPoint",
            (2,),
            frozenset({2, 3, 4, 5, 6, 7}),
            "1.0.0",
        ),
    }


def test_events_of_others_are_none_of_our_business() -> None:
    house = House()
    before = states(house)
    other = Ski("d" * 40)
    house.wire.run(
        GATEWAY_SKI, lambda turn: house.gateway.controllable_system.on_event(PeerGone(other), turn)
    )
    assert states(house) == before
    assert house.node.events(SubscriptionAdded) == []
