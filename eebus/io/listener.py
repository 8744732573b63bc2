"""The listening side: accept, admit, TLS, WebSocket; one task per connection from accept to end."""

import asyncio
import errno
import logging
import socket
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Protocol

from eebus.clock import Clock
from eebus.errors import LocalError, RemoteError
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

    number: int
    link: WebSocketLink
    peer: PeerCertificate
    address: str


class Host(Protocol):
    """The node behind a listener."""

    def is_known_address(self, address: str) -> bool:
        """Whether a trusted peer lives there."""

    def admit_arrival(self, peer: PeerCertificate, address: str) -> int:
        """Judge a genuine certificate inside the TLS handshake. Raises RemoteError to refuse it.

        Returns a number for the connection; :meth:`departed` follows once for each.
        """

    async def welcome(self, arrival: Arrival) -> None:
        """Run the connection to its end."""

    def departed(self, number: int) -> None:
        """An admitted connection is over, at whatever step."""


class Listener:
    """Accepts connections for a node."""

    def __init__(
        self,
        tls: NodeTls,
        settings: ListenerSettings,
        host: Host,
        clock: Clock,
        reserved: socket.socket | None = None,
    ) -> None:
        self._tls = tls
        self._settings = settings
        self._host = host
        self._clock = clock
        self._desk = AdmissionDesk(settings.admission)
        self._socket = reserved
        self._last_complaints: dict[str, float] = {}

    def open(self) -> int:
        """Listen and return the port. Raises LocalError when that cannot be done."""
        settings = self._settings
        try:
            opened = self._socket = self._socket or reserve(settings.host, settings.port)
            opened.listen(_BACKLOG)
        except OSError as error:
            raise LocalError(f"cannot listen on port {settings.port}: {error.strerror or error}") from error
        return int(opened.getsockname()[1])

    async def serve(self, start: Callable[[Coroutine[None, None, None]], None]) -> None:
        """Accept until cancelled, then stop listening; *start* makes a task of each connection."""
        assert self._socket is not None
        try:
            await self._accept(self._socket, start)
        finally:
            self._socket.close()

    async def _accept(
        self, listening: socket.socket, start: Callable[[Coroutine[None, None, None]], None]
    ) -> None:
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
            start(self._handle(accepted, address))

    async def _handle(self, accepted: socket.socket, address: str) -> None:
        number: int | None = None

        def admit(peer: PeerCertificate) -> None:
            nonlocal number
            number = self._host.admit_arrival(peer, address)

        context = self._tls.accepting(admit, accepted.send)
        try:
            link = await self._open_link(accepted, context)
            assert number is not None  # a handshake ends well only with an admitted certificate
            await self._host.welcome(Arrival(number, link, context.peer, address))
        except (OSError, RemoteError) as error:
            self._complain(address, str(error) or type(error).__name__)
            # The frames that the error passed hold a quarter of a megabyte of buffers, and in a circle.
            traceback.clear_frames(error.__traceback__)
        except Exception:
            _log.exception("connection from %s dropped by a mistake of ours", address)
        finally:
            self._desk.leave(address)
            if number is not None:
                self._host.departed(number)

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


def reserve(host: str, port: int) -> socket.socket:
    """A socket that has the port (0: one that the system chooses), but answers nobody yet.

    `host`: empty for all addresses, IPv4 and IPv6. Raises OSError.
    """
    if not host:
        return _reserve_everywhere(port)
    family, kind, protocol, _name, target = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return _bound(socket.socket(family, kind, protocol), target)


def _reserve_everywhere(port: int) -> socket.socket:
    try:
        made = socket.socket(socket.AF_INET6)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        return _bound(made, ("", port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
        return _bound(socket.socket(socket.AF_INET), ("", port))  # a host without IPv6


def _bound(made: socket.socket, target: tuple[object, ...]) -> socket.socket:
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(target)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
