"""Programs that speak in JSON lines: events on their output, commands with replies for those that take them.

The lines of the Go peer are described in ``README.md``; our own programs in this folder speak the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

Members = dict[str, Any]

REPLY_TIMEOUT_S = 20.0
QUIT_TIMEOUT_S = 10.0
START_TIMEOUT_S = 60.0
"""A busy machine starts programs slowly."""


class PeerError(Exception):
    """The program refused a command, or ended."""


class LineProgram:
    """A running program. Events are kept in order, so that a test can wait for one that came already."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._events: list[Members] = []
        self._changed = asyncio.Condition()
        self._ended = False
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def launch(cls, command: Sequence[str], log: Path, *, folder: Path | None = None) -> Self:
        """Start the program; what it writes to standard error is appended to the log file."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                limit=16 * 1024 * 1024,
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def now(self) -> int:
        """Position behind the last event, for ``since``."""
        return len(self._events)

    def events(self, name: str, since: int = 0, **members: object) -> list[Members]:
        """Return the events of this name from a position on whose members are as wanted."""
        return [event for event in self._events[since:] if _matches(event, name, members)]

    async def wait_for(
        self, name: str, timeout_s: float = 10.0, since: int = 0, **members: object
    ) -> Members:
        """Return the first such event from a position on; wait for it when it has not come yet.

        A member is given by its value, or by a function that judges it.
        """
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                while True:
                    if found := self.events(name, since, **members):
                        return found[0]
                    if self._ended:
                        raise PeerError(f"the program ended before {name} {members}:\n{self.tail()}")
                    await self._changed.wait()
        except TimeoutError:
            seen = "\n".join(map(str, self._events[since:]))
            text = f"no {name} {members} within {timeout_s} s\nevents:\n{seen}\nlog:\n{self.tail()}"
            raise TimeoutError(text) from None

    async def end(self) -> None:
        """Close its standard input, which ends it, and wait; kill it when it does not end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(QUIT_TIMEOUT_S):
                await self._process.wait()
                await self._reader
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End the program without a chance to tidy up (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reader

    def tail(self, lines: int = 30) -> str:
        """Return the last lines of the program's log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def send(self, members: Members) -> None:
        """Write one line to the program."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(members).encode() + b"\n")

    def take(self, members: Members) -> None:
        """Handle one line of the program: keep it as an event."""
        self._events.append({"at_ns": time.time_ns(), **members})

    def on_end(self) -> None:
        """Handle the end of the program's output."""

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.take(json.loads(line))
            await self._announce()
        self._ended = True
        self.on_end()
        await self._announce()

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class JsonPeer(LineProgram):
    """A program that answers numbered commands with one reply each."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        super().__init__(process, log)
        self._replies: dict[int, asyncio.Future[Members]] = {}

    async def call(self, command: str, timeout_s: float = REPLY_TIMEOUT_S, **parameters: object) -> Any:
        """Send a command and return the data of its reply. Raises PeerError when it is refused."""
        number = len(self._replies) + 1
        future = self._replies[number] = asyncio.get_running_loop().create_future()
        given = {name: value for name, value in parameters.items() if value is not None}
        self.send({"id": number, "command": command, **given})
        async with asyncio.timeout(timeout_s):
            reply = await future
        if not reply["ok"]:
            raise PeerError(f"{command}: {reply['error']}")
        return reply["data"]

    async def quit(self) -> None:
        """Ask the program to end and wait until it has."""
        if not self._ended:
            with contextlib.suppress(PeerError, TimeoutError, ConnectionError):
                await self.call("quit", QUIT_TIMEOUT_S)
        await self.end()

    def take(self, members: Members) -> None:
        """Handle one line of the program: a reply, else an event."""
        if members["event"] == "reply":
            waiting = self._replies[members["id"]]
            if not waiting.done():  # else nobody waits for it any more
                waiting.set_result(members)
        else:
            super().take(members)

    def on_end(self) -> None:
        """Let nobody wait for a reply that cannot come."""
        for number, future in self._replies.items():
            if not future.done():
                text = f"the program ended before it answered command {number}:\n{self.tail()}"
                future.set_exception(PeerError(text))


def _matches(event: Members, name: str, members: Members) -> bool:
    return event["event"] == name and all(
        wanted(event.get(member)) if callable(wanted) else event.get(member) == wanted
        for member, wanted in members.items()
    )
