"""A program driven by JSON lines: commands on standard input, replies and events on standard output.

A command is ``{"id": 1, "command": "limit", …}``; its reply is ``{"event": "reply", "id": 1, "ok": true,
"data": …}`` or, with ``"ok": false``, an ``"error"`` text. All lines carry ``at_ns``, the wall clock. The
program ends with ``quit``, with the end of its input, or with SIGTERM.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping

from eebus.errors import EebusError

Members = Mapping[str, object]
Command = Callable[[Members], Awaitable[object]]
_Start = Callable[[Coroutine[None, None, None]], None]
_MAX_LINE_BYTES = 1024 * 1024


def write_line(event: str, **members: object) -> None:
    """Write one line at once."""
    line = {"event": event, **members, "at_ns": time.time_ns()}
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()


async def obey(commands: Mapping[str, Command]) -> None:
    """Carry out commands, each in a task of its own, until the program has to end."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    running: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:

        def start(work: Coroutine[None, None, None]) -> None:
            task = group.create_task(work)
            running.add(task)
            task.add_done_callback(running.discard)

        start(_read(commands, start, ending))
        await ending.wait()
        for task in running:
            task.cancel()


async def _read(commands: Mapping[str, Command], start: _Start, ending: asyncio.Event) -> None:
    reader = asyncio.StreamReader(limit=_MAX_LINE_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while line := await reader.readline():
            try:
                given = json.loads(line)
                name, number = given["command"], given.get("id")
            except (ValueError, KeyError, TypeError):
                write_line("reply", id=None, ok=False, error="a line must be an object with a command")
                continue
            if name == "quit":
                write_line("reply", id=number, ok=True, data=None)
                break
            start(_carry_out(commands.get(name), given, number))
    finally:
        ending.set()
        transport.close()


async def _carry_out(command: Command | None, given: Members, number: object) -> None:
    if command is None:
        write_line("reply", id=number, ok=False, error=f"there is no command '{given['command']}'")
        return
    try:
        data = await command(given)
    except (EebusError, OSError, TimeoutError, KeyError, ValueError, TypeError) as error:
        write_line("reply", id=number, ok=False, error=str(error) or type(error).__name__)
    else:
        write_line("reply", id=number, ok=True, data=data)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a program of this kind; Ctrl-C is no error."""

    async def do() -> None:
        await main()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(do())
