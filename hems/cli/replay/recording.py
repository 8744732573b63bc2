"""Recordings: JSON lines as `eebus.io.recorder` writes them, and the captures of other stacks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eebus.errors import LocalError


@dataclass(frozen=True, slots=True)
class Header:
    """What the recording says about itself."""

    members: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """A remark of whoever recorded."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One SHIP message. `receiver` is None when the recording does not name it."""

    at_s: float
    sender: str
    receiver: str | None
    message: bytes


Entry = Header | Note | Frame


def read_recording(path: Path) -> Iterator[Entry]:
    """The entries of a file in their order. Raises LocalError for a line that is none, with its number."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _entry(line, f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"{path} cannot be read: {error}") from error


def _entry(line: str, place: str) -> Entry:
    try:
        members = json.loads(line)
        if "header" in members:
            return Header(dict(members["header"]))
        if "note" in members:
            return Note(float(members["t"]), str(members["note"]))
        kind = int(members["type"])
        return Frame(
            at_s=float(members["t"]),
            sender=str(members["from"]),
            receiver=str(members["to"]) if "to" in members else None,
            message=(bytes((kind,)) if kind >= 0 else b"") + str(members["text"]).encode(),
        )
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise LocalError(f"{place}: this is no line of a recording ({reason})") from error
