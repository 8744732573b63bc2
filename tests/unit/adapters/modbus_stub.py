"""Peers for bus tests that can do what a real server never does: short, wrong, late or broken answers."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""Gets one whole request frame and writes whatever it likes."""


@dataclass
class Stub:
    """A listening peer and what it saw."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0


@asynccontextmanager
async def stub(answer: Answer, *, header: int = 6, size_of: Callable[[bytes], int]) -> AsyncIterator[Stub]:
    seen = Stub(port=0)
    open_now: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        open_now.add(writer)
        seen.most_at_once = max(seen.most_at_once, len(open_now))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(header)
                frame = head + await reader.readexactly(size_of(head))
                seen.requests.append(frame)
                await answer(frame, writer)
                await writer.drain()
        open_now.discard(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for writer in list(open_now):
            writer.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def tcp_stub(answer: Answer) -> AbstractAsyncContextManager[Stub]:
    """A peer with Modbus TCP framing."""
    return stub(answer, header=6, size_of=lambda head: int(struct.unpack(">H", head[4:6])[0]))


def rtu_stub(answer: Answer) -> AbstractAsyncContextManager[Stub]:
    """A peer with RTU framing over TCP, for functions 3, 4 and 6: eight bytes each."""
    return stub(answer, header=2, size_of=lambda head: 6)


def tcp_frame(
    request: bytes, pdu: bytes, *, unit: int | None = None, transaction: bytes | None = None
) -> bytes:
    """An answer frame to `request` around `pdu`."""
    unit_byte = request[6:7] if unit is None else bytes([unit])
    body = unit_byte + pdu
    return (transaction or request[0:2]) + b"\x00\x00" + struct.pack(">H", len(body)) + body


def rtu_frame(body: bytes) -> bytes:
    """A frame with its check sum, calculated bit by bit as the serial line specification describes."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return body + struct.pack("<H", crc)


def registers_pdu(function: int, *values: int) -> bytes:
    """The body of an answer to a register read."""
    return struct.pack(f">BB{len(values)}H", function, 2 * len(values), *values)


@dataclass
class RegisterPeer:
    """A device that is nothing but holding registers; missing ones answer exception 2.

    `refuse_multiple`: function 16 is answered with exception 2. `writes`: (function, address, values) in
    order.
    """

    registers: dict[int, int]
    refuse_multiple: bool = False
    read_only: set[int] = field(default_factory=set)
    writes: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)
    reads: list[tuple[int, int]] = field(default_factory=list)

    async def answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(tcp_frame(request, self._pdu(request[7:])))

    def _pdu(self, pdu: bytes) -> bytes:
        function, address, argument = struct.unpack(">BHH", pdu[:5])
        if function == 3:
            self.reads.append((address, argument))
            return self._read(function, address, argument)
        values = (argument,) if function == 6 else struct.unpack(f">{argument}H", pdu[6:])
        return self._write(function, address, values) or pdu[:5]

    def _read(self, function: int, address: int, count: int) -> bytes:
        span = range(address, address + count)
        if any(register not in self.registers for register in span):
            return bytes([function | 0x80, 2])
        return registers_pdu(function, *(self.registers[register] for register in span))

    def _write(self, function: int, address: int, values: tuple[int, ...]) -> bytes:
        span = range(address, address + len(values))
        refused = self.refuse_multiple and function == 16
        if refused or any(register not in self.registers or register in self.read_only for register in span):
            return bytes([function | 0x80, 2])
        self.writes.append((function, address, values))
        self.registers.update(zip(span, values, strict=True))
        return b""
