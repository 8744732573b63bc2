"""What a stranger's message can cost: reading the worst ones of the largest size takes no noticeable time.

These come before any trust: whoever has a certificate can send them.
"""

import contextlib
import time

import pytest

from eebus.errors import DecodeError
from eebus.ship.frames import decode

_SIZE = 256 * 1024
_BOUND_S = 2.0
"""The worst took five minutes before strings without end were read once only."""

_HOSTILE = {
    "quotes and brackets without end": b'["' + b'\\"[' * (_SIZE // 3),
    "strings full of quotes": b'{"a":"' + b'[\\"' * (_SIZE // 4) + b'"}',
    "many short strings": b"[" + b'"[",' * 30_000 + b"0]",
    "many open strings": b'"[' * (_SIZE // 2),
    "backslashes": b'["[' + b"\\" * (_SIZE - 10),
    "open brackets": b"[" * _SIZE,
    "closed pairs": b"[" + b"[]" * (_SIZE // 2 - 2) + b"]",
    "changing brackets": b"[{" * (_SIZE // 2),
    "deep towers": (b"[" * 60 + b"]" * 60) * (_SIZE // 120),
    "one long number": b"[" + b"9" * (_SIZE - 3) + b"]",
    "one long exponent": b"[1e" + b"9" * (_SIZE - 5) + b"]",
    "members with one name": b'{"connectionHello":[' + b'{"phase":1},' * 20_000 + b"{}]}",
    "members with many names": b'{"connectionHello":{'
    + b",".join(b'"n%d":0' % n for n in range(20_000))
    + b"}}",
    "padding": b"\x00" * (_SIZE - 10),
    "white space": b" " * (_SIZE - 10) + b"x",
    "a huge text": b'{"accessMethods":[{"id":"' + "ä".encode() * (_SIZE // 2 - 30) + b'"}]}',
}


@pytest.mark.parametrize("type_", [1, 2, 3])
@pytest.mark.parametrize("name", _HOSTILE)
def test_the_worst_messages_are_read_or_refused_quickly(name: str, type_: int) -> None:
    message = (bytes((type_,)) + _HOSTILE[name])[:_SIZE]
    began = time.process_time()
    with contextlib.suppress(DecodeError):
        decode(message, max_bytes=_SIZE, max_depth=64, max_elements=32_768)
    assert time.process_time() - began < _BOUND_S
