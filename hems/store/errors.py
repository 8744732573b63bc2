"""What can go wrong with the files of the gateway. Every text is one plain line for the person in charge."""

import sqlite3

_NOT_NOW = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""Result codes that tell of the disk, not of what is in the file."""


class StoreError(Exception):
    """A database cannot be opened, read or written."""


class StoreTimeoutError(StoreError):
    """The disk did not finish in time; what was to be stored is not, and will not be later."""


class UnavailableError(StoreError):
    """The disk is full, read-only or out of order; the file itself may be good."""


class LostFileError(UnavailableError):
    """A file was removed or replaced while it is open: what is written to it is lost."""


class DamagedError(StoreError):
    """The content of a file is not what was written; trying again is of no use."""


def store_error(text: str, error: OSError | sqlite3.Error) -> StoreError:
    """The error for people, told apart by its cause."""
    if isinstance(error, OSError):
        return UnavailableError(f"{text}: {error.strerror or error}")
    code = getattr(error, "sqlite_errorcode", None)
    is_damage = code is None or code & 0xFF not in _NOT_NOW
    return (DamagedError if is_damage else UnavailableError)(f"{text}: {error}")
