"""From a power limit to what a register takes, never above the limit."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from hems.devices import FeasiblePowers, PowerRange

# Float noise of the caller's arithmetic must not cost a whole step; this much of a step is no overshoot.
_NOISE_STEPS = 1e-6


@dataclass(frozen=True, slots=True)
class Steps:
    """The values that a control takes: `pause` (or None), then `least` to `most` in steps of `step`.

    `watts_per_unit` turns its values into watts: 1 for a control in watts, the sum of the phase voltages for
    one in amperes.
    """

    least: float
    most: float
    step: float
    pause: float | None
    watts_per_unit: float

    def value_at_most(self, power_w: float) -> float | None:
        """The largest value whose power is not above `power_w`; `pause` when not even the least fits, None
        when the control cannot pause either."""
        value = power_w / self.watts_per_unit
        if value >= self.most:
            return self.most
        steps = math.floor((value - self.least) / self.step + _NOISE_STEPS)
        if steps < 0:
            return self.pause
        return min(round(self.least + steps * self.step, 6), self.most)

    def power_of(self, value: float) -> float:
        """The power in watts that `value` allows."""
        return value * self.watts_per_unit

    def feasible(self) -> FeasiblePowers:
        """The same set in watts."""
        whole = PowerRange(
            self.power_of(self.least), self.power_of(self.most), self.step * self.watts_per_unit
        )
        if self.pause is None or self.pause >= self.least:
            return FeasiblePowers((whole,))
        pause_w = self.power_of(self.pause)
        return FeasiblePowers((PowerRange(pause_w, pause_w), whole))


class RecentHighest:
    """The highest number of the last minutes, so that a value which trembles does not make others tremble.

    It remembers for between one and two spans of `span_s`.
    """

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._since_s = 0.0
        self._current: float | None = None
        self._previous: float | None = None

    def add(self, number: float, now_s: float) -> None:
        """Take a number into account."""
        if self._current is None or now_s >= self._since_s + self._span_s:
            self._previous, self._current, self._since_s = self._current, number, now_s
        self._current = max(self._current, number)

    @property
    def value(self) -> float | None:
        """The highest one, None before the first."""
        known = [number for number in (self._current, self._previous) if number is not None]
        return max(known, default=None)


VOLTAGE_SPAN_S = 150.0


class LineVoltages:
    """The highest voltages of the last minutes, phase by phase.

    What a current costs at most; and a voltage that trembles makes no set-point tremble.
    """

    def __init__(self) -> None:
        self._phases = tuple(RecentHighest(VOLTAGE_SPAN_S) for _ in range(3))

    def add(self, measured_v: Iterable[float | None], now_s: float) -> None:
        """Take the voltages of a moment into account, as far as they are known."""
        for highest, voltage_v in zip(self._phases, measured_v, strict=False):
            if voltage_v is not None:
                highest.add(voltage_v, now_s)

    def together(self, phases: int, assumed_v: float) -> float:
        """The sum that a current of `phases` phases works against; see `line_voltage`."""
        return line_voltage(tuple(highest.value for highest in self._phases), phases, assumed_v)


def line_voltage(measured_v: tuple[float | None, ...], phases: int, assumed_v: float) -> float:
    """The sum of the voltages that a current of `phases` phases works against.

    A phase without a believable measurement counts with `assumed_v`, the highest the grid may have: the
    current that results is then too low rather than too high.
    """
    padded = [*measured_v, *([None] * phases)][:phases]
    return sum(assumed_v if voltage_v is None else voltage_v for voltage_v in padded)
