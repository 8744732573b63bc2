"""The folder of a simulated Steuerbox: made where it is missing, and for one box at a time."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hems.cli.options import CommandFailed
from hems.exclusive import exclusive

_LOCK = "steuerbox.lock"


@contextlib.contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Hold it for this process: two boxes with one key would push each other off the line.

    Raises CommandFailed when it cannot be used or another box works with it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(
            f"The folder {folder} cannot be made: {error.strerror}. Choose another one with --dir."
        ) from error
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CommandFailed(
            f"Nothing can be written in the folder {folder}: {error.strerror}. Choose another one with --dir."
        ) from error
    taken = CommandFailed(
        f"Another Steuerbox already works with the folder {folder}: stop it, or use another --dir."
    )
    with exclusive(descriptor, taken):
        yield
