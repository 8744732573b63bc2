"""What the division of a budget knows of a device."""

from dataclasses import dataclass

from hems.devices import FeasiblePowers

NOISE_W = 1e-6
"""Powers that differ by less are the same: sums of floats do not come out even."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A device that takes part, in one direction; powers are magnitudes in watts.

    `feasible`: what it can be told; None for a device that counts but cannot be told anything.
    `charged_w`: what it takes whatever it is told (unreachable, disobeying, not steerable); 0 for the others.
    `most_useful_w`: no more than this is of use to it, or allowed to it; None when unknown.
    `nameplate_w`: its size, for shares in proportion. `need`: its class, 0 is served first. `turn`: who comes
    first where not all can rise, lower first. `promised_w`: served before any strategy, where it fits.
    """

    name: str
    feasible: FeasiblePowers | None
    charged_w: float = 0.0
    most_useful_w: float | None = None
    nameplate_w: float = 1.0
    need: int = 0
    turn: int = 0
    promised_w: float = 0.0

    @property
    def floor_w(self) -> float:
        """The least it can be brought down to. Batteries go to zero: discharge stays free, never forced."""
        return 0.0 if self.feasible is None else max(0.0, self.feasible.least_w)

    @property
    def least_charge_w(self) -> float:
        """The least that it costs the budget."""
        return max(self.floor_w, self.charged_w)

    def at_most(self, power_w: float) -> float:
        """The largest power that it can hold and use, not above `power_w`; its floor if there is none."""
        if self.feasible is None:
            return 0.0
        wanted_w = power_w if self.most_useful_w is None else min(power_w, self.most_useful_w)
        found_w = self.feasible.at_most(wanted_w)
        return self.floor_w if found_w is None else max(self.floor_w, found_w)

    @property
    def feasible_top_w(self) -> float:
        """The most that it can hold, useful or not."""
        return 0.0 if self.feasible is None else self.feasible.most_w

    @property
    def top_w(self) -> float:
        """The most that it can hold and use."""
        return self.at_most(float("inf"))

    def above(self, power_w: float, top_w: float) -> float | None:
        """The next power that it can hold, up to its `top_w`: the same where any small rise is possible."""
        if self.feasible is None or power_w >= top_w - NOISE_W:
            return None
        for each in self.feasible.ranges:
            if each.high_w <= power_w:
                continue
            if power_w < each.low_w:
                return each.low_w if each.low_w <= top_w else None
            if not each.step_w:
                return power_w
            next_w = each.low_w + (round((power_w - each.low_w) / each.step_w) + 1) * each.step_w
            if next_w <= min(top_w, each.high_w) + NOISE_W:
                return next_w
        return None

    def at_least(self, power_w: float, top_w: float) -> float:
        """The least power that it can hold and that is not below `power_w`; its `top_w` if there is none."""
        below_w = self.at_most(power_w)
        if below_w >= power_w - NOISE_W:
            return below_w
        above_w = self.above(below_w, top_w)
        return top_w if above_w is None else above_w
