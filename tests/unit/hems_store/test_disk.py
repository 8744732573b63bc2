"""The disk thread: order, abandonment, and a disk that is stuck."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eebus.clock import FakeClock
from hems.store.database import open_database
from hems.store.disk import MOST_JOBS, Disk, Undo, Work
from hems.store.errors import StoreError, StoreTimeoutError

TABLE = (("CREATE TABLE value (one INTEGER PRIMARY KEY, number INTEGER)",),)


class Bench:
    """A disk with one table, and a tap that stops it."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.disk = Disk(self.clock)
        self.path = path
        self.tap = threading.Event()
        self.stuck = threading.Event()
        self.connection: sqlite3.Connection

    async def open(self) -> None:
        self.connection = await self.disk.call(lambda: open_database(self.path, TABLE))

    def block(self) -> None:
        """Keep the thread busy until the tap is opened."""
        self.disk.submit(self.connection, self._wait)

    def _wait(self, connection: sqlite3.Connection) -> Undo | None:
        self.stuck.set()
        self.tap.wait(5.0)
        return None

    async def put(self, number: int, timeout_s: float = 1.0) -> None:
        await self.disk.transact(self.connection, putting(number), timeout_s)

    def stored(self) -> int | None:
        with sqlite3.connect(self.path) as other:
            row = other.execute("SELECT number FROM value").fetchone()
        other.close()
        return None if row is None else int(row[0])


def putting(number: int) -> Work:
    def work(connection: sqlite3.Connection) -> Undo | None:
        before = connection.execute("SELECT number FROM value").fetchone()
        connection.execute("INSERT OR REPLACE INTO value VALUES (1, ?)", (number,))

        def undo(again: sqlite3.Connection) -> None:
            if before is None:
                again.execute("DELETE FROM value")
            else:
                again.execute("UPDATE value SET number = ?", before)

        return undo

    return work


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "test.db")
    await made.open()
    yield made
    made.tap.set()
    await made.disk.call(made.connection.close)
    assert made.disk.close()


async def test_a_transaction_returns_after_it_is_stored(bench: Bench) -> None:
    await bench.put(7)
    assert bench.stored() == 7


async def test_what_was_refused_for_time_never_comes_into_force(bench: Bench) -> None:
    await bench.put(1)
    bench.block()
    with pytest.raises(StoreTimeoutError, match="within"):
        await bench.put(2, timeout_s=0.01)
    bench.tap.set()
    assert await bench.disk.flush(1.0)
    assert bench.stored() == 1


async def test_a_cancelled_write_has_no_effect_either(bench: Bench) -> None:
    bench.block()
    task = asyncio.ensure_future(bench.put(2))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.tap.set()
    assert await bench.disk.flush(1.0)
    assert bench.stored() is None


async def test_a_write_abandoned_while_it_works_is_rolled_back(bench: Bench) -> None:
    def slow(connection: sqlite3.Connection) -> Undo | None:
        connection.execute("INSERT OR REPLACE INTO value VALUES (1, 9)")
        return bench._wait(connection)

    with pytest.raises(StoreTimeoutError):
        await bench.disk.transact(bench.connection, slow, 0.05)
    bench.tap.set()
    assert await bench.disk.flush(1.0)
    assert bench.stored() is None


class _StuckInCommit(sqlite3.Connection):
    """A disk that is stuck in the sync of a commit."""

    bench: Bench | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        cursor = super().execute(sql, parameters)
        if sql == "COMMIT" and self.bench is not None:
            bench, self.bench = self.bench, None
            bench.stuck.set()
            bench.tap.wait(5.0)
        return cursor


@pytest.mark.parametrize("before", [None, 1])
async def test_a_write_stuck_in_its_commit_is_taken_back_first_thing(
    bench: Bench, before: int | None
) -> None:
    if before is not None:
        await bench.put(before)
    slow = await bench.disk.call(
        lambda: sqlite3.connect(bench.path, isolation_level=None, factory=_StuckInCommit)
    )
    assert isinstance(slow, _StuckInCommit)
    slow.bench = bench
    with pytest.raises(StoreTimeoutError):
        await bench.disk.transact(slow, putting(2), 0.05)
    assert bench.stuck.is_set()
    bench.tap.set()
    assert await bench.disk.flush(1.0)
    assert bench.stored() == before
    await bench.disk.call(slow.close)


async def test_a_failing_job_is_reported_and_the_next_one_works(bench: Bench) -> None:
    def wrong(connection: sqlite3.Connection) -> Undo | None:
        connection.execute("INSERT INTO nowhere VALUES (1)")
        return None

    with pytest.raises(StoreError, match="nowhere"):
        await bench.disk.transact(bench.connection, wrong, 1.0)
    assert "nowhere" in bench.disk.health().trouble
    await bench.put(3)
    assert bench.disk.health().good
    assert bench.stored() == 3


async def test_a_stuck_disk_is_reported(bench: Bench) -> None:
    assert bench.disk.health().good
    bench.block()
    bench.stuck.wait(1.0)
    bench.clock.advance(1.9)
    assert bench.disk.health().good
    bench.clock.advance(0.1)
    health = bench.disk.health()
    assert not health.good
    assert (health.waiting, round(health.oldest_s, 3)) == (1, 2.0)
    assert not await bench.disk.flush(0.01)


async def test_a_stuck_disk_does_not_fill_the_memory(bench: Bench) -> None:
    bench.block()
    for _ in range(MOST_JOBS - 1):
        bench.disk.submit(bench.connection, putting(1))
    with pytest.raises(StoreError, match="stuck"):
        bench.disk.submit(bench.connection, putting(1))
    assert bench.disk.health().waiting == MOST_JOBS


async def test_jobs_run_in_the_order_given(bench: Bench) -> None:
    for number in range(20):
        bench.disk.submit(bench.connection, putting(number))
    assert await bench.disk.flush(1.0)
    assert bench.stored() == 19


async def test_a_stuck_disk_does_not_keep_the_process_from_ending(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.block()
    async with asyncio.timeout(1.0):
        await bench.disk.leave(bench.connection, timeout_s=0.02)
    assert "the disk is stuck" in caplog.text
