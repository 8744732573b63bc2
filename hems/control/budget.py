"""From ceilings to the power that devices may take or produce together: allowed = limit + credit.

Convention A, house first (BNetzA leaves the split open; this one never allows more than the others). For
consumption the credit is what generation covers beyond the rest of the house:
`max(0, measured draw of the controllable devices - signed grid power)`. For production it is what the house
certainly takes: `max(0, measured production + signed grid power)`. Both are loops through the grid meter,
hence the three guards of `CreditTracker`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from hems.devices import Direction
from hems.limits.arbiter import Allowance, strictest
from hems.limits.ceilings import Basis, Ceiling
from hems.limits.reason import Reason, watts
from hems.metering.measurements import PairedReading

CREDIT_HOLD_S = 30.0
"""New credit must have been there for so long before it is used: a cloud takes it away in seconds."""


@dataclass(frozen=True, slots=True)
class CreditReading:
    """The credit that samples at most 1 s apart show.

    While a device moves, they show a range: only `least_w` can raise the credit, only `most_w` lowers it, so
    that a device read half a second after the meter is no loss. `taken_s`: time of the oldest sample.
    """

    least_w: float
    most_w: float
    taken_s: float


def reading_of(direction: Direction, paired: PairedReading) -> CreditReading:
    """The credit in readings taken together; unmeasured devices count zero in them."""
    grid_w = paired.grid_w if direction is Direction.CONSUMPTION else -paired.grid_w
    return CreditReading(
        least_w=max(0.0, paired.least_w - grid_w),
        most_w=max(0.0, paired.most_w - grid_w),
        taken_s=paired.taken_s,
    )


class CreditTracker:
    """How much credit may be used. It rises late and falls at once.

    After a rise of a set-point the samples are mixed: a meter that lags behind the devices shows power that
    does not exist, and using it feeds the rise back into itself. So credit grows only from samples that are
    newer than the last rise plus the device's reaction time, only after it was there for the hold time, and
    only to the least that was seen meanwhile.
    """

    def __init__(self, hold_s: float = CREDIT_HOLD_S) -> None:
        self._hold_s = hold_s
        self._credit_w = 0.0
        self._least_w = math.inf
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
            self._credit_w = 0.0
            self._restart_hold()
            self._reason = _NO_METER
            return
        self._credit_w = min(self._credit_w, reading.most_w)
        if reading.least_w <= self._credit_w:
            self._restart_hold()
            self._reason = _used(self._credit_w)
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
        self._credit_w = self._least_w
        self._restart_hold()
        self._reason = _used(self._credit_w)

    def _restart_hold(self) -> None:
        self._since_s = None
        self._least_w = math.inf


@dataclass(frozen=True, slots=True)
class Budget:
    """What a set of devices may take or produce together, and by which ceiling.

    `devices`: the names, None for all that the direction covers.
    """

    source: str
    allowed_w: float
    devices: frozenset[str] | None
    reason: Reason


def convert(ceiling: Ceiling, credit_w: float) -> Allowance:
    """One ceiling in force as device power.

    Credit counts only towards a ceiling on all devices at the grid connection: an inverter ceiling means the
    inverter itself, and a value for a named device (direct control) is taken as that device's own draw.
    Raises ValueError for a ceiling that bounds nothing.
    """
    if ceiling.value_w is None:
        raise ValueError(f"{ceiling.source} bounds nothing")
    counted_w = credit_w if ceiling.devices is None and ceiling.basis is not Basis.INVERTER else 0.0
    allowed_w = ceiling.value_w + counted_w
    return Allowance(ceiling, allowed_w, _allowed(ceiling, counted_w, allowed_w))


def budgets(direction: Direction, in_force: Iterable[Ceiling], credit_w: float) -> tuple[Budget, ...]:
    """The binding budget of each set of devices in one direction; empty when nothing is limited."""
    allowances = [convert(c, credit_w) for c in in_force if c.basis.direction is direction]
    return tuple(
        Budget(a.ceiling.source, a.allowed_w, a.ceiling.devices, a.reason) for a in strictest(allowances)
    )


def _allowed(ceiling: Ceiling, credit_w: float, allowed_w: float) -> Reason:
    consumption = ceiling.basis.direction is Direction.CONSUMPTION
    surplus = "own generation beyond the house" if consumption else "what the house takes for certain"
    plus = f" plus {watts(credit_w)} of {surplus}" if credit_w else ""
    return Reason(
        "allowed",
        f"{watts(allowed_w)} allowed: {ceiling.reason.text}{plus}",
        {
            "source": ceiling.source,
            "limit_w": ceiling.value_w,
            "credit_w": credit_w,
            "allowed_w": allowed_w,
            "convention": "house_first",
        },
    )


_NO_METER = Reason("no_credit_without_meter", "no credit: there is no fresh reading of the grid meter")


def _used(credit_w: float) -> Reason:
    return Reason("credit", f"{watts(credit_w)} of credit by measurement", {"credit_w": credit_w})


def _frozen(credit_w: float) -> Reason:
    text = f"credit stays at {watts(credit_w)} until all readings are newer than the last rise"
    return Reason("credit_frozen", text, {"credit_w": credit_w})


def _held(credit_w: float, coming_w: float, remaining_s: float) -> Reason:
    text = f"credit stays at {watts(credit_w)}; {watts(coming_w)} in {remaining_s:.0f} s if it lasts"
    return Reason(
        "credit_held", text, {"credit_w": credit_w, "coming_w": coming_w, "remaining_s": round(remaining_s)}
    )
