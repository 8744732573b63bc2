"""What readings taken together show: generation beyond the house, or what the house takes beyond it."""

from collections import deque
from dataclasses import dataclass

from hems.control.credit import FALLING_S, CreditReading
from hems.metering.measurements import PairedReading

DOUBT_S = 12.0
"""Feed-in above the limit for so long: inverters that nobody measures do not make what they might."""
_TOLERANCE_W, _TOLERANCE = 50.0, 0.02


def generation_beyond_house(paired: PairedReading) -> CreditReading:
    """The credit of consumers: what they draw and the grid does not give. Unmeasured ones count zero."""
    return CreditReading(
        least_w=max(0.0, paired.least_w - paired.grid_w),
        most_w=max(0.0, paired.most_w - paired.grid_w),
        taken_s=paired.taken_s,
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """What inverters made at a moment: by measurement, and at most beside that."""

    taken_s: float
    measured_w: float
    unmeasured_w: float


class HouseBeyondGeneration:
    """The credit of inverters: what the house takes for certain; below zero what others feed in.

    What the meter shows is generation of others only as far as our inverters cannot have made it: a meter
    that lags still shows what they made within `FALLING_S`. One that nobody measures may make all that it
    may, which proves nothing of what the house takes. When feed-in stays above the limit although such an
    inverter was told to give way, it does not make that much, and nobody can tell how much it does make:
    from then on it counts as nothing.
    """

    def __init__(self) -> None:
        self._lately: deque[_Made] = deque()
        self._exceeded_since_s: float | None = None

    def reading(
        self, paired: PairedReading | None, unmeasured_w: float, limit_w: float | None
    ) -> CreditReading | None:
        """The credit by the newest readings; None without a fresh meter.

        `unmeasured_w`: what inverters without a reading may have made. `limit_w`: of feed-in, None for none.
        """
        if paired is None:
            self._exceeded_since_s = None
            return None
        self._remember(_Made(paired.taken_s, paired.most_w, unmeasured_w))
        counts_unmeasured = 0.0 if self._doubts(paired, limit_w) else 1.0
        made_lately_w = max(m.measured_w + counts_unmeasured * m.unmeasured_w for m in self._lately)
        of_others_w = min(0.0, paired.grid_w + made_lately_w)
        return CreditReading(
            least_w=paired.least_w + paired.grid_w,
            most_w=max(paired.most_w + paired.grid_w, of_others_w),
            taken_s=paired.taken_s,
        )

    def _remember(self, made: _Made) -> None:
        self._lately.append(made)
        while self._lately[0].taken_s < made.taken_s - FALLING_S:
            self._lately.popleft()

    def _doubts(self, paired: PairedReading, limit_w: float | None) -> bool:
        if limit_w is None or -paired.grid_w <= limit_w + max(_TOLERANCE_W, _TOLERANCE * limit_w):
            self._exceeded_since_s = None
            return False
        if self._exceeded_since_s is None:
            self._exceeded_since_s = paired.taken_s
        return paired.taken_s - self._exceeded_since_s >= DOUBT_S
