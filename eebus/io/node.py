"""One EEBUS node with sockets: an identity, its peers, and the SPINE stack that serves them.

The node moves messages, keeps the time and carries out effects; every decision is made by the pure parts.
"""

import asyncio
import contextlib
import logging
import random as randomness
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import TypeVar

from eebus.clock import Clock
from eebus.errors import DecodeError, LocalError, RemoteError
from eebus.ids import PeerRole, ShipId, Ski
from eebus.io.addresses import AddressBook, PeerAddress
from eebus.io.alarm import Alarm
from eebus.io.connections import Connections
from eebus.io.dialer import Dialer
from eebus.io.events import (
    ConnectionEnded,
    ControlUnitAnnounced,
    NodeListening,
    PairingRequested,
    PeerAwaitsAcceptance,
    PeerConnected,
    PeerDisconnected,
    PeerNotReached,
    PeerRemovedPairing,
    PinAnswer,
    PinDemanded,
    PinGiven,
    ShipIdChanged,
    ShipIdLearned,
    TrustChanged,
)
from eebus.io.interfaces import HostAddresses, own_addresses
from eebus.io.link import Link, LinkWrapper, unchanged
from eebus.io.listener import Arrival, Listener
from eebus.io.mdns import Announcement, FoundService, Mdns, PairingWatch
from eebus.io.pairing_host import BoxPresence, PairingHost
from eebus.io.pump import Pump, short
from eebus.io.settings import NodeSettings
from eebus.io.snapshot import ConnectionSnapshot, NodeSnapshot
from eebus.io.tls import NodeTls
from eebus.io.trust_keeper import TrustKeeper
from eebus.io.turns import TurnRunner
from eebus.ship.connection import (
    Ended,
    PeerPending,
    PeerShipId,
    PeerVerified,
    PinAnswered,
    PinRequired,
    ShipEffect,
    ShipRole,
    ShipSettings,
    Trust,
    WaitingForUser,
)
from eebus.ship.dialing import SILENT
from eebus.ship.effects import Direction, EndCause
from eebus.ship.identity import Identity, PeerCertificate
from eebus.ship.pairing_service import ControlUnit, PairingListener, PairingMemory
from eebus.ship.pin_guard import PinGuard
from eebus.ship.service import AnnouncedService, build_txt, host_label, instance_label, parse_txt
from eebus.ship.trust import ShipIdCheck, TrustList
from eebus.spine.effects import SpineEffect
from eebus.spine.stack import Peer, SpineStack, Turn

__all__ = ["ConnectionSnapshot", "Node", "NodeSettings", "NodeSnapshot"]

T = TypeVar("T")
_log = logging.getLogger(__name__)
_GOODBYE_MARGIN_S = 1.0
_STORE_WAIT_S = 1.0


class Node:
    """A running node is ``run()``; ``stop()`` ends it in an orderly way, cancelling ends it at once."""

    def __init__(
        self,
        *,
        identity: Identity,
        ship_id: ShipId,
        stack: SpineStack,
        trust: TrustList,
        settings: NodeSettings,
        clock: Clock,
        on_event: Callable[[object], None],
        persist: Callable[[object], Awaitable[None]],
        random: Callable[[float, float], float] = randomness.uniform,
        ship: ShipSettings | None = None,
        wrap_link: LinkWrapper = unchanged,
        pins: PinGuard | None = None,
        pairing: PairingListener | None = None,
        pairing_memory: PairingMemory | None = None,
        reserved: socket.socket | None = None,
    ) -> None:
        """`reserved`: a socket of `listener.reserve` to listen on; without it the port is taken by `run`."""
        self._identity = identity
        self._ship = ship or ShipSettings(local_ship_id=ship_id)
        self._stack = stack
        self._trust = TrustKeeper(identity.ski, trust, clock, persist)
        self._settings = settings
        self._clock = clock
        self._on_event = on_event
        self._pins = pins or PinGuard()
        self._pairing = PairingHost(pairing, pairing_memory or PairingMemory(), clock, persist)
        self._sought: Ski | None = None
        self._book = AddressBook(settings.peers)
        self._turns = TurnRunner(self, persist)
        self._alarm = Alarm(clock, self._next_deadline, self._on_time)
        tls = NodeTls(identity)
        self._connections = Connections(
            identity.ski,
            self._ship,
            settings.strangers,
            self,
            Dialer(tls, settings.dialer, self._admit_dialled, clock.monotonic),
            self._book,
            clock,
            uniform=random,
            plan=self._alarm.plan,
            wrap_link=wrap_link,
            pins=self._pins,
            strict_doubles=settings.strict_double_connections,
        )
        self._listener = Listener(tls, settings.listener, self, clock, reserved)
        self._mdns: Mdns | None = None
        self._port = 0
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = asyncio.Event()
        self._ending = asyncio.Event()
        self._failure: BaseException | None = None

    # -- life ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until :meth:`stop`. Raises what broke in the core or in the application's callbacks.

        Raises LocalError when the port is taken.
        """
        self._port = self._listener.open() if self._settings.listen else 0
        async with asyncio.TaskGroup() as group:
            self._group = group
            accepting = [self._supervise(self._listener.serve(self._start))] if self._settings.listen else []
            services = [self._supervise(self._alarm.run()), *accepting]
            services.append(self._supervise(self._watch_addresses()))
            if (mdns := self._make_mdns(self._port)) is not None:
                self._mdns = mdns
                services.append(self._supervise(mdns.run()))
            for ski in self._trust.trusted_skis:
                self._connections.keep(ski, dial=self._settings.dial)
            self.emit(NodeListening(self._port))
            self._listening.set()
            await self._ending.wait()
            for task in accepting:
                task.cancel()
            await self._say_goodbye()
            for task in services:
                task.cancel()
        self._group = None
        await self._turns.close(_STORE_WAIT_S)
        if self._failure is not None:
            raise self._failure

    def _supervise(self, service: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """A part that runs as long as the node; when it breaks, the node ends with its error."""

        async def run() -> None:
            try:
                await service
            except Exception as error:
                self.fail(error)

        assert self._group is not None
        return self._group.create_task(run())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """:meth:`run` around a block; yields the port. What broke meanwhile is raised at the end.

        A node that does not listen has port 0.
        """
        task = asyncio.create_task(self.run())
        waiting = asyncio.create_task(self.listening())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            await task
        try:
            yield waiting.result()
        finally:
            self.stop()
            await task

    async def listening(self) -> int:
        """Wait until the node can be dialled; returns the port (0: it does not listen)."""
        await self._listening.wait()
        return self._port

    def stop(self) -> None:
        """Announce the end on every connection, then let :meth:`run` return."""
        self._ending.set()

    def fail(self, error: BaseException) -> None:
        """The core or the application broke: end the node with this error."""
        if self._failure is None:
            self._failure = error
        self._ending.set()

    async def _say_goodbye(self) -> None:
        self._connections.close_all()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._ship.close_max_time_s + _GOODBYE_MARGIN_S)
        for task in self._tasks:
            task.cancel()

    def _make_mdns(self, port: int) -> Mdns | None:
        settings = self._settings
        if not (settings.announces or settings.discover):
            return None
        announcement = self._announcement(port) if settings.announces else None
        watch = PairingWatch(lambda: self._pairing.is_on, self._pairing_announced, self._pairing.withdrawn)
        return Mdns(settings.mdns, announcement, self._found, self._lost, pairing=watch)

    def _announcement(self, port: int) -> Announcement:
        settings, ski = self._settings, self._identity.ski
        txt = build_txt(
            self._ship.local_ship_id,
            ski,
            settings.service,
            path=settings.path,
            upper_case_ski=settings.upper_case_ski,
        )
        return Announcement(instance_label(settings.service, ski), host_label(ski), port, txt)

    # -- what the application does -------------------------------------------------------------------

    @property
    def trust(self) -> TrustList:
        """Whom this node trusts."""
        return self._trust.trust

    def act(self, action: Callable[[Turn], T]) -> T:
        """Let the application act on the stack now; what the action raises comes out here."""
        results: list[T] = []
        effects = self._stack.run(self._clock.monotonic(), lambda turn: results.append(action(turn)))
        self._take_turn(effects)
        return results[0]

    async def attach(self, role: ShipRole, link: Link, peer: PeerCertificate, address: str) -> None:
        """Run a connection over a link that is open already, for example one in memory, to its end.

        Whoever made the link vouches for the peer. Raises RemoteError when the peer is refused.
        """
        await self._connections.attach(role, link, peer, address)

    def keep_time(self) -> None:
        """Do what is due now. The node does so by itself; tests with a clock of their own call it."""
        self._on_time(self._clock.monotonic())

    async def accept(self, ski: Ski, role: PeerRole, *, replace: bool = False) -> None:
        """Trust a peer from now on; stored before it counts.

        Raises LocalError for our own SKI and for a second control box without *replace*, and whatever
        storing raises; then nothing has changed.
        """
        accepted = await self._trust.accept(ski, role, replace=replace)
        if accepted.replaced_box is not None:
            self._drop(accepted.replaced_box)
        if accepted.role_changed:
            self.close_peer(ski, "role changed")
        self._connections.set_trust(ski, Trust.TRUSTED)
        self._connections.keep(ski, dial=self._settings.dial)
        self._connections.dial_now(ski)
        self.emit(TrustChanged(ski, role))

    @property
    def announced_unit(self) -> ControlUnit | None:
        """The control unit that came, or is to come, by an announcement."""
        return self._pairing.unit

    def listen_for_pairing(self, listener: PairingListener | None) -> None:
        """Switch the SHIP Pairing Service on or (None) off. Units that are trusted already stay so."""
        self._pairing.switch(listener)
        if listener is None:
            self._seek(None)

    def know(self, peer: PeerAddress) -> None:
        """Dial a trusted peer at this address from now on, whatever is announced."""
        self._book.fix(peer)
        self._connections.dial_now(peer.ski)

    async def remove(self, ski: Ski) -> None:
        """Withdraw the trust in a peer; stored before it counts. Raises LocalError when there is none."""
        await self._trust.remove(ski)
        self._drop(ski)
        await self._pairing.distrusted(ski)

    def refuse(self, ski: Ski) -> None:
        """Say no to a pairing request. Raises LocalError when there is none."""
        self._trust.refuse(ski)
        self._connections.set_trust(ski, Trust.REFUSED)

    def enter_pin(self, ski: Ski, pin: str) -> None:
        """Give a connected peer the PIN that it demands.

        Raises LocalError for an unusable PIN, and when the peer is not trusted or not connected.
        """
        pumps = list(self._connections.pumps(ski))
        if self.trust.get(ski) is None or not pumps:
            raise LocalError("a PIN is given to a trusted peer while it is connected")
        for pump in pumps:
            pump.enter_pin(pin)

    def disconnect(self, ski: Ski) -> None:
        """Close the connections of a peer in an orderly way; a trusted one is dialled again later."""
        self.close_peer(ski, "close")

    def snapshot(self) -> NodeSnapshot:
        """The node as it stands."""
        return NodeSnapshot(
            ski=self._identity.ski,
            ship_id=self._ship.local_ship_id,
            port=self._port,
            announced_addresses=self._mdns.announced_addresses if self._mdns else (),
            connections=tuple(self._show(pump) for pump in self._connections.pumps()),
            pairing_requests=self._trust.requests,
            trusted=tuple(self.trust),
            troubles={
                entry.ski: text for entry in self.trust if (text := self._connections.trouble(entry.ski))
            },
            discovered=self._book.discovered(),
            host=self._mdns.host if self._mdns else HostAddresses(),
        )

    def _show(self, pump: Pump) -> ConnectionSnapshot:
        return ConnectionSnapshot(
            ski=pump.ski,
            trusted=self.trust.get(pump.ski) is not None,
            phase=pump.phase,
            direction=_direction(pump),
            address=pump.address,
            opened_at=pump.opened_at,
            carries_spine=self._connections.carrier(pump.ski) is pump,
        )

    def _drop(self, ski: Ski) -> None:
        """The trust in a peer is gone."""
        self._connections.let_go(ski)
        self._connections.set_trust(ski, Trust.REFUSED)
        self._book.forget(ski)
        self._pins.forget([ski])
        self.emit(TrustChanged(ski, None))

    # -- time ----------------------------------------------------------------------------------------

    def _next_deadline(self) -> float | None:
        deadlines = (self._stack.next_deadline(), self._connections.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _on_time(self, now: float) -> None:
        due = self._stack.next_deadline()
        if due is not None and now >= due:
            self._turn(lambda: self._stack.on_deadline(now))
        self._connections.on_deadline(now)
        for ski in list(self._connections.due_dials(now)):
            self._start(self._connections.dial(ski))

    async def _watch_addresses(self) -> None:
        """A connection from an address that this host no longer has is dead, but TCP will not say so."""
        while True:
            await asyncio.sleep(self._settings.address_poll_s)
            await self._consider_announcements()
            addresses = own_addresses()
            for pump in self._connections.pumps():
                if pump.drop_unless_on(addresses):
                    _log.info("our address towards %s is gone, dropping the connection", short(pump.ski))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        """Something that ends by itself, and gets a little time for that when the node stops."""
        task = self._supervise(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the stack -----------------------------------------------------------------------------------

    def _turn(self, make_effects: Callable[[], list[SpineEffect]]) -> None:
        """One turn of the stack. Whatever breaks in there ends the node."""
        try:
            effects = make_effects()
        except Exception as error:
            self.fail(error)
        else:
            self._take_turn(effects)

    def _take_turn(self, effects: Sequence[SpineEffect]) -> None:
        self._turns.submit(effects)
        self._alarm.plan(self._stack.next_deadline())

    def emit(self, event: object) -> None:
        """Give an event to the application. When it breaks there, the node ends with that error."""
        try:
            self._on_event(event)
        except Exception as error:
            self.fail(error)

    def send_datagram(self, ski: Ski, datagram: bytes) -> None:
        """Send to the connection that carries SPINE, if there still is one."""
        if (pump := self._connections.carrier(ski)) is not None:
            pump.send_spine(datagram)

    def close_peer(self, ski: Ski, text: str) -> None:
        """Close the connections of a peer."""
        _log.info("closing the connection to %s: %s", short(ski), text)
        for pump in self._connections.pumps(ski):
            pump.close(text)

    def stored(self, token: int, ok: bool) -> None:
        """A record with a token is stored, or could not be."""
        self._turn(lambda: self._stack.stored(token, ok, self._clock.monotonic()))

    # -- the listener and the connections ------------------------------------------------------------

    def is_known_address(self, address: str) -> bool:
        """Whether a trusted peer lives there."""
        return self._book.is_known(address, self._trust.trusted_skis)

    def admit_arrival(self, peer: PeerCertificate, address: str) -> int:
        """Judge a certificate inside the TLS handshake."""
        return self._connections.admit_arrival(peer, address)

    async def welcome(self, arrival: Arrival) -> None:
        """Run an incoming connection to its end."""
        await self._connections.welcome(arrival)

    def departed(self, number: int) -> None:
        """An incoming connection is over."""
        self._connections.departed(number)

    def _admit_dialled(self, peer: PeerCertificate) -> None:
        """Whoever is dialled without our trust must prove to be the announced control unit."""
        trust = self.judge(peer)
        if trust is not Trust.TRUSTED and not (
            trust is Trust.UNDECIDED and self._pairing.expects(peer, self._box_presence())
        ):
            raise RemoteError("its certificate is not the announced one")

    def judge(self, peer: PeerCertificate) -> Trust:
        """What we think of a proven key. Raises RemoteError for our own, and for a key that changed."""
        return self._trust.judge(peer)

    def knocked(self, peer: PeerCertificate, address: str) -> None:
        """A connection with a proven key is up."""
        entry = self.trust.get(peer.ski)
        if entry is None:
            self._trust.seen(peer, address)
            is_free = self._trust.judge(peer) is Trust.UNDECIDED  # a person's refusal stands
            if is_free and self._pairing.expects(peer, self._box_presence()):
                self._start(self._accept_announced(peer.ski))
            return
        self._book.came_from(peer.ski, address)
        if entry.public_key_sha256 is None:
            self._start(self._learn_key(peer))

    def ship_effect(self, pump: Pump, effect: ShipEffect) -> None:
        """Something that people or the trust list want to know."""
        ski = pump.ski
        match effect:
            case WaitingForUser():
                if self._trust.is_news(ski):
                    _log.info("%s at %s asks to be trusted", short(ski), pump.address)
                    self.emit(PairingRequested(ski, pump.address))
            case PeerPending():
                self.emit(PeerAwaitsAcceptance(ski))
            case PeerShipId(ship_id):
                self._check_ship_id(ski, ship_id)
            case PinRequired(state):
                self.emit(PinDemanded(ski, state))
            case PinAnswered(accepted):
                self.emit(PinAnswer(ski, accepted))
            case PeerVerified():
                self.emit(PinGiven(ski))
            case Ended(cause, text):
                # Strangers come and go as they like; what they do must not fill the log.
                level = logging.DEBUG if self.trust.get(ski) is None else logging.INFO
                _log.log(level, "connection to %s ended: %s", short(ski), text)
                self.emit(ConnectionEnded(ski, cause, text, silent=cause in SILENT))
                if cause is EndCause.REMOTE_REMOVAL:
                    self.emit(PeerRemovedPairing(ski))

    def not_reached(self, ski: Ski, text: str) -> None:
        """A peer that we want is not connected, for a reason that was not told before."""
        if self.trust.get(ski) is None:  # it may be the announced unit; nobody has decided about it
            _log.info("%s is not connected: %s", short(ski), text)
        else:
            self.emit(PeerNotReached(ski, text))

    def session_starts(self, pump: Pump, *, replaces: bool) -> None:
        """SPINE runs on this connection from now on."""
        entry, now = self.trust.get(pump.ski), self._clock.monotonic()
        if entry is None:
            return
        _log.info("connected to %s at %s", short(pump.ski), pump.address)
        self.emit(PeerConnected(pump.ski, entry.role, _direction(pump), pump.address, replaces))
        peer = Peer(pump.ski, entry.role)
        self._turn(lambda: self._stack.connect(peer, now))

    def session_ends(self, ski: Ski) -> None:
        """SPINE with a peer is over."""
        self._turn(lambda: self._stack.disconnect(ski, self._clock.monotonic()))
        self.emit(PeerDisconnected(ski))

    def deliver(self, ski: Ski, datagram: object) -> None:
        """A datagram for the stack; what the peer did wrong costs it its connection at most."""
        try:
            effects = self._stack.receive(ski, datagram, self._clock.monotonic())
        except RemoteError as error:
            self.close_peer(ski, str(error))
        except Exception as error:
            self.fail(error)
        else:
            self._take_turn(effects)

    def probe(self, ski: Ski) -> None:
        """Ask the peer for a sign of life."""
        self._turn(lambda: self._stack.probe(ski, self._clock.monotonic()))

    def peer_left(self, ski: Ski) -> None:
        """The last connection of a peer is gone."""
        self._trust.left(ski)

    async def settled(self) -> None:
        """Returns when nothing is held back by the disk."""
        await self._turns.settled()

    def _check_ship_id(self, ski: Ski, told: str) -> None:
        entry = self.trust.get(ski)
        match self._trust.check_ship_id(ski, told):
            case ShipIdCheck.NEW:
                self._start(self._learn_ship_id(ski, told))
            case ShipIdCheck.CHANGED if entry is not None and entry.ship_id is not None:
                self.emit(ShipIdChanged(ski, entry.ship_id, told))

    async def _learn_ship_id(self, ski: Ski, ship_id: str) -> None:
        if await self._trust.learn(ski, ship_id=ship_id):
            self.emit(ShipIdLearned(ski, ship_id))

    async def _learn_key(self, peer: PeerCertificate) -> None:
        await self._trust.learn(peer.ski, public_key_sha256=peer.public_key_sha256)

    # -- the SHIP Pairing Service --------------------------------------------------------------------

    def _box_presence(self) -> BoxPresence:
        box = self.trust.control_box()
        if box is None:
            return BoxPresence(None, connected=False)
        return BoxPresence(box.ski, connected=self._connections.carrier(box.ski) is not None)

    def _pairing_announced(self, found: FoundService) -> None:
        self._pairing.announced(found.instance, found.txt)
        self._start(self._consider_announcements())

    async def _consider_announcements(self) -> None:
        """Not stored means not decided: the announcement is judged again a little later."""
        try:
            unit = await self._pairing.consider(self._box_presence())
        except Exception:
            _log.exception("could not store a pairing announcement")
            return
        if unit is not None:
            self.emit(ControlUnitAnnounced(unit.ship_id))
            for item in self._book.discovered():
                self._look_at(item.service)

    async def _accept_announced(self, ski: Ski) -> None:
        try:
            await self.accept(ski, PeerRole.CONTROL_BOX, replace=True)
            await self._pairing.arrived(ski)
        except Exception:
            _log.exception("could not trust the announced control unit %s", short(ski))

    def _look_at(self, service: AnnouncedService) -> None:
        """Dial what may be the announced unit: it need not dial us. Its certificate decides."""
        if self._pairing.awaits(service.ship_id) and self.trust.get(service.ski) is None:
            self._seek(service.ski)

    def _seek(self, ski: Ski | None) -> None:
        """One at a time: whoever borrows the unit's name in the network costs one dial."""
        before = self._sought
        if before is not None and before != ski and self.trust.get(before) is None:
            self._connections.let_go(before)
        self._sought = ski
        if ski is not None:
            self._connections.keep(ski, dial=self._settings.dial)

    # -- discovery -----------------------------------------------------------------------------------

    def _found(self, found: FoundService) -> None:
        try:
            service = parse_txt(found.txt)
        except DecodeError as error:
            _log.debug("announcement of '%s' not usable: %s", found.instance, error)
            return
        if service.ski == self._identity.ski:
            return
        self._book.announced(found, service, self._trust.trusted_skis)
        self._look_at(service)
        if service.register:
            self._connections.dial_now(service.ski)
        else:
            self._connections.dial_soon(service.ski)

    def _lost(self, instance: str) -> None:
        self._book.withdrawn(instance, self._trust.trusted_skis)


def _direction(pump: Pump) -> Direction:
    return Direction.OUTGOING if pump.role is ShipRole.CLIENT else Direction.INCOMING
