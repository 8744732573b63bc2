"""Random events against the LPC/LPP machine: what must hold whatever happens."""

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eebus.usecases.limit_rules import (
    AUTONOMOUS,
    CONTROLLED_STATES,
    FAILSAFE_LIMIT_STATES,
    LIMITED,
    LOSS_TIMER_S,
    OPTIONAL_RULES,
    Event,
    HeartbeatArrived,
    Interrupted,
    LimitsWritten,
    LimitWrite,
    PowerUp,
    TimePassed,
    Trigger,
    Unchanged,
    fresh_pair,
    matching_rows,
    next_deadline,
    step,
    with_failsafe_duration,
)
from eebus.usecases.limitation import Direction

DIRECTIONS = st.sampled_from(Direction)
VALUES = st.sampled_from([-1000.0, 0.0, 4200.0, None])
DURATIONS: st.SearchStrategy[float | Unchanged | None] = st.sampled_from(
    [Unchanged.UNCHANGED, None, -1.0, 0.0, 30.0, 60.0, 119.9, 120.0, 100_000.0]
)
WRITES = st.builds(LimitWrite, DIRECTIONS, st.booleans(), VALUES, DURATIONS)
PAUSES = st.sampled_from(
    [0.0, 0.1, 1.1, 59.9, 60.0, 60.1, 119.7, 120.0, 120.3, 120.5, 7199.9, 7200.0, 100_000.0]
)


class LimitMachine(RuleBasedStateMachine):
    """Plays both directions with one heartbeat against the shell's contract: wake at every deadline."""

    @initialize(off=st.sets(st.sampled_from(sorted(OPTIONAL_RULES))), start=st.floats(0.0, 1e6))
    def start(self, off: set[str], start: float) -> None:
        self.now = start
        self.pair = fresh_pair(
            failsafe_limits_w={Direction.CONSUMPTION: 4200.0, Direction.PRODUCTION: None},
            neutral_values_w={Direction.CONSUMPTION: 34500.0, Direction.PRODUCTION: 30000.0},
            failsafe_duration_s=7200.0,
            now=start,
            optional_rules=OPTIONAL_RULES - off,
        )

    def send(self, event: Event) -> None:
        self.pair = step(self.pair, event, self.now).pair

    @rule()
    def heartbeat(self) -> None:
        self.send(HeartbeatArrived())

    @rule(write=WRITES)
    def write_one(self, write: LimitWrite) -> None:
        self.send(LimitsWritten((write,)))

    @rule(write=WRITES, neighbour=WRITES)
    def write_both(self, write: LimitWrite, neighbour: LimitWrite) -> None:
        first = replace(write, direction=Direction.CONSUMPTION)
        second = replace(neighbour, direction=Direction.PRODUCTION)
        before = self.pair
        result = step(self.pair, LimitsWritten((first, second)), self.now)
        self.pair = result.pair
        if not result.accepted:
            kept = [(m.value_w, m.limit_ends_at) for m in before.machines]
            assert [(m.value_w, m.limit_ends_at) for m in self.pair.machines] == kept

    @rule(direction=DIRECTIONS)
    def interrupt(self, direction: Direction) -> None:
        self.send(Interrupted(direction))

    @rule()
    def restart(self) -> None:
        self.send(PowerUp())

    @rule(hours=st.integers(2, 24))
    def failsafe_duration(self, hours: int) -> None:
        self.pair = with_failsafe_duration(self.pair, hours * 3600.0)
        self.settle(self.now)

    @rule(seconds=PAUSES)
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        self.settle(end)
        self.now = end

    @rule(seconds=PAUSES)
    def sleep(self, seconds: float) -> None:
        """The host slept: everything that became due fires in one call."""
        self.now += seconds
        self.send(TimePassed())

    def settle(self, end: float) -> None:
        while (due := next_deadline(self.pair)) is not None and due <= end:
            self.now = max(self.now, due)
            before = self.pair
            self.send(TimePassed())
            assert self.pair != before, "a due deadline always changes the state"

    @invariant()
    def the_flag_is_true_exactly_in_limited(self) -> None:
        for machine in self.pair.machines:
            if machine.state is LIMITED:
                assert machine.effective_limit_w == machine.value_w >= 0
            elif machine.state in FAILSAFE_LIMIT_STATES:
                assert machine.effective_limit_w == machine.failsafe_limit_w
            else:
                assert machine.effective_limit_w is None

    @invariant()
    def at_most_one_row_matches(self) -> None:
        for machine in self.pair.machines:
            for trigger in Trigger:
                assert len(matching_rows(self.pair, machine, trigger, self.now)) <= 1

    @invariant()
    def control_never_outlives_the_silence(self) -> None:
        for machine in self.pair.machines:
            if machine.state in CONTROLLED_STATES:
                assert self.pair.heartbeat_at is not None
                assert self.now <= self.pair.heartbeat_at + LOSS_TIMER_S

    @invariant()
    def every_state_has_an_exit(self) -> None:
        """Heartbeat plus limit write takes control from anywhere."""
        heard = step(self.pair, HeartbeatArrived(), self.now).pair
        for direction in Direction:
            for active in (True, False):
                write = LimitWrite(direction, active=active, value_w=1.0, duration_s=None)
                result = step(heard, LimitsWritten((write,)), self.now)
                assert result.accepted
                assert result.pair.machine(direction).state in CONTROLLED_STATES

    @invariant()
    def silence_ends_in_autonomy_when_all_rules_are_in_use(self) -> None:
        if self.pair.optional_rules == OPTIONAL_RULES:
            silent = step(self.pair, TimePassed(), self.now + 2 * 86400.0).pair
            assert {machine.state for machine in silent.machines} == {AUTONOMOUS}

    @invariant()
    def no_deadline_lies_behind(self) -> None:
        due = next_deadline(step(self.pair, TimePassed(), self.now).pair)
        assert due is None or due > self.now


TestLimitMachine = LimitMachine.TestCase
TestLimitMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
