"""All connections of a node, in both directions: who may come, whom to dial, which one carries SPINE."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from eebus.clock import Clock
from eebus.errors import RemoteError
from eebus.ids import Ski
from eebus.io.addresses import AddressBook
from eebus.io.dialer import DialDropped, Dialer, Dialled
from eebus.io.link import Link, LinkWrapper
from eebus.io.listener import Arrival
from eebus.io.loss_watch import LossWatch
from eebus.io.pump import Pump, short
from eebus.io.trouble import PeerTrouble
from eebus.ship.connection import (
    Ended,
    PeerPending,
    Phase,
    PhaseReached,
    ShipConnection,
    ShipEffect,
    ShipRole,
    ShipSettings,
    Trust,
)
from eebus.ship.dialing import SILENT, DialSchedule
from eebus.ship.doubles import (
    Deliver,
    DoubleEffect,
    DropDial,
    PeerConnections,
    PeerMute,
    ProbeSession,
    Retire,
    SessionEnds,
    SessionStarts,
)
from eebus.ship.effects import EndCause
from eebus.ship.identity import PeerCertificate
from eebus.ship.pin_guard import PinGuard

_log = logging.getLogger(__name__)
_CLOSE_DOUBLE = 4001


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangerLimits:
    """How many connections unknown peers may hold while they wait for a person's decision."""

    total: int = 6
    per_address: int = 3
    per_ski: int = 2


class ConnectionsOwner(Protocol):
    """The node, as seen from its connections."""

    def judge(self, peer: PeerCertificate) -> Trust:
        """What we think of a proven key. Raises RemoteError when it must not even finish the handshake."""

    def knocked(self, peer: PeerCertificate, address: str) -> None:
        """A connection with a proven key is up."""

    def ship_effect(self, pump: Pump, effect: ShipEffect) -> None:
        """Something about a connection that people or the trust list want to know."""

    def not_reached(self, ski: Ski, text: str) -> None:
        """A peer that we want is not connected, for a reason that was not told before."""

    def session_starts(self, pump: Pump, *, replaces: bool) -> None:
        """SPINE runs on this connection from now on."""

    def session_ends(self, ski: Ski) -> None:
        """SPINE with a peer is over."""

    def deliver(self, ski: Ski, datagram: object) -> None:
        """A datagram for the stack."""

    def probe(self, ski: Ski) -> None:
        """Ask the peer for a sign of life."""

    def peer_left(self, ski: Ski) -> None:
        """The last connection of a peer is gone."""

    async def settled(self) -> None:
        """Returns when the node has taken in what came so far."""


@dataclass(slots=True)
class _Peer:
    """Everything about the connections of one SKI."""

    ski: Ski
    connections: PeerConnections
    pumps: dict[int, Pump] = field(default_factory=dict)
    retired: set[int] = field(default_factory=set)
    kept: bool = False
    schedule: DialSchedule | None = None
    """Only for peers that we dial."""
    was_up: bool = False
    """A WebSocket has been up since the peer had no connection."""
    cause: EndCause = EndCause.TRANSPORT_LOST
    """Why the connection ended that ended last."""
    doubt: LossWatch = field(default_factory=LossWatch)
    trouble: PeerTrouble = field(default_factory=PeerTrouble)


class Connections:
    """The connections of one node. Implements the host of its listener and the owner of its pumps."""

    def __init__(
        self,
        own_ski: Ski,
        ship: ShipSettings,
        limits: StrangerLimits,
        owner: ConnectionsOwner,
        dialer: Dialer,
        book: AddressBook,
        clock: Clock,
        *,
        uniform: Callable[[float, float], float],
        plan: Callable[[float | None], None],
        wrap_link: LinkWrapper,
        pins: PinGuard,
        strict_doubles: bool,
    ) -> None:
        self._own_ski = own_ski
        self._ship = ship
        self._limits = limits
        self._owner = owner
        self._dialer = dialer
        self._book = book
        self._clock = clock
        self._uniform = uniform
        self._plan = plan
        self._wrap_link = wrap_link
        self._pins = pins
        self._strict_doubles = strict_doubles
        self._peers: dict[Ski, _Peer] = {}
        self._by_number: dict[int, _Peer] = {}
        self._strangers: dict[int, str] = {}
        self._numbers = itertools.count(1)
        self._closing = False

    # -- incoming ------------------------------------------------------------------------------------

    def admit_arrival(self, peer: PeerCertificate, address: str) -> int:
        """Judge a certificate inside the TLS handshake. Raises RemoteError to refuse it."""
        if self._closing:
            raise RemoteError("this node is shutting down")
        is_stranger = self._owner.judge(peer) is not Trust.TRUSTED
        if is_stranger:
            self._check_room(peer.ski, address)
        number = self._register(self._peer(peer.ski))
        if is_stranger:
            self._strangers[number] = address
        record = self._by_number[number]
        self._carry_out(record, record.connections.incoming_verified(number, self._clock.monotonic()))
        return number

    def _check_room(self, ski: Ski, address: str) -> None:
        of_ski = sum(1 for number in self._strangers if self._by_number[number].ski == ski)
        if of_ski >= self._limits.per_ski:
            raise RemoteError("this unknown peer is connected already")
        if len(self._strangers) >= self._limits.total:
            raise RemoteError("too many unknown peers wait for a decision")
        if Counter(self._strangers.values())[address] >= self._limits.per_address:
            raise RemoteError("too many unknown peers wait at this address")

    async def welcome(self, arrival: Arrival) -> None:
        """Run an incoming connection to its end."""
        record = self._by_number[arrival.number]
        await self._run(record, arrival.number, ShipRole.SERVER, arrival.link, arrival.peer, arrival.address)

    def departed(self, number: int) -> None:
        """An incoming connection is over, at whatever step."""
        self._end(number)

    # -- outgoing ------------------------------------------------------------------------------------

    def keep(self, ski: Ski, *, dial: bool) -> None:
        """Remember a trusted peer between its connections; with *dial* see to it that there is one."""
        record = self._peer(ski)
        record.kept = True
        if dial and record.schedule is None:
            record.schedule = DialSchedule(self._uniform, self._clock.monotonic())
            self._plan(record.schedule.next_deadline())

    def let_go(self, ski: Ski) -> None:
        """The peer is trusted no more: neither remember nor dial it."""
        if (record := self._peers.get(ski)) is not None:
            record.kept = False
            record.schedule = None
            self._forget_if_idle(record)

    def dial_soon(self, ski: Ski) -> None:
        """An address of a wanted peer has become known. Both sides may see each other now, so draw lots."""
        record = self._peers.get(ski)
        if record is not None and record.schedule is not None and record.connections.may_dial():
            now = self._clock.monotonic()
            if record.schedule.is_due(now):
                record.schedule = DialSchedule(self._uniform, now)
            self._plan(record.schedule.next_deadline())

    def dial_now(self, ski: Ski) -> None:
        """The user wants it, or the peer has just announced that it accepts new peers."""
        record = self._peers.get(ski)
        if record is not None and record.schedule is not None and record.connections.may_dial():
            now = self._clock.monotonic()
            record.schedule.request(now)
            self._plan(now)

    def due_dials(self, now: float) -> Iterator[Ski]:
        """The peers to dial at this moment; follow each with :meth:`dial`."""
        for record in self._peers.values():
            if self._is_dialable(record) and record.schedule is not None and record.schedule.is_due(now):
                yield record.ski

    async def dial(self, ski: Ski) -> None:
        """One attempt, and the connection that comes of it."""
        record, now = self._peers[ski], self._clock.monotonic()
        schedule = record.schedule
        if schedule is None or not record.connections.may_dial():
            return
        schedule.begin()
        number = self._register(record)
        record.connections.dial_started(number, now)
        try:
            dialled = await self._try_to_dial(record, number)
            if dialled is None:
                schedule.failed(self._clock.monotonic())
            else:
                self._book.reached(ski, dialled.target)
                await self._run(
                    record, number, ShipRole.CLIENT, dialled.link, dialled.peer, dialled.target.host
                )
        finally:
            self._end(number)

    async def _try_to_dial(self, record: _Peer, number: int) -> Dialled | None:
        def still_wanted() -> bool:
            return record.kept and record.connections.upgrade_requested(number, self._clock.monotonic())

        try:
            return await self._dialer.dial(record.ski, self._book.targets(record.ski), still_wanted)
        except DialDropped:
            _log.debug("dial to %s dropped, it came to us", short(record.ski))
        except RemoteError as error:
            _log.debug("dial to %s failed: %s", short(record.ski), error)
            if record.trouble.dial_failed(str(error)):
                self._owner.not_reached(record.ski, str(error))
        except Exception:
            _log.exception("dial to %s failed by a mistake of ours", short(record.ski))
        return None

    def _is_dialable(self, record: _Peer) -> bool:
        return (
            not self._closing
            and record.schedule is not None
            and record.connections.may_dial()
            and bool(self._book.targets(record.ski))
        )

    async def attach(self, role: ShipRole, link: Link, peer: PeerCertificate, address: str) -> None:
        """Run a connection over a link that is open already and whose peer is proven by other means.

        Raises RemoteError when the peer is refused.
        """
        if role is ShipRole.SERVER:
            number = self.admit_arrival(peer, address)
        else:
            record, now = self._peer(peer.ski), self._clock.monotonic()
            number = self._register(record)
            record.connections.dial_started(number, now)
            record.connections.upgrade_requested(number, now)
        try:
            await self._run(self._by_number[number], number, role, link, peer, address)
        finally:
            self._end(number)

    # -- both directions -----------------------------------------------------------------------------

    def _peer(self, ski: Ski) -> _Peer:
        if ski not in self._peers:
            connections = PeerConnections(self._own_ski, ski, strict=self._strict_doubles)
            self._peers[ski] = _Peer(ski, connections)
        return self._peers[ski]

    def _register(self, record: _Peer) -> int:
        number = next(self._numbers)
        self._by_number[number] = record
        return number

    async def _run(
        self, record: _Peer, number: int, role: ShipRole, link: Link, peer: PeerCertificate, address: str
    ) -> None:
        if number in record.retired:
            link.close(_CLOSE_DOUBLE, "double connection")
            return
        for other, pump in record.pumps.items():
            if pump.ping_overdue:
                record.connections.ping_missed(other)
        self._owner.knocked(peer, address)
        trust = self._owner.judge(peer)
        machine = ShipConnection(role, self._ship, trust, peer_ski=record.ski, pins=self._pins)
        wrapped = self._wrap_link(link, record.ski)
        pump = Pump(wrapped, machine, self, self._clock, number=number, address=address)
        record.pumps[number] = pump
        record.was_up = True
        if record.schedule is not None:
            record.schedule.connection_up()
        self._carry_out(record, record.connections.upgraded(number, self._clock.monotonic()))
        await pump.run()

    def _end(self, number: int) -> None:
        record, now = self._by_number.pop(number), self._clock.monotonic()
        self._strangers.pop(number, None)
        record.pumps.pop(number, None)
        record.retired.discard(number)
        self._carry_out(record, record.connections.ended(number, now))
        if record.was_up and record.connections.may_dial():
            record.was_up = False
            self._owner.peer_left(record.ski)
            if record.schedule is not None:
                record.schedule.ended(record.cause, now)
                self._plan(record.schedule.next_deadline())
        self._forget_if_idle(record)

    def _forget_if_idle(self, record: _Peer) -> None:
        in_use = any(other is record for other in self._by_number.values())
        if not record.kept and not in_use:
            self._peers.pop(record.ski, None)

    def _carry_out(self, record: _Peer, effects: Sequence[DoubleEffect]) -> None:
        for effect in effects:
            match effect:
                case DropDial():
                    pass  # the dial learns it itself, just before its upgrade request
                case Retire(number):
                    record.retired.add(number)
                    if number in record.pumps:
                        record.pumps[number].close("double connection")
                case SessionStarts(number, replaces):
                    record.doubt.session_started(self._clock.monotonic())
                    self._owner.session_starts(record.pumps[number], replaces=replaces)
                case SessionEnds():
                    record.doubt.session_ended()
                    self._owner.session_ends(record.ski)
                case Deliver(datagram):
                    self._owner.deliver(record.ski, datagram)
                case ProbeSession():
                    self._owner.probe(record.ski)
                case PeerMute():
                    _log.info("%s no longer answers on its connection, dialling again", short(record.ski))
                    if record.schedule is not None:
                        record.schedule.mute(self._clock.monotonic())
        self._plan(record.connections.next_deadline())

    # -- the owner of pumps --------------------------------------------------------------------------

    def spine_message(self, pump: Pump, datagram: object) -> None:
        """A datagram arrived on a connection: for the stack, or kept until that connection carries SPINE."""
        record = self._by_number[pump.number]
        self._carry_out(record, record.connections.spine_received(pump.number, datagram))

    def ship_effect(self, pump: Pump, effect: ShipEffect) -> None:
        """A connection got further, or the peer told something."""
        record, now = self._by_number[pump.number], self._clock.monotonic()
        self._note_trouble(record, pump.number, effect)
        match effect:
            case PhaseReached(Phase.HELLO):
                record.connections.mode_initialised(pump.number)
            case PhaseReached(Phase.DATA):
                if record.schedule is not None:
                    record.schedule.data_exchange(now)
                self._carry_out(record, record.connections.data_exchange(pump.number, now))
            case Ended(cause):
                record.cause = cause
                if cause is EndCause.TRANSPORT_LOST:
                    record.doubt.connection_lost(now)
        self._owner.ship_effect(pump, effect)
        self._plan(pump.next_deadline())

    def _note_trouble(self, record: _Peer, number: int, effect: ShipEffect) -> None:
        trouble, is_news = record.trouble, False
        match effect:
            case PeerPending() | Ended(EndCause.REMOTE_UNDECIDED):
                is_news = trouble.awaits_acceptance(number)
            case PhaseReached(Phase.DATA):
                trouble.data_exchange(number)
            case Ended(EndCause.REMOTE_REMOVAL):
                trouble.removed()
            case Ended(cause, text) if cause is not EndCause.LOCAL_CLOSE and cause not in SILENT:
                is_news = trouble.ended(number, text)
        if is_news:
            self._owner.not_reached(record.ski, trouble.text)

    async def settled(self) -> None:
        """Returns when the node has taken in what came so far."""
        await self._owner.settled()

    # -- what the node asks for ----------------------------------------------------------------------

    def pumps(self, ski: Ski | None = None) -> list[Pump]:
        """The open connections, of one peer or of all."""
        records = self._peers.values() if ski is None else filter(None, [self._peers.get(ski)])
        return [pump for record in records for pump in record.pumps.values()]

    def carrier(self, ski: Ski) -> Pump | None:
        """The connection that carries SPINE with a peer."""
        record = self._peers.get(ski)
        owner = None if record is None else record.connections.owner
        return None if record is None or owner is None else record.pumps.get(owner)

    def trouble(self, ski: Ski) -> str:
        """Why this peer is not connected, as far as known; empty while it is."""
        record = self._peers.get(ski)
        return "" if record is None or self.carrier(ski) is not None else record.trouble.text

    def set_trust(self, ski: Ski, trust: Trust) -> None:
        """Tell the open connections of a peer what a person decided."""
        if trust is Trust.TRUSTED:
            for number in [number for number in self._strangers if self._by_number[number].ski == ski]:
                del self._strangers[number]
        for pump in self.pumps(ski):
            pump.set_trust(trust)

    def close_all(self) -> None:
        """Say goodbye on every connection; no further ones are taken or made."""
        self._closing = True
        for pump in self.pumps():
            pump.close()

    def next_deadline(self) -> float | None:
        """When :meth:`on_deadline` or a dial is due."""
        deadlines: list[float | None] = []
        for record in self._peers.values():
            deadlines += [record.connections.next_deadline(), record.doubt.next_deadline()]
            deadlines += [pump.next_deadline() for pump in record.pumps.values()]
            if self._is_dialable(record) and record.schedule is not None:
                deadlines.append(record.schedule.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Let the time limits of connections act."""
        for record in list(self._peers.values()):
            for pump in list(record.pumps.values()):
                pump.on_deadline()
            self._carry_out(record, record.connections.on_deadline(now))
            if record.doubt.take_due(now):
                self._owner.probe(record.ski)
