"""A gateway's storage in a process of its own: stores numbered failsafe values and says so after each one."""

import asyncio
import os
import sys
from pathlib import Path

from eebus.clock import SystemClock
from eebus.ids import Ski
from eebus.usecases.events import PersistFailsafe
from hems.store.disk import Disk
from hems.store.state import StateStore


async def main(directory: Path, writes: int) -> None:
    clock = SystemClock()
    disk = Disk(clock)
    store = await StateStore.open(directory, disk, clock)
    for number in range(1, writes + 1):
        await store.put_failsafe(PersistFailsafe(float(number), None, None, Ski("b" * 40)))
        os.write(1, f"acknowledged {number}\n".encode())


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
