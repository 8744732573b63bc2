"""The chain on disk: append-only, verifiable, not held up by a stuck disk."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from eebus.clock import FakeClock
from hems.journal.file import JOURNAL_NAME, MIGRATIONS
from hems.journal.journal import Journal
from hems.journal.reading import MOST_STEPS, OPEN_EVENTS_QUERY, JournalReader, Renewals
from hems.journal.record import Entry, Step, decode, encode
from hems.northbound.view import orders_json
from hems.store.database import open_database
from hems.store.disk import Disk
from hems.store.errors import StoreError


def entry(text: str = "a step", *, step: Step = Step.RECEIVED, event: UUID | None = None) -> Entry:
    return Entry(step, event or uuid4(), 1_769_853_600_000, 0, text, {"value_mw": 4_200_000})


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[tuple[Journal, Disk]]:
    disk = Disk(FakeClock())
    try:
        journal = await Journal.open(directory, disk, "hems-1")
        yield journal, disk
        await journal.close()
    finally:
        disk.close()


def connection_of(journal: Journal) -> sqlite3.Connection:
    assert journal._connection is not None
    return journal._connection


async def written(directory: Path, number: int) -> None:
    async with opened(directory) as (journal, _):
        for each in range(number):
            journal.append(entry(f"step {each}"))
        assert await journal.flush(1.0)


def edit(directory: Path, statement: str, *values: object) -> None:
    """What somebody with the file and without scruples can do."""
    with closing(sqlite3.connect(directory / JOURNAL_NAME)) as connection, connection:
        connection.execute("DROP TRIGGER record_is_final")
        connection.execute("DROP TRIGGER record_stays")
        connection.execute(statement, values)


async def test_records_are_numbered_and_chained_over_restarts(tmp_path: Path) -> None:
    await written(tmp_path, 3)
    await written(tmp_path, 2)
    verification = JournalReader(tmp_path).verify()
    assert verification.good
    assert verification.records == 5


async def test_an_empty_journal_is_good(tmp_path: Path) -> None:
    await written(tmp_path, 0)
    assert JournalReader(tmp_path).verify().records == 0


async def test_the_order_of_appending_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as (journal, _):
        event = uuid4()
        for number in range(50):
            journal.append(entry(str(number), event=event))
        await journal.flush(1.0)
    (found,) = JournalReader(tmp_path).events()
    assert [r.entry.text for r in found.steps] == [str(n) for n in range(50)]
    assert [r.number for r in found.steps] == list(range(1, 51))


@pytest.mark.parametrize("number", [1, 3, 5])
async def test_an_altered_record_is_named(tmp_path: Path, number: int) -> None:
    await written(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as connection:
        query = "SELECT body FROM record WHERE number = ?"
        body = connection.execute(query, (number,)).fetchone()[0]
    forged = body.replace(b"step", b"stop")
    edit(tmp_path, "UPDATE record SET body = ? WHERE number = ?", forged, number)
    verification = JournalReader(tmp_path).verify()
    assert not verification.good
    assert verification.first_bad == number


async def test_a_well_formed_forgery_breaks_the_chain_at_the_next_record(tmp_path: Path) -> None:
    await written(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as connection:
        record = decode(connection.execute("SELECT body FROM record WHERE number = 2").fetchone()[0])
    forged = encode(
        type(record)(record.number, record.device, record.previous, entry("nicer", event=record.entry.event))
    )
    edit(tmp_path, "UPDATE record SET body = ? WHERE number = 2", forged)
    verification = JournalReader(tmp_path).verify()
    assert (verification.first_bad, verification.records) == (3, 2)
    assert "altered" in verification.problem


@pytest.mark.parametrize("number", [1, 3])
async def test_a_removed_record_is_named(tmp_path: Path, number: int) -> None:
    await written(tmp_path, 5)
    edit(tmp_path, "DELETE FROM record WHERE number = ?", number)
    verification = JournalReader(tmp_path).verify()
    assert verification.first_bad == number
    assert "missing" in verification.problem


async def test_forged_columns_are_named(tmp_path: Path) -> None:
    await written(tmp_path, 2)
    edit(tmp_path, "UPDATE record SET unix_ms = 0 WHERE number = 2")
    assert JournalReader(tmp_path).verify().first_bad == 2


@pytest.mark.parametrize("statement", ["DELETE FROM record", "UPDATE record SET unix_ms = 0"])
async def test_the_file_itself_refuses_changes(tmp_path: Path, statement: str) -> None:
    await written(tmp_path, 2)
    with (
        closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)


async def test_a_stuck_disk_holds_nothing_up_and_loses_nothing(tmp_path: Path) -> None:
    tap = threading.Event()

    def block(_: sqlite3.Connection) -> None:
        tap.wait(5.0)

    async with opened(tmp_path) as (journal, disk):
        disk.submit(connection_of(journal), block)
        journal.append(entry("first"))
        journal.append(entry("second"))
        assert not await journal.flush(0.02)
        assert journal.waiting == 2
        tap.set()
        assert await journal.flush(1.0)
        assert journal.waiting == 0
    assert JournalReader(tmp_path).verify().records == 2


async def test_entries_that_could_not_be_written_are_written_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as (journal, disk):
        connection = journal._connection
        assert connection is not None
        await disk.call(lambda: connection.execute("PRAGMA query_only = ON"))
        journal.append(entry("first"))
        await disk.flush(1.0)
        assert not await journal.flush(0.02)
        await disk.call(lambda: connection.execute("PRAGMA query_only = OFF"))
        journal.append(entry("second"))
        assert await journal.flush(1.0)
    assert JournalReader(tmp_path).verify().records == 2


async def test_the_newest_events_come_first_and_open_ones_are_found(tmp_path: Path) -> None:
    old, new = uuid4(), uuid4()
    async with opened(tmp_path) as (journal, _):
        journal.append(entry("old", event=old))
        journal.append(entry("new", event=new))
        journal.append(entry("over", event=new, step=Step.RELEASED))
        await journal.flush(1.0)
    reader = JournalReader(tmp_path)
    assert [e.event for e in reader.events()] == [new, old]
    assert [e.event for e in reader.events(most=1)] == [new]
    assert [e.closed for e in reader.events()] == [True, False]
    assert [e.event for e in reader.open_events()] == [old]


async def day_of_renewals(directory: Path, minutes: int) -> None:
    event = uuid4()
    async with opened(directory) as (journal, _):
        journal.append(entry("limited", event=event))
        for minute in range(minutes):
            journal.append(renewal(event, minute))
            if minute % 60 == 59:
                assert await journal.flush(10.0)
        journal.append(entry("over", step=Step.RELEASED, event=event))
        assert await journal.flush(10.0)


def renewal(event: UUID, minute: int) -> Entry:
    at_ms = 60_000 * minute
    return Entry(
        Step.RENEWED, event, 1_769_853_600_000 + at_ms, at_ms, "4200 W for 900 s, as before", {"n": 7}
    )


def answer(directory: Path) -> str:
    return json.dumps(orders_json(JournalReader(directory).events()))


async def test_a_day_of_renewals_each_minute_is_kept_as_evidence_and_told_in_one_step(tmp_path: Path) -> None:
    short, long = tmp_path / "hour", tmp_path / "day"
    for directory, minutes in ((short, 60), (long, 24 * 60)):
        directory.mkdir()
        await day_of_renewals(directory, minutes)
    (event,) = JournalReader(long).events()
    assert [record.entry.step for record in event.steps] == [Step.RECEIVED, Step.RENEWED, Step.RELEASED]
    assert event.renewals[2] == Renewals(1440, 1_769_853_600_000 + 60_000 * 1439)
    assert (event.closed, event.omitted) == (True, 0)
    assert abs(len(answer(long)) - len(answer(short))) < 20
    verification = JournalReader(long).verify()
    assert (verification.good, verification.records) == (True, 1442)


async def test_reading_a_long_event_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    peaks = []
    for number, minutes in enumerate((200, 1200)):
        directory = tmp_path / str(number)
        directory.mkdir()
        await day_of_renewals(directory, minutes)
        answer(directory)
        tracemalloc.start()
        answer(directory)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


async def test_of_an_event_with_very_many_changes_the_middle_is_left_out(tmp_path: Path) -> None:
    event = uuid4()
    async with opened(tmp_path) as (journal, _):
        for number in range(1001):
            journal.append(entry(f"change {number}", step=Step.CHANGED, event=event))
        journal.append(entry("over", step=Step.RELEASED, event=event))
        assert await journal.flush(10.0)
    (found,) = JournalReader(tmp_path).events()
    texts = [record.entry.text for record in found.steps]
    assert (len(texts), found.omitted) == (MOST_STEPS, 1002 - MOST_STEPS)
    assert (texts[0], texts[99], texts[100], texts[-1]) == ("change 0", "change 99", "change 902", "over")
    assert found.closed


async def test_an_event_says_what_is_ordered_now_however_much_came_after_it(tmp_path: Path) -> None:
    event = uuid4()
    async with opened(tmp_path) as (journal, _):
        journal.append(entry("7560 W", event=event))
        assert await journal.flush(10.0)
        (as_it_began,) = JournalReader(tmp_path).events()
        assert (as_it_began.standing.entry.text, as_it_began.changes) == ("7560 W", None)
        for number in range(600):
            changed = number in (1, 300)
            step = Step.CHANGED if changed else Step.CONFIRMED
            journal.append(entry(f"{number} W" if changed else "confirmed", step=step, event=event))
        assert await journal.flush(10.0)
    (found,) = JournalReader(tmp_path).events()
    assert found.standing.entry.text == "300 W"
    assert "300 W" not in [record.entry.text for record in found.steps]
    (shown,) = orders_json([found])
    assert shown["text"] == "300 W"
    assert shown["changes"] == {"count": 2, "last_unix_ms": 1_769_853_600_000}


async def test_a_start_looks_for_open_events_without_reading_the_records(tmp_path: Path) -> None:
    """The gateway waits for this before it limits anything; after years there are hundred thousands."""
    open_database(tmp_path / JOURNAL_NAME, MIGRATIONS[:1]).close()
    await written(tmp_path, 3)
    assert len(JournalReader(tmp_path).open_events()) == 3
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {OPEN_EVENTS_QUERY}").fetchall()
    assert "USING COVERING INDEX record_event" in plan[0][3]


def test_reading_before_the_first_start_is_one_plain_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist yet"):
        JournalReader(tmp_path).verify()


def test_kill_9_keeps_what_was_flushed_and_the_chain(tmp_path: Path) -> None:
    writer = [sys.executable, str(Path(__file__).with_name("writer.py")), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(writer, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(25):
            process.stdout.readline()
        process.kill()
        flushed = 25 + len(process.stdout.read().splitlines())
    verification = JournalReader(tmp_path).verify()
    assert verification.good
    assert verification.records in (flushed, flushed + 1)
