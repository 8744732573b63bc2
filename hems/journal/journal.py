"""journal.db: append-only, each record chained to the one before."""

import asyncio
import logging
import sqlite3
from collections import deque
from functools import partial
from pathlib import Path

from hems.journal.file import JOURNAL_NAME, append_all, open_journal
from hems.journal.record import Entry
from hems.store.database import FileId, file_id, require_still_there
from hems.store.disk import Disk
from hems.store.errors import DamagedError, LostFileError, StoreError, UnavailableError

MOST_WAITING = 10_000
"""Entries that may wait for a stuck disk; more are lost, counted and reported."""
RETRY_S = 5.0

_log = logging.getLogger(__name__)


class Journal:
    """Appends entries in the order given. `append` never waits; `flush` waits for the disk.

    The columns beside `body` only serve queries; what counts is the bytes.
    """

    def __init__(self, directory: Path, disk: Disk, device: str) -> None:
        self._directory = directory
        self._disk = disk
        self._device = device
        self._connection: sqlite3.Connection | None = None
        self._file: FileId | None = None
        self._waiting: deque[Entry] = deque()
        self._writing = False
        self._opening: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self.lost = 0
        """Entries that found no place because the disk was stuck for too long."""
        self.trouble = ""
        """Why nothing can be written at the moment."""
        self.lost_file = ""
        """Why what is written will not be found again."""

    @classmethod
    async def open(cls, directory: Path, disk: Disk, device: str) -> "Journal":
        """Open or make it in the data directory; `device` is the gateway's id.

        A disk that is full or read-only keeps nobody waiting: entries wait in memory until it lets us write.
        Raises StoreError for a file that a newer gateway wrote.
        """
        journal = cls(directory, disk, device)
        try:
            await journal._reopen()
        except UnavailableError as error:
            journal._note_trouble(error)
        return journal

    async def close(self) -> None:
        """Close the file; call `flush` before."""
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
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

    async def look(self) -> None:
        """See whether the file still has its name; if not, what is recorded until a restart is lost."""
        if self._connection is None or self.lost_file:
            return
        try:
            await self._disk.call(partial(require_still_there, self._directory / JOURNAL_NAME, self._file))
        except LostFileError as error:
            self.lost_file = str(error)
            _log.error("what is recorded is lost: %s", error)
        except StoreError as error:
            _log.warning("%s", error)

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
        if self._connection is None:
            self._open_then_write()
            return
        batch = tuple(self._waiting)
        try:
            job = self._disk.submit(self._connection, partial(append_all, self._device, batch))
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
        if isinstance(error, DamagedError):
            self._leave_damaged(error)
            return
        if error is not None:
            self._retry_later(error)
            return
        self.trouble = ""
        for _ in range(entries):
            self._waiting.popleft()
        if not self._waiting:
            self._empty.set()
        self._write()

    def _leave_damaged(self, error: DamagedError) -> None:
        """It became unusable while we worked with it: the next opening sets it aside."""
        damaged, self._connection = self._connection, None
        if damaged is not None:
            self._opening = asyncio.create_task(self._leave(damaged, error))

    async def _leave(self, damaged: sqlite3.Connection, error: DamagedError) -> None:
        await self._disk.leave(damaged)
        self._opening = None
        self._retry_later(error)

    def _open_then_write(self) -> None:
        if self._opening is None:
            self._opening = asyncio.create_task(self._try_to_open())

    async def _try_to_open(self) -> None:
        try:
            await self._reopen()
        except StoreError as error:
            self._retry_later(error)
        finally:
            self._opening = None
        if self._connection is not None:
            self._write()

    async def _reopen(self) -> None:
        now = self._disk.clock.utc_now()
        self._connection, self._file = await self._disk.call(
            lambda: (
                open_journal(self._directory, self._device, now),
                file_id(self._directory / JOURNAL_NAME),
            )
        )
        self.trouble = self.lost_file = ""

    def _retry_later(self, error: BaseException) -> None:
        self._note_trouble(error)
        asyncio.get_running_loop().call_later(RETRY_S, self._write)

    def _note_trouble(self, error: BaseException) -> None:
        if self.trouble != str(error):
            _log.error("the journal cannot be written: %s; %d entries wait", error, len(self._waiting))
        self.trouble = str(error)
