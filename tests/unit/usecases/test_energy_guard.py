"""Our energy guard against our controllable system: the official EG cases and the rules of reference 3.10."""

from itertools import pairwise

import pytest

from eebus.errors import LocalError
from eebus.ids import PeerRole
from eebus.spine.device import Operations
from eebus.spine.handler import Peer
from eebus.usecases.controllable_system import ControllableSystemSettings, DirectionStatus
from eebus.usecases.controllable_view import ControllableSystemView
from eebus.usecases.energy_guard import EnergyGuardSettings, Limit, SystemChanged, SystemReady, WriteAnswered
from eebus.usecases.events import OrderReceived, StoredFailsafe
from eebus.usecases.house import (
    ALL_GRID_VALUES,
    build_control_box,
    build_gateway,
    build_stack,
    device_address,
)
from eebus.usecases.limit_data import LIMIT_FUNCTION
from eebus.usecases.limit_rules import CONTROLLED, FAILSAFE, INIT, LIMITED, OPTIONAL_RULES
from eebus.usecases.limitation import LPC, PROFILES, Direction, Profile
from eebus.usecases.monitoring import MonitoringSettings
from eebus.usecases.monitoring_data import Quantity, Reading
from tests.unit.usecases.twin import BOX_SKI, GATEWAY_SKI, Wire

CONSUMPTION, PRODUCTION = Direction.CONSUMPTION, Direction.PRODUCTION
STAYS = ControllableSystemSettings(optional_rules=OPTIONAL_RULES - {"906", "921", "922"})


class Street:
    """A control box and a house, both ours."""

    def __init__(
        self,
        guard: EnergyGuardSettings | None = None,
        system: ControllableSystemSettings | None = None,
        *,
        connect: bool = True,
        refusals: int = 0,
    ) -> None:
        self.wire = Wire()
        self.refusals = refusals
        self.gateway = build_gateway(
            device_address("Test", "Gateway", "1"),
            settings=system or ControllableSystemSettings(),
            failsafe=StoredFailsafe(),
            grid=MonitoringSettings(optional=ALL_GRID_VALUES),
            permitted_refusal=self._refuse,
        )
        self.house = self.wire.add(GATEWAY_SKI, build_stack(self.gateway, self.wire.clock.utc_now))
        self.wire.run(GATEWAY_SKI, self.gateway.start)
        self.guard_settings = guard or EnergyGuardSettings()
        self.power_on_box()
        if connect:
            self.connect()

    def _refuse(self, _direction: Direction, _value_w: float) -> str | None:
        self.refusals -= 1
        return "self-protection" if self.refusals >= 0 else None

    def power_on_box(self) -> None:
        self.box = build_control_box(device_address("Test", "Box", "1"), settings=self.guard_settings)
        self.box_node = self.wire.add(BOX_SKI, build_stack(self.box, self.wire.clock.utc_now))
        self.wire.run(BOX_SKI, self.box.start)

    def connect(self) -> None:
        self.wire.connect(Peer(GATEWAY_SKI, PeerRole.DEVICE), Peer(BOX_SKI, PeerRole.CONTROL_BOX))

    def write(self, limit: Limit, direction: Direction = CONSUMPTION) -> int:
        return self.wire.run(BOX_SKI, lambda turn: self.box.energy_guard.write_limit(direction, limit, turn))

    def deactivate(self, direction: Direction = CONSUMPTION) -> int:
        return self.wire.run(BOX_SKI, lambda turn: self.box.energy_guard.deactivate(direction, turn))

    def failsafe(
        self, limits_w: dict[Direction, float] | None = None, duration_s: float | None = None
    ) -> int:
        guard = self.box.energy_guard
        return self.wire.run(
            BOX_SKI, lambda turn: guard.write_failsafe(turn, limits_w=limits_w, duration_s=duration_s)
        )

    def view(self) -> ControllableSystemView:
        [found] = self.wire.run(BOX_SKI, self.box.energy_guard.views)
        return found

    def status(self, direction: Direction = CONSUMPTION) -> DirectionStatus:
        status = self.gateway.controllable_system.status(self.wire.now)
        found = status.consumption if direction is CONSUMPTION else status.production
        assert found is not None
        return found

    def answers(self) -> list[WriteAnswered]:
        return [e for e in self.box_node.log if isinstance(e, WriteAnswered)]

    def orders(self, direction: Direction = CONSUMPTION) -> list[OrderReceived]:
        log = self.house.log
        return [e for e in log if isinstance(e, OrderReceived) and e.direction is direction]


@pytest.fixture(params=PROFILES, ids=["LPC", "LPP"])
def profile(request: pytest.FixtureRequest) -> Profile:
    chosen: Profile = request.param
    return chosen


# -------------------------------------------------------------------------------------------- official cases


def test_ATC_COM_PT_EGHeartbeat_001(profile: Profile) -> None:
    street = Street()
    ages = []
    for _ in range(300):
        street.wire.wait(1)
        ages.append(street.gateway.controllable_system.status(street.wire.now).heartbeat_age_s or 0.0)
    assert max(ages) <= 60
    assert sum(b < a for a, b in pairwise(ages)) >= 5


def test_ATC_COM_PT_EGConnection_001_rebooted_guard_states_a_limit_within_60_s(profile: Profile) -> None:
    street = Street(system=STAYS)
    street.write(Limit(active=True, value_w=5000.0), profile.direction)
    street.wire.cut(GATEWAY_SKI, BOX_SKI)
    del street.wire.nodes[BOX_SKI]
    street.wire.wait(130)
    assert street.status(profile.direction).state is FAILSAFE
    street.power_on_box()
    street.connect()
    street.wire.wait(60)
    assert street.status(profile.direction).state is CONTROLLED


def test_ATC_COM_PT_EGConnection_002_restored_connection(profile: Profile) -> None:
    street = Street(system=STAYS)
    street.write(Limit(active=True, value_w=5000.0), profile.direction)
    street.wire.cut(GATEWAY_SKI, BOX_SKI)
    street.wire.wait(130)
    assert street.status(profile.direction).state is FAILSAFE
    street.connect()
    street.wire.wait(60)
    assert street.status(profile.direction).state is LIMITED, "not first a deactivation (IG 2.13)"
    assert street.orders(profile.direction)[-1].active


def test_ATC_COM_PT_EGConnection_003_black_start(profile: Profile) -> None:
    street = Street(connect=False)
    street.wire.wait(90)
    street.connect()
    street.wire.wait(60)
    assert street.status(profile.direction).state is CONTROLLED


@pytest.mark.parametrize("value_w", [1500.0, 4321.0, 28500.0])
def test_ATC_COM_PT_EGMessages_001(profile: Profile, value_w: float) -> None:
    street = Street()
    counter = street.write(Limit(active=True, value_w=value_w), profile.direction)
    answer = street.answers()[-1]
    assert (answer.msg_counter, answer.direction, answer.accepted) == (counter, profile.direction, True)
    assert street.status(profile.direction).effective_limit_w == value_w


def test_ATC_COM_PT_EGMessages_002_a_refused_limit_is_repeated_with_a_heartbeat(profile: Profile) -> None:
    street = Street(refusals=1)
    street.write(Limit(active=True, value_w=5000.0), profile.direction)
    assert not street.answers()[-1].accepted
    assert street.answers()[-1].text == "self-protection"
    street.wire.wait(54)
    assert street.status(profile.direction).state is CONTROLLED
    street.wire.wait(2)
    assert street.status(profile.direction).state is LIMITED


def test_ATC_COM_PT_EGMessages_003(profile: Profile) -> None:
    street = Street()
    for number in range(25):
        street.write(Limit(True, 1000.0 + number, duration_s=3600.0), profile.direction)
        assert street.status(profile.direction).state is LIMITED
        assert street.status(profile.direction).limit_remaining_s == 3600.0
        street.deactivate(profile.direction)
        assert street.status(profile.direction).state is CONTROLLED
        street.wire.wait(10)
    assert all(answer.accepted for answer in street.answers())


def test_ATC_COM_PT_EGMessages_004(profile: Profile) -> None:
    street = Street()
    for number in range(5):
        street.failsafe({profile.direction: 2000.0 + number}, duration_s=7200.0 + 60 * number)
        assert street.answers()[-1].accepted
    assert street.view().failsafe_w[profile.direction] == 2004.0
    assert street.view().failsafe_duration_s == 7440.0


# ------------------------------------------------------------------------------------------------ rules 3.10


def test_the_opening_write_follows_a_heartbeat_at_once() -> None:
    street = Street(connect=False)
    street.wire.wait(20)
    assert street.status().state is INIT
    street.connect()
    street.wire.wait(0)
    assert street.status().state is CONTROLLED
    assert street.status(PRODUCTION).state is CONTROLLED
    assert [(order.active, order.accepted) for order in street.orders()] == [(False, True)]
    ready = [event for event in street.box_node.log if isinstance(event, SystemReady)]
    assert [(event.ski, event.entity) for event in ready] == [(GATEWAY_SKI, (1,))]


def test_without_opening_write_the_user_sends_everything_himself() -> None:
    street = Street(EnergyGuardSettings(opening_write=False), STAYS)
    street.wire.wait(200)
    assert street.orders() == []
    street.write(Limit(active=False, value_w=0.0))
    assert street.status().state is CONTROLLED


def test_a_duration_is_removed_with_the_delete_filter() -> None:
    street = Street()
    street.write(Limit(True, 5000.0, duration_s=600.0))
    street.write(Limit(True, 5000.0))
    assert street.status().limit_remaining_s is None
    assert b'"delete"' in b"".join(entry for entry in street.box_node.log if isinstance(entry, bytes))


def test_a_partner_without_partial_writes_gets_the_complete_list() -> None:
    street = Street(connect=False)
    feature = street.gateway.device.entities[1,].find_feature("LoadControl", "server")
    assert feature is not None
    feature.functions[LIMIT_FUNCTION] = Operations(read=True, write=True)
    street.connect()
    street.write(Limit(True, 2000.0, duration_s=600.0), PRODUCTION)
    street.write(Limit(True, 5000.0))
    writes = [
        entry
        for entry in street.box_node.log
        if isinstance(entry, bytes) and b'"cmdClassifier":"write"' in entry
    ]
    assert writes
    assert not any(b'"filter"' in entry for entry in writes)
    assert street.status(CONSUMPTION).effective_limit_w == 5000.0
    assert street.status(PRODUCTION).effective_limit_w == 2000.0
    assert street.status(PRODUCTION).limit_remaining_s == 600.0


def test_after_a_reconnect_the_remaining_duration_is_stated() -> None:
    street = Street()
    street.write(Limit(True, 5000.0, duration_s=600.0))
    street.wire.wait(100)
    street.wire.cut(GATEWAY_SKI, BOX_SKI)
    street.wire.wait(50)
    street.connect()
    street.wire.wait(0)
    assert street.status().limit_remaining_s == 450.0


def test_a_limit_that_ran_out_while_disconnected_is_not_stated_as_active() -> None:
    street = Street()
    street.write(Limit(True, 5000.0, duration_s=100.0))
    street.wire.cut(GATEWAY_SKI, BOX_SKI)
    street.wire.wait(110)
    street.connect()
    street.wire.wait(0)
    assert street.status().state is CONTROLLED
    assert not street.orders()[-1].active


def test_a_silenced_heartbeat_leads_to_failsafe_and_its_return_alone_does_not_release() -> None:
    street = Street(system=STAYS)
    street.write(Limit(True, 5000.0))
    guard = street.box.energy_guard
    street.wire.run(BOX_SKI, lambda turn: guard.set_heartbeat(False, turn))
    street.wire.wait(150)
    assert street.status().state is FAILSAFE
    street.wire.run(BOX_SKI, lambda turn: guard.set_heartbeat(True, turn))
    street.wire.wait(50)
    assert street.status().state is FAILSAFE
    street.write(Limit(True, 5000.0))
    assert street.status().state is LIMITED


def test_retries_become_slower_and_heartbeats_continue() -> None:
    street = Street(refusals=3)
    street.write(Limit(active=True, value_w=5000.0))
    street.wire.wait(500)
    refused = [order.at for order in street.orders() if not order.accepted]
    assert [b - a for a, b in pairwise(refused)] == [55.0, 115.0]
    assert street.status().state is LIMITED


def test_the_partner_is_shown_as_published() -> None:
    street = Street()
    street.write(Limit(True, 3000.0, duration_s=600.0), PRODUCTION)
    view = street.view()
    assert view.limits[PRODUCTION].value_w == 3000.0
    assert view.limits[PRODUCTION].active
    assert view.limits[PRODUCTION].end_time == "PT10M"
    assert not view.limits[CONSUMPTION].active
    assert view.failsafe_w == {CONSUMPTION: 4200.0, PRODUCTION: 30000.0}
    assert view.failsafe_duration_s == 7200.0
    assert view.maxima_w == {CONSUMPTION: 34500.0, PRODUCTION: 30000.0}
    assert street.box.energy_guard.heartbeat_age_s(GATEWAY_SKI, street.wire.now) == 0.0
    assert street.box.energy_guard.heartbeat_age_s(BOX_SKI, street.wire.now) is None


def test_reading_back_shows_the_remaining_time() -> None:
    street = Street()
    street.write(Limit(True, 5000.0, duration_s=600.0))
    street.wire.wait(60)
    street.wire.run(BOX_SKI, street.box.energy_guard.read_back)
    assert street.view().limits[CONSUMPTION].end_time == "PT9M"
    changes = [event for event in street.box_node.log if isinstance(event, SystemChanged)]
    assert changes[-1].view == street.view()


def test_a_refused_failsafe_write_is_answered() -> None:
    street = Street()
    street.failsafe(duration_s=60.0)
    answer = street.answers()[-1]
    assert (answer.accepted, answer.direction, answer.error_number) == (False, None, 7)
    street.failsafe(duration_s=90000.0)
    assert not street.answers()[-1].accepted
    assert street.view().failsafe_duration_s == 86400.0, "our maximum was set and notified"


def test_without_a_partner_nothing_can_be_written() -> None:
    street = Street(connect=False)
    with pytest.raises(LocalError):
        street.write(Limit(True, 1.0))
    with pytest.raises(LocalError):
        street.deactivate()
    with pytest.raises(LocalError):
        street.failsafe(duration_s=7200.0)


def test_a_direction_that_the_partner_does_not_serve_cannot_be_written() -> None:
    street = Street(system=ControllableSystemSettings(lpp=False))
    with pytest.raises(LocalError, match="no limit"):
        street.write(Limit(True, 1.0), PRODUCTION)
    with pytest.raises(LocalError, match="no key"):
        street.failsafe({PRODUCTION: 1.0})
    assert street.status().state is CONTROLLED


def test_a_partner_that_never_answers_is_reported() -> None:
    street = Street()
    street.house.disk_answers = False
    street.failsafe({CONSUMPTION: 2000.0})
    street.wire.wait(11)
    assert [(a.accepted, a.error_number, a.text) for a in street.answers()[-1:]] == [
        (False, None, "no answer")
    ]


def test_a_write_that_the_end_of_the_connection_left_open_is_reported() -> None:
    street = Street()
    street.house.disk_answers = False
    counter = street.failsafe({CONSUMPTION: 2000.0})
    street.wire.cut(GATEWAY_SKI, BOX_SKI)
    assert [(a.msg_counter, a.accepted, a.text) for a in street.answers()[-1:]] == [
        (counter, False, "the connection ended")
    ]


def test_another_box_is_not_guarded() -> None:
    street = Street(connect=False)
    street.wire.connect(Peer(GATEWAY_SKI, PeerRole.CONTROL_BOX), Peer(BOX_SKI, PeerRole.CONTROL_BOX))
    street.wire.wait(100)
    assert street.orders() == []


def test_the_box_reads_the_grid_connection_point() -> None:
    street = Street()
    sample = {Quantity.POWER: Reading(-1530.0), Quantity.ENERGY_PRODUCED: Reading(5123400.0)}
    street.wire.run(GATEWAY_SKI, lambda turn: street.gateway.grid_connection_point.publish(sample, turn))
    assert street.box.grid_reader.values(GATEWAY_SKI) == {
        Quantity.POWER: -1530.0,
        Quantity.ENERGY_PRODUCED: 5123400.0,
    }


def test_device_addresses_are_well_formed() -> None:
    assert device_address("ACME GmbH", "Gate_1", "00/17") == "d:_n:ACMEGmbH_Gate1-0017"
    assert device_address("", "", "") == "d:_n:x_x-x"
    assert LPC.rule("902") == "LPC-902"
