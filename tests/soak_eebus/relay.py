"""``python -m tests.soak_eebus.relay PORT HOST PORT``: a TCP port that leads to another and can stop.

What passes is counted in TLS records of both directions together, which is as fine as messages: each
WebSocket message is one record at least. Driven by JSON lines: ``hold_after`` (``records``; event ``held``
when so many have passed: nothing passes any more, but the end of a connection does), ``release``, ``cut``
(both ends see a reset), ``count`` (records of the newest connection).
"""

import asyncio
import contextlib
import sys

from tests.interop.json_lines import say, serve_lines

_HEADER = 5
_NEVER = 1_000_000


class Relay:
    """All connections, and how many records may pass on each."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._allowed = _NEVER
        self._changed = asyncio.Condition()
        self._newest: _Line | None = None
        self._lines: set[_Line] = set()

    async def hold_after(self, records: int) -> None:
        """Let that many records of a connection pass and no more."""
        await self._allow(records)

    async def release(self) -> None:
        """Let everything pass."""
        await self._allow(_NEVER)

    async def _allow(self, records: int) -> None:
        async with self._changed:
            self._allowed = records
            self._changed.notify_all()
        if self._newest is not None:
            self._tell_if_held(self._newest)

    async def cut(self) -> None:
        """Break all connections."""
        for line in self._lines:
            line.abort()

    async def count(self) -> int:
        """How many records of the newest connection have passed."""
        return self._newest.passed if self._newest else 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        line = self._newest = _Line((writer, far_writer))
        self._lines.add(line)
        self._tell_if_held(line)
        ways = (self._carry(line, reader, far_writer), self._carry(line, far_reader, writer))
        await asyncio.gather(*ways)
        self._lines.discard(line)

    async def _carry(self, line: "_Line", source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on each record when it may, and the end at once."""
        waiting: asyncio.Queue[bytes] = asyncio.Queue()

        async def send() -> None:
            while True:
                record = await waiting.get()
                async with self._changed:
                    await self._changed.wait_for(lambda: line.passed < self._allowed)
                    line.passed += 1
                sink.write(record)
                self._tell_if_held(line)

        sending = asyncio.create_task(send())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                header = await source.readexactly(_HEADER)
                waiting.put_nowait(header + await source.readexactly(int.from_bytes(header[3:], "big")))
        sending.cancel()
        sink.close()

    def _tell_if_held(self, line: "_Line") -> None:
        if line.passed >= self._allowed:
            say("held", records=line.passed)


class _Line:
    """One connection."""

    def __init__(self, ends: tuple[asyncio.StreamWriter, ...]) -> None:
        self.passed = 0
        self._ends = ends

    def abort(self) -> None:
        for end in self._ends:
            end.transport.abort()


async def main(port: int, host: str, target: int) -> None:
    """Serve until ``quit``."""
    relay = Relay(host, target)
    async with await asyncio.start_server(relay.serve, "127.0.0.1", port):
        say("ready")
        commands = (relay.hold_after, relay.release, relay.cut, relay.count)
        await serve_lines({command.__name__: command for command in commands})


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
