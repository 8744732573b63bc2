"""The listening side: accept, admit, TLS, WebSocket; one task per connection from accept to end."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from eebus.clock import Clock
from eebus.errors import LocalError, RemoteError
from eebus.ids import Ski
from eebus.io.admission import AdmissionDesk, AdmissionLimits, plain_address
from eebus.io.tls import ConnectionContext, NodeTls
from eebus.io.websocket import WebSocketLimits, WebSocketLink
from eebus.ship.identity import PeerCertificate

_log = logging.getLogger(__name__)
_BACKLOG = 64
_OUT_OF_DESCRIPTORS_PAUSE_S = 0.5
_COMPLAINT_INTERVAL_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Where to listen and how long to wait for a peer at each step."""

    host: str = ""
    """Empty: all addresses, IPv4 and IPv6."""
    port: int = 4712
    """0 lets the system choose."""
    tls_wait_s: float = 10.0
    upgrade_wait_s: float = 10.0
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    websocket: WebSocketLimits = field(default_factory=WebSocketLimits)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An incoming connection whose WebSocket is up."""

    link: WebSocketLink
    peer: PeerCertificate
    address: str
    accepted_at: float


class Host(Protocol):
    """The node behind a listener."""

    def is_known_address(self, address: str) -> bool:
        """Whether a trusted peer lives there."""

    def admit_arrival(self, peer: PeerCertificate, address: str) -> None:
        """Judge a genuine certificate inside the TLS handshake. Raises RemoteError to refuse it.

        Each admitted certificate is followed by one :meth:`departed`.
        """

    async def welcome(self, arrival: Arrival) -> None:
        """Run the connection to its end."""

    def departed(self, ski: Ski) -> None:
        """An admitted connection is over, at whatever step."""


class Listener:
    """Accepts connections for a node."""

    def __init__(self, tls: NodeTls, settings: ListenerSettings, host: Host, clock: Clock) -> None:
        self._tls = tls
        self._settings = settings
        self._host = host
        self._clock = clock
        self._desk = AdmissionDesk(settings.admission)
        self._sockets: Sequence[socket.socket] = ()
        self._last_complaints: dict[str, float] = {}

    def open(self) -> int:
        """Bind and return the port. Raises LocalError when that cannot be done."""
        self._sockets = _bind(self._settings.host, self._settings.port)
        return int(self._sockets[0].getsockname()[1])

    async def serve(self) -> None:
        """Accept until cancelled; then end every connection and close the sockets."""
        try:
            async with asyncio.TaskGroup() as group:
                for listening in self._sockets:
                    group.create_task(self._accept(listening, group))
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening."""
        for listening in self._sockets:
            listening.close()
        self._sockets = ()

    async def _accept(self, listening: socket.socket, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, name = await loop.sock_accept(listening)
            except OSError as error:
                self._complain("", f"cannot accept connections: {error}")
                await asyncio.sleep(_OUT_OF_DESCRIPTORS_PAUSE_S)
                continue
            address, now = plain_address(name[0]), self._clock.monotonic()
            refusal = self._desk.enter(address, now, known=self._host.is_known_address(address))
            if refusal is not None:
                accepted.close()
                self._complain(address, refusal)
                continue
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            group.create_task(self._handle(accepted, address, now))

    async def _handle(self, accepted: socket.socket, address: str, now: float) -> None:
        def admit(peer: PeerCertificate) -> None:
            self._host.admit_arrival(peer, address)

        context = self._tls.accepting(admit, accepted.send)
        try:
            try:
                link = await self._open_link(accepted, context)
            except (OSError, RemoteError) as error:
                self._complain(address, str(error) or type(error).__name__)
            else:
                await self._host.welcome(Arrival(link, context.peer, address, now))
        finally:
            self._desk.leave(address)
            if context.admitted is not None:
                self._host.departed(context.admitted.ski)

    async def _open_link(self, accepted: socket.socket, context: ConnectionContext) -> WebSocketLink:
        """TLS and the WebSocket upgrade. Raises OSError or RemoteError when the peer fails at them."""
        settings = self._settings
        _transport, link = await asyncio.get_running_loop().connect_accepted_socket(
            lambda: WebSocketLink.server(settings.websocket),
            accepted,
            ssl=context,
            ssl_handshake_timeout=settings.tls_wait_s,
            ssl_shutdown_timeout=settings.websocket.close_wait_s,
        )
        try:
            async with asyncio.timeout(settings.upgrade_wait_s):
                await link.opened()
        except TimeoutError:
            link.abort()
            raise RemoteError("no WebSocket request in time") from None
        except asyncio.CancelledError:
            link.abort()
            raise
        return link

    def _complain(self, address: str, text: str) -> None:
        """Say once a minute and address what went wrong; a flood must not fill the log."""
        now = self._clock.monotonic()
        if now - self._last_complaints.get(address, -_COMPLAINT_INTERVAL_S) < _COMPLAINT_INTERVAL_S:
            return
        self._last_complaints = {
            known: at for known, at in self._last_complaints.items() if now - at < _COMPLAINT_INTERVAL_S
        }
        self._last_complaints[address] = now
        _log.info("incoming connection from %s not taken: %s", address or "anywhere", text)


def _bind(host: str, port: int) -> Sequence[socket.socket]:
    try:
        if host:
            family, kind, protocol, _name, target = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            made = [_listen(family, kind, protocol, target)]
        elif socket.has_dualstack_ipv6():
            made = [socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)]
        else:
            made = [socket.create_server(("", port))]
    except OSError as error:
        raise LocalError(f"cannot listen on port {port}: {error.strerror or error}") from error
    for listening in made:
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    return made


def _listen(
    family: socket.AddressFamily, kind: socket.SocketKind, protocol: int, target: tuple[object, ...]
) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(target)
    except OSError:
        made.close()
        raise
    return made
