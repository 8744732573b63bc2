"""What readings taken together show: generation beyond the house, or what the house takes beyond it."""

from collections import deque

from hems.control.credit import FALLING_S, CreditReading
from hems.metering.measurements import PairedReading

DOUBT_S = 12.0
"""Feed-in above the limit for so long although inverters give way: others feed in more than is believed."""
_TOLERANCE_W, _TOLERANCE = 50.0, 0.02


def generation_beyond_house(paired: PairedReading) -> CreditReading:
    """The credit of consumers: what they draw and the grid does not give. Unmeasured ones count zero."""
    return CreditReading(
        least_w=max(0.0, paired.least_w - paired.grid_w),
        most_w=max(0.0, paired.most_w - paired.grid_w),
        taken_s=paired.taken_s,
    )


class HouseBeyondGeneration:
    """The credit of inverters: what the house takes for certain; below zero what others feed in.

    What the meter shows is generation of others only as far as our inverters cannot have made it: a meter
    that lags still shows what they made within `FALLING_S`, and one that nobody measures may make all that it
    may, which proves nothing of what the house takes. When feed-in stays above the limit although they were
    told to give way, none of that is believed any more: the meter is taken to show what is, an inverter that
    nobody measures to make nothing, because nobody can tell how much it does make, and what is too much is
    taken off once more, because somebody follows less than told.
    """

    def __init__(self) -> None:
        self._made_lately: deque[tuple[float, float]] = deque()
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
        self._remember(paired.taken_s, paired.most_w + unmeasured_w)
        least_w, most_w = paired.least_w + paired.grid_w, paired.most_w + paired.grid_w
        too_much_w = self._too_much_w(paired, limit_w)
        if too_much_w > 0.0:
            return CreditReading(least_w - too_much_w, most_w - too_much_w, paired.taken_s)
        made_w = max(made_w for _, made_w in self._made_lately)
        return CreditReading(least_w, max(most_w, min(0.0, paired.grid_w + made_w)), paired.taken_s)

    def _remember(self, taken_s: float, made_w: float) -> None:
        self._made_lately.append((taken_s, made_w))
        while self._made_lately[0][0] < taken_s - FALLING_S:
            self._made_lately.popleft()

    def _too_much_w(self, paired: PairedReading, limit_w: float | None) -> float:
        """By how much feed-in stays above the limit; 0 as long as that may be the meter's lag."""
        if limit_w is None or -paired.grid_w <= limit_w + max(_TOLERANCE_W, _TOLERANCE * limit_w):
            self._exceeded_since_s = None
            return 0.0
        if self._exceeded_since_s is None:
            self._exceeded_since_s = paired.taken_s
        return -paired.grid_w - limit_w if paired.taken_s - self._exceeded_since_s >= DOUBT_S else 0.0
