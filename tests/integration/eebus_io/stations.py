"""Whole nodes on loopback for the tests: a gateway, control boxes, and what they told their application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from eebus.clock import Clock, SystemClock
from eebus.ids import PeerRole, ShipId, Ski
from eebus.io.addresses import PeerAddress
from eebus.io.events import PersistPairing, PersistTrust
from eebus.io.memory import MemoryLink, memory_pair
from eebus.io.node import Node, NodeSettings
from eebus.io.websocket import WebSocketLimits
from eebus.ship.connection import ShipRole
from eebus.ship.identity import Identity, PeerCertificate, fingerprint
from eebus.ship.pairing_service import PairingListener, PairingMemory
from eebus.ship.pin_guard import PinGuard
from eebus.ship.trust import TrustEntry, TrustList
from eebus.usecases.controllable_system import ControllableSystemSettings
from eebus.usecases.energy_guard import EnergyGuardSettings
from eebus.usecases.events import StoredFailsafe
from eebus.usecases.house import ControlBox, Gateway, build_control_box, build_gateway, build_stack
from eebus.usecases.monitoring import MonitoringSettings
from tests.integration.eebus_io.certificates import MADE_AT, identity

LIMIT_S = 8
E = TypeVar("E")

QUICK = NodeSettings(
    host="127.0.0.1",
    port=0,
    announce=False,
    discover=False,
    dial_wait_s=2.0,
    websocket=WebSocketLimits(close_wait_s=0.3),
)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a state that no event tells of."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0.01)


SILENT = replace(QUICK, listen=False, dial=False)
"""No sockets at all: for connections in memory."""


@dataclass
class Station:
    """One node with its identity, its storage and the memory of its events; outlives restarts of the node."""

    name: str
    identity: Identity
    compose: Callable[[], Gateway | ControlBox]
    settings: NodeSettings = QUICK
    ship_name: str = ""
    """In place of the name in the SHIP ID."""
    trust: TrustList = field(default_factory=TrustList)
    pairing: PairingListener | None = None
    pairing_memory: PairingMemory = field(default_factory=PairingMemory)
    pins: PinGuard = field(default_factory=PinGuard)
    clock: Clock = field(default_factory=SystemClock)
    events: list[object] = field(default_factory=list)
    stored: list[object] = field(default_factory=list)
    storing: Callable[[object], None] = lambda _record: None
    taking: Callable[[object], None] = lambda _event: None
    device: Gateway | ControlBox = field(init=False)
    node: Node = field(init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ski(self) -> Ski:
        return self.identity.ski

    def prepare(self) -> None:
        """Make a new node, as a restarted program does."""
        self.device = self.compose()
        self.node = Node(
            identity=self.identity,
            ship_id=ShipId(f"i:1_u:{self.ship_name or self.name}"),
            stack=build_stack(self.device, self.clock.utc_now),
            trust=self.trust,
            settings=self.settings,
            clock=self.clock,
            on_event=self.take_event,
            persist=self.store,
            random=lambda low, _high: low / 20,
            pins=self.pins,
            pairing=self.pairing,
            pairing_memory=self.pairing_memory,
        )
        self.node.act(self.device.start)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Node]:
        """The node, up; stopped in an orderly way at the end."""
        self.prepare()
        try:
            async with self.node.running():
                yield self.node
        finally:
            await asyncio.sleep(0.02)  # transports close their sockets in the next turns of the loop

    def take_event(self, event: object) -> None:
        self.taking(event)
        self.events.append(event)
        self._news.set()

    async def store(self, record: object) -> None:
        self.storing(record)
        self.stored.append(record)
        if isinstance(record, PersistTrust):
            self.trust = record.trust
        elif isinstance(record, PersistPairing):
            self.pairing_memory = record.memory

    async def event(self, kind: type[E], condition: Callable[[E], bool] = lambda _event: True) -> E:
        """Wait for an event, which may have come already; it and all before it are then forgotten."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while True:
                    for at, event in enumerate(self.events):
                        if isinstance(event, kind) and condition(event):
                            del self.events[: at + 1]
                            return event
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name}: no {kind.__name__} among {self.events}") from None

    def trusts(self, other: "Station", role: PeerRole) -> None:
        """Preset the trust, as stored by an earlier pairing."""
        entry = TrustEntry(ski=other.ski, role=role, accepted_at=MADE_AT)
        self.trust = self.trust.accept(entry, own_ski=self.ski)

    def dials(self, other: "Station") -> None:
        """Give the node the fixed address of another running one."""
        address = PeerAddress(other.ski, "127.0.0.1", other.node.snapshot().port)
        self.settings = replace(self.settings, peers=(address,))


def certificate(station: Station) -> PeerCertificate:
    """What the certificate of a station proves."""
    return PeerCertificate(
        station.ski, station.identity.public_key_sha256, fingerprint(station.identity).lower()
    )


@contextlib.asynccontextmanager
async def joined(client: Station, server: Station) -> AsyncIterator[tuple[MemoryLink, MemoryLink]]:
    """Two running stations with a connection in memory; yields the link of the client and of the server."""
    ours, theirs = memory_pair()
    ends = [
        asyncio.create_task(server.node.attach(ShipRole.SERVER, theirs, certificate(client), "memory")),
        asyncio.create_task(client.node.attach(ShipRole.CLIENT, ours, certificate(server), "memory")),
    ]
    try:
        yield ours, theirs
    finally:
        ours.cut()
        await asyncio.wait_for(asyncio.gather(*ends), LIMIT_S)


@contextlib.asynccontextmanager
async def raw_client(server: Station, client: Station) -> AsyncIterator[MemoryLink]:
    """A connection to a running station on which the test itself plays the peer."""
    ours, theirs = memory_pair()
    task = asyncio.create_task(server.node.attach(ShipRole.SERVER, theirs, certificate(client), "memory"))
    try:
        yield ours
    finally:
        ours.abort()
        await asyncio.wait_for(task, LIMIT_S)


def gateway(name: str = "gateway", **options: object) -> Station:
    """A controllable system with a grid connection point."""
    settings = ControllableSystemSettings(
        failsafe_consumption_w=4200.0,
        failsafe_duration_s=7200.0,
        contractual_consumption_w=11000.0,
        contractual_production_w=10000.0,
    )
    return Station(
        name,
        identity(name),
        lambda: build_gateway(
            f"d:_n:Test_{name}",
            settings=settings,
            failsafe=StoredFailsafe(),
            grid=MonitoringSettings(),
        ),
        **options,  # type: ignore[arg-type]
    )


def control_box(name: str = "box", **options: object) -> Station:
    """A Steuerbox that writes only when told to."""
    settings = EnergyGuardSettings(opening_write=False)
    return Station(
        name,
        identity(name),
        lambda: build_control_box(f"d:_n:Test_{name}", settings=settings),
        **options,  # type: ignore[arg-type]
    )
