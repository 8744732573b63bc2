"""The one reader of time. Pure code gets numbers; shells read one injected clock."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Source of intervals and of dates."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never steps back; counts while the host is suspended."""

    def utc_now(self) -> datetime:
        """The date and time for records and messages, in UTC."""


class SystemClock:
    """The clock of this machine.

    Intervals come from CLOCK_BOOTTIME where the system has it: a host that slept must not trust an old
    heartbeat.
    """

    def __init__(self) -> None:
        self._clock_id: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def monotonic(self) -> float:
        return time.clock_gettime(self._clock_id)

    def utc_now(self) -> datetime:
        return datetime.now(UTC)


class FakeClock:
    """A clock that moves only when told to; for tests of shells."""

    def __init__(
        self, start_s: float = 1000.0, utc: datetime = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
    ) -> None:
        self._now_s = start_s
        self._offset_s = utc.timestamp() - start_s

    def monotonic(self) -> float:
        return self._now_s

    def utc_now(self) -> datetime:
        return datetime.fromtimestamp(self._now_s + self._offset_s, UTC)

    def advance(self, seconds: float) -> None:
        """Let time pass for intervals and dates alike."""
        self._now_s += seconds

    def step_utc(self, seconds: float) -> None:
        """Step the date only, as a time server does; intervals are not affected."""
        self._offset_s += seconds
