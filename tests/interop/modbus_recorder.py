"""Modbus TCP devices that only hold registers and note the time of every write.

``python -m tests.interop.modbus_recorder`` is driven by JSON lines (see ``README.md``). It shares no code
with the adapters, so that a mistake there does not hide behind the same mistake here.

Commands: ``start`` (``ports``, ``units`` behind each, ``input`` and ``holding`` registers by address);
``holding`` (``address``) gives ``values``, one for each device; ``requests`` (``since``: a position) gives
``requests`` from there on, each ``[at_ns, port, unit, function, address, values]`` with empty values for a
read, and ``next``, the position behind the last.
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
Place = tuple[int, int]
"""Port and unit of a device."""
Request = tuple[int, int, int, int, int, tuple[int, ...]]


class Recorder:
    """Any number of devices, on ports and units; the units of one port share its connections."""

    def __init__(self) -> None:
        self._tables: dict[Place, dict[str, Registers]] = {}
        self._requests: list[Request] = []
        self._servers: list[asyncio.Server] = []

    async def start(
        self,
        ports: list[int],
        units: list[int],
        input: dict[str, int],  # noqa: A002
        holding: dict[str, int],
    ) -> None:
        """Listen on the ports of this host's loopback."""
        for port in ports:
            for unit in units:
                self._tables[port, unit] = {"input": _registers(input), "holding": _registers(holding)}
            serve = self._server_of(port)
            self._servers.append(await asyncio.start_server(serve, "127.0.0.1", port))

    async def holding(self, address: int) -> dict[str, Any]:
        """Return one register of every device; one that was never set is 0."""
        return {"values": [tables["holding"].get(address, 0) for tables in self._tables.values()]}

    async def requests(self, since: int = 0) -> dict[str, Any]:
        """Return the requests from a position on, and the position behind the last."""
        return {"requests": self._requests[since:], "next": len(self._requests)}

    def _read(self, place: Place, table: str, address: int, count: int) -> list[int]:
        known = self._tables[place][table]
        return [known.get(number, 0) for number in range(address, address + count)]

    def _server_of(self, port: int) -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readexactly(7)
                    transaction, _, length, unit = struct.unpack(">HHHB", head)
                    answer = self._answer((port, unit), await reader.readexactly(length - 1))
                    writer.write(struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer)
            writer.close()

        return serve

    def _answer(self, place: Place, request: bytes) -> bytes:
        at = time.time_ns()
        function, address, number = struct.unpack(">BHH", request[:5])
        if function in (READ_HOLDING, READ_INPUT):
            table = "holding" if function == READ_HOLDING else "input"
            self._requests.append((at, *place, function, address, ()))
            values = self._read(place, table, address, number)
            return struct.pack(f">BB{number}H", function, 2 * number, *values)
        if function == WRITE_ONE:
            self._write(at, place, function, address, (number,))
            return request
        if function == WRITE_MANY:
            self._write(at, place, function, address, struct.unpack(f">{number}H", request[6:]))
            return request[:5]
        return bytes((function | 0x80, ILLEGAL_FUNCTION))

    def _write(self, at: int, place: Place, function: int, address: int, values: tuple[int, ...]) -> None:
        self._tables[place]["holding"].update(enumerate(values, address))
        self._requests.append((at, *place, function, address, values))


def _registers(given: dict[str, int]) -> Registers:
    return {int(address): value for address, value in given.items()}


async def main() -> None:
    """Run until ``quit``."""
    recorder = Recorder()
    say("ready")
    await serve_lines(
        {
            "start": recorder.start,
            "holding": recorder.holding,
            "requests": recorder.requests,
        }
    )


if __name__ == "__main__":
    asyncio.run(main())
