"""Reading the journal on a connection of its own, beside a running gateway."""

import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from hems.journal.file import JOURNAL_NAME
from hems.journal.record import CLOSING, FIRST_PREDECESSOR, Record, RecordError, Step, decode, digest
from hems.store.database import open_read_only
from hems.store.errors import DamagedError, store_error


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of a walk along the chain.

    `first_bad`: running number of the first record that is wrong. `last_sha256`: of the last good one, in
    hexadecimal digits; it stands for all before. `noted_at`: the record with the hash that was asked for.
    """

    records: int
    first_bad: int | None = None
    problem: str = ""
    first_unix_ms: int | None = None
    last_unix_ms: int | None = None
    last_sha256: str = ""
    noted_at: int | None = None

    @property
    def good(self) -> bool:
        """Whether every record is in its place and unaltered."""
        return self.first_bad is None


MOST_STEPS = 200
"""So many steps of an event are shown: the first half and the last half of them."""


@dataclass(frozen=True, slots=True)
class Renewals:
    """How often an order was renewed in a row, and when last (as a date). Each is a record of its own."""

    count: int
    last_unix_ms: int


@dataclass(frozen=True, slots=True)
class Changes:
    """How often the value or the duration of an order was changed, and the record of the last change."""

    count: int
    last: Record


@dataclass(frozen=True, slots=True)
class Event:
    """One order, or one self-imposed phase, with its steps in order.

    Of renewals in a row only the first is among the `steps`; `renewals` tells about them, by its number.
    `omitted`: further steps in the middle that are not shown. The journal holds them all. `changes`: None
    where it stayed as it began.
    """

    event: UUID
    steps: tuple[Record, ...]
    renewals: Mapping[int, Renewals] = field(default_factory=dict)
    omitted: int = 0
    changes: Changes | None = None

    @property
    def standing(self) -> Record:
        """The record that says what is ordered now, or was at the end."""
        return self.steps[0] if self.changes is None else self.changes.last

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

    def __init__(self, directory: Path, name: str = JOURNAL_NAME) -> None:
        self._path = directory / name

    def verify(self, noted_sha256: str = "") -> Verification:
        """Walk the chain from the first record; names the first bad one.

        `noted_sha256`: the hash of a record that was noted elsewhere, in hexadecimal digits.
        """
        good, previous = Verification(0), FIRST_PREDECESSOR
        for row in self._rows("SELECT number, event, step, unix_ms, body FROM record ORDER BY number"):
            number, unix_ms = good.records + 1, row[3]
            if problem := _problem(row, number, previous):
                return replace(good, first_bad=number, problem=problem)
            previous = digest(row[4])
            good = replace(
                good,
                records=number,
                first_unix_ms=unix_ms if good.first_unix_ms is None else good.first_unix_ms,
                last_unix_ms=unix_ms,
                last_sha256=previous.hex(),
                noted_at=number if previous.hex() == noted_sha256 else good.noted_at,
            )
        return good

    def events(self, most: int = 20) -> list[Event]:
        """The events with the newest steps, the newest first. Raises StoreError for unreadable records."""
        newest: dict[bytes, None] = {}
        query = "SELECT event FROM record WHERE step != ? ORDER BY number DESC"
        for (event,) in self._rows(query, Step.SET_ASIDE.value):
            newest[event] = None
            if len(newest) >= most:
                break
        return [self._event(event) for event in newest]

    def open_events(self) -> list[Event]:
        """Events that are not over, as a gateway that died leaves them; oldest first."""
        return [self._event(row[0]) for row in self._rows(OPEN_EVENTS_QUERY)]

    def _event(self, event: bytes) -> Event:
        query = "SELECT number, step, unix_ms FROM record WHERE event = ? ORDER BY number"
        outline = _Outline(MOST_STEPS)
        for row in self._rows(query, event):
            outline.add(*row)
        numbers, last = outline.numbers(), outline.last_change
        wanted = ", ".join(str(number) for number in {*numbers, last} if number is not None)
        bodies = self._rows(f"SELECT number, body FROM record WHERE number IN ({wanted})")
        try:
            records = {number: decode(body) for number, body in bodies}
        except RecordError as error:
            raise DamagedError(f"{self._path} is damaged: {error}") from error
        return Event(
            UUID(bytes=event),
            tuple(records[number] for number in numbers),
            outline.renewals(),
            outline.omitted,
            None if last is None else Changes(outline.changes, records[last]),
        )

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with closing(open_read_only(self._path)) as connection:
            try:
                yield from connection.execute(query, values)
            except sqlite3.Error as error:
                raise store_error(f"{self._path} cannot be read", error) from error


@dataclass(slots=True)
class _Shown:
    """One step of an event, or renewals in a row."""

    number: int
    step: str
    last_unix_ms: int
    count: int = 1


class _Outline:
    """The steps of an event as far as they are shown; needs no more memory for an event of years."""

    def __init__(self, most: int) -> None:
        self._first: list[_Shown] = []
        self._most_first = most // 2
        self._last: deque[_Shown] = deque(maxlen=most - self._most_first)
        self._newest: _Shown | None = None
        self.omitted = 0
        self.changes = 0
        self.last_change: int | None = None

    def add(self, number: int, step: str, unix_ms: int) -> None:
        """The next record of the event."""
        if step == Step.CHANGED:
            self.changes += 1
            self.last_change = number
        newest = self._newest
        if newest is not None and newest.step == step == Step.RENEWED:
            newest.count += 1
            newest.last_unix_ms = unix_ms
            return
        self._newest = shown = _Shown(number, step, unix_ms)
        if len(self._first) < self._most_first:
            self._first.append(shown)
            return
        self.omitted += len(self._last) == self._last.maxlen
        self._last.append(shown)

    def numbers(self) -> list[int]:
        return [shown.number for shown in (*self._first, *self._last)]

    def renewals(self) -> dict[int, Renewals]:
        return {
            shown.number: Renewals(shown.count, shown.last_unix_ms)
            for shown in (*self._first, *self._last)
            if shown.step == Step.RENEWED
        }


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
