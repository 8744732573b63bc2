"""A journal in a process of its own: appends for ever and says so after each flush."""

import asyncio
import os
import sys
from pathlib import Path
from uuid import uuid4

from eebus.clock import SystemClock
from hems.journal.journal import Journal
from hems.journal.record import Entry, Step
from hems.store.disk import Disk


async def main(directory: Path) -> None:
    journal = await Journal.open(directory, Disk(SystemClock()), "hems-1")
    while True:
        journal.append(Entry(Step.RECEIVED, uuid4(), 0, 0, "a limit"))
        await journal.flush(10.0)
        os.write(1, b"flushed\n")


asyncio.run(main(Path(sys.argv[1])))
