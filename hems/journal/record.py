"""The form of a journal record: a deterministic CBOR map with the hash of its predecessor. Pure.

Keys are text in the order of RFC 7049, 3.9 (shorter first, then bytewise); numbers are integers only, so that
the same record always has the same bytes: powers in mW, energies in mWh, times in ms.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import cbor2

FORM = 1
FIRST_PREDECESSOR = bytes(32)
"""What the first record names as the hash of its predecessor."""

RecordValue = int | str | None


class Step(StrEnum):
    """What a record tells. Orders of the grid operator and self-imposed phases never share a word."""

    RECEIVED = "order.received"
    ACCEPTED = "order.accepted"
    REFUSED = "order.refused"
    CHANGED = "order.changed"
    RENEWED = "order.renewed"
    """The order that is in force was written again, with the same value and duration."""
    RELEASED = "order.released"
    SELF_BEGAN = "self.began"
    SELF_ENDED = "self.ended"
    DECIDED = "decided"
    FIRST_WRITE = "first_write"
    CONFIRMED = "confirmed"
    MEASURED_BELOW = "measured_below"
    MEASURED_ABOVE = "measured_above"
    """Above the limit for longer than it may take to follow."""
    SET_ASIDE = "journal.set_aside"
    """The first record of a journal that follows a damaged one."""
    INTERRUPTED = "interrupted"
    """The gateway stopped, or died, while the event was open."""


CLOSING = frozenset({Step.REFUSED, Step.RELEASED, Step.SELF_ENDED, Step.INTERRUPTED, Step.SET_ASIDE})
"""Steps after which an event is over."""


class RecordError(Exception):
    """Bytes that are not a journal record of a known form."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded.

    `event`: joins the steps of one order or phase. `unix_ms`: date, from a clock that may step. `after_ms`:
    time since the event began, from a clock that does not, hence never negative. `drill`: no real event.
    """

    step: Step
    event: UUID
    unix_ms: int
    after_ms: int
    text: str
    values: Mapping[str, RecordValue] = field(default_factory=dict)
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An entry in its place. `device`: id of the gateway. `previous`: SHA-256 of the record before."""

    number: int
    device: str
    previous: bytes
    entry: Entry


def encode(record: Record) -> bytes:
    """The bytes of a record. Raises RecordError when it holds anything but integers and text."""
    entry = record.entry
    for name, value in entry.values.items():
        if isinstance(value, bool) or not isinstance(value, int | str | None):
            raise RecordError(f"{name} is {type(value).__name__}; records hold integers and text only")
    content = {
        "form": FORM,
        "number": record.number,
        "device": record.device,
        "previous": record.previous,
        "step": entry.step.value,
        "event": entry.event.bytes,
        "unix_ms": entry.unix_ms,
        "after_ms": entry.after_ms,
        "text": entry.text,
        "values": dict(entry.values),
        "drill": int(entry.drill),
    }
    return cbor2.dumps(content, canonical=True)


def decode(body: bytes) -> Record:
    """A record from its bytes. Raises RecordError, also for bytes that another order of keys would give."""
    try:
        record = _from_map(cbor2.loads(body))
        same = encode(record) == body
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"not a journal record: {error}") from error
    if not same:
        raise RecordError("not in the one form that records have")
    return record


def digest(body: bytes) -> bytes:
    """What the next record names as its predecessor."""
    return hashlib.sha256(body).digest()


def _from_map(content: dict[str, Any]) -> Record:
    if content["form"] != FORM:
        raise RecordError(f"form {content['form']} is not known")
    entry = Entry(
        step=Step(content["step"]),
        event=UUID(bytes=content["event"]),
        unix_ms=content["unix_ms"],
        after_ms=content["after_ms"],
        text=content["text"],
        values=content["values"],
        drill=bool(content["drill"]),
    )
    return Record(content["number"], content["device"], content["previous"], entry)
