"""How much more a device takes than it is told, by measurement, so that it is told so much less. Pure.

What counts is the power at the meter. An excess that lasts is taken over with a margin, so that a device
whose power trembles is told another value a few times and not with every reading; a smaller one only when the
device has kept to it for a while.
"""

from collections import deque

LASTING_S = 5.0
"""An excess that is shorter is none: a motor that starts."""
REMEMBER_S = 300.0
"""For so long the highest excess counts."""
FORGET_S = 600.0
"""A device that has not come near its set-point for so long is tried with the plain value again."""
MOST_PART = 0.25
"""No more than this part of what it may take: a device that does not listen is not told ever less."""
_NOISE_W = 1.0
_MARGIN, _MARGIN_W = 0.0025, 10.0
_NEAR = 0.9


class Excess:
    """Follows one direction of one device. `power_w`: so much more it takes than it is told."""

    def __init__(self) -> None:
        self.power_w = 0.0
        self._most_w = 0.0
        self._run: deque[tuple[float, float]] = deque()
        self._peaks: deque[tuple[float, float]] = deque()
        self._changed_s = 0.0
        self._near_s = 0.0

    def restart(self, aim_w: float) -> None:
        """It was told something else, to come to take `aim_w`: what it takes now says nothing yet."""
        self._run.clear()
        self._most_w = MOST_PART * aim_w

    def observe(self, told_w: float, measured_w: float, now: float) -> None:
        """Take a measurement of a device that had its time to react."""
        if told_w <= 0.0 or measured_w < _NEAR * told_w:
            self._run.clear()
            if now - self._near_s >= FORGET_S:
                self._set(0.0, now)
            return
        self._near_s = now
        self._run.append((now, measured_w - told_w))
        while len(self._run) > 1 and self._run[1][0] <= now - LASTING_S:
            self._run.popleft()
        if self._run[0][0] > now - LASTING_S:
            return
        lasting_w = min(excess_w for _, excess_w in self._run)
        self._note(lasting_w, now)
        self._adapt(lasting_w, told_w, now)

    def _note(self, lasting_w: float, now: float) -> None:
        while self._peaks and self._peaks[-1][1] <= lasting_w:
            self._peaks.pop()
        self._peaks.append((now, lasting_w))
        while self._peaks[0][0] < now - REMEMBER_S:
            self._peaks.popleft()

    def _adapt(self, lasting_w: float, told_w: float, now: float) -> None:
        margin_w = max(_MARGIN_W, _MARGIN * told_w)
        if lasting_w > max(self.power_w, _NOISE_W):
            self._set(min(self._most_w, lasting_w + margin_w), now)
        elif now - self._changed_s >= REMEMBER_S:
            highest_w = self._peaks[0][1]
            calm_w = 0.0 if highest_w <= _NOISE_W else highest_w + margin_w
            if calm_w + margin_w < self.power_w:
                self._set(min(self._most_w, calm_w), now)

    def _set(self, power_w: float, now: float) -> None:
        if power_w != self.power_w:
            self.power_w = power_w
            self._changed_s = now
