"""The data directory: for its owner only, and for one gateway at a time."""

import contextlib
import errno
import logging
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from hems.exclusive import exclusive

_logger = logging.getLogger(__name__)

LOCK_NAME = "gateway.lock"


class DataDirError(Exception):
    """The data directory cannot be used; the text says why and what would help."""


@contextlib.contextmanager
def held_data_dir(path: Path) -> Iterator[None]:
    """Make the directory if only itself is missing, close it to others, and hold it for this process.

    Raises DataDirError when it cannot be used or another gateway works with it.
    """
    _prepare(path)
    taken = DataDirError(f"Another gateway already works with the data directory {path}. Stop it first.")
    with exclusive(_open_lock(path), taken):
        yield


def _prepare(path: Path) -> None:
    try:
        path.mkdir(mode=0o700)
        _logger.info("The data directory %s is new", path)
    except FileExistsError:
        if not path.is_dir():
            raise DataDirError(f"{path} is a file; the data directory must be a folder.") from None
    except OSError as error:
        raise DataDirError(
            f"The data directory {path} cannot be made: {error.strerror}. {_remedy(error, path)}"
        ) from error
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise DataDirError(
            f"The data directory {path} belongs to another user. Run the gateway as that user."
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        path.chmod(0o700)
        _logger.warning("The data directory %s was open to others; it is closed to them now", path)


def _remedy(error: OSError, path: Path) -> str:
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return f"Make the folder {path.parent} first, or set another data_dir."
    if isinstance(error, PermissionError):
        made = f"sudo install -d -m 700 -o {_user()} {shlex.quote(str(path))}"
        return f"Make it with '{made}', or set another data_dir."
    return "Set another data_dir."


def _user() -> str:
    """Who runs this, by name where there is one."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _open_lock(path: Path) -> int:
    lock = path / LOCK_NAME
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.EROFS and lock.exists():  # what was stored before still counts
            return os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
        raise DataDirError(
            f"Nothing can be written in the data directory {path}: {error.strerror}."
        ) from error
