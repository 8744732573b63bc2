"""The controllable system of LPC and LPP: the machines of ``limit_rules`` behind a SPINE entity.

One entity serves both directions with one heartbeat and one failsafe duration. Only a control box may bind,
and without a binding nobody can write. A limit acts before it is stored and acknowledged; a failsafe value is
stored before it is in force.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, cast

from eebus.ids import PeerRole, Ski
from eebus.spine.device import READ, READ_WRITE_PARTIAL, LocalDevice, LocalEntity, LocalFeature
from eebus.spine.events import (
    BindingAdded,
    BindingRemoved,
    PeerGone,
    PeerTopologyChanged,
    PeerUseCases,
    RemoteData,
    SubscriptionAdded,
    SubscriptionConfirmed,
    WriteRefused,
)
from eebus.spine.handler import Accept, BindRequest, Defer, Handler, Refuse, Verdict, WriteRequest
from eebus.spine.model.common import ErrorNumber, Role, ScaledNumber
from eebus.spine.model.device import DeviceConfigurationKeyValueListData, DeviceDiagnosisHeartbeatData
from eebus.spine.model.load_control import LoadControlLimitListData
from eebus.spine.stack import Turn
from eebus.spine.values import in_scale, to_scaled
from eebus.usecases.announcement import announce
from eebus.usecases.controllable_settings import (
    ControllableSystemSettings,
    ControllableSystemStatus,
    DirectionStatus,
)
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
from eebus.usecases.guard_tracker import GuardTracker, guard_entities, heartbeat_feature
from eebus.usecases.heartbeat import HEARTBEAT_FUNCTION, HeartbeatSender, reply_is_fresh
from eebus.usecases.limit_data import (
    CHARACTERISTIC_FUNCTION,
    KEY_DESCRIPTION_FUNCTION,
    KEY_FUNCTION,
    LIMIT_DESCRIPTION_FUNCTION,
    LIMIT_FUNCTION,
    key_descriptions,
    key_values,
    limit_descriptions,
    limits,
    nominal_maxima,
    wire_value,
)
from eebus.usecases.limit_rules import (
    LIMITED,
    DirectionState,
    DurationVerdict,
    Fired,
    HeartbeatArrived,
    Interrupted,
    LimitPair,
    LimitsWritten,
    LimitWrite,
    PowerUp,
    Step,
    TimePassed,
    Unchanged,
    WriteOutcome,
    failsafe_limit_refusal,
    fresh_pair,
    judge_failsafe_duration,
    next_deadline,
    next_transition,
    step,
    with_failsafe_duration,
    with_failsafe_limit,
)
from eebus.usecases.limit_writes import (
    ConfigurationWrite,
    UnreadableWriteError,
    read_configuration,
    read_limits,
)
from eebus.usecases.limitation import (
    Direction,
    Profile,
    profile_of,
)

__all__ = [
    "ControllableSystem",
    "ControllableSystemSettings",
    "ControllableSystemStatus",
    "DirectionStatus",
    "PermittedRefusal",
    "never_refuse",
]

ACTOR: Final = "ControllableSystem"
SCENARIOS: Final = (1, 2, 3, 4)
ORDER_GRACE_S: Final = 0.2
"""A stuck disk holds the acknowledgement of an order back at most this long, and never its effect."""

PermittedRefusal = Callable[[Direction, float], str | None]
"""Names a permitted reason not to apply an activated limit: self-protection, safety, law; nothing else
(LPC-TS-035/2, /3).
"""


def never_refuse(_direction: Direction, _value_w: float) -> str | None:
    """The rule: accept, and go as low as possible."""
    return None


@dataclass(frozen=True, slots=True)
class _PendingFailsafe:
    """A configuration write that waits for the disk."""

    change: ConfigurationWrite
    by_ski: Ski
    refusal: str | None
    """Set when the partner is refused although we change something: the maximum duration."""


class ControllableSystem(Handler):
    """Serves LPC and LPP on one entity. Add it to the stack and call :meth:`start` before peers connect."""

    def __init__(
        self,
        device: LocalDevice,
        entity: LocalEntity,
        settings: ControllableSystemSettings,
        failsafe: StoredFailsafe,
        permitted_refusal: PermittedRefusal = never_refuse,
    ) -> None:
        self._settings = settings
        self._permitted_refusal = permitted_refusal
        self._profiles = settings.profiles
        self._written = failsafe
        self._pair = _pair_of(settings, failsafe)
        self._limit_numbers = {
            p.direction: wire_value(p, settings.maxima_w[p.direction]) for p in self._profiles
        }
        self._failsafe_numbers = {p.direction: self._failsafe_number(p) for p in self._profiles}
        self._features = _Features(entity)
        self._guards = GuardTracker(self._features.limits, self._features.configuration)
        self._sender = HeartbeatSender(settings.heartbeat_interval_s, settings.control_watchdog_s)
        self._last_counter: int | None = None
        self._pending: dict[int, _PendingFailsafe] = {}
        self._tokens = count(1)
        self._preset()
        for profile in self._profiles:
            announce(device, entity, ACTOR, profile.use_case, SCENARIOS)

    # What the application does

    def start(self, turn: Turn) -> None:
        """Power-up: enter init with the failsafe limit in force, before any communication."""
        self._apply(step(self._pair, PowerUp(), turn.now), turn)
        self._sender.start(turn.now)
        self._beat(turn)

    def feed(self, now: float) -> None:
        """A control cycle was completed: the heartbeat may go on."""
        self._sender.feed(now)

    def interrupt(self, direction: Direction, turn: Turn) -> None:
        """Stop applying the limit for a permitted reason (LPC-923). Raises KeyError for one not served."""
        self._apply(step(self._pair, Interrupted(direction), turn.now), turn)

    def factory_reset(self, turn: Turn) -> None:
        """Everything that a box wrote is forgotten, as if the device had just left the factory (CSInit_001).

        The failsafe limit of the configuration is in force at once, in init; connections and bindings stay.
        What the shell has stored of the written values it must delete itself.
        """
        self._pending.clear()
        self._written = StoredFailsafe()
        self._pair = _pair_of(self._settings, self._written)
        for profile in self._profiles:
            self._limit_numbers[profile.direction] = wire_value(
                profile, self._settings.maxima_w[profile.direction]
            )
            self._failsafe_numbers[profile.direction] = self._failsafe_number(profile)
        self._apply(step(self._pair, PowerUp(), turn.now), turn)
        turn.set_data(self._features.limits, LIMIT_FUNCTION, self._limits(turn.now))
        turn.set_data(self._features.configuration, KEY_FUNCTION, self._key_values())
        for machine in self._pair.machines:
            if machine.failsafe_limit_w is not None:
                turn.emit(FailsafeChanged(machine.profile.direction, machine.failsafe_limit_w, None))
        turn.emit(FailsafeChanged(None, self._pair.failsafe_duration_s, None))

    def status(self, now: float) -> ControllableSystemStatus:
        """Everything a tester or a person wants to see."""
        by_direction = {m.profile.direction: self._direction_status(m, now) for m in self._pair.machines}
        heard_at = self._pair.heartbeat_at
        guard = self._guards.guard
        return ControllableSystemStatus(
            consumption=by_direction.get(Direction.CONSUMPTION),
            production=by_direction.get(Direction.PRODUCTION),
            heartbeat_age_s=None if heard_at is None else now - heard_at,
            energy_guard=guard.ski if guard else None,
            failsafe_duration_s=self._pair.failsafe_duration_s,
            sending_heartbeats=not self._sender.starving(now),
        )

    # What the stack asks

    def next_deadline(self) -> float | None:
        beat_at = self._sender.next_deadline()
        if beat_at is None:
            return None
        due_at = next_deadline(self._pair)
        return beat_at if due_at is None else min(beat_at, due_at)

    def on_deadline(self, turn: Turn) -> None:
        if self.next_deadline() is None:
            return
        self._apply(step(self._pair, TimePassed(), turn.now), turn)
        self._beat(turn)

    def on_bind(self, request: BindRequest, _turn: Turn) -> Accept | Refuse | None:
        if request.server not in self._features.guarded:
            return None
        if request.peer.role is not PeerRole.CONTROL_BOX:
            return Refuse(ErrorNumber.COMMAND_REJECTED, "only a control box may do this")
        if self._guards.others_bound(request.peer.ski):
            return Refuse(ErrorNumber.COMMAND_REJECTED, "another control box is in control")
        return Accept()

    def on_write(self, request: WriteRequest, turn: Turn) -> Verdict | None:
        if request.destination not in self._features.guarded:
            return None
        try:
            if request.function == LIMIT_FUNCTION:
                return self._on_limits(request, turn)
            return self._on_configuration(request, turn)
        except UnreadableWriteError as error:
            if request.function == LIMIT_FUNCTION:
                self._note_unreadable(request.peer.ski, request.msg_counter, str(error), turn, error.read)
            else:
                self._tell_refused(ConfigurationWrite({}, None), request.peer.ski, str(error), turn)
            return Refuse(ErrorNumber.COMMAND_REJECTED, str(error))

    def on_read(self, feature: LocalFeature, function: str, turn: Turn) -> LoadControlLimitListData | None:
        """A limit with an end is answered with the time that is left (reference 2.3)."""
        if feature is not self._features.limits or function != LIMIT_FUNCTION:
            return None
        return self._limits(turn.now)

    def on_stored(self, token: int, ok: bool, turn: Turn) -> Accept | Refuse | None:
        pending = self._pending.pop(token, None)
        if pending is None:
            return None
        if not ok:
            reason = "the value could not be stored; nothing has changed"
            self._tell_refused(pending.change, pending.by_ski, reason, turn)
            return Refuse(ErrorNumber.COMMAND_REJECTED, reason)
        self._commit(pending, turn)
        data = self._key_values()
        if pending.refusal is None:
            return Accept(data)
        turn.set_data(self._features.configuration, KEY_FUNCTION, data)
        return Refuse(ErrorNumber.COMMAND_REJECTED, pending.refusal)

    def on_event(self, event: object, turn: Turn) -> None:
        match event:
            case PeerUseCases(ski) | PeerTopologyChanged(ski):
                self._learn(ski, turn)
            case SubscriptionConfirmed(ski, source, destination):
                if source == self._features.heard.address and self._settings.heartbeat_reply_counts:
                    turn.read(ski, self._features.heard, destination, HEARTBEAT_FUNCTION)
            case RemoteData(function=function) if function == HEARTBEAT_FUNCTION:
                self._on_heartbeat(event, turn)
            case SubscriptionAdded(server=server) if server is self._features.heartbeat:
                self._sender.hasten(turn.now)
            case BindingAdded(ski, client, server):
                self._follow_guard(turn, lambda: self._guards.bind(server, ski, client.entity or ()))
            case BindingRemoved(server=server):
                self._follow_guard(turn, lambda: self._guards.unbind(server))
            case WriteRefused(ski, server, _, text, msg_counter) if server is self._features.limits:
                self._note_unreadable(ski, msg_counter, text, turn)
            case WriteRefused(ski, server, _, text) if server is self._features.configuration:
                self._tell_refused(ConfigurationWrite({}, None), ski, text, turn)
            case PeerGone(ski):
                self._follow_guard(turn, lambda: self._guards.forget(ski))
            case _:
                pass

    # The energy guard and its heartbeat

    def _learn(self, ski: Ski, turn: Turn) -> None:
        peer, remote = turn.peer(ski), turn.remote(ski)
        if peer is None or remote is None or peer.role is not PeerRole.CONTROL_BOX:
            return
        entities = guard_entities(remote, [profile.use_case for profile in self._profiles])
        self._follow_guard(turn, lambda: self._guards.offer(ski, entities))

    def _follow_guard(self, turn: Turn, change: Callable[[], None]) -> None:
        before = self._guards.guard
        change()
        guard = self._guards.guard
        if guard != before:
            turn.emit(EnergyGuardChanged(guard.ski if guard else None, guard.entity if guard else None))
        self._listen(turn)

    def _listen(self, turn: Turn) -> None:
        """Ask for the heartbeat that counts, on every connection anew; a repeated request does nothing."""
        heard = self._guards.heard
        remote = turn.remote(heard.ski) if heard else None
        feature = heartbeat_feature(remote, heard.entity) if heard and remote else None
        if heard and feature:
            turn.subscribe(heard.ski, self._features.heard, feature.address, feature.feature_type)

    def _on_heartbeat(self, event: RemoteData, turn: Turn) -> None:
        """Arrival counts, not the time stamp; but an answer to our own read may be an old one."""
        heard = self._guards.heard
        if heard is None or (event.ski, event.source.entity) != (heard.ski, heard.entity):
            return
        data = cast(DeviceDiagnosisHeartbeatData, event.data)
        if event.is_reply and not (
            self._settings.heartbeat_reply_counts and reply_is_fresh(data, self._last_counter, turn.utc_now)
        ):
            return
        self._last_counter = data.heartbeat_counter
        self._apply(step(self._pair, HeartbeatArrived(), turn.now), turn)
        turn.emit(HeartbeatReceived(event.ski, data.heartbeat_counter, turn.now))

    def _beat(self, turn: Turn) -> None:
        data = self._sender.beat(turn.now, turn.utc_now)
        if data is not None:
            turn.set_data(self._features.heartbeat, HEARTBEAT_FUNCTION, data)

    # Limits

    def _on_limits(self, request: WriteRequest, turn: Turn) -> Verdict:
        read = read_limits(
            request,
            self._profiles,
            turn.utc_now,
            accept_positive_production=self._settings.positive_production_limit == "magnitude",
        )
        writes = tuple(self._with_own_refusal(write) for write in read)
        result = step(self._pair, LimitsWritten(writes), turn.now)
        if result.accepted:
            self._keep_numbers(request.candidate)
        before, self._pair = self._pair, result.pair
        orders = [self._order(outcome, request, turn) for outcome in result.outcomes]
        for order in orders:
            turn.emit(order)
        self._emit_changes(result.fired, turn)
        for order in orders:
            turn.persist(PersistOrder(order), grace_s=ORDER_GRACE_S)
        if result.accepted:
            return Accept(self._limits(turn.now))
        self._publish_limits(before, turn)
        refused = next(outcome for outcome in result.outcomes if not outcome.accepted)
        return Refuse(ErrorNumber.COMMAND_REJECTED, refused.reason)

    def _note_unreadable(
        self, ski: Ski, msg_counter: int, reason: str, turn: Turn, read: LimitWrite | None = None
    ) -> None:
        """What a control box meant as an order is evidence, also when nobody can tell what it meant."""
        peer = turn.peer(ski)
        if peer is None or peer.role is not PeerRole.CONTROL_BOX:
            return
        order = OrderReceived(
            direction=read.direction if read else None,
            peer_ski=ski,
            msg_counter=msg_counter,
            value_w=read.value_w if read else None,
            active=read is not None and read.active,
            duration_s=None,
            accepted=False,
            reason=reason,
            rule=profile_of(read.direction).rule("003/1") if read else "003/1",
            at=turn.now,
            duration_readable=False,
        )
        turn.emit(order)
        turn.persist(PersistOrder(order), grace_s=ORDER_GRACE_S)

    def _with_own_refusal(self, write: LimitWrite) -> LimitWrite:
        if write.value_w is None or not write.active:
            return write
        return replace(write, refusal=self._permitted_refusal(write.direction, write.value_w))

    def _keep_numbers(self, candidate: object) -> None:
        """Publish numbers as they were sent: the partner may go on with its own scale (SPINE 6.4)."""
        items = cast(LoadControlLimitListData, candidate).load_control_limit_data or ()
        for profile in self._profiles:
            for item in items:
                if item.limit_id == profile.limit_id and item.value is not None:
                    self._limit_numbers[profile.direction] = item.value

    def _order(self, outcome: WriteOutcome, request: WriteRequest, turn: Turn) -> OrderReceived:
        write = outcome.write
        machine = self._pair.machine(write.direction)
        duration_s = write.duration_s
        if isinstance(duration_s, Unchanged):
            ends_at = machine.limit_ends_at
            duration_s = None if ends_at is None else ends_at - turn.now
        return OrderReceived(
            direction=write.direction,
            peer_ski=request.peer.ski,
            msg_counter=request.msg_counter,
            value_w=write.value_w,
            active=write.active,
            duration_s=duration_s,
            accepted=outcome.accepted,
            reason=outcome.reason,
            rule=outcome.rule,
            at=turn.now,
        )

    def _apply(self, result: Step, turn: Turn) -> None:
        before, self._pair = self._pair, result.pair
        self._emit_changes(result.fired, turn)
        self._publish_limits(before, turn)

    def _emit_changes(self, fired: tuple[Fired, ...], turn: Turn) -> None:
        for change in fired:
            if change.limit_changed:
                turn.emit(_state_change(change))

    def _publish_limits(self, before: LimitPair, turn: Turn) -> None:
        """Notify only what really changed: the remaining time alone is no news."""
        if _shown(before) != _shown(self._pair):
            turn.set_data(self._features.limits, LIMIT_FUNCTION, self._limits(turn.now))

    def _limits(self, now: float) -> LoadControlLimitListData:
        return limits(self._pair, self._limit_numbers, now)

    # Failsafe values

    def _on_configuration(self, request: WriteRequest, turn: Turn) -> Verdict:
        wanted = read_configuration(request, self._profiles)
        for direction, value_w in wanted.limits_w.items():
            refusal = failsafe_limit_refusal(self._pair, direction, value_w)
            if refusal is not None:
                self._tell_refused(wanted, request.peer.ski, refusal, turn)
                return Refuse(ErrorNumber.COMMAND_REJECTED, refusal)
        if wanted.duration_s is not None:
            maximum_s = self._settings.max_failsafe_duration_s
            verdict = judge_failsafe_duration(self._pair, wanted.duration_s, maximum_s)
            if verdict is not DurationVerdict.ACCEPTED:
                self._tell_refused(wanted, request.peer.ski, verdict.value, turn)
            if verdict is DurationVerdict.TOO_LONG:
                # Refused, yet the maximum becomes the value in force (LPC-022/5); its neighbours do not.
                return self._store(ConfigurationWrite({}, maximum_s), request, verdict.value, turn)
            if verdict is not DurationVerdict.ACCEPTED:
                return Refuse(ErrorNumber.COMMAND_REJECTED, verdict.value)
        return self._store(wanted, request, None, turn)

    def _tell_refused(self, wanted: ConfigurationWrite, ski: Ski, reason: str, turn: Turn) -> None:
        peer = turn.peer(ski)
        if peer is not None and peer.role is not PeerRole.CONTROL_BOX:
            return
        consumption_w = wanted.limits_w.get(Direction.CONSUMPTION)
        production_w = wanted.limits_w.get(Direction.PRODUCTION)
        turn.emit(FailsafeRefused(ski, consumption_w, production_w, wanted.duration_s, reason))

    def _store(
        self, change: ConfigurationWrite, request: WriteRequest, refusal: str | None, turn: Turn
    ) -> Defer:
        token = next(self._tokens)
        by_ski = request.peer.ski
        self._pending[token] = _PendingFailsafe(change, by_ski, refusal)
        wanted = _written(self._written, change)
        record = PersistFailsafe(
            wanted.consumption_w,
            wanted.production_w,
            wanted.duration_s,
            by_ski,
            wanted.consumption_scale,
            wanted.production_scale,
        )
        turn.persist(record, grace_s=None, token=token)
        return Defer(token)

    def _commit(self, pending: _PendingFailsafe, turn: Turn) -> None:
        change = pending.change
        self._written = _written(self._written, change)
        for direction, value_w in change.limits_w.items():
            self._pair = with_failsafe_limit(self._pair, direction, value_w)
            self._failsafe_numbers[direction] = change.numbers[direction]
            turn.emit(FailsafeChanged(direction, value_w, pending.by_ski))
        if change.duration_s is not None:
            self._pair = with_failsafe_duration(self._pair, change.duration_s)
            turn.emit(FailsafeChanged(None, change.duration_s, pending.by_ski))

    def _failsafe_number(self, profile: Profile) -> ScaledNumber:
        """Production that is not cut shows the nominal maximum: the key must have a value."""
        value_w = self._pair.machine(profile.direction).failsafe_limit_w
        if value_w is None:
            return to_scaled(self._settings.maxima_w[profile.direction])
        consumes = profile.direction is Direction.CONSUMPTION
        scale = self._written.consumption_scale if consumes else self._written.production_scale
        return to_scaled(value_w) if scale is None else in_scale(value_w, scale)

    def _key_values(self) -> DeviceConfigurationKeyValueListData:
        return key_values(self._profiles, self._failsafe_numbers, self._pair.failsafe_duration_s)

    # Building

    def _preset(self) -> None:
        """Complete data from the first moment on: partners read once and early."""
        features, settings = self._features, self._settings
        features.limits.preset(limit_descriptions(self._profiles))
        features.limits.preset(self._limits(0.0))
        features.configuration.preset(key_descriptions(self._profiles))
        features.configuration.preset(self._key_values())
        features.maxima.preset(
            nominal_maxima(self._profiles, settings.maxima_w, energy_manager=settings.energy_manager)
        )

    def _direction_status(self, machine: DirectionState, now: float) -> DirectionStatus:
        direction = machine.profile.direction
        upcoming = next_transition(self._pair, direction)
        until = machine.limit_ends_at if machine.state is LIMITED else None
        return DirectionStatus(
            state=machine.state,
            since=machine.entered_at,
            rule=machine.profile.rule(machine.rule),
            effective_limit_w=machine.effective_limit_w,
            limit_kind=_kind(machine),
            limit_until=until,
            limit_remaining_s=None if until is None else max(0.0, until - now),
            stored_value_w=machine.value_w,
            failsafe_limit_w=machine.failsafe_limit_w,
            next_transition_at=upcoming[0] if upcoming else None,
            next_transition=upcoming[1].value if upcoming else "",
        )


class _Features:
    """The features of the controllable system, in the order of SPINE 4.2."""

    def __init__(self, entity: LocalEntity) -> None:
        self.heard = entity.add_feature("DeviceDiagnosis", Role.CLIENT, {})
        self.limits = entity.add_feature(
            "LoadControl", Role.SERVER, {LIMIT_DESCRIPTION_FUNCTION: READ, LIMIT_FUNCTION: READ_WRITE_PARTIAL}
        )
        self.configuration = entity.add_feature(
            "DeviceConfiguration",
            Role.SERVER,
            {KEY_DESCRIPTION_FUNCTION: READ, KEY_FUNCTION: READ_WRITE_PARTIAL},
        )
        self.heartbeat = entity.add_feature("DeviceDiagnosis", Role.SERVER, {HEARTBEAT_FUNCTION: READ})
        self.maxima = entity.add_feature("ElectricalConnection", Role.SERVER, {CHARACTERISTIC_FUNCTION: READ})
        self.guarded = (self.limits, self.configuration)


def _pair_of(settings: ControllableSystemSettings, failsafe: StoredFailsafe) -> LimitPair:
    """What a box wrote beats the configuration until a factory reset."""
    consumption_w = failsafe.consumption_w
    production_w = failsafe.production_w
    preconfigured: dict[Direction, float | None] = {
        Direction.CONSUMPTION: settings.failsafe_consumption_w if consumption_w is None else consumption_w,
        Direction.PRODUCTION: settings.failsafe_production_w if production_w is None else production_w,
    }
    return fresh_pair(
        failsafe_limits_w={p.direction: preconfigured[p.direction] for p in settings.profiles},
        neutral_values_w=dict(settings.maxima_w),
        failsafe_duration_s=(
            settings.failsafe_duration_s if failsafe.duration_s is None else failsafe.duration_s
        ),
        now=0.0,
        optional_rules=settings.optional_rules,
    )


def _written(stored: StoredFailsafe, change: ConfigurationWrite) -> StoredFailsafe:
    scales = {direction: number.scale or 0 for direction, number in change.numbers.items()}
    return StoredFailsafe(
        consumption_w=change.limits_w.get(Direction.CONSUMPTION, stored.consumption_w),
        production_w=change.limits_w.get(Direction.PRODUCTION, stored.production_w),
        duration_s=stored.duration_s if change.duration_s is None else change.duration_s,
        consumption_scale=scales.get(Direction.CONSUMPTION, stored.consumption_scale),
        production_scale=scales.get(Direction.PRODUCTION, stored.production_scale),
    )


def _shown(pair: LimitPair) -> list[tuple[bool, float, float | None]]:
    return [(m.state is LIMITED, m.value_w, m.limit_ends_at) for m in pair.machines]


def _kind(machine: DirectionState) -> LimitKind | None:
    if machine.effective_limit_w is None:
        return None
    return LimitKind.GRID_OPERATOR if machine.state is LIMITED else LimitKind.SELF_IMPOSED


def _state_change(fired: Fired) -> LimitStateChanged:
    after = fired.after
    return LimitStateChanged(
        direction=fired.direction,
        before=fired.before.state,
        after=after.state,
        rule=fired.rule,
        reason=fired.row.trigger.value,
        effective_limit_w=after.effective_limit_w,
        limit_kind=_kind(after),
        until=after.limit_ends_at if after.state is LIMITED else None,
        at=fired.at,
    )
