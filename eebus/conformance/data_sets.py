"""The values of the official data sets, computed from what is declared (use case reference 8).

Values are magnitudes; set 06 is the invalid one, which is a negative magnitude.
"""

from dataclasses import dataclass
from typing import Final

from eebus.conformance.sheet import Sheet
from eebus.conformance.wire import LPC, LimitationWire

WRONG_SIGN_W: Final = -1000.0
DURATION_TOO_SHORT_S: Final = 6840.0
_FREE_LIMIT_W: Final = 4321.0
_FREE_FAILSAFE_W: Final = 5001.0


@dataclass(frozen=True, slots=True)
class LimitationSets:
    """The values of one limitation use case."""

    sheet: Sheet
    profile: LimitationWire

    def limit_w(self, number: int) -> float:
        """APCL_nn or APPL_nn."""
        low, high = self._range("APCL" if self.profile is LPC else "APPL")
        return _value(number, low, high, _FREE_LIMIT_W)

    def failsafe_w(self, number: int) -> float:
        """FCAPL_nn or FPAPL_nn."""
        low, high = self._range("FCAPL" if self.profile is LPC else "FPAPL")
        return _value(number, low, high, _FREE_FAILSAFE_W)

    def duration_s(self, number: int) -> float:
        """FCAPL_DUR_nn or FPAPL_DUR_nn: too short, valid, above the own maximum."""
        if number == 1:
            return DURATION_TOO_SHORT_S
        if number == 2:
            return min(self.shortest_s + 60.0, self.longest_s)
        return 1.05 * self.longest_s

    @property
    def largest_w(self) -> float:
        """The most that the site draws or produces."""
        return self._range("APCL" if self.profile is LPC else "APPL")[1]

    @property
    def preconfigured_w(self) -> float:
        """PFCAPL or PFPAPL."""
        return self._number("PFCAPL" if self.profile is LPC else "PFPAPL")

    @property
    def shortest_s(self) -> float:
        """PFSDM."""
        return self._number("PFSDM")

    @property
    def longest_s(self) -> float:
        """MFSDM."""
        return self._number("MFSDM")

    def _range(self, name: str) -> tuple[float, float]:
        ends = [abs(self._number(f"{name}{end}")) for end in ("min", "max")]
        return min(ends), max(ends)

    def _number(self, name: str) -> float:
        return self.sheet.number(self.profile.short, name)


def _value(number: int, low: float, high: float, free: float) -> float:
    delta = 0.05 * (high - low)
    second, fourth = low + delta, high - delta
    third = free if second < free < fourth else (second + fourth) / 2
    return {
        1: max(0.0, low - delta),
        2: second,
        3: third,
        4: fourth,
        5: high + delta,
        6: WRONG_SIGN_W,
    }[number]
