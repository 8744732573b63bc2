"""What the house does not decide: sun and clouds above it, and what its people switch on."""

import math
from dataclasses import dataclass

from adapters.simulated.noise import chance, wander

_DAY_S = 86_400.0
_SUNRISE_S, _SUNSET_S = 6.0 * 3600.0, 20.0 * 3600.0
_CLOUD_S = 90.0
_EDGE = 5.0
_SHADE = 0.8
_APPLIANCE_SLOT_S = 600.0


@dataclass(frozen=True, slots=True)
class Sky:
    """Sun and clouds. `peak_w`: what a clear noon would let the panels give. `cloudiness`: 0 to 1.

    Times are seconds of the day. A cloud takes four fifths of the light, and its edge passes within seconds.
    """

    peak_w: float
    cloudiness: float = 0.5
    seed: int = 0

    def power_w(self, at_s: float) -> float:
        """What the panels could give."""
        of_day_s = at_s % _DAY_S
        if not _SUNRISE_S < of_day_s < _SUNSET_S:
            return 0.0
        height = math.sin(math.pi * (of_day_s - _SUNRISE_S) / (_SUNSET_S - _SUNRISE_S))
        return self.peak_w * height * (1.0 - _SHADE * self._cover(at_s))

    def _cover(self, at_s: float) -> float:
        beyond = wander(self.seed, at_s, _CLOUD_S) - (1.0 - self.cloudiness)
        return min(1.0, max(0.0, beyond * _EDGE))


@dataclass(frozen=True, slots=True)
class Household:
    """What the people draw: a base that wanders, and appliances for minutes.

    `base_w`: lowest draw. `sway_w`: the wandering part. `appliance_w`: the largest single appliance.
    `busyness`: 0 to 1, how often one runs.
    """

    base_w: float = 250.0
    sway_w: float = 300.0
    appliance_w: float = 2_200.0
    busyness: float = 0.3
    seed: int = 0

    def power_w(self, at_s: float) -> float:
        """What they draw."""
        return self.base_w + self.sway_w * wander(self.seed, at_s, 900.0) + self._appliance_w(at_s)

    def _appliance_w(self, at_s: float) -> float:
        slot = int(at_s // _APPLIANCE_SLOT_S)
        if chance(self.seed + 1, slot) >= self.busyness:
            return 0.0
        begin = 0.7 * chance(self.seed + 2, slot)
        length = (1.0 - begin) * chance(self.seed + 3, slot)
        inside = begin <= at_s / _APPLIANCE_SLOT_S - slot < begin + length
        return self.appliance_w * (0.4 + 0.6 * chance(self.seed + 4, slot)) if inside else 0.0
