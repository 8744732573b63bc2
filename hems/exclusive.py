"""One process at a time: a lock on an open file, which the kernel drops with the process."""

import contextlib
import fcntl
import os
from collections.abc import Iterator


@contextlib.contextmanager
def exclusive(descriptor: int, taken: Exception) -> Iterator[None]:
    """Hold a lock on an open file, and close the file in the end. Raises `taken` while another holds it."""
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken from error
        yield
    finally:
        os.close(descriptor)
