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
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

from eebus.clock import Clock
from hems.store.errors import StoreError, StoreTimeoutError

MOST_JOBS = 1000
"""Jobs that may wait; more are refused, so that a stuck disk cannot fill the memory."""
STUCK_S = 2.0
"""Age of the oldest job from which the disk is reported as stuck."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_A = TypeVar("_A")

Undo = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_T]):
    """Result of a job's work, and how to undo it when nobody waited for it any more."""

    value: _T
    undo: Undo | None = None


Work = Callable[[sqlite3.Connection], Outcome[_T]]


class _Phase(Enum):
    WAITING = auto()
    WORKING = auto()
    COMMITTING = auto()
    DONE = auto()


class Job(Generic[_T]):
    """One transaction and the future of its result. Shared by two threads under its lock."""

    def __init__(self, work: Work[_T], connection: sqlite3.Connection, entered_s: float) -> None:
        self.entered_s = entered_s
        self.future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._work = work
        self._connection = connection
        self._lock = threading.Lock()
        self._phase = _Phase.WAITING
        self._abandoned = False

    def abandon(self) -> bool:
        """Nobody waits any more: see that it has no effect. False when it was already committed."""
        with self._lock:
            self._abandoned = self._phase is not _Phase.DONE
            return self._abandoned

    def run(self) -> None:
        """Carry it out; called by the disk's thread only."""
        try:
            outcome = self._transact()
        except Exception as error:
            plain = StoreError(f"cannot be stored: {error}") if isinstance(error, sqlite3.Error) else error
            self._answer(self.future.set_exception, plain)
            raise
        if outcome is not None:
            self._answer(self.future.set_result, outcome.value)

    def _transact(self) -> Outcome[_T] | None:
        if not self._advance(_Phase.WORKING):
            return None
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            outcome = self._work(self._connection)
            if not self._advance(_Phase.COMMITTING):
                self._connection.execute("ROLLBACK")
                return None
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        if self._advance(_Phase.DONE):
            return outcome
        self._take_back(outcome)
        return None

    def _advance(self, phase: _Phase) -> bool:
        with self._lock:
            if self._abandoned:
                return False
            self._phase = phase
            return True

    def _take_back(self, outcome: Outcome[_T]) -> None:
        if outcome.undo is None:
            return
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            outcome.undo(self._connection)

    def _answer(self, settle: Callable[[_A], None], answer: _A) -> None:
        def settle_once() -> None:
            if not self.future.done():
                settle(answer)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(settle_once)


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
        self._clock = clock
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._entered: list[float] = []
        self._trouble = ""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
        self._thread.start()

    async def call(self, function: Callable[[], _T]) -> _T:
        """Run a function that opens or closes files. Its errors are raised here."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()

        def task() -> None:
            try:
                result = function()
            except Exception as error:
                loop.call_soon_threadsafe(future.set_exception, error)
            else:
                loop.call_soon_threadsafe(future.set_result, result)

        self._enter(task)
        return await future

    def submit(self, connection: sqlite3.Connection, work: Work[_T]) -> Job[_T]:
        """Queue a transaction without waiting. Raises StoreError when too many wait already."""
        job = Job(work, connection, self._clock.monotonic())
        self._enter(job.run)
        return job

    async def transact(self, connection: sqlite3.Connection, work: Work[_T], timeout_s: float) -> _T:
        """Run a transaction; returns after it is on disk.

        Raises StoreError when it fails, StoreTimeoutError when it takes too long: then it has no effect, also
        not later. Cancelling has the same meaning.
        """
        job = self.submit(connection, work)
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(job.future)
        except TimeoutError:
            if job.abandon():
                raise StoreTimeoutError(f"the disk did not finish within {timeout_s:g} s") from None
            return await job.future
        except asyncio.CancelledError:
            job.abandon()
            raise

    async def flush(self, grace_s: float) -> bool:
        """Wait until everything queued so far was worked off, at most so long; False when it was not."""
        loop = asyncio.get_running_loop()
        reached = asyncio.Event()
        self._enter(lambda: loop.is_closed() or loop.call_soon_threadsafe(reached.set))
        try:
            async with asyncio.timeout(grace_s):
                await reached.wait()
        except TimeoutError:
            return False
        return True

    def health(self) -> DiskHealth:
        """How the disk is doing."""
        now = self._clock.monotonic()
        with self._lock:
            oldest_s = now - self._entered[0] if self._entered else 0.0
            return DiskHealth(len(self._entered), oldest_s, self._trouble)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Work off the queue and end the thread; False when it is still stuck after that time."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _enter(self, task: Callable[[], object]) -> None:
        with self._lock:
            if len(self._entered) >= MOST_JOBS:
                raise StoreError(f"the disk is stuck: {MOST_JOBS} changes wait to be written")
            self._entered.append(self._clock.monotonic())
        self._queue.put(lambda: self._run(task))

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            task()

    def _run(self, task: Callable[[], object]) -> None:
        trouble = ""
        try:
            task()
        except Exception as error:
            trouble = str(error)
            _log.error("a change could not be stored: %s", error)
        with self._lock:
            self._entered.pop(0)
            self._trouble = trouble
