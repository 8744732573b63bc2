"""As many as fit: which of several wishes can be granted together, where not all can. Pure.

With one budget the cheapest wishes make the most; with several (the sum, each phase, the unbalance) that is a
knapsack with as many sides, so it is searched. What keeps the search short is a bound for each budget and one
for all of them (a wish costs what it takes in parts of each), and the exchange of a wish for a cheaper one.
"""

from collections.abc import Sequence

from hems.control.candidates import NOISE_W

Costs = Sequence[float]
"""What a wish takes from each budget."""

MOST_TRIALS = 500
"""The search ends here, for a bounded time; `Choice.exact` tells. Twenty devices never needed as many."""


class Choice:
    """Chooses among wishes, given in the order of who comes first."""

    def __init__(self, costs: Sequence[Costs], left: Costs) -> None:
        contested = [
            i for i, each in enumerate(left) if sum(cost[i] for cost in costs) > _at_least_none(each)
        ]
        lefts = [_at_least_none(left[i]) for i in contested]
        together = [sum(cost[i] / each for i, each in zip(contested, lefts, strict=True)) for cost in costs]
        self._costs = [
            (*(cost[i] for i in contested), parts) for cost, parts in zip(costs, together, strict=True)
        ]
        self._left = (*lefts, len(contested) + NOISE_W)
        self._cheapest_first = [
            sorted((cost[i], wish) for wish, cost in enumerate(self._costs)) for i in range(len(self._left))
        ]
        self._dearer: dict[int, frozenset[int]] = {}
        self._trials = 0

    @property
    def exact(self) -> bool:
        """Whether the search came to its end."""
        return self._trials <= MOST_TRIALS

    def most(self) -> tuple[int, ...]:
        """As many wishes as fit; of equally many, the first wish that differs is granted."""
        wishes = tuple(range(len(self._costs)))
        for count in range(self._bound(wishes, self._left, len(wishes)), 0, -1):
            found = self._first(wishes, self._left, count)
            if found is not None:
                return found
        return () if self.exact else self._first_that_fit(wishes)

    def _first(self, wishes: tuple[int, ...], left: Costs, count: int) -> tuple[int, ...] | None:
        if count == 0:
            return ()
        self._trials += 1
        if not self.exact or self._bound(wishes, left, count) < count:
            return None
        first, others = wishes[0], wishes[1:]
        own = self._costs[first]
        if _fits(own, left):
            granted = self._first(others, _less(left, own), count - 1)
            if granted is not None:
                return (first, *granted)
        dearer = self._no_cheaper_than(first)
        return self._first(tuple(each for each in others if each not in dearer), left, count)

    def _no_cheaper_than(self, wish: int) -> frozenset[int]:
        """Those that cost at least as much in every budget: each could be exchanged for this one."""
        if wish not in self._dearer:
            own = self._costs[wish]
            self._dearer[wish] = frozenset(
                each for each, costs in enumerate(self._costs) if _fits(own, costs)
            )
        return self._dearer[wish]

    def _bound(self, wishes: tuple[int, ...], left: Costs, most: int) -> int:
        """No more than so many fit, looking at each budget alone; higher ones than `most` do not matter."""
        bound, among = min(most, len(wishes)), frozenset(wishes)
        for each_left, cheapest_first in zip(left, self._cheapest_first, strict=True):
            count, spent = 0, 0.0
            for cost, wish in cheapest_first:
                if count == bound:
                    break
                if wish in among:
                    spent += cost
                    if spent > each_left:
                        break
                    count += 1
            bound = count
        return bound

    def _first_that_fit(self, wishes: Sequence[int]) -> tuple[int, ...]:
        left, granted = self._left, []
        for wish in wishes:
            if _fits(self._costs[wish], left):
                left = _less(left, self._costs[wish])
                granted.append(wish)
        return tuple(granted)


def _at_least_none(left: float) -> float:
    """An overdrawn budget is none of the business of those that it does not cover."""
    return max(0.0, left) + NOISE_W


def _fits(costs: Costs, left: Costs) -> bool:
    return all(cost <= each for cost, each in zip(costs, left, strict=True))


def _less(left: Costs, costs: Costs) -> tuple[float, ...]:
    return tuple(each - cost for each, cost in zip(left, costs, strict=True))
