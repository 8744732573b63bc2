"""Listener and dialer of the transport: the WebSocket rules, admission, and peers that stall or lie."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field

import pytest

from eebus.clock import SystemClock
from eebus.errors import LocalError, RemoteError
from eebus.io.admission import AdmissionLimits
from eebus.io.dialer import DialDropped, Dialer, Dialled, DialSettings, Target
from eebus.io.link import BinaryMessage, LinkClosed, TextMessage
from eebus.io.listener import Arrival, Listener, ListenerSettings
from eebus.io.tls import NodeTls
from eebus.io.websocket import WebSocketLimits
from eebus.ship.identity import PeerCertificate
from tests.integration.eebus_io.certificates import identity

_LIMIT_S = 5
_QUICK = WebSocketLimits(close_wait_s=0.2)


@dataclass
class _Host:
    """Keeps arrivals until the test lets them go."""

    arrivals: "asyncio.Queue[Arrival]" = field(default_factory=asyncio.Queue)
    departures: list[int] = field(default_factory=list)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    known: frozenset[str] = frozenset()

    def is_known_address(self, address: str) -> bool:
        return address in self.known

    def admit_arrival(self, peer: PeerCertificate, address: str) -> int:
        return 1

    async def welcome(self, arrival: Arrival) -> None:
        self.arrivals.put_nowait(arrival)
        await self.leaving.wait()
        arrival.link.abort()

    def departed(self, number: int) -> None:
        self.departures.append(number)

    async def arrival(self) -> Arrival:
        return await asyncio.wait_for(self.arrivals.get(), _LIMIT_S)


_SERVER, _CLIENT = identity("server"), identity("client")


@contextlib.asynccontextmanager
async def _listening(host: _Host, **options: object) -> AsyncIterator[int]:
    settings = ListenerSettings(host="127.0.0.1", port=0, **{"websocket": _QUICK, **options})  # type: ignore[arg-type]
    listener = Listener(NodeTls(_SERVER), settings, host, SystemClock())
    port = listener.open()
    async with asyncio.TaskGroup() as group:

        def start(work: Coroutine[None, None, None]) -> None:
            group.create_task(work)

        task = group.create_task(listener.serve(start))
        try:
            yield port
        finally:
            task.cancel()
            host.leaving.set()
    await asyncio.sleep(0.01)  # transports close their sockets in the next turns of the loop


def _dialer() -> Dialer:
    settings = DialSettings(target_wait_s=2, websocket=_QUICK)
    return Dialer(NodeTls(_CLIENT), settings, lambda _peer: None, SystemClock().monotonic)


async def _dial(port: int, still_wanted: Callable[[], bool] = lambda: True) -> Dialled:
    return await _dialer().dial(_SERVER.ski, [Target("127.0.0.1", port)], still_wanted)


async def _raw(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS client with a certificate that writes *request* as it stands."""
    context = NodeTls(_CLIENT).dialling(_SERVER.ski, lambda _peer: None, lambda _alert: None)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(request)
    return reader, writer


_UPGRADE = (
    b"GET /any/path HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        return await asyncio.wait_for(reader.read(), _LIMIT_S)
    return b""


async def test_messages_travel_both_ways_and_the_close_code_arrives() -> None:
    host = _Host()
    async with _listening(host) as port:
        dialled = await _dial(port)
        arrival = await host.arrival()
        assert dialled.peer.ski == _SERVER.ski
        assert arrival.peer.ski == _CLIENT.ski
        assert arrival.address == "127.0.0.1"
        large = b"\x02" + b"x" * 200_000
        dialled.link.send(b"\x00\x00")
        dialled.link.send(large)
        assert await arrival.link.receive() == BinaryMessage(b"\x00\x00")
        assert await arrival.link.receive() == BinaryMessage(large)
        arrival.link.send(b"\x00\x00")
        assert await dialled.link.receive() == BinaryMessage(b"\x00\x00")
        arrival.link.close(4452, "Node rejected by application")
        assert await dialled.link.receive() == LinkClosed(4452, "Node rejected by application")
        assert await arrival.link.receive() == LinkClosed(4452, "Node rejected by application")


async def test_a_link_that_has_ended_can_still_be_asked_for_its_address() -> None:
    """The watch on our addresses does so until the connection is forgotten."""
    host = _Host()
    async with _listening(host) as port:
        dialled = await _dial(port)
        arrival = await host.arrival()
        dialled.link.abort()
        for link in (dialled.link, arrival.link):
            while not isinstance(await asyncio.wait_for(link.receive(), _LIMIT_S), LinkClosed):
                pass
        await asyncio.sleep(0.01)
        assert (dialled.link.local_address, arrival.link.local_address) == ("127.0.0.1", "127.0.0.1")


async def test_a_close_without_code_sends_no_close_frame() -> None:
    host = _Host()
    async with _listening(host) as port:
        dialled = await _dial(port)
        (await host.arrival()).link.close(None, "")
        closed = await asyncio.wait_for(dialled.link.receive(), _LIMIT_S)
        assert isinstance(closed, LinkClosed)
        assert closed.code is None


async def test_a_peer_that_never_confirms_the_close_is_dropped() -> None:
    host = _Host()
    async with _listening(host) as port:
        _reader, writer = await _raw(port, _UPGRADE + b"Sec-WebSocket-Protocol: ship\r\n\r\n")
        arrival = await host.arrival()
        arrival.link.close(4001, "close")
        assert isinstance(await asyncio.wait_for(arrival.link.receive(), _LIMIT_S), LinkClosed)
        writer.transport.abort()


async def test_a_text_frame_is_told_apart() -> None:
    host = _Host()
    async with _listening(host) as port:
        _reader, writer = await _raw(port, _UPGRADE + b"Sec-WebSocket-Protocol: ship\r\n\r\n")
        arrival = await host.arrival()
        writer.write(bytes([0x81, 0x82, 0, 0, 0, 0]) + b"\xff\xfe")  # masked, not even UTF-8
        assert await asyncio.wait_for(arrival.link.receive(), _LIMIT_S) == TextMessage()
        writer.transport.abort()


async def test_fragments_are_put_together() -> None:
    host = _Host()
    async with _listening(host) as port:
        _reader, writer = await _raw(port, _UPGRADE + b"Sec-WebSocket-Protocol: ship\r\n\r\n")
        arrival = await host.arrival()
        mask = bytes(4)
        writer.write(b"\x02\x81" + mask + b"\x01" + b"\x00\x81" + mask + b"{" + b"\x80\x81" + mask + b"}")
        assert await asyncio.wait_for(arrival.link.receive(), _LIMIT_S) == BinaryMessage(b"\x01{}")
        writer.transport.abort()


@pytest.mark.parametrize(
    "frames",
    [
        b"\x82\xff" + (300_000).to_bytes(8, "big") + bytes(4),  # announced too large
        (b"\x02\xfe\xff\xff" + bytes(4) + bytes(65535)) + (b"\x00\xfe\xff\xff" + bytes(4) + bytes(65535)) * 5,
        b"\x83\x80" + bytes(4),  # reserved operation
        b"\x82\x01\x00",  # not masked
    ],
    ids=["oversized", "oversized in fragments", "reserved opcode", "unmasked"],
)
async def test_frames_against_the_rules_end_the_connection(frames: bytes) -> None:
    host = _Host()
    async with _listening(host) as port:
        reader, writer = await _raw(port, _UPGRADE + b"Sec-WebSocket-Protocol: ship\r\n\r\n")
        arrival = await host.arrival()
        writer.write(frames)
        assert isinstance(await asyncio.wait_for(arrival.link.receive(), _LIMIT_S), LinkClosed)
        await _read_all(reader)
        writer.transport.abort()


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"405"),
        (_UPGRADE + b"\r\n", b"400"),
        (_UPGRADE + b"Sec-WebSocket-Protocol: mqtt\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", b"414"),
    ],
    ids=["plain HTTP", "POST", "no sub-protocol", "another sub-protocol", "endless request line"],
)
async def test_what_is_no_SHIP_request_gets_a_plain_answer(
    request_text: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    host = _Host()
    with caplog.at_level("DEBUG"):
        async with _listening(host) as port:
            reader, writer = await _raw(port, request_text)
            answer = await _read_all(reader)
            writer.close()
    assert answer.split(b"\r\n")[0].split(b" ")[1] == status
    assert host.arrivals.empty()
    assert not [record for record in caplog.records if record.exc_info]


async def test_bytes_that_are_no_HTTP_are_cut_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async with _listening(_Host()) as port:
        reader, writer = await _raw(port, b"\x00\x01\x02\r\n\r\n")
        assert await _read_all(reader) == b""
        writer.close()
        plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", port)
        plain_writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await _read_all(plain_reader)
        plain_writer.close()
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_peer_that_stalls_before_TLS_or_before_the_request_is_dropped() -> None:
    async with _listening(_Host(), tls_wait_s=0.1, upgrade_wait_s=0.1) as port:
        silent_reader, silent_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await _read_all(silent_reader) == b""
        silent_writer.close()
        reader, writer = await _raw(port, b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert await _read_all(reader) == b""
        writer.close()


async def test_an_unanswered_ping_ends_the_connection() -> None:
    host = _Host()
    limits = WebSocketLimits(ping_interval_s=0.05, pong_wait_s=0.1, close_wait_s=0.2)
    async with _listening(host, websocket=limits) as port:
        _reader, writer = await _raw(port, _UPGRADE + b"Sec-WebSocket-Protocol: ship\r\n\r\n")
        arrival = await host.arrival()
        assert isinstance(await asyncio.wait_for(arrival.link.receive(), _LIMIT_S), LinkClosed)
        writer.transport.abort()


async def test_answered_pings_keep_the_connection() -> None:
    host = _Host()
    limits = WebSocketLimits(ping_interval_s=0.02, pong_wait_s=0.03, close_wait_s=0.2)
    async with _listening(host, websocket=limits) as port:
        dialled = await _dial(port)
        arrival = await host.arrival()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(arrival.link.receive(), 0.2)
        dialled.link.abort()


async def test_a_peer_that_reads_nothing_is_dropped() -> None:
    host = _Host()
    limits = WebSocketLimits(write_wait_s=0.1, close_wait_s=0.2)
    async with _listening(host, websocket=limits) as port:
        reader, writer = await _raw(port, _UPGRADE + b"Sec-WebSocket-Protocol: ship\r\n\r\n")
        arrival = await host.arrival()
        await reader.readuntil(b"\r\n\r\n")
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
        for _ in range(200):
            arrival.link.send(bytes(100_000))
        assert isinstance(await asyncio.wait_for(arrival.link.receive(), _LIMIT_S), LinkClosed)
        writer.transport.abort()


async def test_one_address_cannot_take_all_places() -> None:
    host = _Host()
    limits = AdmissionLimits(total=6, reserved=2, per_address=2)
    async with _listening(host, admission=limits) as port:
        first, second = await _dial(port), await _dial(port)
        with pytest.raises(RemoteError):
            await _dial(port)
        first.link.abort()
        assert isinstance(await first.link.receive(), LinkClosed)
        second.link.abort()


async def test_a_server_that_does_not_select_the_sub_protocol_is_refused() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    context = NodeTls(_SERVER).accepting(lambda _peer: None, lambda _alert: None)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as serving:
        with pytest.raises(RemoteError, match="404"):
            await _dial(serving.sockets[0].getsockname()[1])


async def test_12_4_2_a_dial_is_dropped_before_its_upgrade_request_when_the_peer_came_to_us() -> None:
    host = _Host()
    async with _listening(host, upgrade_wait_s=0.5) as port:
        with pytest.raises(DialDropped):
            await _dial(port, still_wanted=lambda: False)
        assert host.arrivals.empty()


async def test_the_next_target_is_tried_when_one_fails() -> None:
    host = _Host()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead_port = closed.getsockname()[1]
    async with _listening(host) as port:
        targets = [
            Target("127.0.0.1", dead_port),
            Target("no-such-host.invalid", port),
            Target("127.0.0.1", port),
        ]
        dialled = await _dialer().dial(_SERVER.ski, targets, lambda: True)
        assert dialled.target == targets[2]
        dialled.link.abort()


async def test_a_dead_target_is_given_up_after_its_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        dialer = Dialer(NodeTls(_CLIENT), DialSettings(target_wait_s=0.1), lambda _peer: None, lambda: 0.0)
        with pytest.raises(RemoteError, match=r"no answer within 0\.1 s"):
            await dialer.dial(_SERVER.ski, [Target("127.0.0.1", mute.getsockname()[1])], lambda: True)


async def test_a_port_in_use_is_said_plainly() -> None:
    """SHIP 14: two stacks on one host."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = ListenerSettings(host="127.0.0.1", port=taken.getsockname()[1])
        with pytest.raises(LocalError, match="cannot listen on port"):
            Listener(NodeTls(_SERVER), settings, _Host(), SystemClock()).open()
