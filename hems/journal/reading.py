"""Reading the journal on a connection of its own, beside a running gateway."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from hems.journal.journal import JOURNAL_NAME
from hems.journal.record import CLOSING, FIRST_PREDECESSOR, Record, RecordError, Step, decode, digest
from hems.store.database import open_read_only
from hems.store.errors import StoreError


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of a walk along the chain. `first_bad`: running number of the first record that is wrong."""

    records: int
    first_bad: int | None = None
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether every record is in its place and unaltered."""
        return self.first_bad is None


@dataclass(frozen=True, slots=True)
class Event:
    """One order, or one self-imposed phase, with its steps in order."""

    event: UUID
    steps: tuple[Record, ...]

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return any(record.entry.step in CLOSING for record in self.steps)

    @property
    def self_imposed(self) -> bool:
        """Whether nobody ordered it: init, failsafe."""
        return self.steps[0].entry.step is Step.SELF_BEGAN


_CLOSING_STEPS = ", ".join(f"'{step.value}'" for step in sorted(CLOSING))
OPEN_EVENTS_QUERY = (
    f"SELECT event FROM record GROUP BY event HAVING SUM(step IN ({_CLOSING_STEPS})) = 0 ORDER BY MIN(number)"
)
"""Asked at every start, before anything is limited: the index must answer it without the records."""


class JournalReader:
    """Queries on journal.db. All methods block and raise StoreError; use a thread inside the gateway."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / JOURNAL_NAME

    def verify(self) -> Verification:
        """Walk the chain from the first record; names the first bad one."""
        number, previous = 0, FIRST_PREDECESSOR
        for row in self._rows("SELECT number, event, step, unix_ms, body FROM record ORDER BY number"):
            problem = _problem(row, number + 1, previous)
            if problem:
                return Verification(number, number + 1, problem)
            number, previous = number + 1, digest(row[4])
        return Verification(number)

    def events(self, most: int = 20) -> list[Event]:
        """The events with the newest steps, the newest first. Raises StoreError for unreadable records."""
        newest: dict[bytes, None] = {}
        for (event,) in self._rows("SELECT event FROM record ORDER BY number DESC"):
            newest[event] = None
            if len(newest) >= most:
                break
        return [self._event(event) for event in newest]

    def open_events(self) -> list[Event]:
        """Events that are not over, as a gateway that died leaves them; oldest first."""
        return [self._event(row[0]) for row in self._rows(OPEN_EVENTS_QUERY)]

    def _event(self, event: bytes) -> Event:
        query = "SELECT body FROM record WHERE event = ? ORDER BY number"
        try:
            return Event(UUID(bytes=event), tuple(decode(row[0]) for row in self._rows(query, event)))
        except RecordError as error:
            raise StoreError(f"{self._path} is damaged: {error}; run 'hems journal verify'") from error

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with closing(open_read_only(self._path)) as connection:
            try:
                yield from connection.execute(query, values)
            except sqlite3.Error as error:
                raise StoreError(f"{self._path} cannot be read: {error}") from error


def _problem(row: tuple[Any, ...], number: int, previous: bytes) -> str:
    if row[0] != number:
        return f"record {number} is missing"
    try:
        record = decode(row[4])
    except RecordError as error:
        return str(error)
    entry = record.entry
    if record.previous != previous:
        return "it does not follow from the record before: one of the two was altered"
    if record.number != number:
        return f"it carries the number {record.number}"
    if (entry.event.bytes, entry.step.value, entry.unix_ms) != row[1:4]:
        return "its index columns differ from its bytes"
    return ""
