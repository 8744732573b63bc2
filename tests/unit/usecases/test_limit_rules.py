"""The LPC/LPP machine against its specification: rows, matrix, timers, the 17 messages, the traps."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from eebus.usecases.limit_rules import (
    AUTONOMOUS,
    CONTROLLED,
    FAILSAFE,
    INIT,
    LIMITED,
    LOSS_TIMER_S,
    OPTIONAL_RULES,
    TABLE,
    DurationVerdict,
    Event,
    HeartbeatArrived,
    Interrupted,
    LimitPair,
    LimitState,
    LimitsWritten,
    LimitWrite,
    PowerUp,
    Step,
    TimePassed,
    Trigger,
    Unchanged,
    failsafe_limit_refusal,
    fresh_pair,
    judge_failsafe_duration,
    matching_rows,
    next_deadline,
    next_transition,
    step,
    with_failsafe_duration,
    with_failsafe_limit,
)
from eebus.usecases.limitation import LPC, LPP, PROFILES, Direction, Profile, profile_of

START = 1000.0
FDM = 7200.0
FAILSAFE_W = {Direction.CONSUMPTION: 4200.0, Direction.PRODUCTION: 3000.0}
NEUTRAL_W = {Direction.CONSUMPTION: 34500.0, Direction.PRODUCTION: 30000.0}

_Test = TypeVar("_Test", bound=Callable[..., None])


def rows(*keys: str) -> Callable[[_Test], _Test]:
    """Name the table rows that a test shows at work; the last test of this file checks completeness."""

    def mark(test: _Test) -> _Test:
        test.rows = keys  # type: ignore[attr-defined]
        return test

    return mark


@pytest.fixture(params=PROFILES, ids=["LPC", "LPP"])
def profile(request: pytest.FixtureRequest) -> Profile:
    chosen: Profile = request.param
    return chosen


class House:
    """A pair of machines with a clock: what a test plays on."""

    def __init__(self, profile: Profile, optional: frozenset[str] = OPTIONAL_RULES) -> None:
        self.direction = profile.direction
        self.now = START
        self.pair = fresh_pair(
            failsafe_limits_w=dict(FAILSAFE_W),
            neutral_values_w=dict(NEUTRAL_W),
            failsafe_duration_s=FDM,
            now=START,
            optional_rules=optional,
        )
        self.send(PowerUp())

    def send(self, event: Event) -> Step:
        result = step(self.pair, event, self.now)
        self.pair = result.pair
        return result

    def wait(self, seconds: float) -> None:
        """Let time pass as a shell does: wake at every deadline up to the end."""
        self.pass_to(self.now + seconds)

    def pass_to(self, end: float) -> None:
        while (due := next_deadline(self.pair)) is not None and due <= end:
            self.now = due
            before = self.pair
            self.send(TimePassed())
            assert self.pair != before, "a due deadline must change the state"
        self.now = end

    def heartbeat(self) -> Step:
        return self.send(HeartbeatArrived())

    def write(
        self,
        active: bool | None = None,
        value_w: float | None = None,
        duration_s: float | Unchanged | None = Unchanged.UNCHANGED,
        refusal: str | None = None,
        direction: Direction | None = None,
    ) -> Step:
        return self.send(
            LimitsWritten((self.merged(active, value_w, duration_s, refusal, direction or self.direction),))
        )

    def merged(
        self,
        active: bool | None,
        value_w: float | None,
        duration_s: float | Unchanged | None,
        refusal: str | None,
        direction: Direction,
    ) -> LimitWrite:
        """What a partial write means: what it does not name stays as it is."""
        machine = self.pair.machine(direction)
        return LimitWrite(
            direction,
            machine.state is LIMITED if active is None else active,
            machine.value_w if value_w is None else value_w,
            duration_s,
            refusal,
        )

    @property
    def state(self) -> LimitState:
        return self.pair.machine(self.direction).state

    @property
    def effective_w(self) -> float | None:
        return self.pair.machine(self.direction).effective_limit_w

    def brought_to(self, state: LimitState) -> "House":
        """The shortest official way into a state."""
        if state is AUTONOMOUS:
            self.wait(121)
        elif state is not INIT:
            self.heartbeat()
            self.write(active=state is LIMITED, value_w=5000.0)
            if state is FAILSAFE:
                self.wait(121)
        assert self.state is state
        return self


def fired_rules(result: Step, direction: Direction) -> list[str]:
    return [fired.row.key for fired in result.fired if fired.direction is direction]


# ---------------------------------------------------------------------------------------------------- rows


@rows("901/1 T0")
def test_LPC_901_start_is_limited_by_the_failsafe_value_in_init(profile: Profile) -> None:
    house = House(profile)
    assert house.state is INIT
    assert house.effective_w == FAILSAFE_W[profile.direction]


@rows("901/1 T0")
@pytest.mark.parametrize("state", list(LimitState))
def test_LPC_009_restart_leads_from_every_state_to_init_with_the_limit_deactivated(
    profile: Profile, state: LimitState
) -> None:
    house = House(profile).brought_to(state)
    house.send(PowerUp())
    assert house.state is INIT
    assert house.pair.heartbeat_at is None
    assert house.pair.machine(house.direction).limit_ends_at is None


@rows("902 T1")
@pytest.mark.parametrize("active", [True, False])
def test_LPC_902_rejected_limit_after_heartbeat_leaves_init(profile: Profile, active: bool) -> None:
    house = House(profile)
    house.heartbeat()
    result = house.write(active=active, value_w=-1000.0)
    assert not result.accepted
    assert house.state is CONTROLLED
    assert house.pair.machine(house.direction).value_w == NEUTRAL_W[profile.direction]
    assert fired_rules(result, profile.direction) == ["902 T1"]


@rows("905 T1")
def test_LPC_905_deactivated_limit_after_heartbeat_leaves_init(profile: Profile) -> None:
    house = House(profile)
    house.heartbeat()
    result = house.write(active=False, value_w=5000.0)
    assert result.accepted
    assert house.state is CONTROLLED
    assert house.effective_w is None


@rows("904 T2")
def test_LPC_904_activated_limit_after_heartbeat_limits(profile: Profile) -> None:
    house = House(profile)
    house.heartbeat()
    result = house.write(active=True, value_w=5000.0, duration_s=60.0)
    assert result.accepted
    assert house.state is LIMITED
    assert house.effective_w == 5000.0


@rows("906 T3")
@pytest.mark.parametrize("with_heartbeat", [False, True])
def test_LPC_906_no_limit_within_120_s_of_the_start_ends_init(profile: Profile, with_heartbeat: bool) -> None:
    house = House(profile)
    for _ in range(5):
        if with_heartbeat:
            house.heartbeat()
        house.wait(20)
    house.wait(19.9)
    assert house.state is INIT
    house.wait(0.1)
    assert house.state is AUTONOMOUS


def test_LPC_906_the_window_is_not_restarted_by_a_write_at_a_closed_gate(profile: Profile) -> None:
    house = House(profile)
    house.wait(100)
    house.write(active=False)
    house.wait(20)
    assert house.state is AUTONOMOUS


@rows("910 T4")
def test_LPC_910_activated_limit_in_unlimited_controlled_limits(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.wait(119)
    assert house.write(active=True, value_w=0.0).accepted
    assert house.state is LIMITED
    assert house.effective_w == 0.0, "0 W is a limit"


@rows("911 T5")
def test_LPC_911_silence_of_120_s_in_unlimited_controlled_is_failsafe(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.wait(120.0)
    assert house.state is CONTROLLED, "a heartbeat that was sent in time may still arrive"
    house.wait(0.5)
    assert house.state is FAILSAFE
    assert house.effective_w == FAILSAFE_W[profile.direction]


@rows("908 T6")
def test_LPC_908_end_of_the_duration_ends_the_limit(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.write(active=True, value_w=5000.0, duration_s=60.0)
    house.heartbeat()
    house.wait(59.9)
    assert house.state is LIMITED
    house.wait(0.1)
    assert house.state is CONTROLLED
    assert house.pair.machine(house.direction).limit_ends_at is None


@rows("909 T6")
def test_LPC_909_deactivation_ends_the_limit(profile: Profile) -> None:
    house = House(profile).brought_to(LIMITED)
    assert house.write(active=False).accepted
    assert house.state is CONTROLLED


@rows("923 T6")
def test_LPC_923_own_interruption_ends_the_limit(profile: Profile) -> None:
    house = House(profile).brought_to(LIMITED)
    house.send(Interrupted(house.direction))
    assert house.state is CONTROLLED


@rows("912 T7")
def test_LPC_912_silence_of_120_s_in_limited_is_failsafe_and_keeps_value_and_duration(
    profile: Profile,
) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.write(active=True, value_w=5000.0, duration_s=3600.0)
    ends_at = house.pair.machine(house.direction).limit_ends_at
    house.wait(121)
    machine = house.pair.machine(house.direction)
    assert (machine.state, machine.value_w, machine.limit_ends_at) == (FAILSAFE, 5000.0, ends_at)
    assert house.effective_w == FAILSAFE_W[profile.direction], "not the last limit"


@rows("918 T8", "918 T11")
@pytest.mark.parametrize("state", [FAILSAFE, AUTONOMOUS])
@pytest.mark.parametrize("active", [True, False])
def test_LPC_918_rejected_limit_after_heartbeat(profile: Profile, state: LimitState, active: bool) -> None:
    """Trap use cases 13.3."""
    house = House(profile).brought_to(state)
    stored = house.pair.machine(house.direction).value_w
    house.heartbeat()
    assert not house.write(active=active, value_w=-1000.0).accepted
    assert house.state is CONTROLLED
    assert house.pair.machine(house.direction).value_w == stored


@rows("920 T8", "920 T11")
@pytest.mark.parametrize("state", [FAILSAFE, AUTONOMOUS])
def test_LPC_920_deactivated_limit_after_heartbeat(profile: Profile, state: LimitState) -> None:
    house = House(profile).brought_to(state)
    house.heartbeat()
    assert house.write(active=False, value_w=4321.0).accepted
    assert house.state is CONTROLLED


@rows("919 T9", "919 T12")
@pytest.mark.parametrize("state", [FAILSAFE, AUTONOMOUS])
def test_LPC_919_activated_limit_after_heartbeat(profile: Profile, state: LimitState) -> None:
    house = House(profile).brought_to(state)
    house.heartbeat()
    assert house.write(active=True, value_w=4321.0).accepted
    assert (house.state, house.effective_w) == (LIMITED, 4321.0)


@rows("922 T10")
@pytest.mark.parametrize("with_heartbeat", [False, True])
def test_LPC_922_failsafe_ends_when_its_duration_is_over(profile: Profile, with_heartbeat: bool) -> None:
    """Trap use cases 13.7."""
    house = House(profile, OPTIONAL_RULES - {"921"}).brought_to(FAILSAFE)
    house.wait(FDM - 0.6)
    if with_heartbeat:
        house.heartbeat()
    assert house.state is FAILSAFE
    house.wait(0.1)
    assert house.state is AUTONOMOUS


@rows("921 =run", "921 T10")
def test_LPC_921_heartbeat_back_without_limit_for_120_s_ends_failsafe(profile: Profile) -> None:
    house = House(profile).brought_to(FAILSAFE)
    house.heartbeat()
    house.wait(50)
    house.heartbeat()
    house.wait(69.9)
    assert house.state is FAILSAFE
    house.wait(0.1)
    assert house.state is AUTONOMOUS


@rows("921 =off")
def test_LPC_921_heartbeat_that_dies_again_clears_the_window_and_the_next_one_starts_anew(
    profile: Profile,
) -> None:
    house = House(profile).brought_to(FAILSAFE)
    house.heartbeat()
    house.wait(120)
    assert house.state is FAILSAFE, "the only heartbeat is 120 s old"
    assert house.pair.machine(house.direction).window_ends_at is None
    house.wait(30)
    house.heartbeat()
    house.wait(60)
    house.heartbeat()
    house.wait(60)
    assert house.state is AUTONOMOUS


def test_LPC_921_a_window_of_an_earlier_failsafe_does_not_end_the_next_one(profile: Profile) -> None:
    house = House(profile).brought_to(FAILSAFE)
    house.heartbeat()
    house.write(active=False)
    house.wait(50)
    house.heartbeat()
    house.wait(150)
    assert house.state is FAILSAFE


@rows("TS-036 =fs")
def test_LPC_TS_036_write_at_the_closed_gate_restarts_a_running_921_window(profile: Profile) -> None:
    house = House(profile).brought_to(FAILSAFE)
    house.heartbeat()
    house.wait(70)
    assert not house.write(active=False).accepted
    house.heartbeat()
    house.wait(60)
    house.heartbeat()
    house.wait(59)
    assert house.state is FAILSAFE
    house.wait(1)
    assert house.state is AUTONOMOUS


@rows("TS-036 =fs")
def test_LPC_TS_036_write_at_the_closed_gate_starts_no_window(profile: Profile) -> None:
    house = House(profile).brought_to(FAILSAFE)
    house.write(active=False)
    assert house.pair.machine(house.direction).window_ends_at is None


@rows("TS-036 =", "TS-036 =fs")
@pytest.mark.parametrize("state", [INIT, FAILSAFE, AUTONOMOUS])
@pytest.mark.parametrize("value_w", [4321.0, -1000.0])
@pytest.mark.parametrize("active", [True, False])
def test_LPC_TS_036_gate_comes_before_the_value(
    profile: Profile, state: LimitState, value_w: float, active: bool
) -> None:
    """Trap use cases 13.2."""
    house = House(profile).brought_to(state)
    before = house.pair
    assert not house.write(active=active, value_w=value_w).accepted
    assert house.state is state
    assert house.pair == before


@pytest.mark.parametrize(("age_s", "open_"), [(0.0, True), (60.0, True), (60.1, False)])
def test_LPC_TS_036_gate_stays_open_for_60_s_inclusive(profile: Profile, age_s: float, open_: bool) -> None:
    house = House(profile)
    house.heartbeat()
    house.wait(age_s)
    assert house.write(active=False).accepted is open_


def test_LPC_TS_036_a_heartbeat_of_failsafe_still_counts_after_T10(profile: Profile) -> None:
    house = House(profile, OPTIONAL_RULES - {"921"}).brought_to(FAILSAFE)
    house.wait(FDM - 10.5)
    house.heartbeat()
    house.wait(10)
    assert house.state is AUTONOMOUS
    assert house.write(active=True).accepted


@rows("907/1 =")
@pytest.mark.parametrize("active", [True, False])
def test_LPC_907_1_rejected_limit_changes_nothing_in_unlimited_controlled(
    profile: Profile, active: bool
) -> None:
    """Trap use cases 13.3."""
    house = House(profile).brought_to(CONTROLLED)
    before = house.pair
    assert not house.write(active=active, value_w=-1000.0, duration_s=60.0).accepted
    assert house.pair == before


@rows("907/2 =")
@pytest.mark.parametrize("active", [True, False])
def test_LPC_907_2_rejected_limit_changes_nothing_in_limited(profile: Profile, active: bool) -> None:
    house = House(profile).brought_to(LIMITED)
    before = house.pair
    assert not house.write(active=active, value_w=-1000.0, duration_s=60.0).accepted
    assert house.pair == before


@rows("008 =off")
def test_LPC_008_deactivated_limit_is_stored_in_unlimited_controlled(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    assert house.write(active=False, value_w=4321.0).accepted
    assert house.state is CONTROLLED
    house.write(active=True)
    assert house.effective_w == 4321.0


@rows("008 =on")
def test_LPC_008_new_value_replaces_the_old_one_and_restarts_the_duration(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.write(active=True, value_w=5000.0, duration_s=100.0)
    entered_at = house.pair.machine(house.direction).entered_at
    house.wait(90)
    house.heartbeat()
    result = house.write(active=True, value_w=3000.0, duration_s=100.0)
    assert result.fired[0].limit_changed, "each new value is a step of its own in the record"
    assert house.effective_w == 3000.0
    assert house.pair.machine(house.direction).entered_at == entered_at
    house.wait(99)
    assert house.state is LIMITED
    house.wait(1)
    assert house.state is CONTROLLED


@rows("007 =")
@pytest.mark.parametrize("state", [CONTROLLED, FAILSAFE, AUTONOMOUS])
def test_LPC_007_a_duration_runs_in_every_state_and_is_dropped_at_its_end(
    profile: Profile, state: LimitState
) -> None:
    house = House(profile).brought_to(CONTROLLED)
    end = house.now + (60.0 if state is CONTROLLED else 300.0 if state is FAILSAFE else 10_000.0)
    house.write(duration_s=end - house.now)
    house.pass_to(end - 1)
    assert house.state is state
    assert house.pair.machine(house.direction).limit_ends_at == end
    house.wait(1)
    assert house.pair.machine(house.direction).limit_ends_at is None
    assert house.state is state


@rows("007 =")
def test_LPC_007_a_duration_left_over_from_before_is_dropped_in_init_too(profile: Profile) -> None:
    house = House(profile)
    machine = replace(house.pair.machine(house.direction), limit_ends_at=house.now + 5)
    house.pair = house.pair.with_machine(machine)
    house.wait(5)
    assert house.state is INIT
    assert house.pair.machine(house.direction).limit_ends_at is None


# -------------------------------------------------------------------------------------------------- matrix

CLOSED, REJECT, OFF, ON = (
    Trigger.WRITE_BEFORE_HEARTBEAT,
    Trigger.WRITE_REJECTED,
    Trigger.WRITE_DEACTIVATED,
    Trigger.WRITE_ACTIVATED,
)
STATES = (INIT, CONTROLLED, LIMITED, FAILSAFE, AUTONOMOUS)
MATRIX = {
    # event:                      init        controlled  limited     failsafe    autonomous
    Trigger.HEARTBEAT: (INIT, CONTROLLED, LIMITED, FAILSAFE, AUTONOMOUS),
    CLOSED: (INIT, CONTROLLED, LIMITED, FAILSAFE, AUTONOMOUS),
    ON: (LIMITED, LIMITED, LIMITED, LIMITED, LIMITED),
    OFF: (CONTROLLED, CONTROLLED, CONTROLLED, CONTROLLED, CONTROLLED),
    REJECT: (CONTROLLED, CONTROLLED, LIMITED, CONTROLLED, CONTROLLED),
    Trigger.HEARTBEAT_LOST: (INIT, FAILSAFE, FAILSAFE, FAILSAFE, AUTONOMOUS),
    Trigger.INIT_WINDOW_OVER: (AUTONOMOUS, CONTROLLED, LIMITED, FAILSAFE, AUTONOMOUS),
    Trigger.FAILSAFE_WINDOW_OVER: (INIT, CONTROLLED, LIMITED, AUTONOMOUS, AUTONOMOUS),
    Trigger.FAILSAFE_DURATION_OVER: (INIT, CONTROLLED, LIMITED, AUTONOMOUS, AUTONOMOUS),
    Trigger.DURATION_OVER: (INIT, CONTROLLED, CONTROLLED, FAILSAFE, AUTONOMOUS),
    Trigger.INTERRUPTION: (INIT, CONTROLLED, CONTROLLED, FAILSAFE, AUTONOMOUS),
    Trigger.POWER_UP: (INIT, INIT, INIT, INIT, INIT),
}
CELLS = [(trigger, STATES[i], target) for trigger, line in MATRIX.items() for i, target in enumerate(line)]


@pytest.mark.parametrize(("trigger", "state", "target"), CELLS, ids=lambda value: str(value.name))
def test_matrix_3_3_the_table_names_one_row_or_none_for_every_cell(
    profile: Profile, trigger: Trigger, state: LimitState, target: LimitState
) -> None:
    house = House(profile).brought_to(state)
    pair = replace(house.pair, heartbeat_at=house.now)
    found = matching_rows(pair, pair.machine(house.direction), trigger, house.now)
    assert len(found) <= 1
    assert (found[0].target if found and found[0].target else state) is target


def _play(house: House, trigger: Trigger) -> None:
    """Bring about the trigger by events and time alone."""
    gate = {INIT, FAILSAFE, AUTONOMOUS}
    match trigger:
        case Trigger.HEARTBEAT:
            house.heartbeat()
        case Trigger.WRITE_BEFORE_HEARTBEAT:
            house.write(active=None, value_w=1.0)
        case Trigger.WRITE_ACTIVATED | Trigger.WRITE_DEACTIVATED | Trigger.WRITE_REJECTED:
            if house.state in gate:
                house.heartbeat()
            value_w = -1.0 if trigger is REJECT else 1.0
            house.write(active=trigger is ON, value_w=value_w)
        case Trigger.HEARTBEAT_LOST:
            house.pair = replace(house.pair, optional_rules=frozenset())
            house.wait(121)
        case Trigger.INIT_WINDOW_OVER:
            for _ in range(3):
                house.wait(40)
                house.heartbeat()
        case Trigger.FAILSAFE_WINDOW_OVER:
            house.pair = replace(house.pair, optional_rules=frozenset({"921"}))
            for _ in range(4):
                house.heartbeat()
                house.wait(40)
        case Trigger.FAILSAFE_DURATION_OVER:
            house.pair = replace(house.pair, optional_rules=frozenset({"922"}))
            for _ in range(int(FDM // 60) + 1):
                house.heartbeat()
                house.wait(60)
        case Trigger.DURATION_OVER:
            house.pair = replace(house.pair, optional_rules=frozenset())
            machine = replace(house.pair.machine(house.direction), limit_ends_at=house.now + 1)
            house.pair = house.pair.with_machine(machine)
            house.wait(1)
        case Trigger.INTERRUPTION:
            house.send(Interrupted(house.direction))
        case Trigger.POWER_UP:
            house.send(PowerUp())


@pytest.mark.parametrize(("trigger", "state", "target"), CELLS, ids=lambda value: str(value.name))
def test_matrix_3_3_every_cell_played(
    profile: Profile, trigger: Trigger, state: LimitState, target: LimitState
) -> None:
    house = House(profile).brought_to(state)
    _play(house, trigger)
    assert house.state is target


@pytest.mark.parametrize("state", STATES)
def test_matrix_3_3_configuration_is_open_only_in_controlled_states(
    profile: Profile, state: LimitState
) -> None:
    """Trap use cases 13.2."""
    house = House(profile).brought_to(state)
    house.heartbeat()
    is_open = state in {CONTROLLED, LIMITED}
    assert (failsafe_limit_refusal(house.pair, house.direction, 5000.0) is None) is is_open
    verdict = judge_failsafe_duration(house.pair, 7260.0, 86400.0)
    assert verdict is (DurationVerdict.ACCEPTED if is_open else DurationVerdict.NOT_CONTROLLED)


# -------------------------------------------------------------------------------------- ties and late timers


def test_tie_a_message_at_the_deadline_comes_before_the_timer(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.now += LOSS_TIMER_S
    house.heartbeat()
    house.send(TimePassed())
    assert house.state is CONTROLLED


def test_tie_a_late_message_finds_the_timer_already_fired(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    lost_at = house.now + LOSS_TIMER_S
    house.now += 120.6
    house.heartbeat()
    machine = house.pair.machine(house.direction)
    assert (machine.state, machine.entered_at) == (FAILSAFE, lost_at)
    assert machine.window_ends_at == house.now + 120.0


def test_tie_duration_before_heartbeat_loss(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.write(active=True, value_w=5000.0, duration_s=LOSS_TIMER_S)
    house.now += LOSS_TIMER_S
    fired = [f.row.rule for f in house.send(TimePassed()).fired if f.direction is profile.direction]
    assert fired == ["908", "911"]


def test_tie_921_before_922(profile: Profile) -> None:
    house = House(profile).brought_to(FAILSAFE)
    entered_at = house.pair.machine(house.direction).entered_at
    house.pass_to(entered_at + FDM - 120.0)
    house.heartbeat()
    house.now += 60.0
    house.heartbeat()
    house.pass_to(entered_at + FDM)
    assert (house.state, house.pair.machine(house.direction).rule) == (AUTONOMOUS, "921")


def test_a_host_that_slept_fires_the_timers_in_their_order(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.now += LOSS_TIMER_S + FDM
    fired = [f.row.rule for f in house.send(TimePassed()).fired if f.direction is profile.direction]
    assert fired == ["911", "922"]


def test_next_deadline_and_next_transition_name_the_timer(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    assert next_transition(house.pair, house.direction) == (house.now + LOSS_TIMER_S, Trigger.HEARTBEAT_LOST)
    house = House(profile, frozenset())
    assert next_deadline(house.pair) is None
    assert next_transition(house.pair, house.direction) is None


def test_the_end_of_a_limit_that_is_not_in_force_is_no_transition(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.write(active=True, value_w=5000.0, duration_s=1800.0)
    house.wait(121)
    assert house.state is FAILSAFE
    over_at = house.pair.machine(house.direction).entered_at + FDM
    assert next_transition(house.pair, house.direction) == (over_at, Trigger.FAILSAFE_DURATION_OVER)
    house = House(profile).brought_to(AUTONOMOUS)
    house.heartbeat()
    house.write(active=False, value_w=5000.0, duration_s=60.0)
    assert next_transition(house.pair, house.direction) == (house.now + LOSS_TIMER_S, Trigger.HEARTBEAT_LOST)


@pytest.mark.parametrize(("rule", "state", "seconds"), [("906", INIT, 200.0), ("922", FAILSAFE, FDM + 200.0)])
def test_optional_rules_can_be_switched_off_one_by_one(
    profile: Profile, rule: str, state: LimitState, seconds: float
) -> None:
    house = House(profile, OPTIONAL_RULES - {rule}).brought_to(state)
    house.wait(seconds)
    assert house.state is state


def test_optional_rule_921_switched_off_keeps_failsafe_under_a_heartbeat(profile: Profile) -> None:
    house = House(profile, OPTIONAL_RULES - {"921"}).brought_to(FAILSAFE)
    for _ in range(10):
        house.heartbeat()
        house.wait(30)
    assert house.state is FAILSAFE
    assert house.pair.machine(house.direction).window_ends_at is None


# ------------------------------------------------------------------------------------- the 17 messages (3.5)

VALUE = 4321.0
KEEP = Unchanged.UNCHANGED
MESSAGES: dict[int, tuple[float | None, bool | None, float | Unchanged | None]] = {
    1: (VALUE, None, KEEP),
    2: (None, True, KEEP),
    3: (None, False, KEEP),
    4: (None, None, None),
    5: (None, None, 60.0),
    6: (VALUE, True, KEEP),
    7: (VALUE, False, KEEP),
    8: (VALUE, None, None),
    9: (VALUE, None, 60.0),
    10: (None, True, None),
    11: (None, True, 60.0),
    12: (None, False, None),
    13: (None, False, 60.0),
    14: (VALUE, True, None),
    15: (VALUE, True, 60.0),
    16: (VALUE, False, None),
    17: (VALUE, False, 60.0),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("number", MESSAGES)
def test_the_17_messages_in_every_state(profile: Profile, state: LimitState, number: int) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.write(active=state is LIMITED, value_w=5000.0, duration_s=500_000.0)
    if state is INIT:
        house.send(PowerUp())
        stored_end = None
    else:
        stored_end = house.now + 500_000.0
    if state is FAILSAFE:
        house.wait(121)
    if state is AUTONOMOUS:
        house.wait(121 + FDM)
    assert house.state is state
    house.heartbeat()

    value, active, duration = MESSAGES[number]
    was_limited = state is LIMITED
    assert house.write(active=active, value_w=value, duration_s=duration).accepted

    machine = house.pair.machine(house.direction)
    expect_active = was_limited if active is None else active
    assert house.state is (LIMITED if expect_active else CONTROLLED)
    assert machine.value_w == (5000.0 if value is None else value)
    expected_end = stored_end if duration is KEEP else None if duration is None else house.now + 60.0
    assert machine.limit_ends_at == expected_end
    if not expect_active or expected_end is None or duration is KEEP:
        return
    house.wait(60)
    assert house.state is CONTROLLED


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("duration_s", [0.0, -5.0])
def test_IG_2_2_active_limit_with_no_time_left_is_accepted_and_expires_at_once(
    profile: Profile, state: LimitState, duration_s: float
) -> None:
    """Trap use cases 13.7."""
    house = House(profile).brought_to(state)
    house.heartbeat()
    assert house.write(active=True, value_w=1000.0, duration_s=duration_s).accepted
    assert house.state is CONTROLLED
    assert house.pair.machine(house.direction).limit_ends_at is None


def test_LPC_TS_008_after_expiry_a_new_activation_does_not_expire_at_once(profile: Profile) -> None:
    """Trap use cases 13.7."""
    house = House(profile).brought_to(CONTROLLED)
    house.write(active=True, value_w=5000.0, duration_s=10.0)
    house.wait(20)
    house.heartbeat()
    house.write(active=True)
    house.wait(100)
    assert house.state is LIMITED


def test_LPC_TS_035_2_a_permitted_reason_refuses_an_activated_limit_only(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    refused = house.write(active=True, value_w=1000.0, refusal="self-protection")
    assert refused.outcomes[0].reason == "self-protection"
    assert not refused.accepted
    assert house.write(active=False, value_w=1000.0, refusal="self-protection").accepted


def test_an_activated_limit_without_any_value_is_rejected(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    write = LimitWrite(profile.direction, active=True, value_w=None)
    assert not house.send(LimitsWritten((write,))).accepted
    write = replace(write, active=False)
    assert house.send(LimitsWritten((write,))).accepted
    assert house.pair.machine(house.direction).value_w == 5000.0


# --------------------------------------------------------------------------------------- both directions


def other(profile: Profile) -> Profile:
    return LPP if profile is LPC else LPC


def test_directions_share_the_heartbeat_but_change_state_alone(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    house.pair = replace(house.pair, optional_rules=frozenset())
    for _ in range(10):
        house.heartbeat()
        house.wait(50)
    assert house.state is CONTROLLED
    assert house.pair.machine(other(profile).direction).state is INIT
    assert failsafe_limit_refusal(house.pair, other(profile).direction, 1.0) is not None
    assert judge_failsafe_duration(house.pair, 7260.0, 86400.0) is DurationVerdict.ACCEPTED


def test_a_write_with_one_bad_limit_is_refused_whole_and_both_machines_react(profile: Profile) -> None:
    house = House(profile)
    house.heartbeat()
    good = LimitWrite(profile.direction, active=True, value_w=1000.0)
    bad = LimitWrite(other(profile).direction, active=True, value_w=-1000.0)
    result = house.send(LimitsWritten((good, bad)))
    assert not result.accepted
    assert [outcome.accepted for outcome in result.outcomes] == [False, False]
    assert "another limit" in result.outcomes[0].reason
    assert {m.state for m in house.pair.machines} == {CONTROLLED}
    assert house.pair.machine(profile.direction).value_w == NEUTRAL_W[profile.direction]


def test_a_mixed_write_keeps_each_gate_and_each_limit(profile: Profile) -> None:
    house = House(profile, frozenset()).brought_to(LIMITED)
    house.wait(90)
    both = tuple(LimitWrite(p.direction, active=True, value_w=1000.0) for p in (profile, other(profile)))
    result = house.send(LimitsWritten(both))
    assert not result.accepted
    assert house.effective_w == 5000.0
    assert house.pair.machine(other(profile).direction).state is INIT


def test_a_pair_may_serve_one_direction_only() -> None:
    pair = fresh_pair(
        failsafe_limits_w={Direction.CONSUMPTION: 4200.0},
        neutral_values_w=NEUTRAL_W,
        failsafe_duration_s=FDM,
        now=START,
    )
    assert [m.profile for m in pair.machines] == [LPC]
    with pytest.raises(KeyError):
        pair.machine(Direction.PRODUCTION)


def test_production_that_must_not_be_cut_has_no_effective_failsafe_limit() -> None:
    pair = fresh_pair(
        failsafe_limits_w={Direction.CONSUMPTION: 4200.0, Direction.PRODUCTION: None},
        neutral_values_w=NEUTRAL_W,
        failsafe_duration_s=FDM,
        now=START,
        optional_rules=frozenset(),
    )
    assert pair.machine(Direction.PRODUCTION).state is INIT
    assert pair.machine(Direction.PRODUCTION).effective_limit_w is None


# --------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("duration_s", "verdict"),
    [
        (6840.0, DurationVerdict.TOO_SHORT),
        (7199.0, DurationVerdict.TOO_SHORT),
        (7200.0, DurationVerdict.ACCEPTED),
        (43200.0, DurationVerdict.ACCEPTED),
        (45360.0, DurationVerdict.TOO_LONG),
    ],
)
def test_LPC_022_failsafe_duration_range(
    profile: Profile, duration_s: float, verdict: DurationVerdict
) -> None:
    house = House(profile).brought_to(CONTROLLED)
    assert judge_failsafe_duration(house.pair, duration_s, 43200.0) is verdict


def test_LPC_022_nothing_above_24_h_even_if_the_own_maximum_is_larger(profile: Profile) -> None:
    house = House(profile).brought_to(CONTROLLED)
    assert judge_failsafe_duration(house.pair, 90000.0, 100000.0) is DurationVerdict.TOO_LONG


@pytest.mark.parametrize(("value_w", "accepted"), [(-1000.0, False), (0.0, True), (36225.0, True)])
def test_LPC_010_failsafe_limit_is_never_negative(profile: Profile, value_w: float, accepted: bool) -> None:
    house = House(profile).brought_to(LIMITED)
    assert (failsafe_limit_refusal(house.pair, house.direction, value_w) is None) is accepted


def test_LPC_021_new_failsafe_limit_acts_in_the_next_failsafe(profile: Profile) -> None:
    house = House(profile).brought_to(LIMITED)
    house.pair = with_failsafe_limit(house.pair, house.direction, 1725.0)
    assert house.effective_w == 5000.0
    house.wait(121)
    assert house.effective_w == 1725.0


def test_a_new_failsafe_duration_moves_the_end_of_a_running_failsafe_of_the_other_direction(
    profile: Profile,
) -> None:
    house = House(profile, frozenset({"922"})).brought_to(FAILSAFE)
    entered_at = house.pair.machine(house.direction).entered_at
    house.pair = with_failsafe_duration(house.pair, 3 * 3600.0)
    house.pass_to(entered_at + 3 * 3600.0 - 1)
    assert house.state is FAILSAFE
    house.wait(1)
    assert house.state is AUTONOMOUS


# ------------------------------------------------------------------------------------------------------ meta


def test_every_row_of_the_table_is_named_by_a_test_and_every_name_is_a_row() -> None:
    named = {key for test in globals().values() for key in getattr(test, "rows", ())}
    keys = [row.key for row in TABLE]
    assert len(set(keys)) == len(keys)
    assert named == set(keys)


def test_rule_names_follow_the_profile() -> None:
    house = House(LPP)
    house.heartbeat()
    fired = [f for f in house.write(active=True, value_w=1.0).fired if f.direction is Direction.PRODUCTION]
    assert [f.rule for f in fired] == ["LPP-904"]
    assert profile_of(Direction.PRODUCTION) is LPP


def test_pairs_are_values() -> None:
    pair: LimitPair = House(LPC).pair
    assert pair == House(LPC).pair
