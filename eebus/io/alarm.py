"""The one timer of a node."""

import asyncio
import contextlib
from collections.abc import Callable

from eebus.clock import Clock

MAX_SLEEP_S = 1.0
"""A suspended host must notice soon that time has passed: the loop's own timers stand still meanwhile."""
_MIN_SLEEP_S = 0.001


class Alarm:
    """Calls its owner when something is due, and at least once a second."""

    def __init__(
        self, clock: Clock, next_deadline: Callable[[], float | None], on_time: Callable[[float], None]
    ) -> None:
        self._clock = clock
        self._next_deadline = next_deadline
        self._on_time = on_time
        self._wakes_at = float("-inf")
        self._earlier = asyncio.Event()

    def plan(self, deadline: float | None) -> None:
        """Something became due at *deadline*; wakes the timer when that is earlier than planned."""
        if deadline is not None and deadline < self._wakes_at:
            self._earlier.set()

    async def run(self) -> None:
        """Keep time until cancelled."""
        while True:
            self._earlier.clear()
            now = self._clock.monotonic()
            due = self._next_deadline()
            sleep_s = MAX_SLEEP_S if due is None else min(MAX_SLEEP_S, max(_MIN_SLEEP_S, due - now))
            self._wakes_at = now + sleep_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(sleep_s):
                    await self._earlier.wait()
            # Also after an early wake: a peer that keeps us busy must not hold back what is due.
            now = self._clock.monotonic()
            due = self._next_deadline()
            if now >= self._wakes_at or (due is not None and now >= due):
                self._on_time(now)
