"""The dialling side: one attempt after the other, never two at once for the same peer."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from eebus.errors import RemoteError
from eebus.ids import Ski
from eebus.io.tls import Admission, NodeTls
from eebus.io.websocket import WebSocketLimits, WebSocketLink
from eebus.ship.identity import PeerCertificate


@dataclass(frozen=True, slots=True, kw_only=True)
class DialSettings:
    """How long one target may take, from the TCP connect to the upgraded WebSocket."""

    target_wait_s: float = 5.0
    websocket: WebSocketLimits = field(default_factory=WebSocketLimits)


@dataclass(frozen=True, slots=True)
class Target:
    """One way to reach a peer. ``host`` is a name or an address, IPv6 link-local with its scope."""

    host: str
    port: int
    path: str = "/ship/"
    server_name: str = ""
    """The name for SNI; empty: none is sent."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """An outgoing connection whose WebSocket is up."""

    link: WebSocketLink
    peer: PeerCertificate
    target: Target
    dialled_at: float


class DialDropped(Exception):
    """The peer came to us in the meantime: our own attempt is not needed any more."""


class Dialer:
    """Dials peers with the identity of one node."""

    def __init__(
        self, tls: NodeTls, settings: DialSettings, admit: Admission, now: Callable[[], float]
    ) -> None:
        self._tls = tls
        self._settings = settings
        self._admit = admit
        self._now = now

    async def dial(
        self, ski: Ski | None, targets: Sequence[Target], still_wanted: Callable[[], bool]
    ) -> Dialled:
        """Try the targets in turn; without an SKI whoever answers is taken.

        ``still_wanted`` is asked just before the upgrade request, the point of no return (SHIP reference
        12.4): False raises DialDropped. Raises RemoteError with all reasons when no target works.
        """
        failures: list[str] = []
        for target in targets:
            try:
                return await self._try(ski, target, still_wanted)
            except TimeoutError:
                failures.append(f"no answer within {self._settings.target_wait_s:g} s at {_shown(target)}")
            except (OSError, RemoteError, UnicodeError) as error:  # the latter: a name that is no host name
                failures.append(f"{_reason(error)} at {_shown(target)}")
        raise RemoteError("; ".join(failures) or "no address known")

    async def _try(self, ski: Ski | None, target: Target, still_wanted: Callable[[], bool]) -> Dialled:
        dialled_at = self._now()
        async with asyncio.timeout(self._settings.target_wait_s):
            dialled = await _connect(target)
            context = self._tls.dialling(ski, self._admit, dialled.send)
            _transport, link = await asyncio.get_running_loop().create_connection(
                lambda: self._make_link(target),
                sock=dialled,
                ssl=context,
                server_hostname=target.server_name,
                ssl_shutdown_timeout=self._settings.websocket.close_wait_s,
            )
            try:
                if not still_wanted():
                    raise DialDropped
                link.request_upgrade()
                await link.opened()
            except BaseException:
                link.abort()
                raise
        return Dialled(link, context.peer, target, dialled_at)

    def _make_link(self, target: Target) -> WebSocketLink:
        name = target.server_name or target.host.partition("%")[0]
        return WebSocketLink.client(name, target.port, target.path, self._settings.websocket)


def _reason(error: Exception) -> str:
    """Without the number and the address that asyncio puts into the text of a failed connect."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError | socket.gaierror) and error.errno:
        reason = os.strerror(error.errno)
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return reason[:1].lower() + reason[1:] if reason[1:2].islower() else reason


def _shown(target: Target) -> str:
    return f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"


async def _connect(target: Target) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("no address")
    for family, kind, protocol, _name, address in found:
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        try:
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            failure = error
        except BaseException:
            made.close()
            raise
        else:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
    raise failure
