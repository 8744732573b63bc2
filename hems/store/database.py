"""Opening a database file: permissions, durability, migrations, and plain words when it cannot be used."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from hems.store.errors import DamagedError, LostFileError, StoreError, store_error

Migration = Sequence[str]
"""The statements that lead from one version to the next."""
FileId = tuple[int, int]
"""Device and number of a file."""


def open_database(path: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    """Open for writing and bring it to the newest version; every commit is synced to disk.

    The connection belongs to the calling thread. Raises DamagedError, UnavailableError, and StoreError for a
    file of a newer gateway or a file system that cannot hold it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        connection = sqlite3.connect(path, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise store_error(f"{path} cannot be written", error) from error
    try:
        _prepare(connection, path, migrations)
    except sqlite3.Error as error:
        connection.close()
        raise store_error(f"{path} cannot be used", error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def open_read_only(path: Path) -> sqlite3.Connection:
    """A second connection that can only read; never blocks the writer. Raises StoreError."""
    if not path.is_file():
        raise StoreError(f"{path} does not exist yet; the gateway makes it at its first start")
    try:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise store_error(f"{path} cannot be read", error) from error


def open_unchanging(path: Path) -> sqlite3.Connection:
    """Open for reading on a disk that lets us write nothing, not even beside the file. Raises StoreError.

    Only for a file that nobody writes meanwhile.
    """
    newest = path.with_name(f"{path.name}-wal")
    if newest.is_file() and newest.stat().st_size:
        return open_read_only(path)
    if not path.is_file():
        raise StoreError(f"{path} does not exist yet, and the disk does not let us make it")
    try:
        return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise store_error(f"{path} cannot be read", error) from error


def file_id(path: Path) -> FileId | None:
    """What tells a file from another that comes to have its name; None without one. Raises StoreError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise store_error(f"{path} cannot be looked at", error) from error
    return found.st_dev, found.st_ino


def require_still_there(path: Path, opened: FileId | None) -> None:
    """Raises LostFileError when the name no longer leads to the file that was opened by it."""
    if file_id(path) != opened:
        raise LostFileError(
            f"{path} was removed or replaced while the gateway runs: put it back, then restart the gateway"
        )


def in_newest_form(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]
) -> sqlite3.Connection:
    """A copy in memory, brought to the newest version: for reading a file that an older gateway wrote.

    `path` names the file in errors. Raises StoreError and sqlite3.Error.
    """
    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.backup(copy)
        _migrate(copy, path, migrations)
    except (StoreError, sqlite3.Error):
        copy.close()
        raise
    return copy


def _prepare(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"{path} is on a file system without write-ahead logging ({mode}); use a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    problems = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    if problems != ["ok"]:
        raise DamagedError(f"{path} is damaged: {' '.join(str(problems[0]).split())}")
    _migrate(connection, path, migrations)


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise StoreError(
            f"{path} was written by a newer version of the gateway (form {version}); update first"
        )
    for number in range(version, len(migrations)):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in migrations[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
