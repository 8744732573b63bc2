"""A simulator as a process of its own, spoken to in JSON lines."""

import asyncio
import contextlib
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

Line = dict[str, Any]

_ANSWERS = frozenset({"reply", "done", "error"})
_END_WAIT_S = 3.0
_FIRST_LINE_WAIT_S = 20.0


class ChildError(Exception):
    """A simulator did not start, ended too early, or refused a command."""


class Child:
    """One process. It ends by itself when we end, because its standard input closes then."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, on_line: Callable[[Line], None]
    ) -> None:
        self._name = name
        self._process = process
        self._on_line = on_line
        self._waiting: deque[asyncio.Future[Line]] = deque()
        self._ended = False

    async def ask(self, command: Line) -> Line:
        """Send a command and wait for its answer. Raises ChildError when it is refused."""
        if self._ended:
            raise self._has_ended()
        answer: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise self._has_ended() from error
        line = await answer
        if line["event"] == "error" or line.get("ok") is False:
            raise ChildError(f"the simulated {self._name} refuses: {line.get('text') or line.get('error')}")
        return line

    def kill(self) -> None:
        """End it at once, as when somebody pulls the plug."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def read(self) -> None:
        """Take its lines until it ends."""
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            if not raw.endswith(b"\n"):
                break  # killed in the middle of a line
            line: Line = json.loads(raw)
            if line["event"] in _ANSWERS and self._waiting:
                waiting = self._waiting.popleft()
                if not waiting.done():
                    waiting.set_result(line)
            else:
                self._on_line(line)
        self._ended = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(self._has_ended())

    def _has_ended(self) -> ChildError:
        return ChildError(f"the simulated {self._name} has ended")

    async def end(self) -> None:
        """Close its input, then insist."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        for insist in (self._process.terminate, self._process.kill):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _END_WAIT_S)
            if self._process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                insist()
        await self._process.wait()


@contextlib.asynccontextmanager
async def child(
    name: str, *arguments: str, on_line: Callable[[Line], None]
) -> AsyncIterator[tuple[Child, Line]]:
    """Start `python -m …`; yields the process and its first line. Raises ChildError when it does not start.

    It gets a session of its own, so that Ctrl-C reaches us first and we end it in order.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    first: asyncio.Future[Line] = asyncio.get_running_loop().create_future()

    def take(line: Line) -> None:
        if first.done():
            on_line(line)
        else:
            first.set_result(line)

    started = Child(name, process, take)
    reading = asyncio.create_task(started.read())
    waiting: set[asyncio.Future[Any]] = {first, reading}
    try:
        await asyncio.wait(waiting, timeout=_FIRST_LINE_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            raise ChildError(f"the simulated {name} did not start")
        yield started, first.result()
    finally:
        await started.end()
        await reading
