"""A journal that cannot be used any more: set aside, named by its successor, never in the way or lost."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from uuid import uuid4

import pytest

from eebus.clock import FakeClock
from hems.journal.file import JOURNAL_NAME, files_set_aside
from hems.journal.journal import Journal
from hems.journal.reading import JournalReader
from hems.journal.record import Record, Step, digest
from hems.store.disk import Disk
from tests.unit.hems_journal.test_journal import edit, entry, written

DEVICE = "hems-1"
RECORDS = 200


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Journal]:
    disk = Disk(FakeClock())
    try:
        journal = await Journal.open(directory, disk, DEVICE)
        yield journal
        await journal.close()
    finally:
        disk.close()


def records(directory: Path) -> list[Record]:
    events = JournalReader(directory)
    with closing(sqlite3.connect(directory / JOURNAL_NAME)) as connection:
        bodies = [row[0] for row in connection.execute("SELECT event FROM record ORDER BY number")]
    return [events._event(event).steps[0] for event in bodies]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2 + 100]


def overwrite_the_middle(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + b"\xff" * 8192 + content[middle + 8192 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": cut,
    "truncated to its first page": lambda content: content[:4096],
    "overwritten in the middle": overwrite_the_middle,
    "garbage": lambda content: b"no database" * 1000,
    "zero bytes": lambda _content: b"",
    "zeros": lambda content: bytes(len(content)),
    "garbage behind a good header": lambda content: content[:100] + b"\xff" * 4000,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_file_is_kept_and_named_in_the_first_record_of_the_next_chain(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    await written(tmp_path, RECORDS)
    path = tmp_path / JOURNAL_NAME
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    async with opened(tmp_path) as journal:
        assert journal.trouble == ""
        journal.append(entry("the next order"))
        assert await journal.flush(5.0)
    (name,) = files_set_aside(tmp_path)
    assert (tmp_path / name).read_bytes() == damaged
    first, second = records(tmp_path)
    assert (first.number, first.entry.step, first.entry.values["file"]) == (1, Step.SET_ASIDE, name)
    assert first.entry.values["size_bytes"] == len(damaged)
    assert "journal.db" in str(first.entry.values["problem"])
    assert second.entry.text == "the next order"
    assert JournalReader(tmp_path).verify().good
    assert [event.steps[0].entry.text for event in JournalReader(tmp_path).events()] == ["the next order"]


async def test_the_first_record_tells_how_far_the_former_chain_can_be_read(tmp_path: Path) -> None:
    await written(tmp_path, RECORDS)
    path = tmp_path / JOURNAL_NAME
    with closing(sqlite3.connect(path)) as connection:
        bodies = [row[0] for row in connection.execute("SELECT body FROM record ORDER BY number")]
    path.write_bytes(overwrite_the_middle(path.read_bytes()))
    async with opened(tmp_path):
        pass
    values = records(tmp_path)[0].entry.values
    number = values["last_number"]
    assert isinstance(number, int)
    assert 0 < number < RECORDS
    assert values["readable_records"] == number
    assert values["last_sha256"] == digest(bodies[number - 1]).hex()


async def test_records_that_lie_in_the_second_part_of_the_file_are_kept_too(tmp_path: Path) -> None:
    """A gateway that was killed leaves its newest records there."""
    running, killed = tmp_path / "running", tmp_path / "killed"
    running.mkdir()
    await written(running, RECORDS)
    async with opened(running) as journal:
        journal.append(entry("the last order"))
        assert await journal.flush(5.0)
        shutil.copytree(running, killed)
    assert b"the last order" not in (killed / JOURNAL_NAME).read_bytes()
    (killed / JOURNAL_NAME).write_bytes(overwrite_the_middle((killed / JOURNAL_NAME).read_bytes()))
    async with opened(killed):
        pass
    assert len(files_set_aside(killed)) == 1
    assert any(b"the last order" in kept.read_bytes() for kept in killed.glob("journal-damaged-*"))


async def test_an_end_that_cannot_be_read_is_no_end_to_go_on_from(tmp_path: Path) -> None:
    await written(tmp_path, 3)
    edit(tmp_path, "UPDATE record SET body = ? WHERE number = 3", b"\x00\x01")
    async with opened(tmp_path):
        pass
    assert records(tmp_path)[0].entry.values["readable_records"] == 3


async def test_a_gateway_that_was_killed_while_it_set_the_file_aside_is_told_of_at_the_next_start(
    tmp_path: Path,
) -> None:
    (tmp_path / "journal-damaged-20261125T190000Z.db").write_bytes(b"no database")
    for _ in range(2):
        async with opened(tmp_path):
            pass
    (first,) = records(tmp_path)
    assert first.entry.values["file"] == "journal-damaged-20261125T190000Z.db"


async def test_every_damaged_file_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / JOURNAL_NAME).write_bytes(b"no database %d" % number)
        async with opened(tmp_path):
            pass
    names = files_set_aside(tmp_path)
    assert {(tmp_path / name).read_bytes() for name in names} == {b"no database %d" % n for n in range(3)}
    assert len(records(tmp_path)) == 1


async def test_damage_while_it_runs_loses_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hems.journal.journal.RETRY_S", 0.01)
    async with opened(tmp_path) as journal:
        journal.append(entry("before"))
        assert await journal.flush(5.0)
        with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as connection:
            connection.execute("DROP TABLE record")
        journal.append(entry("after"))
        assert await journal.flush(5.0)
        assert journal.trouble == ""
    assert [record.entry.text for record in records(tmp_path)][1:] == ["after"]
    assert len(files_set_aside(tmp_path)) == 1


async def test_a_file_that_cannot_be_opened_keeps_nobody_waiting_and_gets_its_entries_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hems.journal.journal.RETRY_S", 0.01)
    (tmp_path / JOURNAL_NAME).mkdir()
    async with opened(tmp_path) as journal:
        assert "cannot be written" in journal.trouble
        journal.append(entry("an order"))
        assert not await journal.flush(0.05)
        (tmp_path / JOURNAL_NAME).rmdir()
        assert await journal.flush(5.0)
        assert journal.trouble == ""
    assert [record.entry.text for record in records(tmp_path)] == ["an order"]
    assert files_set_aside(tmp_path) == ()


async def test_a_full_disk_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hems.journal.journal.RETRY_S", 0.01)
    async with opened(tmp_path) as journal:
        connection = journal._connection
        assert connection is not None
        await journal._disk.call(lambda: connection.execute("PRAGMA max_page_count = 1").fetchall())
        for number in range(100):
            journal.append(entry(f"order {number}", event=uuid4()))
        assert not await journal.flush(0.05)
        assert "full" in journal.trouble
        await journal._disk.call(lambda: connection.execute("PRAGMA max_page_count = 10000").fetchall())
        assert await journal.flush(5.0)
    assert JournalReader(tmp_path).verify().records == 100
    assert files_set_aside(tmp_path) == ()


async def test_closing_while_the_file_cannot_be_opened_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).mkdir()
    async with asyncio.timeout(2.0), opened(tmp_path) as journal:
        journal.append(entry("an order"))
