"""The one thread that writes to disk, so that a slow disk never holds up control.

Jobs run in order, each in a transaction of its own. Somebody who stops waiting abandons the job: if it has
not begun it never will; if it is under way it is rolled back; and if the disk is stuck in the commit itself,
the job's undo is carried out first thing afterwards. So a value that was refused because it could not be
stored in time does not come into force later.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TypeVar

from eebus.clock import Clock
from hems.store.errors import StoreError, StoreTimeoutError, store_error

MOST_JOBS = 1000
"""Jobs that may wait; more are refused, so that a stuck disk cannot fill the memory."""
LEAVE_S = 5.0
"""Longest wait for a file to be closed."""
STUCK_S = 2.0
"""Age of the oldest job from which the disk is reported as stuck."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Undo = Callable[[sqlite3.Connection], None]
Work = Callable[[sqlite3.Connection], Undo | None]
"""What a transaction does; it returns how to undo it, None when that will never be needed."""


class _Phase(Enum):
    WAITING = auto()
    WORKING = auto()
    COMMITTING = auto()
    DONE = auto()


class Job:
    """One transaction. `future` ends when it is on disk; `abandon` is for the event loop, the rest for the
    disk's thread.
    """

    def __init__(self, connection: sqlite3.Connection, work: Work) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self._loop.create_future()
        self._connection = connection
        self._work = work
        self._lock = threading.Lock()
        self._phase = _Phase.WAITING
        self._abandoned = False

    def abandon(self) -> bool:
        """Nobody waits any more: see that it has no effect. False when it is on disk already."""
        with self._lock:
            self._abandoned = self._phase is not _Phase.DONE
            return self._abandoned

    def run(self) -> Exception | None:
        """Carry it out; the error when it failed."""
        try:
            self._transact()
        except sqlite3.Error as error:
            return store_error("cannot be stored", error)
        except Exception as error:
            return error
        return None

    def answer(self, error: Exception | None) -> None:
        """Tell who waits."""
        if error is None:
            _tell(self._loop, self.future, partial(self.future.set_result, None))
        else:
            _tell(self._loop, self.future, partial(self.future.set_exception, error))

    def _transact(self) -> None:
        if not self._enter(_Phase.WORKING):
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            undo = self._work(self._connection)
            if not self._enter(_Phase.COMMITTING):
                self._connection.execute("ROLLBACK")
                return
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        if not self._enter(_Phase.DONE) and undo is not None:
            self._take_back(undo)

    def _enter(self, phase: _Phase) -> bool:
        """Go on to the next phase, unless nobody waits any more."""
        with self._lock:
            if not self._abandoned:
                self._phase = phase
            return not self._abandoned

    def _take_back(self, undo: Undo) -> None:
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            undo(self._connection)


@dataclass(frozen=True, slots=True)
class DiskHealth:
    """`waiting`: jobs not done yet. `oldest_s`: age of the oldest. `trouble`: last error, empty when none."""

    waiting: int
    oldest_s: float
    trouble: str

    @property
    def good(self) -> bool:
        """Whether everything that was to be stored is stored, or soon will be."""
        return not self.trouble and self.oldest_s < STUCK_S


class Disk:
    """The thread. Its methods are for the event loop's thread."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._entered: deque[float] = deque()
        self._trouble = ""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work_off, name="disk", daemon=True)
        self._thread.start()

    async def call(self, function: Callable[[], _T]) -> _T:
        """The result of a function that opens, reads or closes files. Its errors are raised here."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()

        def task() -> None:
            try:
                answer = partial(future.set_result, function())
            except Exception as error:
                answer = partial(future.set_exception, error)
            _tell(loop, future, answer)

        self._queue.put(task)
        return await future

    async def leave(self, connection: sqlite3.Connection, timeout_s: float = LEAVE_S) -> None:
        """Close a file after everything queued for it. A stuck disk must not keep the process from ending:
        after that time the file is left as a crash would leave it.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self.call(connection.close)
        except TimeoutError:
            _log.error("the disk is stuck; a file is left open")

    def submit(self, connection: sqlite3.Connection, work: Work) -> Job:
        """Queue a transaction without waiting. Raises StoreError when too many wait already."""
        job = Job(connection, work)
        with self._lock:
            if len(self._entered) >= MOST_JOBS:
                raise StoreError(f"the disk is stuck: {MOST_JOBS} changes wait to be written")
            self._entered.append(self.clock.monotonic())
        self._queue.put(partial(self._run, job))
        return job

    async def transact(self, connection: sqlite3.Connection, work: Work, timeout_s: float) -> None:
        """Run a transaction; returns after it is on disk.

        Raises StoreError when it fails, StoreTimeoutError when it takes too long: then it has no effect, also
        not later. Cancelling has the same meaning.
        """
        job = self.submit(connection, work)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(job.future)
        except TimeoutError:
            if job.abandon():
                raise StoreTimeoutError(f"the disk did not finish within {timeout_s:g} s") from None
            await job.future
        except asyncio.CancelledError:
            job.abandon()
            raise

    async def flush(self, grace_s: float) -> bool:
        """Wait until everything queued so far was worked off, at most so long; False when it was not."""
        loop = asyncio.get_running_loop()
        reached: asyncio.Future[None] = loop.create_future()
        self._queue.put(partial(_tell, loop, reached, partial(reached.set_result, None)))
        try:
            async with asyncio.timeout(grace_s):
                await reached
        except TimeoutError:
            return False
        return True

    def health(self) -> DiskHealth:
        """How the disk is doing."""
        now = self.clock.monotonic()
        with self._lock:
            oldest_s = now - self._entered[0] if self._entered else 0.0
            return DiskHealth(len(self._entered), oldest_s, self._trouble)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Work off the queue and end the thread; False when it is still stuck after that time."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work_off(self) -> None:
        while (task := self._queue.get()) is not None:
            task()

    def _run(self, job: Job) -> None:
        error = job.run()
        if error is not None:
            _log.error("a change was not stored: %s", error)
        with self._lock:
            self._entered.popleft()
            self._trouble = "" if error is None else str(error)
        job.answer(error)


def _tell(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[_T]", answer: Callable[[], None]) -> None:
    """Answer in the event loop's thread, unless that loop has ended or nobody waits any more."""

    def settle() -> None:
        if not future.done():
            answer()

    with suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)
