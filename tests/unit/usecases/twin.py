"""Two or more SPINE nodes joined in memory on one fake clock, and a tester that says only what it is told."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from eebus.clock import FakeClock
from eebus.ids import PeerRole, Ski
from eebus.jsonform import Record
from eebus.spine.datagram import Filter
from eebus.spine.device import READ, LocalDevice, LocalFeature, RemoteFeature
from eebus.spine.events import RemoteData, ResultReceived
from eebus.spine.functions import FUNCTIONS
from eebus.spine.handler import Handler, Peer
from eebus.spine.model.common import ScaledNumber, TimePeriod
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueListData,
    DeviceDiagnosisHeartbeatData,
    KeyValue,
)
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.stack import Emit, Persist, SendDatagram, SpineEffect, SpineStack, Turn
from eebus.spine.update import PARTIAL, delete_filter
from eebus.spine.values import format_date_time, format_duration, to_scaled
from eebus.usecases.announcement import announce
from eebus.usecases.controllable_system import (
    ControllableSystemSettings,
    DirectionStatus,
    PermittedRefusal,
    never_refuse,
)
from eebus.usecases.events import PersistFailsafe, StoredFailsafe
from eebus.usecases.house import ALL_GRID_VALUES, Gateway, build_gateway, build_stack
from eebus.usecases.limit_rules import CONTROLLED, FAILSAFE, LIMITED, LimitState
from eebus.usecases.limitation import FAILSAFE_DURATION_KEY_ID, LPC, PROFILES, Direction, Profile
from eebus.usecases.monitoring import MonitoringSettings

GATEWAY_SKI = Ski("a" * 40)
BOX_SKI = Ski("b" * 40)

ResultT = TypeVar("ResultT")


@dataclass
class Node:
    """One SPINE node and everything that came out of it."""

    ski: Ski
    stack: SpineStack
    disk_works: bool = True
    disk_answers: bool = True
    log: list[object] = field(default_factory=list)
    """Events, records and sent datagrams in their order."""

    def events(self, kind: type) -> list[object]:
        return [entry for entry in self.log if isinstance(entry, kind)]


class Wire:
    """Carries datagrams between nodes and lets time pass for all."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.nodes: dict[Ski, Node] = {}
        self.links: set[frozenset[Ski]] = set()
        self._queue: deque[tuple[Ski, Ski, bytes]] = deque()
        self.ticks: list[Callable[[float], float | None]] = []
        """Called at each instant; return when they want to be called next."""

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def add(self, ski: Ski, stack: SpineStack) -> Node:
        self.nodes[ski] = Node(ski, stack)
        return self.nodes[ski]

    def connect(self, one: Peer, other: Peer) -> None:
        """Join two nodes; each peer names the other side as its partner sees it."""
        self.links.add(frozenset((one.ski, other.ski)))
        self.do(self.nodes[one.ski], self.nodes[one.ski].stack.connect(other, self.now))
        self.do(self.nodes[other.ski], self.nodes[other.ski].stack.connect(one, self.now))
        self.pump()

    def cut(self, one: Ski, other: Ski) -> None:
        self.links.discard(frozenset((one, other)))
        for node, peer in ((one, other), (other, one)):
            if node in self.nodes:
                self.do(self.nodes[node], self.nodes[node].stack.disconnect(peer, self.now))
        self.pump()

    def run(self, ski: Ski, action: Callable[[Turn], ResultT]) -> ResultT:
        results: list[ResultT] = []
        self.do(
            self.nodes[ski], self.nodes[ski].stack.run(self.now, lambda turn: results.append(action(turn)))
        )
        self.pump()
        return results[0]

    def do(self, node: Node, effects: list[SpineEffect]) -> None:
        for effect in effects:
            match effect:
                case SendDatagram(ski, datagram):
                    node.log.append(datagram)
                    if frozenset((node.ski, ski)) in self.links:
                        self._queue.append((node.ski, ski, datagram))
                case Emit(event):
                    node.log.append(event)
                case Persist(record, _, token):
                    node.log.append(record)
                    if token is not None and node.disk_answers:
                        self.do(node, node.stack.stored(token, node.disk_works, self.now))
                case _:
                    node.log.append(effect)

    def pump(self) -> None:
        while self._queue:
            source, target, datagram = self._queue.popleft()
            node = self.nodes[target]
            self.do(node, node.stack.receive(source, json.loads(datagram)["datagram"], self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass, waking every node at its deadlines."""
        end = self.now + seconds
        while True:
            wishes = [node.stack.next_deadline() for node in self.nodes.values()]
            wishes += [tick(self.now) for tick in self.ticks]
            due = min((wish for wish in wishes if wish is not None), default=None)
            if due is None or due > end:
                break
            self.clock.advance(max(0.0, due - self.now))
            for node in self.nodes.values():
                wish = node.stack.next_deadline()
                if wish is not None and wish <= self.now:
                    self.do(node, node.stack.on_deadline(self.now))
            self.pump()
        self.clock.advance(end - self.now)


class Recorder(Handler):
    """Keeps the events of a tester's node."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.times: list[float] = []

    def on_event(self, event: object, turn: Turn) -> None:
        self.events.append(event)
        self.times.append(turn.now)


@dataclass(frozen=True)
class BoxLayout:
    """What a tester looks like; the defaults are an ordinary box."""

    entities_before: int = 0
    """Other entities in front, so that addresses differ from those of the last session."""
    client_type: str | None = None
    """Announce this type for the client features instead of the right one."""
    guards: int = 1
    """How many energy guard entities there are."""
    guard_type: str = "GridGuard"
    bind_configuration: bool = True


class HandBox:
    """An energy guard that sends only what a step says (CF_EG_ManualExecution)."""

    def __init__(self, wire: Wire, ski: Ski = BOX_SKI, layout: BoxLayout | None = None) -> None:
        self.wire, self.ski = wire, ski
        self.layout = layout or BoxLayout()
        self.counter = 0
        self._written_at = 0
        device = LocalDevice("d:_n:Test_Box-1", "ElectricitySupplySystem")
        for _ in range(self.layout.entities_before):
            device.add_entity("Generic")
        self.guards = [device.add_entity(self.layout.guard_type) for _ in range(self.layout.guards)]
        self.heartbeats: list[LocalFeature] = []
        self.clients: list[dict[str, LocalFeature]] = []
        for guard in self.guards:
            types = ("LoadControl", "DeviceConfiguration", "DeviceDiagnosis", "ElectricalConnection")
            if self.layout.client_type is None:
                clients = {name: guard.add_feature(name, "client") for name in types}
            else:
                clients = dict.fromkeys(types, guard.add_feature(self.layout.client_type, "client"))
            self.clients.append(clients)
            self.heartbeats.append(
                guard.add_feature("DeviceDiagnosis", "server", {"deviceDiagnosisHeartbeatData": READ})
            )
            for profile in PROFILES:
                announce(device, guard, "EnergyGuard", profile.use_case, (1, 2, 3, 4))
        stack = SpineStack(device, utc_now=wire.clock.utc_now)
        self.recorder = Recorder()
        stack.add_handler(self.recorder)
        self.node = wire.add(ski, stack)

    def server(self, feature_type: str) -> RemoteFeature:
        """The feature of the controllable system."""
        return self.wire.run(self.ski, lambda turn: _server(turn, feature_type))

    def bind_all(self, guard: int = 0) -> None:
        """Subscribe and bind as an energy guard does, then read everything once."""
        for kind, client in self.clients[guard].items():
            server = self.server(kind)
            self._subscribe(client, server)
            if kind == "LoadControl" or (kind == "DeviceConfiguration" and self.layout.bind_configuration):
                self._bind(client, server)
            for function in server.functions:
                self.read(kind, function, guard)

    def _subscribe(self, client: LocalFeature, server: RemoteFeature) -> None:
        self.wire.run(
            self.ski, lambda turn: turn.subscribe(GATEWAY_SKI, client, server.address, server.feature_type)
        )

    def _bind(self, client: LocalFeature, server: RemoteFeature) -> None:
        self.wire.run(
            self.ski, lambda turn: turn.bind(GATEWAY_SKI, client, server.address, server.feature_type)
        )

    def heartbeat(self, guard: int = 0) -> None:
        self.counter += 1
        data = DeviceDiagnosisHeartbeatData(
            timestamp=format_date_time(self.wire.clock.utc_now()),
            heartbeat_counter=self.counter,
            heartbeat_timeout="PT1M",
        )
        feature = self.heartbeats[guard]
        self.wire.run(
            self.ski,
            lambda turn: turn.set_data(feature, "deviceDiagnosisHeartbeatData", data, force=True),
        )

    def read(self, kind: str, function: str, guard: int = 0) -> Record | None:
        """Read a function of the controllable system now."""
        server = self.server(kind)
        client = self.clients[guard][kind]
        self.wire.run(self.ski, lambda turn: turn.read(GATEWAY_SKI, client, server.address, function))
        return self.server(kind).data.get(function)

    def write(
        self, kind: str, data: Record, filters: tuple[Filter, ...] = (PARTIAL,), guard: int = 0
    ) -> int | None:
        """Write and return the error number of the answer; None while there is none."""
        function = (
            "loadControlLimitListData" if kind == "LoadControl" else "deviceConfigurationKeyValueListData"
        )
        server, client = self.server(kind), self.clients[guard][kind]
        self._written_at = len(self.recorder.events)
        counter = self.wire.run(
            self.ski,
            lambda turn: turn.write(GATEWAY_SKI, client, server.address, function, data, filters=filters),
        )
        return self.answer(counter)

    def answer(self, counter: int) -> int | None:
        """The error number of the answer to the last write; None while there is none."""
        later = self.recorder.events[self._written_at :]
        results = [e for e in later if isinstance(e, ResultReceived) and e.reference == counter]
        return results[0].error_number if results else None

    def answer_text(self) -> str:
        """The description of the last answer."""
        return [e for e in self.recorder.events if isinstance(e, ResultReceived)][-1].description

    def notifies(self, function: str) -> list[tuple[float, Record]]:
        """What was notified, with the time of its arrival."""
        return [
            (at, event.data)
            for at, event in zip(self.recorder.times, self.recorder.events, strict=True)
            if isinstance(event, RemoteData) and event.function == function and not event.is_reply
        ]


def _server(turn: Turn, feature_type: str) -> RemoteFeature:
    remote = turn.remote(GATEWAY_SKI)
    assert remote is not None
    return remote.find_features(feature_type, "server", (1,))[0]


def limit_item(
    profile: Profile,
    value_w: float | None = None,
    active: bool | None = None,
    duration_s: float | None = None,
) -> LoadControlLimitListData:
    """A limit with only what is given; the value as a magnitude, negative for a wrong sign."""
    return LoadControlLimitListData(
        load_control_limit_data=(
            LoadControlLimitData(
                limit_id=profile.limit_id,
                is_limit_active=active,
                time_period=None if duration_s is None else TimePeriod(end_time=format_duration(duration_s)),
                value=None if value_w is None else to_scaled(value_w * profile.wire_sign),
            ),
        )
    )


def failsafe_item(profile: Profile, value_w: float) -> DeviceConfigurationKeyValueListData:
    return key_item(profile.failsafe_key_id, KeyValue(scaled_number=to_scaled(value_w)))


def duration_item(seconds: float) -> DeviceConfigurationKeyValueListData:
    return key_item(FAILSAFE_DURATION_KEY_ID, KeyValue(duration=format_duration(seconds)))


def key_item(number: int, value: KeyValue) -> DeviceConfigurationKeyValueListData:
    return DeviceConfigurationKeyValueListData(
        device_configuration_key_value_data=(DeviceConfigurationKeyValueData(key_id=number, value=value),)
    )


# The official message sets (use case reference 3.5): value?, activated, duration ("delete", seconds or None)
MESSAGES: dict[int, tuple[bool, bool | None, str | None]] = {
    1: (True, None, None),
    2: (False, True, None),
    3: (False, False, None),
    4: (False, None, "delete"),
    5: (False, None, "set"),
    6: (True, True, None),
    7: (True, False, None),
    8: (True, None, "delete"),
    9: (True, None, "set"),
    10: (False, True, "delete"),
    11: (False, True, "set"),
    12: (False, False, "delete"),
    13: (False, False, "set"),
    14: (True, True, "delete"),
    15: (True, True, "set"),
    16: (True, False, "delete"),
    17: (True, False, "set"),
}


class House:
    """The gateway with a tester as its box: the stage of the official cases."""

    def __init__(
        self,
        profile: Profile = LPC,
        *,
        settings: ControllableSystemSettings | None = None,
        layout: BoxLayout | None = None,
        permitted_refusal: PermittedRefusal = never_refuse,
        connect: bool = True,
    ) -> None:
        self.profile = profile
        self.permitted_refusal = permitted_refusal
        self.settings = settings or ControllableSystemSettings()
        self.stored = StoredFailsafe()
        self.wire = Wire()
        self.heartbeats_run = False
        self._next_heartbeat = 0.0
        self.wire.ticks.append(self._background_heartbeat)
        self.power_on()
        self.tester = HandBox(self.wire, layout=layout)
        if connect:
            self.connect()

    def power_on(self) -> None:
        """(Re)start the gateway with what its disk holds."""
        if GATEWAY_SKI in self.wire.nodes:
            records = self.wire.nodes[GATEWAY_SKI].log
            for record in records:
                if isinstance(record, PersistFailsafe):
                    self.stored = record.stored
            self.wire.links.clear()
            del self.wire.nodes[GATEWAY_SKI]
            if hasattr(self, "tester"):
                self.wire.do(self.tester.node, self.tester.node.stack.disconnect(GATEWAY_SKI, self.wire.now))
        self.gateway: Gateway = build_gateway(
            "d:_n:Test_Gateway-1",
            settings=self.settings,
            failsafe=self.stored,
            grid=MonitoringSettings(optional=ALL_GRID_VALUES),
            permitted_refusal=self.permitted_refusal,
        )
        self.node = self.wire.add(GATEWAY_SKI, build_stack(self.gateway, self.wire.clock.utc_now))
        self.wire.run(GATEWAY_SKI, self.gateway.start)

    def connect(self, tester: HandBox | None = None, role: PeerRole = PeerRole.CONTROL_BOX) -> None:
        """Join the tester and let it bind everything."""
        tester = tester or self.tester
        self.wire.connect(Peer(GATEWAY_SKI, PeerRole.DEVICE), Peer(tester.ski, role))
        tester.bind_all()

    def cut(self) -> None:
        self.heartbeats_run = False
        self.wire.cut(GATEWAY_SKI, self.tester.ski)

    def _background_heartbeat(self, now: float) -> float | None:
        if not self.heartbeats_run:
            return None
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + 30.0
            self.tester.heartbeat()
        return self._next_heartbeat

    def run_heartbeats(self) -> None:
        """CF_EG_ConnectionEstablished: heartbeats in the background."""
        self.heartbeats_run = True
        self._next_heartbeat = 0.0
        self._background_heartbeat(self.wire.now)

    # Steps

    def message(
        self, number: int, value_w: float = 4321.0, duration_s: float = 60.0, profile: Profile | None = None
    ) -> int | None:
        """Send one of the official message sets; returns the error number."""
        with_value, active, duration = MESSAGES[number]
        profile = profile or self.profile
        data = limit_item(
            profile,
            value_w if with_value else None,
            active,
            duration_s if duration == "set" else None,
        )
        filters: tuple[Filter, ...] = (PARTIAL,)
        if duration == "delete":
            selectors = LoadControlLimitData(limit_id=profile.limit_id)
            spec = FUNCTIONS["loadControlLimitListData"]
            filters = (delete_filter(spec, selectors, "timePeriod"), PARTIAL)
        return self.tester.write("LoadControl", data, filters)

    def failsafe_limit(self, value_w: float, profile: Profile | None = None) -> int | None:
        return self.tester.write("DeviceConfiguration", failsafe_item(profile or self.profile, value_w))

    def failsafe_duration(self, seconds: float) -> int | None:
        return self.tester.write("DeviceConfiguration", duration_item(seconds))

    def bring_to(self, state: LimitState, value_w: float = 5000.0) -> "House":
        """Reach a precondition with both sides connected."""
        if state in {CONTROLLED, LIMITED, FAILSAFE}:
            self.tester.heartbeat()
            assert self.message(14 if state is LIMITED else 16, value_w) == 0
        if state is FAILSAFE:
            self.wire.wait(130)
        if state is LimitState.UNLIMITED_AUTONOMOUS:
            self.wire.wait(130)
        assert self.state is state
        return self

    # Observations

    @property
    def status(self) -> DirectionStatus:
        """The inspection interface for the direction under test."""
        status = self.gateway.controllable_system.status(self.wire.now)
        found = status.consumption if self.profile.direction is Direction.CONSUMPTION else status.production
        assert found is not None
        return found

    @property
    def state(self) -> LimitState:
        return self.status.state

    def published_limit(self, profile: Profile | None = None) -> LoadControlLimitData:
        """Read the limit now."""
        data = self.tester.read("LoadControl", "loadControlLimitListData")
        assert isinstance(data, LoadControlLimitListData)
        number = (profile or self.profile).limit_id
        return next(item for item in data.load_control_limit_data or () if item.limit_id == number)

    def published_key(self, number: int) -> KeyValue:
        """Read a configuration key now."""
        data = self.tester.read("DeviceConfiguration", "deviceConfigurationKeyValueListData")
        assert isinstance(data, DeviceConfigurationKeyValueListData)
        value = next(i.value for i in data.device_configuration_key_value_data or () if i.key_id == number)
        assert value is not None
        return value

    def published_failsafe(self) -> ScaledNumber | None:
        return self.published_key(self.profile.failsafe_key_id).scaled_number
