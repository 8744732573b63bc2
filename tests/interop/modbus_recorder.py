"""Modbus TCP devices that only hold registers and note the time of every write.

``python -m tests.interop.modbus_recorder`` is driven by JSON lines (see ``README.md``). It shares no code
with the adapters, so that a mistake there does not hide behind the same mistake here.

Commands: ``start`` (``ports``, ``input`` and ``holding`` registers by address); ``set`` (``port``, ``table``,
``address``, ``values``); ``registers`` (``port``, ``table``, ``address``, ``count``) gives ``values``;
``requests`` (``since``: a position) gives ``requests`` from there on, each ``[at_ns, port, function, address,
values]`` with empty values for a read, and ``next``, the position behind the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from typing import Any

from tests.interop.json_lines import say, serve_lines

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16
ILLEGAL_FUNCTION = 1

Registers = dict[int, int]
Request = tuple[int, int, int, int, tuple[int, ...]]


class Recorder:
    """Any number of devices, one a port; all units of a port are the same device."""

    def __init__(self) -> None:
        self._tables: dict[int, dict[str, Registers]] = {}
        self._requests: list[Request] = []
        self._servers: list[asyncio.Server] = []

    async def start(self, ports: list[int], input: dict[str, int], holding: dict[str, int]) -> None:  # noqa: A002
        """Listen on the ports of this host's loopback."""
        for port in ports:
            self._tables[port] = {"input": _registers(input), "holding": _registers(holding)}
            serve = self._server_of(port)
            self._servers.append(await asyncio.start_server(serve, "127.0.0.1", port))

    async def set(self, port: int, table: str, address: int, values: list[int]) -> None:
        """Change registers of a device."""
        self._tables[port][table].update(enumerate(values, address))

    async def registers(self, port: int, table: str, address: int, count: int) -> dict[str, Any]:
        """Return registers of a device; one that was never set is 0."""
        return {"values": self._read(port, table, address, count)}

    async def requests(self, since: int = 0) -> dict[str, Any]:
        """Return the requests from a position on, and the position behind the last."""
        return {"requests": self._requests[since:], "next": len(self._requests)}

    def _read(self, port: int, table: str, address: int, count: int) -> list[int]:
        known = self._tables[port][table]
        return [known.get(number, 0) for number in range(address, address + count)]

    def _server_of(self, port: int) -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readexactly(7)
                    transaction, _, length, unit = struct.unpack(">HHHB", head)
                    answer = self._answer(port, await reader.readexactly(length - 1))
                    writer.write(struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer)
            writer.close()

        return serve

    def _answer(self, port: int, request: bytes) -> bytes:
        at = time.time_ns()
        function, address, number = struct.unpack(">BHH", request[:5])
        if function in (READ_HOLDING, READ_INPUT):
            table = "holding" if function == READ_HOLDING else "input"
            self._requests.append((at, port, function, address, ()))
            values = self._read(port, table, address, number)
            return struct.pack(f">BB{number}H", function, 2 * number, *values)
        if function == WRITE_ONE:
            self._write(at, port, function, address, (number,))
            return request
        if function == WRITE_MANY:
            self._write(at, port, function, address, struct.unpack(f">{number}H", request[6:]))
            return request[:5]
        return bytes((function | 0x80, ILLEGAL_FUNCTION))

    def _write(self, at: int, port: int, function: int, address: int, values: tuple[int, ...]) -> None:
        self._tables[port]["holding"].update(enumerate(values, address))
        self._requests.append((at, port, function, address, values))


def _registers(given: dict[str, int]) -> Registers:
    return {int(address): value for address, value in given.items()}


async def main() -> None:
    """Run until ``quit``."""
    recorder = Recorder()
    say("ready")
    await serve_lines(
        {
            "start": recorder.start,
            "set": recorder.set,
            "registers": recorder.registers,
            "requests": recorder.requests,
        }
    )


if __name__ == "__main__":
    asyncio.run(main())
