"""Heartbeats (SPINE 8): when ours is due, and which of the partner's count."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eebus.errors import DecodeError
from eebus.spine.model.device import DeviceDiagnosisHeartbeatData
from eebus.spine.values import format_date_time, is_relative, parse_date_time

HEARTBEAT_FUNCTION: Final = "deviceDiagnosisHeartbeatData"
ANNOUNCED_TIMEOUT: Final = "PT1M"
REPLY_AGE_S: Final = 60.0
"""A heartbeat that we asked for counts only when it was created at most this long ago."""

_RETRY_S = 1.0


@dataclass(slots=True)
class HeartbeatSender:
    """Our own heartbeat. It is a promise that the house is under control: without food it stays silent."""

    interval_s: float
    watchdog_s: float | None
    """Longest time without :meth:`feed`; None = always fed."""
    _counter: int = 0
    _due_at: float | None = None
    _fed_at: float | None = None

    def start(self, now: float) -> None:
        """Begin; the first beat is due at once."""
        self._due_at = now
        self._fed_at = now

    def feed(self, now: float) -> None:
        """A control cycle was completed."""
        self._fed_at = now

    def starving(self, now: float) -> bool:
        """Control has stopped: no heartbeat may be sent."""
        if self.watchdog_s is None:
            return False
        return self._fed_at is None or now > self._fed_at + self.watchdog_s

    def next_deadline(self) -> float | None:
        """When the next beat is due; None before the start."""
        return self._due_at

    def hasten(self, now: float) -> None:
        """Somebody new listens: do not let them wait for a whole interval."""
        if self._due_at is not None:
            self._due_at = now

    def beat(self, now: float, utc: datetime) -> DeviceDiagnosisHeartbeatData | None:
        """The data to notify when a beat is due, else None. While starving it is tried again each second."""
        if self._due_at is None or now < self._due_at:
            return None
        if self.starving(now):
            self._due_at = now + _RETRY_S
            return None
        self._due_at = now + self.interval_s
        self._counter += 1
        return heartbeat_data(self._counter, utc)


def heartbeat_data(counter: int, utc: datetime) -> DeviceDiagnosisHeartbeatData:
    """A heartbeat that promises the next one within a minute."""
    return DeviceDiagnosisHeartbeatData(
        timestamp=format_date_time(utc), heartbeat_counter=counter, heartbeat_timeout=ANNOUNCED_TIMEOUT
    )


def reply_is_fresh(data: DeviceDiagnosisHeartbeatData, last_counter: int | None, utc: datetime) -> bool:
    """Whether the answer to our own read shows a living partner (reference 3.4).

    It may be a stored one: its counter must be new to us and its time of creation close to now. Notifies are
    never judged by their time stamp, only by their arrival.
    """
    if data.heartbeat_counter is None or data.heartbeat_counter == last_counter:
        return False
    if data.timestamp is None or is_relative(data.timestamp):
        return False
    try:
        age_s = (utc - parse_date_time(data.timestamp)).total_seconds()
    except DecodeError:
        return False
    return abs(age_s) <= REPLY_AGE_S
