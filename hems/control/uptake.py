"""What a device really takes of what it is offered, so that the rest moves on: learned by measurement. Pure.

A device that draws clearly less than its set-point for a while is offered little more than it drew at most.
As soon as it comes near its set-point it may have use for more, and gets its full share again.
"""

from collections import deque

from hems.devices import Capabilities, FeasiblePowers, Kind

LEARN_AFTER_S = 60.0
"""How long an offer must have stood before something is concluded from what was taken of it."""
REMEMBER_S = 300.0
"""For so long the highest draw counts."""
_NEAR, _NEAR_W = 0.02, 50.0
_RESERVE, _RESERVE_W = 0.10, 230.0
_IDLE_W = 50.0
"""What a device draws that does nothing."""
_LEAST_PART = 0.1
"""Part of the type plate that is always offered, so that a device can show that it wants to start."""
_START_PART = 0.5
"""The same for a device that does not say how little it can take: no compressor starts with a tenth."""
_START_WITH_ANYTHING = frozenset({Kind.BATTERY, Kind.INVERTER})


class Uptake:
    """Follows one device in one direction."""

    def __init__(self) -> None:
        self._peaks: deque[tuple[float, float]] = deque()
        self._short_since_s: float | None = None

    def observe(self, told_w: float | None, measured_w: float | None, now: float) -> None:
        """Take a measurement, and the set-point in force at that moment."""
        if measured_w is None:
            self._forget()
            return
        while self._peaks and self._peaks[-1][1] <= measured_w:
            self._peaks.pop()
        self._peaks.append((now, measured_w))
        while self._peaks[0][0] < now - REMEMBER_S:
            self._peaks.popleft()
        wants_more = told_w is not None and measured_w >= told_w - max(_NEAR_W, _NEAR * told_w)
        if wants_more or told_w == 0.0:
            self._short_since_s = None
        elif self._short_since_s is None:
            self._short_since_s = now

    def most_useful_w(self, capabilities: Capabilities, feasible: FeasiblePowers, now: float) -> float | None:
        """No more than this seems to be of use to it; None when that is not known."""
        highest_w = self._highest_w(now)
        if highest_w is None:
            return None
        reserved_w = highest_w + max(_RESERVE_W, _RESERVE * highest_w)
        return max(reserved_w, _enough_to_start_w(capabilities, feasible))

    def idles(self, now: float) -> bool:
        """Whether it was offered power for a while and takes nothing of it."""
        highest_w = self._highest_w(now)
        return highest_w is not None and highest_w <= _IDLE_W

    def _highest_w(self, now: float) -> float | None:
        """The most it took lately, once it has taken clearly less than its offer for a while."""
        if self._short_since_s is None or now - self._short_since_s < LEARN_AFTER_S or not self._peaks:
            return None
        return self._peaks[0][1]

    def _forget(self) -> None:
        self._peaks.clear()
        self._short_since_s = None


def _enough_to_start_w(capabilities: Capabilities, feasible: FeasiblePowers) -> float:
    least_w = least_running_w(feasible)
    unknown = not least_w and capabilities.kind not in _START_WITH_ANYTHING
    return max(least_w, (_START_PART if unknown else _LEAST_PART) * capabilities.nameplate_w)


def least_running_w(feasible: FeasiblePowers) -> float:
    """The lowest power above nothing; 0 where any small power is possible."""
    for each in feasible.ranges:
        if each.low_w > 0.0:
            return each.low_w
        if each.high_w > 0.0:
            return 0.0
    return 0.0
