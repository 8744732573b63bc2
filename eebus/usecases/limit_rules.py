"""The state machine of a controllable system (LPC and LPP 1.0.0) as one table beside the specification.

A row says: in these states, on this trigger, go there and do that; it carries the number of its rule and of
the official test requirement. One machine exists per direction; both hear the same heartbeat and share one
failsafe duration, hence the pair. Everything is pure: ``step(pair, event, now)`` returns the next pair and
the rows that fired, ``next_deadline(pair)`` the moment at which time alone changes something.

Deadlines are absolute and compared with ``now`` itself: a difference of floats rounds differently and would
let a timer fire that is not due. Late timers fire in their order and as of their own moment; a message that
arrives exactly at a deadline counts as earlier than the timer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Final

from eebus.usecases.limitation import (
    LONGEST_FAILSAFE_DURATION_S,
    PROFILES,
    SHORTEST_FAILSAFE_DURATION_S,
    Direction,
    Profile,
)

HEARTBEAT_LOSS_S: Final = 120.0
"""Silence after which control is lost (LPC-911, -912)."""
LOSS_TIMER_S: Final = HEARTBEAT_LOSS_S + 0.5
"""When the loss is acted upon: a heartbeat sent 120 s after the last one is in time, and it travels
(ATC CSLimited_002); testers look after 130 s.
"""
GATE_S: Final = 60.0
"""A limit write opens a gate state only this long after a heartbeat, inclusive (LPC-TS-036)."""
INIT_WINDOW_S: Final = 120.0
"""Longest wait for a first limit (LPC-906)."""
FAILSAFE_WINDOW_S: Final = 120.0
"""Longest wait for a limit once the heartbeat is back (LPC-921)."""


class LimitState(StrEnum):
    """The five states of use case reference 3.1."""

    INIT = "init"
    UNLIMITED_CONTROLLED = "unlimited/controlled"
    LIMITED = "limited"
    FAILSAFE = "failsafe"
    UNLIMITED_AUTONOMOUS = "unlimited/autonomous"


INIT = LimitState.INIT
CONTROLLED = LimitState.UNLIMITED_CONTROLLED
LIMITED = LimitState.LIMITED
FAILSAFE = LimitState.FAILSAFE
AUTONOMOUS = LimitState.UNLIMITED_AUTONOMOUS

GATE_STATES: Final = frozenset({INIT, FAILSAFE, AUTONOMOUS})
"""States in which a write needs a recent heartbeat and configuration is refused."""
CONTROLLED_STATES: Final = frozenset({CONTROLLED, LIMITED})
"""States in which the energy guard is in control."""
FAILSAFE_LIMIT_STATES: Final = frozenset({INIT, FAILSAFE})
"""States in which the failsafe limit applies."""


class Trigger(Enum):
    """What can make a row fire: the columns of the state × event matrix."""

    POWER_UP = "power-up"
    HEARTBEAT = "heartbeat"
    WRITE_BEFORE_HEARTBEAT = "limit write without a recent heartbeat"
    WRITE_REJECTED = "limit write that cannot be applied"
    WRITE_DEACTIVATED = "deactivated limit"
    WRITE_ACTIVATED = "activated limit"
    INTERRUPTION = "own interruption for a permitted reason"
    DURATION_OVER = "the duration of the limit is over"
    HEARTBEAT_LOST = "no heartbeat for 120 s"
    INIT_WINDOW_OVER = "no limit within 120 s after the start"
    FAILSAFE_WINDOW_OVER = "no limit within 120 s after the heartbeat returned"
    FAILSAFE_DURATION_OVER = "the failsafe duration is over"


ACCEPTED_WRITES: Final = frozenset({Trigger.WRITE_DEACTIVATED, Trigger.WRITE_ACTIVATED})

TIE_ORDER: Final = (
    Trigger.DURATION_OVER,
    Trigger.HEARTBEAT_LOST,
    Trigger.INIT_WINDOW_OVER,
    Trigger.FAILSAFE_WINDOW_OVER,
    Trigger.FAILSAFE_DURATION_OVER,
)
"""Timers that are due at the same instant fire in this order."""


class Unchanged(Enum):
    """Marks a part of a write that the message did not name."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class LimitWrite:
    """One limit of a write, already merged with the stored one."""

    direction: Direction
    active: bool
    value_w: float | None
    """Magnitude; negative when the sign on the wire was wrong; None when there is no value at all."""
    duration_s: float | Unchanged | None = UNCHANGED
    """From reception; None = no end; unchanged = the remaining time of the stored limit stays."""
    refusal: str | None = None
    """A permitted reason of our own not to apply an activated limit (LPC-TS-035/2, /3)."""


@dataclass(frozen=True, slots=True)
class PowerUp:
    """The system starts, or was reset."""


@dataclass(frozen=True, slots=True)
class HeartbeatArrived:
    """A heartbeat of the energy guard was received."""


@dataclass(frozen=True, slots=True)
class LimitsWritten:
    """The energy guard wrote limits: one message, all or nothing."""

    writes: tuple[LimitWrite, ...]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """We stop applying the limit for a permitted reason (LPC-923)."""

    direction: Direction


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing came; deadlines may be due."""


Event = PowerUp | HeartbeatArrived | LimitsWritten | Interrupted | TimePassed


@dataclass(frozen=True, slots=True)
class DirectionState:
    """One machine. The *active* flag is no variable of its own: it is true exactly in state limited."""

    profile: Profile
    state: LimitState
    entered_at: float
    rule: str
    """Number of the rule that led into the state."""
    value_w: float
    """Magnitude of the stored limit; a neutral value before the first write."""
    limit_ends_at: float | None
    failsafe_limit_w: float | None
    """None: the failsafe limit does not restrict (production that must not be cut)."""
    window_ends_at: float | None
    """End of the 120 s that began with the first heartbeat in failsafe (921)."""

    @property
    def effective_limit_w(self) -> float | None:
        """What restricts now, or None."""
        if self.state is LIMITED:
            return self.value_w
        return self.failsafe_limit_w if self.state in FAILSAFE_LIMIT_STATES else None


@dataclass(frozen=True, slots=True)
class LimitPair:
    """The machines of the directions served, with what they share."""

    machines: tuple[DirectionState, ...]
    heartbeat_at: float | None
    failsafe_duration_s: float
    optional_rules: frozenset[str]
    """Numbers of the MAY rows in use."""

    def machine(self, direction: Direction) -> DirectionState:
        """The machine of one direction. Raises KeyError when that direction is not served."""
        for machine in self.machines:
            if machine.profile.direction is direction:
                return machine
        raise KeyError(direction)

    def with_machine(self, changed: DirectionState) -> "LimitPair":
        """The pair with one machine replaced."""
        machines = tuple(changed if m.profile is changed.profile else m for m in self.machines)
        return replace(self, machines=machines)


@dataclass(frozen=True, slots=True)
class Occasion:
    """What the action of a row may look at."""

    at: float
    write: LimitWrite | None = None


Action = Callable[[DirectionState, Occasion], DirectionState]
Guard = Callable[[LimitPair, float], bool]


def store_write(machine: DirectionState, occasion: Occasion) -> DirectionState:
    """Take over value and end; the duration runs from reception, active or not (LPC-007)."""
    write = occasion.write
    assert write is not None, "only a write stores a limit"
    value_w = machine.value_w if write.value_w is None else write.value_w
    ends_at = machine.limit_ends_at
    if not isinstance(write.duration_s, Unchanged):
        ends_at = None if write.duration_s is None else occasion.at + write.duration_s
    return replace(machine, value_w=value_w, limit_ends_at=ends_at)


def drop_duration(machine: DirectionState, _: Occasion) -> DirectionState:
    """Remove the end: a later activation must not expire at once."""
    return replace(machine, limit_ends_at=None)


def start_window(machine: DirectionState, occasion: Occasion) -> DirectionState:
    """Begin the 921 window with the first heartbeat; later ones do not move it."""
    if machine.window_ends_at is not None:
        return machine
    return replace(machine, window_ends_at=occasion.at + FAILSAFE_WINDOW_S)


def restart_window(machine: DirectionState, occasion: Occasion) -> DirectionState:
    """The energy guard is there and trying: give it a new window if one runs."""
    if machine.window_ends_at is None:
        return machine
    return replace(machine, window_ends_at=occasion.at + FAILSAFE_WINDOW_S)


def clear_window(machine: DirectionState, _: Occasion) -> DirectionState:
    """The heartbeat died again; the next one begins a new window."""
    return replace(machine, window_ends_at=None)


def heartbeat_alive(pair: LimitPair, at: float) -> bool:
    """The last heartbeat is younger than the loss time."""
    return pair.heartbeat_at is not None and at < pair.heartbeat_at + HEARTBEAT_LOSS_S


def heartbeat_dead(pair: LimitPair, at: float) -> bool:
    """The opposite of alive."""
    return not heartbeat_alive(pair, at)


def gate_open(pair: LimitPair, at: float) -> bool:
    """A heartbeat was heard at most 60 s ago, whatever the state then."""
    return pair.heartbeat_at is not None and at <= pair.heartbeat_at + GATE_S


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    rule: str
    """Number of the rule in the LPC specification; LPP has the same."""
    requirement: str
    """Number in the official test specification (LPC-TS, LPP-TS)."""
    transition: str
    """T1 … T12 of the official cases, = for staying."""
    sources: frozenset[LimitState]
    trigger: Trigger
    target: LimitState | None
    """None: the state stays."""
    actions: tuple[Action, ...] = ()
    guard: Guard | None = None
    may: bool = False
    """Optional for a product; in use only when the pair names its rule."""

    @property
    def key(self) -> str:
        """Unique name of the row: its rule, with the transition where one rule has several rows."""
        return f"{self.rule} {self.transition}"


def _row(
    rule: str,
    requirement: str,
    transition: str,
    sources: Iterable[LimitState],
    trigger: Trigger,
    target: LimitState | None,
    *actions: Action,
    guard: Guard | None = None,
    may: bool = False,
) -> Row:
    return Row(rule, requirement, transition, frozenset(sources), trigger, target, actions, guard, may)


_ALL = tuple(LimitState)
_REJECTED = Trigger.WRITE_REJECTED
_DEACTIVATED = Trigger.WRITE_DEACTIVATED
_ACTIVATED = Trigger.WRITE_ACTIVATED
_CLOSED = Trigger.WRITE_BEFORE_HEARTBEAT
_OVER = Trigger.DURATION_OVER
_LOST = Trigger.HEARTBEAT_LOST
_WINDOW = Trigger.FAILSAFE_WINDOW_OVER

TABLE: Final[tuple[Row, ...]] = (
    # rule, test requirement, transition, from, when, to, and do; guard: only if; may: optional for a product
    _row("901/1", "017", "T0", _ALL, Trigger.POWER_UP, INIT, drop_duration),
    _row("902", "018", "T1", {INIT}, _REJECTED, CONTROLLED),
    _row("905", "021", "T1", {INIT}, _DEACTIVATED, CONTROLLED, store_write),
    _row("904", "020", "T2", {INIT}, _ACTIVATED, LIMITED, store_write),
    _row("906", "022/1", "T3", {INIT}, Trigger.INIT_WINDOW_OVER, AUTONOMOUS, may=True),
    _row("910", "027", "T4", {CONTROLLED}, _ACTIVATED, LIMITED, store_write),
    _row("911", "028", "T5", {CONTROLLED}, _LOST, FAILSAFE),
    _row("908", "025", "T6", {LIMITED}, _OVER, CONTROLLED, drop_duration),
    _row("909", "026", "T6", {LIMITED}, _DEACTIVATED, CONTROLLED, store_write),
    _row("923", "045", "T6", {LIMITED}, Trigger.INTERRUPTION, CONTROLLED, may=True),
    _row("912", "029", "T7", {LIMITED}, _LOST, FAILSAFE),
    _row("918", "031", "T8", {FAILSAFE}, _REJECTED, CONTROLLED),
    _row("920", "033", "T8", {FAILSAFE}, _DEACTIVATED, CONTROLLED, store_write),
    _row("919", "032", "T9", {FAILSAFE}, _ACTIVATED, LIMITED, store_write),
    _row("922", "022/3", "T10", {FAILSAFE}, Trigger.FAILSAFE_DURATION_OVER, AUTONOMOUS, may=True),
    _row("921", "022/2", "T10", {FAILSAFE}, _WINDOW, AUTONOMOUS, guard=heartbeat_alive, may=True),
    _row("918", "031", "T11", {AUTONOMOUS}, _REJECTED, CONTROLLED),
    _row("920", "033", "T11", {AUTONOMOUS}, _DEACTIVATED, CONTROLLED, store_write),
    _row("919", "032", "T12", {AUTONOMOUS}, _ACTIVATED, LIMITED, store_write),
    # Rows that stay where they are.
    _row("907/1", "023", "=", {CONTROLLED}, _REJECTED, None),
    _row("907/2", "024", "=", {LIMITED}, _REJECTED, None),
    _row("008", "001", "=off", {CONTROLLED}, _DEACTIVATED, None, store_write),
    _row("008", "001", "=on", {LIMITED}, _ACTIVATED, None, store_write),
    _row("TS-036", "036", "=", {INIT, AUTONOMOUS}, _CLOSED, None),
    _row("TS-036", "036", "=fs", {FAILSAFE}, _CLOSED, None, restart_window),
    _row("921", "022/2", "=run", {FAILSAFE}, Trigger.HEARTBEAT, None, start_window, may=True),
    _row("921", "022/2", "=off", {FAILSAFE}, _WINDOW, None, clear_window, guard=heartbeat_dead, may=True),
    _row("007", "008", "=", set(_ALL) - {LIMITED}, _OVER, None, drop_duration),
)

_ROWS: Final = {
    (state, trigger): tuple(row for row in TABLE if row.trigger is trigger and state in row.sources)
    for state in LimitState
    for trigger in Trigger
}

OPTIONAL_RULES: Final = frozenset(row.rule for row in TABLE if row.may)
"""The transitions that a product may leave out."""


@dataclass(frozen=True, slots=True)
class Fired:
    """One row that fired."""

    direction: Direction
    row: Row
    before: DirectionState
    after: DirectionState
    at: float

    @property
    def rule(self) -> str:
        """The full rule name, e.g. ``LPP-919``."""
        return self.after.profile.rule(self.row.rule)

    @property
    def limit_changed(self) -> bool:
        """State, value in force or its end changed: worth a record. A start always is."""
        if self.before.state is not self.after.state or self.row.trigger is Trigger.POWER_UP:
            return True
        return self.after.state is LIMITED and (
            self.before.value_w != self.after.value_w or self.before.limit_ends_at != self.after.limit_ends_at
        )


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """The verdict on one limit of a write."""

    write: LimitWrite
    accepted: bool
    reason: str
    rule: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one event did."""

    pair: LimitPair
    fired: tuple[Fired, ...]
    outcomes: tuple[WriteOutcome, ...] = ()
    """One for each limit written."""

    @property
    def accepted(self) -> bool:
        """The whole write was accepted."""
        return all(outcome.accepted for outcome in self.outcomes)


def fresh_pair(
    *,
    failsafe_limits_w: dict[Direction, float | None],
    neutral_values_w: dict[Direction, float],
    failsafe_duration_s: float,
    now: float,
    optional_rules: frozenset[str] = OPTIONAL_RULES,
) -> LimitPair:
    """The pair before its power-up: init, nothing restored but the failsafe values.

    ``failsafe_limits_w`` names the directions served; None means that production is not cut.
    """
    machines = tuple(
        DirectionState(
            profile=profile,
            state=INIT,
            entered_at=now,
            rule="901/1",
            value_w=neutral_values_w[profile.direction],
            limit_ends_at=None,
            failsafe_limit_w=failsafe_limits_w[profile.direction],
            window_ends_at=None,
        )
        for profile in PROFILES
        if profile.direction in failsafe_limits_w
    )
    return LimitPair(machines, None, failsafe_duration_s, optional_rules)


def step(pair: LimitPair, event: Event, now: float) -> Step:
    """Apply one event; timers that were due before it fire first, those due at this very instant afterwards
    (call again with TimePassed, as ``next_deadline`` will say).
    """
    if isinstance(event, PowerUp):
        return _happen(pair, event, now)  # what ran before the start is over
    elapsed, fired = _elapse(pair, now, including_now=isinstance(event, TimePassed))
    happened = _happen(elapsed, event, now)
    return replace(happened, fired=fired + happened.fired)


def next_deadline(pair: LimitPair) -> float | None:
    """When time alone will change something, or None."""
    return min((at for at, _, _ in _timers(pair)), default=None)


def next_transition(pair: LimitPair, direction: Direction) -> tuple[float, Trigger] | None:
    """The first timer of one direction that will change its state unless something comes, for people."""
    timers = [
        (at, trigger)
        for at, trigger, machine in _timers(pair)
        if machine.profile.direction is direction
        and any(row.target is not None for row in matching_rows(pair, machine, trigger, at))
    ]
    return min(timers, key=lambda timer: timer[0], default=None)


def matching_rows(pair: LimitPair, machine: DirectionState, trigger: Trigger, at: float) -> list[Row]:
    """The rows of the table that fit; a sound table never offers two."""
    return [
        row
        for row in _ROWS[machine.state, trigger]
        if (not row.may or row.rule in pair.optional_rules) and (row.guard is None or row.guard(pair, at))
    ]


def _happen(pair: LimitPair, event: Event, now: float) -> Step:
    match event:
        case PowerUp():
            return _fire_all(replace(pair, heartbeat_at=None), Trigger.POWER_UP, now)
        case HeartbeatArrived():
            return _fire_all(replace(pair, heartbeat_at=now), Trigger.HEARTBEAT, now)
        case LimitsWritten(writes):
            return _write(pair, writes, now)
        case Interrupted(direction):
            return Step(*_fire(pair, pair.machine(direction), Trigger.INTERRUPTION, Occasion(now)))
        case TimePassed():
            return Step(pair, ())


def _write(pair: LimitPair, writes: tuple[LimitWrite, ...], now: float) -> Step:
    """Evaluate every limit; one that cannot be applied refuses its neighbours too, and all machines react."""
    verdicts = [(write, *_classify(pair, write, now)) for write in map(_without_zero_duration, writes)]
    refused = any(trigger not in ACCEPTED_WRITES for _, trigger, _ in verdicts)
    fired: tuple[Fired, ...] = ()
    outcomes = []
    for write, trigger, reason in verdicts:
        if refused and trigger in ACCEPTED_WRITES:
            trigger, reason = Trigger.WRITE_REJECTED, "refused because another limit of the same message was"
        pair, rows = _fire(pair, pair.machine(write.direction), trigger, Occasion(now, write))
        fired += rows
        outcomes.append(WriteOutcome(write, not refused, reason, rows[0].rule))
    return Step(pair, fired, tuple(outcomes))


def _without_zero_duration(write: LimitWrite) -> LimitWrite:
    """An end that has already come makes the limit inactive and leaves no stale end behind (IG 2.2)."""
    if isinstance(write.duration_s, Unchanged) or write.duration_s is None or write.duration_s > 0:
        return write
    return replace(write, active=False, duration_s=None)


def _classify(pair: LimitPair, write: LimitWrite, now: float) -> tuple[Trigger, str]:
    """The order matters: the gate comes before the value (LPC-TS-036, use case reference 3.5)."""
    machine = pair.machine(write.direction)
    if machine.state in GATE_STATES and not gate_open(pair, now):
        return Trigger.WRITE_BEFORE_HEARTBEAT, "no heartbeat within the last 60 s"
    if write.value_w is not None and write.value_w < 0:
        return Trigger.WRITE_REJECTED, f"the value has the wrong sign for {machine.profile.short}"
    if write.active and write.value_w is None:
        return Trigger.WRITE_REJECTED, "an activated limit needs a value"
    if write.active and write.refusal is not None:
        return Trigger.WRITE_REJECTED, write.refusal
    if write.active:
        return Trigger.WRITE_ACTIVATED, "accepted, limit active"
    return Trigger.WRITE_DEACTIVATED, "accepted, limit not active"


def _fire_all(pair: LimitPair, trigger: Trigger, at: float) -> Step:
    fired: tuple[Fired, ...] = ()
    for machine in pair.machines:
        pair, rows = _fire(pair, machine, trigger, Occasion(at))
        fired += rows
    return Step(pair, fired)


def _fire(
    pair: LimitPair, machine: DirectionState, trigger: Trigger, occasion: Occasion
) -> tuple[LimitPair, tuple[Fired, ...]]:
    rows = matching_rows(pair, machine, trigger, occasion.at)
    if not rows:
        return pair, ()
    row = rows[0]
    after = machine
    for action in row.actions:
        after = action(after, occasion)
    if row.target is not None:
        # Entering any state ends the 921 window.
        after = replace(after, state=row.target, entered_at=occasion.at, rule=row.rule, window_ends_at=None)
    return pair.with_machine(after), (Fired(machine.profile.direction, row, machine, after, occasion.at),)


def _elapse(pair: LimitPair, now: float, *, including_now: bool) -> tuple[LimitPair, tuple[Fired, ...]]:
    """Fire what is due, earliest first, each as of its own moment."""
    fired: tuple[Fired, ...] = ()
    while True:
        due = [timer for timer in _timers(pair) if timer[0] < now or (including_now and timer[0] == now)]
        if not due:
            return pair, fired
        at, trigger, machine = min(due, key=lambda timer: (timer[0], TIE_ORDER.index(timer[1])))
        pair, rows = _fire(pair, machine, trigger, Occasion(at))
        fired += rows


def _timers(pair: LimitPair) -> list[tuple[float, Trigger, DirectionState]]:
    """Every running timer that some row is waiting for."""
    return [
        (at, trigger, machine)
        for machine in pair.machines
        for at, trigger in _timers_of(pair, machine)
        if matching_rows(pair, machine, trigger, at)
    ]


def _timers_of(pair: LimitPair, machine: DirectionState) -> Iterable[tuple[float, Trigger]]:
    if machine.limit_ends_at is not None:
        yield machine.limit_ends_at, Trigger.DURATION_OVER
    if machine.state in CONTROLLED_STATES and pair.heartbeat_at is not None:
        yield pair.heartbeat_at + LOSS_TIMER_S, Trigger.HEARTBEAT_LOST
    if machine.state is INIT:
        yield machine.entered_at + INIT_WINDOW_S, Trigger.INIT_WINDOW_OVER
    if machine.window_ends_at is not None:
        yield machine.window_ends_at, Trigger.FAILSAFE_WINDOW_OVER
    if machine.state is FAILSAFE:
        yield machine.entered_at + pair.failsafe_duration_s, Trigger.FAILSAFE_DURATION_OVER


# Configuration changes no state, so it has no rows. It is judged by the states alone (LPC-TS-037): every
# evaluated limit write leaves the gate states, so "after an evaluated limit write" means "in a controlled
# state".

_NOT_CONTROLLED: Final = "configuration is accepted only while the energy guard is in control"


class DurationVerdict(Enum):
    """The answers to a write of the failsafe duration."""

    ACCEPTED = "accepted"
    NOT_CONTROLLED = _NOT_CONTROLLED
    TOO_SHORT = "the failsafe duration must be at least 2 h"
    TOO_LONG = "the failsafe duration is above our maximum, which is set instead"


def failsafe_limit_refusal(pair: LimitPair, direction: Direction, value_w: float) -> str | None:
    """Why a failsafe limit cannot be taken, or None. A new one has no immediate effect (LPC-021, -010)."""
    if pair.machine(direction).state not in CONTROLLED_STATES:
        return _NOT_CONTROLLED
    return "a failsafe limit must not be negative" if value_w < 0 else None


def judge_failsafe_duration(pair: LimitPair, duration_s: float, maximum_s: float) -> DurationVerdict:
    """Judge the shared duration; one controlled direction is enough (LPC-022/4, /5)."""
    if all(machine.state not in CONTROLLED_STATES for machine in pair.machines):
        return DurationVerdict.NOT_CONTROLLED
    if duration_s < SHORTEST_FAILSAFE_DURATION_S:
        return DurationVerdict.TOO_SHORT
    if duration_s > min(maximum_s, LONGEST_FAILSAFE_DURATION_S):
        return DurationVerdict.TOO_LONG
    return DurationVerdict.ACCEPTED


def with_failsafe_limit(pair: LimitPair, direction: Direction, value_w: float) -> LimitPair:
    """The pair with another failsafe limit for one direction."""
    return pair.with_machine(replace(pair.machine(direction), failsafe_limit_w=value_w))


def with_failsafe_duration(pair: LimitPair, duration_s: float) -> LimitPair:
    """The pair with another failsafe duration; a running failsafe counts from its own entry."""
    return replace(pair, failsafe_duration_s=duration_s)
