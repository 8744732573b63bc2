"""How much credit may be used: what the readings show, on the safe side of all that they cannot show."""

import math
from collections import deque
from dataclasses import dataclass

from hems.limits.reason import Reason, watts

FALLING_S = 10.0
"""For so long a fall of the readings is remembered when new credit is taken: as long as a meter may lag."""
CREDIT_HOLD_S = 30.0
"""New credit must have been there for so long before it is used: a cloud takes it away in seconds."""
_CLEAR_W = 50.0
"""Readings that differ by no more show the same."""


@dataclass(frozen=True, slots=True)
class CreditReading:
    """The credit that samples at most 1 s apart show.

    While a device moves, they show a range: only `least_w` can raise the credit, only `most_w` lowers it, so
    that a device read half a second after the meter is no loss. `taken_s`: time of the oldest sample.
    """

    least_w: float
    most_w: float
    taken_s: float


class CreditTracker:
    """How much credit may be used. It rises late and falls at once.

    After a rise of a set-point the samples are mixed: a meter that lags behind the devices shows power that
    does not exist, and using it feeds the rise back into itself. So credit grows only from samples that are
    newer than the last rise plus the device's reaction time, only after it was there for the hold time, and
    only to the least that was seen meanwhile. While readings fall, as much again is kept back: a rise hides
    the next fall from a meter that lags, and while they go on falling the devices are always late.

    `without_meter_w`: where it starts, and the most that may be used while nothing is measured.
    """

    def __init__(self, hold_s: float = CREDIT_HOLD_S, without_meter_w: float = 0.0) -> None:
        self._hold_s = hold_s
        self._without_meter_w = without_meter_w
        self._credit_w = without_meter_w
        self._least_w = math.inf
        self._recent: deque[CreditReading] = deque()
        self._since_s: float | None = None
        self._reason = _NO_METER

    @property
    def credit_w(self) -> float:
        """The credit that may be used now, in watts."""
        return self._credit_w

    @property
    def reason(self) -> Reason:
        """Why it is that much."""
        return self._reason

    def update(self, reading: CreditReading | None, *, frozen_until_s: float) -> None:
        """Take the newest samples; None means that there is no fresh, trusted meter.

        `frozen_until_s`: last rise of a set-point plus reaction time; infinite while a rise is being written.
        """
        if reading is None:
            self._credit_w = min(self._credit_w, self._without_meter_w)
            self._restart_hold()
            self._reason = _NO_METER
            return
        self._remember(reading)
        expected_w = max(min(0.0, reading.most_w), reading.most_w - self._coming_loss_w())
        self._credit_w = min(self._credit_w, expected_w)
        if reading.least_w <= self._credit_w:
            self._restart_hold()
            unclear = reading.most_w > self._credit_w + _CLEAR_W
            self._reason = _unclear(self._credit_w, reading) if unclear else _used(self._credit_w)
        elif reading.taken_s <= frozen_until_s:
            self._restart_hold()
            self._reason = _frozen(self._credit_w)
        else:
            self._hold(reading)

    def _hold(self, reading: CreditReading) -> None:
        if self._since_s is None:
            self._since_s = reading.taken_s
        self._least_w = min(self._least_w, reading.least_w)
        remaining_s = self._since_s + self._hold_s - reading.taken_s
        if remaining_s > 0.0:
            self._reason = _held(self._credit_w, self._least_w, remaining_s)
            return
        secure_w = self._least_w - self._lost_lately_w()
        if secure_w <= self._credit_w:
            self._reason = _falling(self._credit_w)
            return
        self._credit_w = secure_w
        self._restart_hold()
        self._reason = _used(self._credit_w)

    def _lost_lately_w(self) -> float:
        """By how much the readings have fallen: as much may be gone before the next fall can be seen."""
        return max(each.least_w for each in self._recent) - self._recent[-1].least_w

    def _coming_loss_w(self) -> float:
        """What is likely to be gone when the devices follow: as much as in each half of the time looked at.

        A cloud takes some in both; a kettle takes it in one, and that was all.
        """
        newest = self._recent[-1]
        halves = [newest.taken_s - FALLING_S / 2.0, newest.taken_s - FALLING_S]
        middle, oldest = (self._at(taken_s) for taken_s in halves)
        if middle is None or oldest is None:
            return 0.0
        return max(0.0, min(oldest.most_w - middle.most_w, middle.most_w - newest.most_w))

    def _at(self, taken_s: float) -> CreditReading | None:
        """The newest reading that is no younger than that."""
        return next((each for each in reversed(self._recent) if each.taken_s <= taken_s), None)

    def _remember(self, reading: CreditReading) -> None:
        self._recent.append(reading)
        while len(self._recent) > 1 and self._recent[1].taken_s <= reading.taken_s - FALLING_S:
            self._recent.popleft()

    def _restart_hold(self) -> None:
        self._since_s = None
        self._least_w = math.inf


_NO_METER = Reason("no_credit_without_meter", "no credit: there is no fresh reading of the grid meter")


def _used(credit_w: float) -> Reason:
    return Reason("credit", f"{watts(credit_w)} of credit by measurement", {"credit_w": credit_w})


def _unclear(credit_w: float, reading: CreditReading) -> Reason:
    between = f"between {watts(reading.least_w)} and {watts(reading.most_w)}"
    text = f"credit stays at {watts(credit_w)}: a device moves, and the readings show {between}"
    return Reason("credit_unclear", text, {"credit_w": credit_w})


def _frozen(credit_w: float) -> Reason:
    text = f"credit stays at {watts(credit_w)} until all readings are newer than the last rise"
    return Reason("credit_frozen", text, {"credit_w": credit_w})


def _falling(credit_w: float) -> Reason:
    text = f"credit stays at {watts(credit_w)}: the readings are falling"
    return Reason("credit_falling", text, {"credit_w": credit_w})


def _held(credit_w: float, coming_w: float, remaining_s: float) -> Reason:
    text = f"credit stays at {watts(credit_w)}; {watts(coming_w)} in {remaining_s:.0f} s if it lasts"
    return Reason(
        "credit_held", text, {"credit_w": credit_w, "coming_w": coming_w, "remaining_s": round(remaining_s)}
    )
