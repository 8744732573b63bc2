"""The WebSocket of SHIP (chapter 10) over an asyncio transport.

The rules of RFC 6455 come from the protocol machine of ``websockets``; this module adds what SHIP demands:
the sub-protocol, bounds, pings, and time limits for everything that waits for the peer.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from eebus.errors import RemoteError
from eebus.io.admission import plain_address
from eebus.io.link import BinaryMessage, LinkClosed, LinkEvent, TextMessage
from eebus.io.pace import DATA_PACE, HANDSHAKE_PACE, Pace, PaceLimits

SHIP_SUBPROTOCOL = Subprotocol("ship")
_MAX_REASON_BYTES = 123
_MAX_WAITING_EVENTS = 16
_PONG_IS_LATE_S = 2.0

# The library writes whole tracebacks about malformed requests; we say what matters ourselves.
_library_log = logging.getLogger("eebus.io.websockets")
_library_log.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketLimits:
    """Times and sizes of one WebSocket (SHIP reference 3)."""

    max_message_bytes: int = 256 * 1024
    ping_interval_s: float = 50.0
    pong_wait_s: float = 10.0
    write_wait_s: float = 10.0
    """How long a peer may refuse to read what we send."""
    close_wait_s: float = 1.0
    handshake_pace: PaceLimits = HANDSHAKE_PACE
    data_pace: PaceLimits = DATA_PACE


class WebSocketLink(asyncio.Protocol):
    """One WebSocket, from the TLS session to its end; a ``Link`` once :meth:`opened` has returned."""

    def __init__(self, protocol: ClientProtocol | ServerProtocol, limits: WebSocketLimits) -> None:
        self._protocol = protocol
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._local_address: str | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._events: deque[LinkEvent] = deque()
        self._arrived = asyncio.Event()
        self._fragments: bytearray | None = None
        self._fragments_are_text = False
        self._reading_paused = False
        self._frozen = False
        self._ended = False
        self._pace = Pace(limits.handshake_pace, self._loop.time())
        self._pace_timer: asyncio.TimerHandle | None = None
        self._pinged_at: float | None = None
        self._ping_timer: asyncio.TimerHandle | None = None
        self._pong_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None

    @classmethod
    def server(cls, limits: WebSocketLimits) -> "WebSocketLink":
        """The side that was dialled: takes any path, insists on the sub-protocol."""
        protocol = ServerProtocol(
            subprotocols=[SHIP_SUBPROTOCOL], max_size=limits.max_message_bytes, logger=_library_log
        )
        return cls(protocol, limits)

    @classmethod
    def client(cls, host: str, port: int, path: str, limits: WebSocketLimits) -> "WebSocketLink":
        """The side that dialled."""
        protocol = ClientProtocol(
            WebSocketURI(
                secure=True, host=host, port=port, path=path, query="", username=None, password=None
            ),
            subprotocols=[SHIP_SUBPROTOCOL],
            max_size=limits.max_message_bytes,
            logger=_library_log,
        )
        return cls(protocol, limits)

    async def opened(self) -> None:
        """Wait for the upgrade. Raises RemoteError when the peer refuses or does not speak SHIP."""
        await asyncio.shield(self._opened)

    def request_upgrade(self) -> None:
        """Client only: send the HTTP request. From here on the peer may count the connection as open."""
        assert isinstance(self._protocol, ClientProtocol)
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    # -- the link ------------------------------------------------------------------------------------

    async def receive(self) -> LinkEvent:
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        event = self._events.popleft()
        self._pace_reading()
        return event

    def send(self, message: bytes) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_binary(message)
            self._flush()

    def close(self, code: int | None, reason: str) -> None:
        if self._ended or self._transport is None:
            return
        if code is not None and self._protocol.state is State.OPEN:
            self._protocol.send_close(code, _shorten(reason))
            self._flush()
        else:
            self._transport.close()
        self._drop_later()
        self._resume_reading()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def full_pace(self) -> None:
        self._pace.widen(self._limits.data_pace)

    @property
    def ping_overdue(self) -> bool:
        return self._pinged_at is not None and self._loop.time() - self._pinged_at > _PONG_IS_LATE_S

    @property
    def local_address(self) -> str | None:
        return self._local_address

    # -- faults of a simulated peer ------------------------------------------------------------------

    def freeze(self) -> None:
        """From now on neither read nor write, not even pings, as a host that was unplugged."""
        self._frozen = True
        if self._transport is not None and not self._ended:
            self._reading_paused = True
            self._transport.pause_reading()

    def cut_inside(self, message: bytes) -> None:
        """Send the first half of a message's frame and drop the connection."""
        if self._protocol.state is not State.OPEN or self._transport is None:
            return
        self._protocol.send_binary(message)
        frame = b"".join(self._protocol.data_to_send())
        self._transport.write(frame[: len(frame) // 2])
        self._transport.abort()

    # -- asyncio -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Asked for now: the TLS transport of asyncio breaks when it is asked after its end.
        if name := transport.get_extra_info("sockname"):
            self._local_address = plain_address(name[0].partition("%")[0])

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        self._slow_down(len(events), len(data))
        for event in events:
            if isinstance(event, Frame):
                self._take_frame(event)
            else:
                self._take_upgrade(event)
        self._flush()
        if self._protocol.handshake_exc is not None:
            self._fail_opening(self._protocol.handshake_exc)
        if self._protocol.close_expected():
            self._drop_later()
        self._pace_reading()

    def eof_received(self) -> bool:
        self._protocol.receive_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        for timer in (
            self._ping_timer,
            self._pong_timer,
            self._write_timer,
            self._close_timer,
            self._pace_timer,
        ):
            if timer is not None:
                timer.cancel()
        self._fail_opening(RemoteError(f"the peer hung up: {exc or 'connection closed'}"))
        received = self._protocol.close_rcvd
        if received is None:
            failure = self._protocol.parser_exc or exc
            self._put(LinkClosed(None, str(failure) if failure else "no close frame"))
        else:
            self._put(LinkClosed(received.code, received.reason))

    def pause_writing(self) -> None:
        self._write_timer = self._loop.call_later(self._limits.write_wait_s, self.abort)

    def resume_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
            self._pace_reading()

    # -- opening -------------------------------------------------------------------------------------

    def _take_upgrade(self, message: Request | Response) -> None:
        if isinstance(message, Request):
            assert isinstance(self._protocol, ServerProtocol)
            self._protocol.send_response(self._protocol.accept(message))
        if self._protocol.handshake_exc is not None:
            return
        if self._protocol.subprotocol != SHIP_SUBPROTOCOL:
            self._protocol.fail(1002, "sub-protocol ship missing")
            self._fail_opening(RemoteError("the peer does not select the sub-protocol 'ship'"))
            return
        if not self._opened.done():
            self._opened.set_result(None)
        self._ping_later()

    def _fail_opening(self, error: Exception) -> None:
        if self._opened.done():
            return
        text = f"no WebSocket: {error}" if isinstance(error, InvalidHandshake) else str(error)
        self._opened.set_exception(RemoteError(text))
        self._opened.exception()  # looked at: an opening that nobody waits for any more is no news

    # -- messages ------------------------------------------------------------------------------------

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._take_pong()
        elif frame.opcode in (Opcode.BINARY, Opcode.TEXT):
            is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self._put(TextMessage() if is_text else BinaryMessage(bytes(frame.data)))
            else:
                self._fragments, self._fragments_are_text = bytearray(frame.data), is_text
        elif frame.opcode is Opcode.CONT and self._fragments is not None:
            self._fragments += frame.data
            if frame.fin:
                whole = bytes(self._fragments)
                self._fragments = None
                self._put(TextMessage() if self._fragments_are_text else BinaryMessage(whole))

    def _put(self, event: LinkEvent) -> None:
        self._events.append(event)
        self._arrived.set()

    def _pace_reading(self) -> None:
        """Stop reading while the owner is behind, the peer does not take what we send, or talks too fast."""
        behind = len(self._events) >= _MAX_WAITING_EVENTS
        behind = behind or self._write_timer is not None or self._pace_timer is not None
        if behind and not self._reading_paused and self._transport is not None and not self._ended:
            self._reading_paused = True
            self._transport.pause_reading()
        elif not behind:
            self._resume_reading()

    def _slow_down(self, frames: int, size: int) -> None:
        """A peer that talks too fast is not read for a while; TCP makes it wait."""
        pause_s = self._pace.pause_s(frames, size, self._loop.time())
        if pause_s > 0 and self._pace_timer is None:
            self._pace_timer = self._loop.call_later(pause_s, self._listen_again)

    def _listen_again(self) -> None:
        self._pace_timer = None
        self._pace_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and not self._frozen and self._transport is not None and not self._ended:
            self._reading_paused = False
            self._transport.resume_reading()

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._protocol.data_to_send():
            if data is SEND_EOF or data == b"":
                self._transport.close()
            elif not self._frozen:
                self._transport.write(data)

    # -- time ----------------------------------------------------------------------------------------

    def _ping_later(self) -> None:
        self._ping_timer = self._loop.call_later(self._limits.ping_interval_s, self._ping)

    def _ping(self) -> None:
        if self._protocol.state is not State.OPEN:
            return
        if self._pinged_at is None:
            self._pinged_at = self._loop.time()
            self._pong_timer = self._loop.call_later(self._limits.pong_wait_s, self.abort)
            self._protocol.send_ping(b"")
            self._flush()
        self._ping_later()

    def _take_pong(self) -> None:
        self._pinged_at = None
        if self._pong_timer is not None:
            self._pong_timer.cancel()
            self._pong_timer = None

    def _drop_later(self) -> None:
        if self._close_timer is None and not self._ended:
            self._close_timer = self._loop.call_later(self._limits.close_wait_s, self.abort)


def _shorten(reason: str) -> str:
    """Cut a close reason to what a close frame can carry, without splitting a character."""
    return reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
