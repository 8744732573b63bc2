"""Data types that several functions share (SPINE 3) and the few enumerations that the protocol needs."""

from enum import IntEnum, StrEnum
from typing import Annotated

from msgspec import Meta

from eebus.jsonform import Record

Uint32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""Identifiers, entity and feature numbers."""

Uint64 = Annotated[int, Meta(ge=0)]
"""Counters."""

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Int16 = Annotated[int, Meta(ge=-(2**15), le=2**15 - 1)]


class Role(StrEnum):
    """The role of a feature; closed in the schema."""

    CLIENT = "client"
    SERVER = "server"
    SPECIAL = "special"


class Classifier(StrEnum):
    """What a datagram wants (SPINE 2.5); closed in the schema."""

    READ = "read"
    REPLY = "reply"
    NOTIFY = "notify"
    WRITE = "write"
    CALL = "call"
    RESULT = "result"


class StateChange(StrEnum):
    """Why an entity appears in a discovery notify; closed in the schema."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"


class ErrorNumber(IntEnum):
    """The numbers of a result (SPINE 2.7). Of a peer's number only 0 or not 0 may be relied upon."""

    NONE = 0
    GENERAL = 1
    TIMEOUT = 2
    OVERLOAD = 3
    DESTINATION_UNKNOWN = 4
    DESTINATION_UNREACHABLE = 5
    COMMAND_NOT_SUPPORTED = 6
    COMMAND_REJECTED = 7
    RESTRICTED_EXCHANGE_NOT_SUPPORTED = 8
    BINDING_REQUIRED = 9


class Tag(Record, frozen=True):
    """An element whose presence is the information."""


class ScaledNumber(Record, frozen=True):
    """number × 10^scale; :func:`eebus.spine.values.to_float` reads it."""

    number: Int64 | None = None
    scale: Int16 | None = None


class ScaledNumberRange(Record, frozen=True):
    min: ScaledNumber | None = None
    max: ScaledNumber | None = None


class ScaledNumberSet(Record, frozen=True):
    value: tuple[ScaledNumber, ...] | None = None
    range: tuple[ScaledNumberRange, ...] | None = None


class TimePeriod(Record, frozen=True):
    """Start and end, each a duration from reception or a date and time."""

    start_time: str | None = None
    end_time: str | None = None


class DaysOfWeek(Record, frozen=True):
    monday: Tag | None = None
    tuesday: Tag | None = None
    wednesday: Tag | None = None
    thursday: Tag | None = None
    friday: Tag | None = None
    saturday: Tag | None = None
    sunday: Tag | None = None


class AbsoluteOrRecurringTime(Record, frozen=True):
    date_time: str | None = None
    month: str | None = None
    day_of_month: Uint32 | None = None
    calendar_week: Uint32 | None = None
    day_of_week_occurrence: str | None = None
    days_of_week: DaysOfWeek | None = None
    time: str | None = None
    relative: str | None = None


class RecurrenceInformation(Record, frozen=True):
    recurring_interval: str | None = None
    recurring_interval_step: Uint32 | None = None
    first_execution: str | None = None
    execution_count: Uint32 | None = None
    last_execution: str | None = None


class DeviceAddress(Record, frozen=True):
    device: str | None = None


class EntityAddress(Record, frozen=True):
    """The path of an entity; `[1, 1]` is a sub-entity of `[1]`."""

    device: str | None = None
    entity: tuple[Uint32, ...] | None = None


class FeatureAddress(Record, frozen=True):
    device: str | None = None
    entity: tuple[Uint32, ...] | None = None
    feature: Uint32 | None = None


class PossibleOperation(Record, frozen=True):
    """An operation that a function offers; `partial`: also for parts of the data."""

    partial: Tag | None = None


class PossibleOperations(Record, frozen=True):
    read: PossibleOperation | None = None
    write: PossibleOperation | None = None


class FunctionProperty(Record, frozen=True):
    """A function that a feature holds."""

    function: str | None = None
    possible_operations: PossibleOperations | None = None


class ResultData(Record, frozen=True):
    """The outcome of a request; always with a description when it is an error (SPINE 2.7)."""

    error_number: Uint32 | None = None
    description: str | None = None
