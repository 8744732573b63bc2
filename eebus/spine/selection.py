"""Which items a filter picks (SPINE 6.2): by equal fields and, for measured values, by a span of time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eebus.errors import DecodeError
from eebus.jsonform import Record, from_wire, merge_members, to_wire
from eebus.spine.functions import FunctionSpec
from eebus.spine.model.common import TimePeriod
from eebus.spine.values import format_date_time, is_relative, parse_date_time

_INTERVAL: Final = "timestampInterval"


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time, both ends included; None is open."""

    field: str
    """The field of an item that holds its time."""
    start: datetime | None
    end: datetime | None

    def covers(self, item: Record) -> bool:
        """Whether the item was measured in it; one without a readable time was not."""
        try:
            moment = parse_date_time(getattr(item, self.field) or "")
        except DecodeError:
            return False
        return (self.start is None or self.start <= moment) and (self.end is None or moment <= self.end)


@dataclass(frozen=True, slots=True)
class Selection:
    """The selecting fields, as an incomplete item, and the span of time; all must fit."""

    fields: dict[str, object]
    interval: Interval | None = None

    def picks(self, item: Record) -> bool:
        """Whether the filter means this item."""
        fits = all(getattr(item, name) == value for name, value in self.fields.items())
        return fits and (self.interval is None or self.interval.covers(item))


class UnsupportedSelectionError(Exception):
    """The selectors ask for something that this stack cannot select by."""


def read_selection(spec: FunctionSpec, wire: object) -> Selection | None:
    """The selection of a filter; None when nothing is selected by.

    Raises DecodeError for what cannot be read, UnsupportedSelectionError for other selectors.
    """
    members = dict(merge_members(wire))
    interval = None
    if spec.time is not None and _INTERVAL in members:
        interval = _read_interval(spec.time, members.pop(_INTERVAL))
    selectors = from_wire(spec.item_type, members)
    fields = {
        name: value
        for name in type(selectors).__struct_fields__
        if name != "unknown" and (value := getattr(selectors, name)) is not None and value != ()
    }
    if selectors.unknown or not fields.keys() <= set(spec.selectors):
        raise UnsupportedSelectionError("these selectors are not supported")
    return Selection(fields, interval) if fields or interval else None


def _read_interval(field: str, wire: object) -> Interval:
    period = from_wire(TimePeriod, wire)
    return Interval(field, _moment(period.start_time), _moment(period.end_time))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    if is_relative(text):
        raise UnsupportedSelectionError("a span of time needs absolute times")
    return parse_date_time(text)


def interval_selector(start: datetime | None, end: datetime | None) -> tuple[str, object]:
    """Name and wire value of the selector of a span of time; None is open."""
    period = TimePeriod(
        start_time=None if start is None else format_date_time(start),
        end_time=None if end is None else format_date_time(end),
    )
    return _INTERVAL, to_wire(period)
