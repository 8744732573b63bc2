"""How long the soak tests run, and what must be where it was afterwards."""

import asyncio
import gc
import os
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

FULL = os.environ.get("SOAK") == "1"
_MOST_GROWTH_BYTES = 5 * 1024 * 1024


def rounds(full: int) -> int:
    """Ten in the normal tests, all of them in `make soak-eebus`."""
    return full if FULL else 10


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds at a quiet moment."""

    memory_bytes: int
    tasks: int
    descriptors: int
    timers: int

    @classmethod
    def now(cls) -> "Footprint":
        """Look at this process; call it inside the event loop."""
        gc.collect()
        process = psutil.Process()
        waiting = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        timers = sum(not timer.cancelled() for timer in waiting)
        return cls(process.memory_info().rss, len(asyncio.all_tasks()), process.num_fds(), timers)

    def assert_like(self, before: "Footprint") -> None:
        """Tasks, sockets and timers are where they were; memory has not grown beyond what caches need."""
        print(f"memory {(self.memory_bytes - before.memory_bytes) / 2**20:+.2f} MiB, {before} -> {self}")
        assert (self.tasks, self.descriptors) == (before.tasks, before.descriptors)
        assert abs(self.timers - before.timers) <= 2  # one may just be between two of its beats
        assert self.memory_bytes - before.memory_bytes <= _MOST_GROWTH_BYTES
