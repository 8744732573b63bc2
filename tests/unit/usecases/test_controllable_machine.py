"""Random talk between a box and our controllable system on the wire: what must hold whatever happens."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eebus.spine.model.load_control import LoadControlLimitListData
from eebus.spine.values import to_float
from eebus.usecases.controllable_system import DirectionStatus
from eebus.usecases.events import LimitStateChanged, OrderReceived
from eebus.usecases.limit_rules import LIMITED, LimitState
from eebus.usecases.limitation import PROFILES, Direction, Profile
from tests.unit.usecases.twin import BOX_SKI, House

WATTS = st.sampled_from([-1000.0, 0.0, 4321.0, 36225.0])


class ControllableMachine(RuleBasedStateMachine):
    """A box that does anything the protocol allows."""

    @initialize()
    def start(self) -> None:
        self.house = House()

    @property
    def connected(self) -> bool:
        return BOX_SKI in self.house.node.stack.peers()

    @rule()
    @precondition(lambda self: self.connected)
    def heartbeat(self) -> None:
        self.house.tester.heartbeat()

    @rule(
        number=st.integers(1, 17),
        value_w=WATTS,
        duration_s=st.sampled_from([0.0, 60.0, 7000.0]),
        profile=st.sampled_from(PROFILES),
    )
    @precondition(lambda self: self.connected)
    def write_limit(self, number: int, value_w: float, duration_s: float, profile: Profile) -> None:
        error_number = self.house.message(number, value_w, duration_s, profile)
        order = [entry for entry in self.house.node.log if isinstance(entry, OrderReceived)][-1]
        assert (error_number == 0) is order.accepted
        assert order.direction is profile.direction

    @rule(value_w=WATTS, profile=st.sampled_from(PROFILES))
    @precondition(lambda self: self.connected)
    def write_failsafe_limit(self, value_w: float, profile: Profile) -> None:
        assert self.house.failsafe_limit(value_w, profile) in (0, 7)

    @rule(duration_s=st.sampled_from([60.0, 7200.0, 86400.0, 90000.0]))
    @precondition(lambda self: self.connected)
    def write_failsafe_duration(self, duration_s: float) -> None:
        assert self.house.failsafe_duration(duration_s) in (0, 7)

    @rule(seconds=st.sampled_from([0.5, 30.0, 61.0, 121.0, 8000.0]))
    def wait(self, seconds: float) -> None:
        self.house.wire.wait(seconds)

    @rule()
    @precondition(lambda self: self.connected)
    def cut(self) -> None:
        self.house.cut()

    @rule()
    @precondition(lambda self: not self.connected)
    def connect(self) -> None:
        self.house.connect()

    @rule()
    def restart(self) -> None:
        self.house.power_on()

    @invariant()
    def what_is_published_is_complete_and_true(self) -> None:
        data = self.house.node.stack.device.entities[1,].features[2].data("loadControlLimitListData")
        assert isinstance(data, LoadControlLimitListData)
        for profile, item in zip(PROFILES, data.load_control_limit_data or (), strict=True):
            status = self._status(profile.direction)
            assert item.is_limit_active is (status.state is LIMITED)
            assert to_float(item.value) == status.stored_value_w * profile.wire_sign
            assert (item.time_period is None) or status.state is not LimitState.INIT

    @invariant()
    def the_application_knows_the_limit_in_force(self) -> None:
        for direction in Direction:
            told = [
                entry
                for entry in self.house.node.log
                if isinstance(entry, LimitStateChanged) and entry.direction is direction
            ]
            status = self._status(direction)
            assert (told[-1].after, told[-1].effective_limit_w, told[-1].until) == (
                status.state,
                status.effective_limit_w,
                status.limit_until,
            )

    def _status(self, direction: Direction) -> DirectionStatus:
        status = self.house.gateway.controllable_system.status(self.house.wire.now)
        found = status.consumption if direction is Direction.CONSUMPTION else status.production
        assert found is not None
        return found


TestControllableMachine = ControllableMachine.TestCase
TestControllableMachine.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
