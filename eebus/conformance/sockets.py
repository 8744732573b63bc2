"""The tester's sockets: it dials and listens with any of its identities and judges nobody."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Final

from eebus.conformance.device import RefusedInTls
from eebus.errors import RemoteError
from eebus.ids import Ski
from eebus.io.dialer import Dialer, DialSettings, Target
from eebus.io.link import BinaryMessage, LinkClosed
from eebus.io.tls import NodeTls
from eebus.io.websocket import WebSocketLimits, WebSocketLink
from eebus.ship.identity import Identity, PeerCertificate

Recorder = Callable[[bytes, str, bool], None]
"""Keeps a message, the name of its link, and whether the tester sent it."""

_LIMITS: Final = WebSocketLimits(close_wait_s=0.5)
_OPENING_S: Final = 10.0


class SocketLink:
    """A WebSocket to the device. ``scale``: how much faster than ours the clock of the device runs."""

    def __init__(
        self, link: WebSocketLink, name: str, record: Recorder, *, scale: float, peer: PeerCertificate
    ) -> None:
        self.peer = peer
        self._link = link
        self._name = name
        self._record = record
        self._scale = scale
        self._closed = False

    async def send(self, message: bytes) -> None:
        if not self._closed:
            self._record(message, self._name, True)
            self._link.send(message)

    async def receive(self, within_s: float) -> bytes | None:
        try:
            async with asyncio.timeout(max(0.0, within_s) / self._scale):
                while not self._closed:
                    match await self._link.receive():
                        case BinaryMessage(data):
                            self._record(data, self._name, False)
                            return data
                        case LinkClosed():
                            self._closed = True
        except TimeoutError:
            pass
        return None

    @property
    def closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        self._closed = True
        self._link.abort()


async def dial_device(
    identity: Identity, ski: Ski | None, host: str, port: int, path: str = "/ship/"
) -> tuple[WebSocketLink, PeerCertificate]:
    """Connect with an identity. Raises RefusedInTls, or OSError when nothing listens."""
    settings = DialSettings(target_wait_s=_OPENING_S, websocket=_LIMITS)
    dialer = Dialer(NodeTls(identity), settings, _admit_all, asyncio.get_running_loop().time)
    try:
        dialled = await dialer.dial(ski, [Target(host, port, path)], lambda: True)
    except RemoteError as error:
        await _reach(host, port)
        raise RefusedInTls(str(error)) from error
    return dialled.link, dialled.peer


async def _reach(host: str, port: int) -> None:
    """Tell a device that is off from one that refuses. Raises OSError."""
    _reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _OPENING_S)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _admit_all(_peer: PeerCertificate) -> None:
    return


class TesterListener:
    """Listens with one identity. What arrives is a link, or the error with which the TLS handshake ended."""

    def __init__(self, identity: Identity, host: str, port: int = 0) -> None:
        self._identity = identity
        self._arrivals: asyncio.Queue[tuple[WebSocketLink, PeerCertificate] | OSError | RemoteError] = (
            asyncio.Queue()
        )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: list[WebSocketLink] = []
        self._start(self._serve())

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def next(self, within_s: float) -> tuple[WebSocketLink, PeerCertificate]:
        """The next link. Raises RefusedInTls when the device ended the handshake, TimeoutError if it did not
        come.
        """
        arrival = await asyncio.wait_for(self._arrivals.get(), within_s)
        if isinstance(arrival, Exception):
            raise RefusedInTls(str(arrival))
        return arrival

    def forget(self) -> None:
        """Drop what arrived and nobody took."""
        while not self._arrivals.empty():
            arrival = self._arrivals.get_nowait()
            if not isinstance(arrival, Exception):
                arrival[0].abort()

    async def close(self) -> None:
        """Listen no more and drop every link."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()
        for link in self._open:
            link.abort()

    async def _serve(self) -> None:
        while True:
            accepted, _name = await asyncio.get_running_loop().sock_accept(self._socket)
            self._start(self._open_link(accepted))

    async def _open_link(self, accepted: socket.socket) -> None:
        context = NodeTls(self._identity).accepting(_admit_all, accepted.send)
        try:
            _transport, link = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: WebSocketLink.server(_LIMITS),
                accepted,
                ssl=context,
                ssl_handshake_timeout=_OPENING_S,
                ssl_shutdown_timeout=_LIMITS.close_wait_s,
            )
            self._open.append(link)
            async with asyncio.timeout(_OPENING_S):
                await link.opened()
        except (OSError, RemoteError) as error:
            self._arrivals.put_nowait(error)
        else:
            self._arrivals.put_nowait((link, context.peer))
