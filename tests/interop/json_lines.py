"""The other end of :mod:`tests.interop.json_peer`: a Python program that is driven by JSON lines."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Command = Callable[..., Awaitable[Any]]


async def serve_lines(commands: Mapping[str, Command]) -> None:
    """Run commands from standard input, one after the other, until ``quit`` or the end of the input."""
    reader = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async for line in reader:
        parameters = json.loads(line)
        number, command = parameters.pop("id"), parameters.pop("command")
        if command == "quit":
            say("reply", id=number, ok=True, data=None)
            return
        try:
            data = await commands[command](**parameters)
        except Exception as error:
            say("reply", id=number, ok=False, error=f"{type(error).__name__}: {error}")
        else:
            say("reply", id=number, ok=True, data=data)


def say(event: str, **members: object) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps({"event": event, "at_ns": time.time_ns(), **members}, default=str) + "\n")
    sys.stdout.flush()
