"""All message interleavings of crossing dials against other products' rules: one connection must remain.

Messages of one direction of a connection keep their order; nothing else is ordered. Timers run when no
message is under way: delays below the settle time (reference 12.4).
"""

import copy
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from eebus.ids import Ski
from eebus.ship.doubles import DropDial, PeerConnections, Retire

SMALL, BIG = Ski("1" * 40), Ski("f" * 40)
US, PEER = "us", "peer"
OTHER = {US: PEER, PEER: US}


class Node:
    """One side's rule. Every method returns the numbers of the connections it closes."""

    timer: float | None = None

    def may_dial(self) -> bool:
        raise NotImplementedError

    def dialling(self, connection: int, now: float) -> None:
        """An own dial starts."""

    def verified(self, connection: int, now: float) -> list[int]:
        """The certificate of an incoming connection is known."""
        return []

    def upgrade(self, connection: int, now: float) -> bool:
        """May the upgrade request go out?"""
        return True

    def upgraded(self, connection: int, outgoing: bool, now: float) -> list[int]:
        raise NotImplementedError

    def registering(self) -> list[int]:
        """Connections whose registration is a step of its own."""
        return []

    def register(self, connection: int) -> None:
        """That step."""

    def alive(self, connection: int) -> None:
        """A valid CMI arrived."""

    def ended(self, connection: int, now: float) -> None:
        raise NotImplementedError

    def on_timer(self, now: float) -> list[int]:
        return []


class Ours(Node):
    """The rule under test."""

    def __init__(self, bigger: bool) -> None:
        self.connections = PeerConnections(*((BIG, SMALL) if bigger else (SMALL, BIG)))

    @property
    def timer(self) -> float | None:  # type: ignore[override]
        return self.connections.next_deadline()

    def may_dial(self) -> bool:
        return self.connections.may_dial()

    def dialling(self, connection: int, now: float) -> None:
        self.connections.dial_started(connection, now)

    def verified(self, connection: int, now: float) -> list[int]:
        effects = self.connections.incoming_verified(connection, now)
        return [effect.connection for effect in effects if isinstance(effect, DropDial)]

    def upgrade(self, connection: int, now: float) -> bool:
        return self.connections.upgrade_requested(connection, now)

    def upgraded(self, connection: int, outgoing: bool, now: float) -> list[int]:
        self.connections.upgraded(connection, now)
        return []

    def alive(self, connection: int) -> None:
        self.connections.mode_initialised(connection)

    def ended(self, connection: int, now: float) -> None:
        self.connections.ended(connection, now)

    def on_timer(self, now: float) -> list[int]:
        effects = self.connections.on_deadline(now)
        return [effect.connection for effect in effects if isinstance(effect, Retire)]


class GoAtomic(Node):
    """ship-go B: the connection dialled by the bigger SKI wins, decided after the upgrade."""

    def __init__(self, bigger: bool) -> None:
        self.bigger = bigger
        self.registered: int | None = None

    def may_dial(self) -> bool:
        return self.registered is None

    def upgraded(self, connection: int, outgoing: bool, now: float) -> list[int]:
        old = self.registered
        if old is not None and outgoing != self.bigger:
            return [connection]
        self.accept(connection)
        return [] if old is None else [old]

    def accept(self, connection: int) -> None:
        self.registered = connection

    def ended(self, connection: int, now: float) -> None:
        if self.registered == connection:
            self.registered = None


class GoTwoSteps(GoAtomic):
    """ship-go A: the same rule, but looking up and registering are separate steps."""

    def __init__(self, bigger: bool) -> None:
        super().__init__(bigger)
        self.waiting: list[int] = []

    def accept(self, connection: int) -> None:
        self.waiting.append(connection)

    def registering(self) -> list[int]:
        return self.waiting

    def register(self, connection: int) -> None:
        self.waiting.remove(connection)
        self.registered = connection

    def ended(self, connection: int, now: float) -> None:
        super().ended(connection, now)
        if connection in self.waiting:
            self.waiting.remove(connection)


class GoNewest(Node):
    """ship-go C: the connection registered last wins; the bigger SKI drops its dial for an incoming one."""

    def __init__(self, bigger: bool) -> None:
        self.bigger = bigger
        self.dials: list[int] = []
        self.up: list[int] = []

    def may_dial(self) -> bool:
        return not self.up and not self.dials

    def dialling(self, connection: int, now: float) -> None:
        self.dials.append(connection)

    def verified(self, connection: int, now: float) -> list[int]:
        return list(self.dials) if self.bigger else []

    def upgraded(self, connection: int, outgoing: bool, now: float) -> list[int]:
        old = list(self.up)
        self.up.append(connection)
        if connection in self.dials:
            self.dials.remove(connection)
        return old

    def ended(self, connection: int, now: float) -> None:
        for numbers in (self.up, self.dials):
            if connection in numbers:
                numbers.remove(connection)


class Specification(GoNewest):
    """The letter of the specification: the bigger SKI keeps the newest at once, the smaller waits 3 s."""

    def verified(self, connection: int, now: float) -> list[int]:
        return []

    def upgraded(self, connection: int, outgoing: bool, now: float) -> list[int]:
        old = super().upgraded(connection, outgoing, now)
        if self.bigger:
            return old
        if old:
            self.timer = now + 3.0
        return []

    def on_timer(self, now: float) -> list[int]:
        self.timer = None
        return self.up[:-1]


class KeepsEverything(GoNewest):
    """A peer that never closes."""

    def verified(self, connection: int, now: float) -> list[int]:
        return []

    def upgraded(self, connection: int, outgoing: bool, now: float) -> list[int]:
        super().upgraded(connection, outgoing, now)
        return []


class OneOnly(GoNewest):
    """A peer that refuses every further connection, whoever dialled it."""

    def verified(self, connection: int, now: float) -> list[int]:
        return []

    def upgraded(self, connection: int, outgoing: bool, now: float) -> list[int]:
        if self.up:
            self.dials = [dial for dial in self.dials if dial != connection]
            return [connection]
        return super().upgraded(connection, outgoing, now) and []


@dataclass
class Connection:
    dialler: str
    towards: dict[str, list[str]] = field(default_factory=lambda: {US: [], PEER: []})
    open_at: dict[str, bool] = field(default_factory=lambda: {US: False, PEER: False})
    upgrade_waits: bool = False


@dataclass
class World:
    nodes: dict[str, Node]
    tls_1_3: bool
    now: float = 0.0
    connections: list[Connection] = field(default_factory=list)
    dialled: set[str] = field(default_factory=set)

    def steps(self) -> Iterator[tuple[str, str, int]]:
        """Everything that can happen next, apart from timers."""
        for name, node in self.nodes.items():
            if name not in self.dialled and node.may_dial():
                yield ("dial", name, -1)
            for number in node.registering():
                yield ("register", name, number)
        for number, connection in enumerate(self.connections):
            if connection.upgrade_waits:
                yield ("upgrade", connection.dialler, number)
            for name in (US, PEER):
                if connection.towards[name]:
                    yield ("deliver", name, number)

    def take(self, step: tuple[str, str, int]) -> None:
        kind, name, number = step
        match kind:
            case "dial":
                self.dialled.add(name)
                connection = Connection(name)
                connection.open_at[name] = True
                self.connections.append(connection)
                self.nodes[name].dialling(len(self.connections) - 1, self.now)
                connection.towards[OTHER[name]].append("hello")
            case "register":
                self.nodes[name].register(number)
            case "upgrade":
                self.connections[number].upgrade_waits = False
                if self.nodes[name].upgrade(number, self.now):
                    self.send(number, name, "upgrade")
            case _:
                self.deliver(number, name, self.connections[number].towards[name].pop(0))

    def send(self, number: int, sender: str, message: str) -> None:
        self.connections[number].towards[OTHER[sender]].append(message)

    def close(self, number: int, name: str) -> None:
        connection = self.connections[number]
        if connection.open_at[name]:
            connection.open_at[name] = False
            if name == connection.dialler:
                connection.upgrade_waits = False
            self.nodes[name].ended(number, self.now)
            self.send(number, name, "close")

    def deliver(self, number: int, name: str, message: str) -> None:
        connection, node = self.connections[number], self.nodes[name]
        if message == "hello":
            connection.open_at[name] = True
            self.send(number, name, "server certificate")
            return
        if not connection.open_at[name]:
            return
        closing: list[int] = []
        match message:
            case "server certificate":
                self.send(number, name, "client certificate")
                connection.upgrade_waits = self.tls_1_3
            case "client certificate":
                closing = node.verified(number, self.now)
                if not self.tls_1_3:
                    self.send(number, name, "finished")
            case "finished":
                connection.upgrade_waits = True
            case "upgrade":
                self.send(number, name, "upgraded")
                closing = node.upgraded(number, False, self.now)
            case "upgraded":
                self.send(number, name, "cmi")
                closing = node.upgraded(number, True, self.now)
            case "cmi":
                node.alive(number)
                if name != connection.dialler:
                    self.send(number, name, "cmi")
            case "close":
                connection.open_at[name] = False
                if name == connection.dialler:
                    connection.upgrade_waits = False
                node.ended(number, self.now)
        for other in closing:
            self.close(other, name)

    def run_timer(self) -> bool:
        """Let the next timer expire; False when none runs."""
        due = [(node.timer, name) for name, node in self.nodes.items() if node.timer is not None]
        if not due:
            return False
        at, name = min(due)
        self.now = at
        for number in self.nodes[name].on_timer(at):
            self.close(number, name)
        return True

    def survivors(self) -> list[bool]:
        """For each connection still open at an end: is it open at both?"""
        ends = [connection.open_at for connection in self.connections]
        return [open_at[US] and open_at[PEER] for open_at in ends if open_at[US] or open_at[PEER]]


def explore(start: World) -> Iterator[World]:
    """Every final world that the start can lead to."""
    seen: set[bytes] = set()
    worlds = [start]
    while worlds:
        world = worlds.pop()
        steps = list(world.steps())
        if not steps:
            if world.run_timer():
                worlds.append(world)
            else:
                yield world
            continue
        for step in steps:
            following = copy.deepcopy(world)
            following.take(step)
            key = pickle.dumps(following)
            if key not in seen:
                seen.add(key)
                worlds.append(following)


PEERS: list[Callable[[bool], Node]] = [
    Ours,
    GoTwoSteps,
    GoAtomic,
    GoNewest,
    Specification,
    KeepsEverything,
    OneOnly,
]


@pytest.mark.parametrize("tls_1_3", [False, True], ids=["TLS1.2", "TLS1.3"])
@pytest.mark.parametrize("we_are_bigger", [False, True], ids=["smaller", "bigger"])
@pytest.mark.parametrize("peer", PEERS)
def test_exactly_one_connection_remains(
    peer: Callable[[bool], Node], we_are_bigger: bool, tls_1_3: bool
) -> None:
    """SHIP 14: VR921, MX400."""
    world = World({US: Ours(we_are_bigger), PEER: peer(not we_are_bigger)}, tls_1_3)
    finals = 0
    for final in explore(world):
        finals += 1
        assert final.survivors() == [True]
    assert finals > 0


@pytest.mark.parametrize("tls_1_3", [False, True], ids=["TLS1.2", "TLS1.3"])
@pytest.mark.parametrize("we_are_bigger", [False, True], ids=["smaller", "bigger"])
@pytest.mark.parametrize("peer", PEERS)
def test_new_connection_displaces_one_that_is_dead_at_the_peer(
    peer: Callable[[bool], Node], we_are_bigger: bool, tls_1_3: bool
) -> None:
    """The peer has restarted and dials; we still believe in the old connection."""
    ours = Ours(we_are_bigger)
    old = Connection(US, open_at={US: True, PEER: False})
    ours.dialling(0, -100.0)
    ours.upgrade(0, -100.0)
    ours.upgraded(0, True, -99.0)
    ours.alive(0)
    world = World({US: ours, PEER: peer(not we_are_bigger)}, tls_1_3, connections=[old])
    for final in explore(world):
        assert final.survivors() == [True]
        assert not final.connections[0].open_at[US]
