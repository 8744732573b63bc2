"""Who has how much so far while a budget is divided, and what is left of each."""

from collections.abc import Mapping, Sequence

from hems.control.budget import Budget
from hems.control.candidates import NOISE_W, Candidate


class Pots:
    """Every device starts at its floor; `left_w` is what each budget has beyond all floors and charges."""

    def __init__(self, budgets: Sequence[Budget], candidates: Sequence[Candidate]) -> None:
        self.budgets = budgets
        self.top_w = {candidate.name: candidate.top_w for candidate in candidates}
        self.power_w = {candidate.name: candidate.floor_w for candidate in candidates}
        self._parts = {
            candidate.name: [
                (index, part)
                for index, budget in enumerate(budgets)
                if (part := budget.part(candidate.name)).covers
            ]
            for candidate in candidates
        }
        spent_w = [0.0] * len(budgets)
        for candidate in candidates:
            for index, part in self._parts[candidate.name]:
                spent_w[index] += part.counted_w(candidate.least_charge_w)
        self.left_w = [budget.allowed_w - each for budget, each in zip(budgets, spent_w, strict=True)]

    def is_limited(self, candidate: Candidate) -> bool:
        """Whether any budget covers it."""
        return bool(self._parts[candidate.name])

    def tightest(self, candidate: Candidate) -> tuple[Budget, float]:
        """The budget that leaves this device least, and how much more it could still take."""
        charge_w = self._charge_w(candidate)
        tops_w = [
            (part.most_w(part.counted_w(charge_w) + self.left_w[index]), index)
            for index, part in self._parts[candidate.name]
        ]
        top_w, index = min(tops_w)
        return self.budgets[index], top_w - charge_w

    def most_w(self, candidate: Candidate) -> float:
        """The most it could be given now."""
        return self._charge_w(candidate) + self.tightest(candidate)[1]

    def _charge_w(self, candidate: Candidate) -> float:
        return max(self.power_w[candidate.name], candidate.charged_w)

    def next_w(self, candidate: Candidate) -> float | None:
        """The next power above what it has; the same where any small rise is possible, None at its top."""
        return candidate.above(self.power_w[candidate.name], self.top_w[candidate.name])

    def costs_w(self, candidate: Candidate, power_w: float) -> list[float]:
        """What giving it that power takes from each budget."""
        costs_w = [0.0] * len(self.left_w)
        for index, cost_w in self._costs(candidate, power_w):
            costs_w[index] = cost_w
        return costs_w

    def fits(self, candidate: Candidate, power_w: float) -> bool:
        """Whether it can be given that power; never when a budget that covers it is overdrawn."""
        return all(cost_w <= self.left_w[i] + NOISE_W for i, cost_w in self._costs(candidate, power_w))

    def all_fit(self, candidates: Sequence[Candidate], powers_w: Mapping[str, float]) -> bool:
        """Whether all of them, none under an overdrawn budget, can be given their powers together."""
        more_w = [0.0] * len(self.left_w)
        for candidate in candidates:
            for index, cost_w in self._costs(candidate, powers_w[candidate.name]):
                more_w[index] += cost_w
        return all(more <= max(0.0, left) + NOISE_W for more, left in zip(more_w, self.left_w, strict=True))

    def give(self, candidate: Candidate, power_w: float) -> None:
        """Give it that power."""
        for index, cost_w in self._costs(candidate, power_w):
            self.left_w[index] -= cost_w
        self.power_w[candidate.name] = power_w

    def _costs(self, candidate: Candidate, power_w: float) -> list[tuple[int, float]]:
        charge_w = self._charge_w(candidate)
        more_w = max(power_w, candidate.charged_w) - charge_w
        return [(index, part.more_w(charge_w, more_w)) for index, part in self._parts[candidate.name]]

    def common_rise(self, risers: Sequence[Candidate], scale: Mapping[str, float], most: float) -> float:
        """By how much all of them can rise together, in units of their scale, at most `most`."""
        costs = [0.0] * len(self.left_w)
        for candidate in risers:
            if self.power_w[candidate.name] >= candidate.charged_w - NOISE_W:
                for index, part in self._parts[candidate.name]:
                    costs[index] += scale[candidate.name] * part.steepest
        rises = [
            max(0.0, left_w) / cost for left_w, cost in zip(self.left_w, costs, strict=True) if cost > 0.0
        ]
        return min([most, *rises])
