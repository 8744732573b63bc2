"""The file of the chain. All functions block: they are for the disk's thread.

Limits come first, so a damaged journal does not keep the gateway from starting; evidence is never lost
silently, so the damaged file is kept under a name with the time, and the first record of the new chain tells
which file went before, why it was set aside, and how far it can be read.
"""

import logging
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from hems.journal.record import (
    FIRST_PREDECESSOR,
    Entry,
    Record,
    RecordError,
    RecordValue,
    Step,
    decode,
    digest,
    encode,
)
from hems.store.database import Migration, open_database, open_read_only
from hems.store.errors import DamagedError, StoreError, UnavailableError

JOURNAL_NAME = "journal.db"
_ASIDE = "journal-damaged-"
_MOST_READ = 200_000
"""Records of a damaged file that are tried one by one: the devices wait meanwhile."""
_SUFFIXES = ("", "-wal", "-shm")

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


def open_journal(directory: Path, device: str, now: datetime) -> sqlite3.Connection:
    """The journal of the gateway `device`, ready for appending; a damaged one is set aside.

    Raises UnavailableError when the disk does not let us, StoreError for a file of a newer gateway.
    """
    path = directory / JOURNAL_NAME
    problem = "it was set aside before a gateway died"
    try:
        connection = _opened(path)
    except DamagedError as error:
        problem = str(error)
        aside = _set_aside(path, now)
        _log.error("%s; it is kept as %s, and a new journal begins", problem, aside.name)
        connection = _opened(path)
    try:
        _tell_of_former(connection, directory, device, problem, now)
    except sqlite3.Error as error:
        connection.close()
        raise UnavailableError(f"{path} cannot be written: {error}") from error
    return connection


def append_all(device: str, entries: Sequence[Entry], connection: sqlite3.Connection) -> None:
    """Chain entries to the last record, within the caller's transaction."""
    number, previous = _head(connection)
    for entry in entries:
        number += 1
        body = encode(Record(number, device, previous, entry))
        row = (number, entry.event.bytes, entry.step.value, entry.unix_ms, body)
        connection.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?)", row)
        previous = digest(body)


def files_set_aside(directory: Path) -> tuple[str, ...]:
    """The names of the damaged journals that are kept, oldest first."""
    return tuple(sorted(path.name for path in directory.glob(f"{_ASIDE}*.db")))


def _opened(path: Path) -> sqlite3.Connection:
    if path.is_file() and path.stat().st_size == 0:
        raise DamagedError(f"{path} is damaged: it is empty")
    connection = open_database(path, MIGRATIONS)
    try:
        _check_end(connection)
    except (sqlite3.Error, RecordError) as error:
        connection.close()
        raise DamagedError(f"{path} is damaged: {error}") from error
    return connection


def _check_end(connection: sqlite3.Connection) -> None:
    """A chain can only go on from an end that can be read. Raises RecordError and sqlite3.Error."""
    row = connection.execute("SELECT body FROM record ORDER BY number DESC LIMIT 1").fetchone()
    if row is not None:
        decode(row[0])


def _head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    row = connection.execute("SELECT number, body FROM record ORDER BY number DESC LIMIT 1").fetchone()
    return (0, FIRST_PREDECESSOR) if row is None else (row[0], digest(row[1]))


# --- what was set aside ---


def _set_aside(path: Path, now: datetime) -> Path:
    """Rename the file and what belongs to it. Raises UnavailableError.

    All parts get their new names before any loses its old one: the newest records may lie in the second part.
    """
    aside = path.with_name(f"{_ASIDE}{now:%Y%m%dT%H%M%SZ}.db")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{_ASIDE}{now:%Y%m%dT%H%M%SZ}-{number}.db")
    try:
        parts = [suffix for suffix in _SUFFIXES if path.with_name(path.name + suffix).exists()]
        for suffix in parts:
            os.link(path.with_name(path.name + suffix), aside.with_name(aside.name + suffix))
        _sync(path.parent)
        for suffix in parts:
            path.with_name(path.name + suffix).unlink()
    except OSError as error:
        raise UnavailableError(f"{path} is damaged and cannot be renamed: {error.strerror}") from error
    return aside


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tell_of_former(
    connection: sqlite3.Connection, directory: Path, device: str, problem: str, now: datetime
) -> None:
    """A chain that begins beside a damaged one names it in its first record, also after a kill in between."""
    kept = files_set_aside(directory)
    if not kept or _head(connection)[0]:
        return
    path = directory / kept[-1]
    found = _readable(path)
    values: dict[str, RecordValue] = {
        "file": path.name,
        "problem": problem,
        "size_bytes": path.stat().st_size,
        "readable_records": found.records,
        "last_number": found.last_number,
        "last_sha256": found.last_sha256,
    }
    text = f"the journal before this one was damaged and is kept as {path.name}"
    entry = Entry(Step.SET_ASIDE, uuid4(), round(now.timestamp() * 1000), 0, text, values)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        append_all(device, [entry], connection)


@dataclass(frozen=True, slots=True)
class _Readable:
    """How far a damaged journal can be read; `last_sha256` in hexadecimal digits, None without a record."""

    records: int = 0
    last_number: int | None = None
    last_sha256: str | None = None


def _readable(path: Path) -> _Readable:
    """Count from the first record to the first that cannot be read."""
    found = _Readable()
    try:
        with closing(open_read_only(path)) as connection:
            rows = connection.execute(
                "SELECT number, body FROM record ORDER BY number LIMIT ?", (_MOST_READ,)
            )
            for number, body in rows:
                found = _Readable(found.records + 1, number, digest(body).hex())
    except (StoreError, sqlite3.Error, TypeError) as error:
        _log.debug("%s can be read up to record %s: %s", path, found.last_number, error)
    return found
