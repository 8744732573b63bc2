"""journal.db: append-only, each record chained to the one before."""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hems.journal.record import FIRST_PREDECESSOR, Entry, Record, digest, encode
from hems.store.database import Migration, open_database
from hems.store.disk import Disk
from hems.store.errors import StoreError

JOURNAL_NAME = "journal.db"
MOST_WAITING = 10_000
"""Entries that may wait for a stuck disk; more are lost, counted and reported."""
RETRY_S = 5.0

MIGRATIONS: tuple[Migration, ...] = (
    (
        """CREATE TABLE record (
            number INTEGER PRIMARY KEY,
            event BLOB NOT NULL,
            step TEXT NOT NULL,
            unix_ms INTEGER NOT NULL,
            body BLOB NOT NULL
        )""",
        "CREATE INDEX record_event ON record (event)",
        """CREATE TRIGGER record_is_final BEFORE UPDATE ON record
        BEGIN SELECT RAISE (ABORT, 'the journal is append-only'); END""",
        """CREATE TRIGGER record_stays BEFORE DELETE ON record
        BEGIN SELECT RAISE (ABORT, 'the journal is append-only'); END""",
    ),
    (
        # The start looks for events that are not over; this index alone tells, without reading the records.
        "DROP INDEX record_event",
        "CREATE INDEX record_event ON record (event, step)",
    ),
)

_log = logging.getLogger(__name__)


class Journal:
    """Appends entries in the order given. `append` never waits; `flush` waits for the disk.

    The columns beside `body` only serve queries; what counts is the bytes.
    """

    def __init__(self, disk: Disk, connection: sqlite3.Connection, device: str) -> None:
        self._disk = disk
        self._connection = connection
        self._device = device
        self._waiting: deque[Entry] = deque()
        self._writing = False
        self._empty = asyncio.Event()
        self._empty.set()
        self.lost = 0
        """Entries that found no place because the disk was stuck for too long."""

    @classmethod
    async def open(cls, directory: Path, disk: Disk, device: str) -> "Journal":
        """Open or make it in the data directory; `device` is the gateway's id. Raises StoreError."""
        connection = await disk.call(lambda: open_database(directory / JOURNAL_NAME, MIGRATIONS))
        return cls(disk, connection, device)

    async def close(self) -> None:
        """Close the file; call `flush` before."""
        await self._disk.leave(self._connection)

    def append(self, entry: Entry) -> None:
        """Queue an entry. A disk that is stuck holds nothing up; see `waiting` and `lost`."""
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            _log.error("the journal cannot be written; %d entries are lost", self.lost)
            return
        self._waiting.append(entry)
        self._empty.clear()
        self._write()

    @property
    def waiting(self) -> int:
        """Entries that are not on disk yet."""
        return len(self._waiting)

    async def flush(self, grace_s: float) -> bool:
        """Wait until everything appended is on disk, at most so long; False when it is not (yet)."""
        try:
            async with asyncio.timeout(grace_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _write(self) -> None:
        if self._writing or not self._waiting:
            return
        batch = tuple(self._waiting)
        try:
            job = self._disk.submit(self._connection, partial(_append_all, self._device, batch))
        except StoreError as error:
            self._retry_later(error)
            return
        self._writing = True
        job.future.add_done_callback(partial(self._written, len(batch)))

    def _written(self, entries: int, future: "asyncio.Future[None]") -> None:
        self._writing = False
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._retry_later(error)
            return
        for _ in range(entries):
            self._waiting.popleft()
        if not self._waiting:
            self._empty.set()
        self._write()

    def _retry_later(self, error: BaseException) -> None:
        _log.error("the journal cannot be written: %s; %d entries wait", error, len(self._waiting))
        asyncio.get_running_loop().call_later(RETRY_S, self._write)


def _append_all(device: str, entries: Sequence[Entry], connection: sqlite3.Connection) -> None:
    number, previous = _head(connection)
    for entry in entries:
        number += 1
        body = encode(Record(number, device, previous, entry))
        row = (number, entry.event.bytes, entry.step.value, entry.unix_ms, body)
        connection.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?)", row)
        previous = digest(body)


def _head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    row = connection.execute("SELECT number, body FROM record ORDER BY number DESC LIMIT 1").fetchone()
    return (0, FIRST_PREDECESSOR) if row is None else (row[0], digest(row[1]))
