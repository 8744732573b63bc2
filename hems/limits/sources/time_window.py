"""A part of the week in local time, such as weekdays from 22:00 to 06:00. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From `start` to just before `end`; an end that is not after the start lies on the next day.

    `days`: the days on which it starts; none of them means each day. Equal times: the whole day.
    """

    start: time
    end: time
    days: Sequence[str] = ()

    def contains(self, local: datetime) -> bool:
        """Whether a moment of local time lies in it."""
        clock = local.time()
        if self.start < self.end:
            return self.start <= clock < self.end and self._starts_on(local)
        if clock >= self.start:
            return self._starts_on(local)
        return clock < self.end and self._starts_on(local - timedelta(days=1))

    def __str__(self) -> str:
        days = f"{', '.join(self.days)} " if self.days else ""
        return f"{days}{self.start:%H:%M} to {self.end:%H:%M}"

    def _starts_on(self, local: datetime) -> bool:
        return not self.days or DAYS[local.weekday()] in self.days
