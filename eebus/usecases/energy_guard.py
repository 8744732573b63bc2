"""The energy guard of LPC and LPP: limits a partner's controllable system (reference 3.10).

It binds limits and configuration with features of its own entity, keeps its heartbeat running whatever the
partner answers, and after every connection sends a heartbeat and then a limit, in every case.
"""

from dataclasses import dataclass, field
from typing import Final

from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski
from eebus.jsonform import Record
from eebus.spine.datagram import Filter, command_for
from eebus.spine.device import READ, EntityPath, LocalDevice, LocalEntity, RemoteDevice
from eebus.spine.events import (
    BindingConfirmed,
    PeerGone,
    PeerTopologyChanged,
    PeerUseCases,
    RemoteData,
    RequestTimedOut,
    ResultReceived,
    SubscriptionAdded,
    SubscriptionConfirmed,
)
from eebus.spine.functions import FUNCTIONS
from eebus.spine.handler import Handler
from eebus.spine.model.common import FeatureAddress, Role, TimePeriod
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueListData,
    KeyValue,
)
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.stack import Turn
from eebus.spine.update import PARTIAL, apply, delete_filter
from eebus.spine.values import format_duration, to_float, to_scaled
from eebus.usecases.announcement import announce
from eebus.usecases.controllable_view import (
    ControllableSystemView,
    key_id,
    limit_item,
    server_feature,
    system_entities,
    view,
)
from eebus.usecases.heartbeat import HEARTBEAT_FUNCTION, HeartbeatSender
from eebus.usecases.limit_data import (
    CHARACTERISTIC_FUNCTION,
    KEY_DESCRIPTION_FUNCTION,
    KEY_FUNCTION,
    LIMIT_DESCRIPTION_FUNCTION,
    LIMIT_FUNCTION,
    wire_value,
)
from eebus.usecases.limitation import FAILSAFE_DURATION_KEY, PROFILES, Direction, profile_of

ACTOR: Final = "EnergyGuard"

_BOUND: Final = {"LoadControl": LIMIT_FUNCTION, "DeviceConfiguration": KEY_FUNCTION}
"""Features that are bound, by the function that is written."""
_READ: Final = {
    "LoadControl": (LIMIT_DESCRIPTION_FUNCTION, LIMIT_FUNCTION),
    "DeviceConfiguration": (KEY_DESCRIPTION_FUNCTION, KEY_FUNCTION),
    "DeviceDiagnosis": (HEARTBEAT_FUNCTION,),
    "ElectricalConnection": (CHARACTERISTIC_FUNCTION,),
}
"""What is read of which feature: descriptions before values."""


@dataclass(frozen=True, slots=True)
class EnergyGuardSettings:
    """Times in seconds (reference 3.10)."""

    heartbeat_interval_s: float = 25.0
    opening_write: bool = True
    """After each connection: heartbeat, then limit. False: the user sends everything himself."""
    opening_patience_s: float = 50.0
    """How long the opening write waits for the partner's subscription to our heartbeat."""
    first_retry_s: float = 55.0
    retry_step_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that the partner shall have."""

    active: bool
    value_w: float
    """Magnitude."""
    duration_s: float | None = None
    """None: no end."""


@dataclass(frozen=True, slots=True)
class SystemReady:
    """A partner's controllable system can be written."""

    ski: Ski
    entity: EntityPath


@dataclass(frozen=True, slots=True)
class WriteAnswered:
    """The answer to a write of ours; `accepted` False also when none came."""

    ski: Ski
    direction: Direction | None
    """None: failsafe values."""
    msg_counter: int
    accepted: bool
    error_number: int | None
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class SystemChanged:
    """A partner published limits, failsafe values or maxima."""

    view: ControllableSystemView
    at: float


@dataclass(slots=True)
class _Order:
    """What one direction of a partner shall have, and when to say so next."""

    limit: Limit
    ends_at: float | None
    due_at: float | None = None
    refusals: int = 0

    def now(self, now: float) -> Limit:
        """The limit with the time that is left; one that has run out is not active any more."""
        if self.ends_at is None:
            return self.limit
        if now >= self.ends_at:
            return Limit(active=False, value_w=self.limit.value_w)
        return Limit(self.limit.active, self.limit.value_w, self.ends_at - now)


@dataclass(slots=True)
class _System:
    """A partner's controllable system on this connection."""

    ski: Ski
    entity: EntityPath
    bound: set[str] = field(default_factory=set)
    hears_us: bool = False
    ready_at: float | None = None
    opened: bool = False
    heartbeat_at: float | None = None


class EnergyGuard(Handler):
    """Guards the controllable systems of all peers that are devices. Call :meth:`start` once."""

    def __init__(self, device: LocalDevice, entity: LocalEntity, settings: EnergyGuardSettings) -> None:
        self._settings = settings
        clients = ("DeviceDiagnosis", "LoadControl", "DeviceConfiguration", "ElectricalConnection")
        self._clients = {kind: entity.add_feature(kind, Role.CLIENT, {}) for kind in clients}
        self._heartbeat = entity.add_feature("DeviceDiagnosis", Role.SERVER, {HEARTBEAT_FUNCTION: READ})
        self._sender = HeartbeatSender(settings.heartbeat_interval_s, watchdog_s=None)
        self._silent = False
        self._systems: dict[tuple[Ski, EntityPath], _System] = {}
        self._orders: dict[tuple[Ski, Direction], _Order] = {}
        self._asked: dict[tuple[Ski, int], Direction | None] = {}
        for profile in PROFILES:
            announce(device, entity, ACTOR, profile.use_case, (1, 2, 3, 4))

    # What the application does

    def start(self, turn: Turn) -> None:
        """Begin with the heartbeat."""
        self._sender.start(turn.now)
        self._beat(turn)

    def set_heartbeat(self, on: bool, turn: Turn) -> None:
        """Stop or resume the heartbeat, to play a box that has died."""
        self._silent = not on
        if on:
            self._sender.hasten(turn.now)
            self._beat(turn)

    def write_limit(self, direction: Direction, limit: Limit, turn: Turn, *, ski: Ski | None = None) -> int:
        """Write a limit now; it is stated again after each new connection. Returns the message counter.

        Raises LocalError when no (or more than one possible) partner is ready.
        """
        system = self._pick(ski)
        counter = self._send_limit(system, direction, limit, turn)
        ends_at = None if limit.duration_s is None else turn.now + limit.duration_s
        self._orders[system.ski, direction] = _Order(limit, ends_at)
        system.opened = True
        return counter

    def deactivate(self, direction: Direction, turn: Turn, *, ski: Ski | None = None) -> int:
        """Take the limit back. Returns the message counter; raises as :meth:`write_limit`."""
        system = self._pick(ski)
        limit = Limit(active=False, value_w=self._known_value(system, direction, turn))
        return self.write_limit(direction, limit, turn, ski=system.ski)

    def write_failsafe(
        self,
        turn: Turn,
        *,
        limits_w: dict[Direction, float] | None = None,
        duration_s: float | None = None,
        ski: Ski | None = None,
    ) -> int:
        """Write failsafe values. Returns the message counter; raises as :meth:`write_limit`, and LocalError
        when the partner has no such key.
        """
        system = self._pick(ski)
        remote = _remote(system, turn)
        values = [
            (profile_of(direction).failsafe_key, KeyValue(scaled_number=to_scaled(value_w)))
            for direction, value_w in (limits_w or {}).items()
        ]
        if duration_s is not None:
            values.append((FAILSAFE_DURATION_KEY, KeyValue(duration=format_duration(duration_s))))
        items = []
        for name, value in values:
            number = key_id(remote, system.entity, name)
            if number is None:
                raise LocalError(f"the partner has no key {name}")
            items.append(DeviceConfigurationKeyValueData(key_id=number, value=value))
        data = DeviceConfigurationKeyValueListData(device_configuration_key_value_data=tuple(items))
        return self._send(system, "DeviceConfiguration", KEY_FUNCTION, data, (PARTIAL,), None, turn)

    def read_back(self, turn: Turn, *, ski: Ski | None = None) -> None:
        """Read limits and failsafe values again; the answers come as SystemChanged."""
        system = self._pick(ski)
        for kind, function in _BOUND.items():
            feature = server_feature(_remote(system, turn), system.entity, kind, function)
            if feature:
                turn.read(system.ski, self._clients[kind], feature.address, function)

    def views(self, turn: Turn) -> list[ControllableSystemView]:
        """All partners as we know them."""
        return [view(_remote(system, turn), system.ski, system.entity) for system in self._systems.values()]

    def heartbeat_age_s(self, ski: Ski, now: float) -> float | None:
        """How long ago a partner's heartbeat was heard."""
        heard = [
            s.heartbeat_at for s in self._systems.values() if s.ski == ski and s.heartbeat_at is not None
        ]
        return now - max(heard) if heard else None

    # What the stack asks

    def next_deadline(self) -> float | None:
        if self._sender.next_deadline() is None:
            return None
        due = [order.due_at for order in self._orders.values()]
        due += [self._opening_at(system) for system in self._systems.values()]
        due.append(self._sender.next_deadline())
        return min((at for at in due if at is not None), default=None)

    def on_deadline(self, turn: Turn) -> None:
        self._beat(turn)
        for system in self._systems.values():
            opening_at = self._opening_at(system)
            if opening_at is not None and turn.now >= opening_at:
                self._open(system, turn)
        for (ski, direction), order in list(self._orders.items()):
            if order.due_at is not None and turn.now >= order.due_at:
                order.due_at = None
                self._repeat(ski, direction, order.now(turn.now), turn)

    def on_event(self, event: object, turn: Turn) -> None:
        match event:
            case PeerUseCases(ski) | PeerTopologyChanged(ski):
                self._find(ski, turn)
            case SubscriptionConfirmed(ski, source, destination) | BindingConfirmed(ski, source, destination):
                self._agreed(ski, source, destination, isinstance(event, BindingConfirmed), turn)
            case SubscriptionAdded(ski, _, server) if server is self._heartbeat:
                self._heard_by(ski, turn)
            case RemoteData():
                self._learn(event, turn)
            case ResultReceived(ski, reference, number, text):
                self._answered(ski, reference, number, text, turn)
            case RequestTimedOut(ski, reference):
                self._answered(ski, reference, None, "no answer", turn)
            case PeerGone(ski):
                self._forget(ski, turn)
            case _:
                pass

    # Getting to know a partner

    def _find(self, ski: Ski, turn: Turn) -> None:
        peer, remote = turn.peer(ski), turn.remote(ski)
        if peer is None or remote is None or peer.role is not PeerRole.DEVICE:
            return
        entities = system_entities(remote)
        self._systems = {
            key: system for key, system in self._systems.items() if key[0] != ski or key[1] in entities
        }
        for entity in sorted(entities):
            self._systems.setdefault((ski, entity), _System(ski, entity))
            for kind, functions in _READ.items():
                server = server_feature(remote, entity, kind, functions[-1])
                if server is None:
                    continue
                turn.subscribe(ski, self._clients[kind], server.address, kind)
                if kind in _BOUND:
                    turn.bind(ski, self._clients[kind], server.address, kind)

    def _agreed(
        self, ski: Ski, source: FeatureAddress, destination: FeatureAddress, is_binding: bool, turn: Turn
    ) -> None:
        system = self._systems.get((ski, destination.entity or ()))
        kind = next((kind for kind, client in self._clients.items() if client.address == source), None)
        if system is None or kind is None:
            return
        if is_binding:
            system.bound.add(kind)
            self._check_ready(system, turn)
            return
        for function in _READ[kind]:
            turn.read(ski, self._clients[kind], destination, function)

    def _learn(self, event: RemoteData, turn: Turn) -> None:
        system = self._systems.get((event.ski, event.source.entity or ()))
        if system is None:
            return
        if event.function == HEARTBEAT_FUNCTION:
            system.heartbeat_at = turn.now
            return
        turn.emit(SystemChanged(view(_remote(system, turn), system.ski, system.entity), turn.now))
        self._check_ready(system, turn)

    def _check_ready(self, system: _System, turn: Turn) -> None:
        if system.ready_at is not None or "LoadControl" not in system.bound:
            return
        if self._directions(system, turn):
            system.ready_at = turn.now
            turn.emit(SystemReady(system.ski, system.entity))
            self._open_if_due(system, turn)

    def _directions(self, system: _System, turn: Turn) -> list[Direction]:
        """The directions whose limit number is known."""
        remote = _remote(system, turn)
        return [p.direction for p in PROFILES if limit_item(remote, system.entity, p) is not None]

    def _writable(self, system: _System, turn: Turn) -> list[Direction]:
        return [] if system.ready_at is None else self._directions(system, turn)

    def _heard_by(self, ski: Ski, turn: Turn) -> None:
        self._sender.hasten(turn.now)
        self._beat(turn)
        for system in self._systems.values():
            if system.ski == ski:
                system.hears_us = True
                self._open_if_due(system, turn)

    def _forget(self, ski: Ski, turn: Turn) -> None:
        self._systems = {key: system for key, system in self._systems.items() if key[0] != ski}
        for asked_ski, reference in list(self._asked):
            if asked_ski == ski:
                self._answered(ski, reference, None, "the connection ended", turn)

    # The opening write and its repetition

    def _opening_at(self, system: _System) -> float | None:
        if system.opened or system.ready_at is None or not self._settings.opening_write:
            return None
        return system.ready_at if system.hears_us else system.ready_at + self._settings.opening_patience_s

    def _open_if_due(self, system: _System, turn: Turn) -> None:
        opening_at = self._opening_at(system)
        if opening_at is not None and turn.now >= opening_at:
            self._open(system, turn)

    def _open(self, system: _System, turn: Turn) -> None:
        """A heartbeat and then what is wanted; nothing wanted is stated as a deactivated limit."""
        system.opened = True
        self._sender.hasten(turn.now)
        self._beat(turn)
        for direction in self._directions(system, turn):
            key = (system.ski, direction)
            if key not in self._orders:
                value_w = self._known_value(system, direction, turn)
                self._orders[key] = _Order(Limit(active=False, value_w=value_w), ends_at=None)
            self._send_limit(system, direction, self._orders[key].now(turn.now), turn)

    def _repeat(self, ski: Ski, direction: Direction, limit: Limit, turn: Turn) -> None:
        for system in self._systems.values():
            if system.ski == ski and direction in self._writable(system, turn):
                self._sender.hasten(turn.now)
                self._beat(turn)
                self._send_limit(system, direction, limit, turn)

    def _answered(self, ski: Ski, reference: int, number: int | None, text: str, turn: Turn) -> None:
        if (ski, reference) not in self._asked:
            return
        direction = self._asked.pop((ski, reference))
        accepted = number == 0
        turn.emit(WriteAnswered(ski, direction, reference, accepted, number, text, turn.now))
        order = self._orders.get((ski, direction)) if direction else None
        if order is None or not self._settings.opening_write:
            return
        order.refusals = 0 if accepted else order.refusals + 1
        if not accepted:
            pause_s = self._settings.first_retry_s + (order.refusals - 1) * self._settings.retry_step_s
            order.due_at = turn.now + pause_s

    # Sending

    def _beat(self, turn: Turn) -> None:
        data = self._sender.beat(turn.now, turn.utc_now)
        if data is not None and not self._silent:
            turn.set_data(self._heartbeat, HEARTBEAT_FUNCTION, data)

    def _send_limit(self, system: _System, direction: Direction, limit: Limit, turn: Turn) -> int:
        """Number, flag and value always together; an end that shall go needs the delete filter."""
        profile = profile_of(direction)
        stored = limit_item(_remote(system, turn), system.entity, profile)
        if stored is None:
            raise LocalError(f"the partner has no limit for {direction}")
        period = None if limit.duration_s is None else TimePeriod(end_time=format_duration(limit.duration_s))
        item = LoadControlLimitData(
            limit_id=stored.limit_id,
            is_limit_active=limit.active,
            time_period=period,
            value=wire_value(profile, limit.value_w),
        )
        filters: tuple[Filter, ...] = (PARTIAL,)
        if stored.time_period is not None and period is None:
            selectors = LoadControlLimitData(limit_id=stored.limit_id)
            filters = (delete_filter(FUNCTIONS[LIMIT_FUNCTION], selectors, "timePeriod"), PARTIAL)
        data = LoadControlLimitListData(load_control_limit_data=(item,))
        return self._send(system, "LoadControl", LIMIT_FUNCTION, data, filters, direction, turn)

    def _send(
        self,
        system: _System,
        kind: str,
        function: str,
        data: Record,
        filters: tuple[Filter, ...],
        direction: Direction | None,
        turn: Turn,
    ) -> int:
        feature = server_feature(_remote(system, turn), system.entity, kind, function)
        if feature is None:
            raise LocalError(f"the partner has no {kind}")
        if not feature.functions[function].write_partial:
            # Such a partner takes complete data only (SPINE 6.1): put the change into what it has.
            spec = FUNCTIONS[function]
            current = feature.data.get(function) or spec.data()
            data, filters = apply(spec, current, command_for(data, filters)), ()
        counter = turn.write(
            system.ski, self._clients[kind], feature.address, function, data, filters=filters
        )
        self._asked[system.ski, counter] = direction
        return counter

    def _known_value(self, system: _System, direction: Direction, turn: Turn) -> float:
        """A value to go with a deactivated limit: the partner's own, so that nothing seems to change."""
        order = self._orders.get((system.ski, direction))
        if order is not None:
            return order.limit.value_w
        stored = limit_item(_remote(system, turn), system.entity, profile_of(direction))
        return abs(to_float(stored.value if stored else None) or 0.0)

    def _pick(self, ski: Ski | None) -> _System:
        ready = [s for s in self._systems.values() if s.ready_at is not None and ski in (None, s.ski)]
        if len(ready) != 1:
            raise LocalError(f"{len(ready)} controllable systems are ready to be written, one is needed")
        return ready[0]


def _remote(system: _System, turn: Turn) -> RemoteDevice:
    remote = turn.remote(system.ski)
    if remote is None:
        raise LocalError("the partner is not connected")
    return remote
