"""The powers a device can hold, as a set of points and stepped intervals."""

import math
from dataclasses import dataclass

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class PowerRange:
    """An interval of signed power in watts; `step_w` 0 means every value in it.

    Steps count from `low_w`. A single power is a range with `low_w == high_w`.
    """

    low_w: float
    high_w: float
    step_w: float = 0.0

    def __post_init__(self) -> None:
        if not (self.low_w <= self.high_w and self.step_w >= 0.0):
            raise ValueError(f"not a power range: {self}")

    def at_most(self, ceiling_w: float) -> float | None:
        """The largest power of this range that is not above `ceiling_w`, or None. Never rounds up."""
        if ceiling_w < self.low_w:
            return None
        if ceiling_w >= self.high_w and not self.step_w:
            return self.high_w
        top = min(ceiling_w, self.high_w)
        if not self.step_w:
            return top
        steps = math.floor((top - self.low_w) / self.step_w + _TOLERANCE)
        return min(self.low_w + steps * self.step_w, self.high_w)


@dataclass(frozen=True, slots=True)
class FeasiblePowers:
    """All powers that a device can be told to hold as its ceiling, in watts, ascending and disjoint.

    A wallbox that may pause offers `{0}` and the interval from 6 A upwards; a battery reaches below zero.
    """

    ranges: tuple[PowerRange, ...]

    def __post_init__(self) -> None:
        if not self.ranges:
            raise ValueError("a device must be able to hold some power")
        for lower, upper in zip(self.ranges, self.ranges[1:], strict=False):
            if upper.low_w <= lower.high_w:
                raise ValueError(f"ranges overlap or are out of order: {lower}, {upper}")

    @property
    def least_w(self) -> float:
        """The lowest power the device can be brought down to."""
        return self.ranges[0].low_w

    @property
    def most_w(self) -> float:
        """The highest power the device can take."""
        return self.ranges[-1].high_w

    def at_most(self, ceiling_w: float) -> float | None:
        """The largest feasible power not above `ceiling_w`; None when even the least is above it."""
        for power_range in reversed(self.ranges):
            power_w = power_range.at_most(ceiling_w)
            if power_w is not None:
                return power_w
        return None
