"""The system calls of a running process, as strace sees them: what was synced and sent, in which order."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.netns import Host

_SETTLE_S = 0.2
WATCHED = "fsync,fdatasync,sendto,sendmsg,write,writev"

_BEGUN = re.compile(r"^(\d+) +(\d+\.\d+) (\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>")
_LASTED = re.compile(r"<(\d+\.\d+)>$")


@dataclass(frozen=True, slots=True)
class SystemCall:
    """One call; times are those of the wall clock in nanoseconds."""

    name: str
    arguments: str
    began_ns: int
    ended_ns: int

    def syncs(self, file: str) -> bool:
        """Whether it forces this file, or its write-ahead log, to the disk."""
        return self.name in ("fsync", "fdatasync") and f"/{file}" in self.arguments

    def sends_to(self, address: str) -> bool:
        """Whether it hands bytes to a TCP connection with this peer."""
        return "TCP" in self.arguments.partition(",")[0] and f">{address}:" in _plain(self.arguments)


def _plain(arguments: str) -> str:
    # a dual-stack socket shows IPv4 peers in their IPv6 form
    return arguments.replace("[::ffff:", "").replace("]:", ":")


@dataclass(frozen=True, slots=True)
class Tracing:
    """A trace that is being written."""

    file: Path

    @staticmethod
    def unavailable() -> str | None:
        """Return why nothing can be traced here, or None."""
        return None if shutil.which("strace") else "strace is not installed"

    @classmethod
    @asynccontextmanager
    async def of(cls, pid: int, host: Host, file: Path) -> AsyncIterator[Tracing]:
        """Trace all threads of a process on a host while the block runs."""
        options = ["-f", "-yy", "-ttt", "-T", "-s", "0", "-e", f"trace={WATCHED}", "-o", str(file)]
        process = await asyncio.create_subprocess_exec(
            # on the host itself: elsewhere strace cannot tell the addresses of its sockets
            *host.command("strace", *options, "-p", str(pid)),
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        said = await process.stderr.readline()
        if b"attached" not in said:
            raise RuntimeError(said.decode())
        try:
            yield cls(file)
            await asyncio.sleep(_SETTLE_S)
        finally:
            process.send_signal(signal.SIGINT)
            await process.communicate()

    def calls(self) -> list[SystemCall]:
        """Return the calls in the order of their beginning; those cut off at the end are missing."""
        found: list[SystemCall] = []
        open_calls: dict[str, tuple[str, str, int]] = {}
        for line in self.file.read_text().splitlines():
            if begun := _BEGUN.match(line):
                thread, at, name, arguments = begun.groups()
                if arguments.endswith("<unfinished ...>"):
                    open_calls[thread] = (name, arguments, _ns(at))
                elif lasted := _LASTED.search(line):
                    found.append(SystemCall(name, arguments, _ns(at), _ns(at) + _ns(lasted.group(1))))
            elif (resumed := _RESUMED.match(line)) and resumed.group(1) in open_calls:
                name, arguments, began = open_calls.pop(resumed.group(1))
                found.append(SystemCall(name, arguments, began, _ns(resumed.group(2))))
        return sorted(found, key=lambda call: call.began_ns)


def _ns(seconds: str) -> int:
    whole, _, fraction = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])
