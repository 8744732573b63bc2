"""The timer of a node under load."""

import asyncio
import contextlib

from eebus.clock import SystemClock
from eebus.io.alarm import Alarm


async def test_what_is_due_happens_although_every_message_of_a_flood_plans_anew() -> None:
    clock = SystemClock()
    due_at = clock.monotonic()
    fired: list[float] = []
    alarm = Alarm(clock, lambda: None if fired else due_at, fired.append)
    task = asyncio.create_task(alarm.run())
    for _message in range(20):
        await asyncio.sleep(0)
        alarm.plan(due_at)  # as after every turn of the stack
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert fired, "a flood must not hold back heartbeats, the failsafe and the limits of handshakes"
