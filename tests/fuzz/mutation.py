"""Mutations that keep JSON well formed: random bytes would hardly ever get past the parser.

An input is a few lines, each perhaps with a type byte or a name in front of its JSON.
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec

_BYTES_SHARE = 0.25
"""How often the bytes are mutated all the same: parsers have rules of their own."""
_STRANGE: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 255, 2**31, 2**63 - 1, -(2**63), 2**64, 1e308, -0.0, 0.1, "", "PT0S", "PT1H",
    "-P1D", "P99999999D", "2026-01-31T10:00:00Z", "9999-12-31T23:59:59Z", "\u0000", "[{", "é" * 40, [], {},
    [[]], [{}], [[{}]], {"": 0}, [{"value": []}], "read", "write", "call", "notify", "reply", "result",
    "ready", "pending", "aborted",
)  # fmt: skip


def mutate(data: bytes, max_size: int, seed: int, mutate_bytes: Callable[[bytes, int], bytes]) -> bytes:
    """One mutation; the same input and seed give the same result."""
    draw = random.Random(seed)
    lines = data.split(b"\n")
    if draw.random() < _BYTES_SHARE:
        return mutate_bytes(data, max_size)
    index = draw.randrange(len(lines))
    match draw.randrange(8):
        case 0:
            lines.insert(index, draw.choice(lines))
        case 1 if len(lines) > 1:
            del lines[index]
        case 2:
            draw.shuffle(lines)
        case _:
            changed = _mutate_line(lines[index], draw)
            if changed is None:
                return mutate_bytes(data, max_size)
            lines[index] = changed
    return b"\n".join(lines)[:max_size]


def _mutate_line(line: bytes, draw: random.Random) -> bytes | None:
    start = min((at for at in (line.find(b"["), line.find(b"{")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        value = msgspec.json.decode(line[start:])
        _mutate_value(value, draw)
        return line[:start] + msgspec.json.encode(value)
    except (msgspec.DecodeError, msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
        return None


def _mutate_value(root: Any, draw: random.Random) -> None:
    """Change one place of a tree of lists and objects."""
    places = list(_places(root))
    if not places:
        return
    holder, key = draw.choice(places)
    match draw.randrange(7):
        case 0:
            del holder[key]
        case 1:
            holder[key] = draw.choice(_STRANGE)
        case 2:
            other, other_key = draw.choice(places)
            holder[key] = _copy(other[other_key])
        case 3 if isinstance(holder, list):
            holder.insert(key, _copy(holder[key]))
        case 4 if isinstance(holder, dict):
            other_names = [name for place, name in places if isinstance(place, dict)]
            holder[draw.choice(other_names)] = holder.pop(key)
        case 5:
            holder[key] = [holder[key]]
        case _ if isinstance(holder[key], int) and not isinstance(holder[key], bool):
            holder[key] += draw.choice((-1, 1, 2, 100, -100))
        case _:
            holder[key] = draw.choice(_STRANGE)


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key
            yield from _places(inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield value, index
            yield from _places(inner)


def _copy(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))
