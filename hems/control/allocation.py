"""Divides a budget between devices. Pure: the same input gives the same set-points, each with its reason.

A strategy orders the devices in tiers and says what is levelled within a tier. Tiers are served one after the
other, each leaving the later ones their floor; within a tier the smallest share is made as large as possible,
then the second smallest, and so on (leximin). Everything is rounded down to what a device can do, and what
one cannot use goes on to the others.

* *priority*: every device is a tier of its own, in priority order: the lexicographically largest division.
* *equal*: one tier, levelled in watts.
* *proportional*: one tier, levelled in parts of the type plate.
* *need*: a tier for each class of need, levelled in parts of the type plate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, combinations, islice

from hems.control.budget import Budget
from hems.devices import FeasiblePowers
from hems.limits.reason import Reason, ReasonValue, watts

_NOISE_W = 1e-6
_LIKE = 0.05
"""Divisions that differ by less are alike when it comes to whom to pause, so that turns can be taken."""
_HALVINGS = 14
_HIGHEST_W = 100_000.0
_SMALL_TIER = 6
_TRIALS_SMALL, _TRIALS_LARGE = 15, 2
"""Divisions tried to find whom to pause best: in a small tier all there are for up to four such devices."""


class Strategy(StrEnum):
    """How scarce power is divided."""

    PRIORITY = "priority"
    EQUAL = "equal"
    PROPORTIONAL = "proportional"
    NEED = "need"


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A device that takes part, in one direction; powers are magnitudes in watts.

    `feasible`: what it can be told; None for a device that counts but cannot be told anything.
    `charged_w`: what it takes whatever it is told (unreachable, disobeying, not steerable); 0 for the others.
    `most_useful_w`: no more than this is of use to it, or allowed to it; None when unknown.
    `nameplate_w`: its size, for shares in proportion. `need`: its class, 0 is served first. `turn`: who comes
    first where devices are alike, lower first. `promised_w`: served before any strategy, where it fits.
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
        if self.feasible is None or power_w >= top_w:
            return None
        for each in self.feasible.ranges:
            if each.high_w <= power_w:
                continue
            if power_w < each.low_w:
                return each.low_w if each.low_w <= top_w else None
            if not each.step_w:
                return power_w
            next_w = each.low_w + (round((power_w - each.low_w) / each.step_w) + 1) * each.step_w
            if next_w <= min(top_w, each.high_w) + _NOISE_W:
                return next_w
        return None


@dataclass(frozen=True, slots=True)
class Share:
    """A device's set-point: None when it is free. `charge_w`: what it costs the budget."""

    name: str
    power_w: float | None
    charge_w: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Allocation:
    """All shares in priority order. `overshoot_w`: how far even the least possible exceeds a budget."""

    shares: tuple[Share, ...]
    overshoot_w: float = 0.0

    def of(self, name: str) -> Share:
        """The share of one device. Raises KeyError for an unknown one."""
        for share in self.shares:
            if share.name == name:
                return share
        raise KeyError(name)


def allocate(
    budgets: Sequence[Budget], candidates: Sequence[Candidate], strategy: Strategy = Strategy.PRIORITY
) -> Allocation:
    """Divide the budgets between the candidates, which come in priority order.

    Set-points never exceed a budget unless the floors and charges alone do; then everybody is at the floor
    and `overshoot_w` says by how much.
    """
    table = _Table(budgets, candidates)
    limited = [candidate for candidate in candidates if table.is_limited(candidate)]
    for candidate in limited:
        _keep_promise(table, candidate)
    for tier, scale in _tiers(strategy, limited):
        _serve(table, tier, scale)
    shares = tuple(_share(table, candidate, strategy) for candidate in candidates)
    return Allocation(shares, max(0.0, max((-left_w for left_w in table.left_w), default=0.0)))


_Scale = Callable[[Candidate], float]
_Tier = tuple[Sequence[Candidate], _Scale]


def _tiers(strategy: Strategy, candidates: Sequence[Candidate]) -> list[_Tier]:
    match strategy:
        case Strategy.PRIORITY:
            return [([candidate], _in_watts) for candidate in candidates]
        case Strategy.EQUAL:
            return [(candidates, _in_watts)]
        case Strategy.PROPORTIONAL:
            return [(candidates, _in_parts)]
        case Strategy.NEED:
            classes = sorted({candidate.need for candidate in candidates})
            return [([c for c in candidates if c.need == need], _in_parts) for need in classes]


def _in_watts(_candidate: Candidate) -> float:
    return 1.0


def _in_parts(candidate: Candidate) -> float:
    return max(candidate.nameplate_w, 1.0)


class _Table:
    """Who has how much so far, and what is left of each budget once all others have their floors."""

    def __init__(self, budgets: Sequence[Budget], candidates: Sequence[Candidate]) -> None:
        self.budgets = budgets
        self.floor_w = {candidate.name: candidate.floor_w for candidate in candidates}
        self.top_w = {candidate.name: candidate.top_w for candidate in candidates}
        self.power_w = dict(self.floor_w)
        self._pots = {
            candidate.name: [
                (index, weight)
                for index, budget in enumerate(budgets)
                if (weight := budget.weight(candidate.name)) > 0.0
            ]
            for candidate in candidates
        }
        self.left_w = [
            budget.allowed_w - sum(c.least_charge_w * budget.weight(c.name) for c in candidates)
            for budget in budgets
        ]

    def is_limited(self, candidate: Candidate) -> bool:
        return bool(self._pots[candidate.name])

    def tightest(self, candidate: Candidate) -> tuple[Budget, float]:
        """The budget that leaves this device least, and how much more it could still take."""
        index, weight = min(self._pots[candidate.name], key=lambda pot: self.left_w[pot[0]] / pot[1])
        return self.budgets[index], self.left_w[index] / weight

    def most_w(self, candidate: Candidate) -> float:
        """The most it could be given now."""
        charge_w = max(self.power_w[candidate.name], candidate.charged_w)
        return charge_w + self.tightest(candidate)[1]

    def next_w(self, candidate: Candidate) -> float | None:
        """The next power above what it has; the same where any small rise is possible, None at its top."""
        return candidate.above(self.power_w[candidate.name], self.top_w[candidate.name])

    def fits(self, candidate: Candidate, power_w: float) -> bool:
        more_w = self._cost(candidate, power_w)
        return all(more_w * weight <= self.left_w[i] + _NOISE_W for i, weight in self._pots[candidate.name])

    def all_fit(self, candidates: Sequence[Candidate], powers_w: Mapping[str, float]) -> bool:
        more_w = [0.0] * len(self.left_w)
        for candidate in candidates:
            cost_w = self._cost(candidate, powers_w[candidate.name])
            for index, weight in self._pots[candidate.name]:
                more_w[index] += cost_w * weight
        return all(more <= left for more, left in zip(more_w, self.left_w, strict=True))

    def give(self, candidate: Candidate, power_w: float) -> None:
        more_w = self._cost(candidate, power_w)
        for index, weight in self._pots[candidate.name]:
            self.left_w[index] -= more_w * weight
        self.power_w[candidate.name] = power_w

    def _cost(self, candidate: Candidate, power_w: float) -> float:
        charged_w = candidate.charged_w
        return max(power_w, charged_w) - max(self.power_w[candidate.name], charged_w)

    def saved(self) -> tuple[dict[str, float], list[float]]:
        return dict(self.power_w), list(self.left_w)

    def restore(self, saved: tuple[dict[str, float], list[float]]) -> None:
        self.power_w, self.left_w = dict(saved[0]), list(saved[1])

    def common_rise(self, risers: Sequence[Candidate], scale: _Scale, most: float) -> float:
        """By how much all of them can rise together, in units of their scale, at most `most`."""
        rise = most
        paying = [c for c in risers if self.power_w[c.name] >= c.charged_w - _NOISE_W]
        for index, left_w in enumerate(self.left_w):
            cost = sum(scale(c) * self.budgets[index].weight(c.name) for c in paying)
            if cost > 0.0:
                rise = min(rise, max(0.0, left_w) / cost)
        return rise


def _keep_promise(table: _Table, candidate: Candidate) -> None:
    """At least what was promised, by the next power above it where that fits, else what fits below."""
    if candidate.promised_w <= 0.0 or candidate.feasible is None:
        return
    power_w = candidate.at_most(candidate.promised_w)
    if power_w < candidate.promised_w:
        above_w = candidate.above(power_w, candidate.top_w)
        if above_w is not None and above_w > power_w and table.fits(candidate, above_w):
            power_w = above_w
    power_w = min(power_w, candidate.at_most(table.most_w(candidate)))
    if power_w > table.power_w[candidate.name]:
        table.give(candidate, power_w)


def _serve(table: _Table, tier: Sequence[Candidate], scale: _Scale) -> None:
    steerable = [candidate for candidate in tier if candidate.feasible is not None]
    if len(steerable) == 1:
        (only,) = steerable
        power_w = only.at_most(table.most_w(only))
        if power_w > table.power_w[only.name]:
            table.give(only, power_w)
        return
    _serve_together(table, steerable, scale)


def _serve_together(table: _Table, tier: Sequence[Candidate], scale: _Scale) -> None:
    """Level the tier; where a gap or a step kept somebody down, try other divisions and keep the best."""
    before = table.saved()
    contested, short = _level(table, tier, scale, {})
    if not short:
        return
    best, best_levels = table.saved(), _levels(table, tier, scale)
    for caps in _trials(table, tier, contested):
        table.restore(before)
        _level(table, tier, scale, caps)
        levels = _levels(table, tier, scale)
        if _clearly_better(levels, best_levels):
            best, best_levels = table.saved(), levels
    table.restore(best)


_Caps = Mapping[str, float]
"""The most that some devices are given on trial, by name."""


def _trials(table: _Table, tier: Sequence[Candidate], contested: Sequence[Candidate]) -> list[_Caps]:
    """Other divisions worth a try: some of those who contest pause, or one device stays a step lower."""
    counts = range(1, len(contested) + 1)
    pausing = chain.from_iterable(combinations(contested, count) for count in counts)
    small = len(tier) <= _SMALL_TIER
    found: list[_Caps] = [
        {candidate.name: candidate.floor_w for candidate in some}
        for some in islice(pausing, _TRIALS_SMALL if small else _TRIALS_LARGE)
    ]
    if small:
        found += [{c.name: table.power_w[c.name] - _NOISE_W} for c in tier if _is_stepped(c)]
    return found


def _is_stepped(candidate: Candidate) -> bool:
    return candidate.feasible is not None and (
        len(candidate.feasible.ranges) > 1 or candidate.feasible.ranges[0].step_w > 0.0
    )


def _levels(table: _Table, tier: Sequence[Candidate], scale: _Scale) -> list[float]:
    return sorted(table.power_w[candidate.name] / scale(candidate) for candidate in tier)


def _clearly_better(levels: Sequence[float], than: Sequence[float]) -> bool:
    for level, other in zip(levels, than, strict=True):
        if abs(level - other) > _LIKE * max(level, other):
            return level > other
    return False


def _level(
    table: _Table, tier: Sequence[Candidate], scale: _Scale, caps: _Caps
) -> tuple[list[Candidate], bool]:
    """Raise the lowest again and again. Returns who contested: was raised over its first gap, or wanted to
    be and found too little left (nobody, when there was enough for all gaps); and whether any step did not
    fit.
    """
    rising = list(tier)
    jumped: list[Candidate] = []
    kept_down: list[Candidate] = []
    short, leapt = False, False
    while rising:
        level = min(table.power_w[c.name] / scale(c) for c in rising)
        lowest = [c for c in rising if table.power_w[c.name] / scale(c) <= level + _NOISE_W]
        smooth, steps = [], []
        for candidate in lowest:
            next_w = table.next_w(candidate)
            if next_w is None or next_w > caps.get(candidate.name, next_w):
                rising.remove(candidate)
            elif next_w > table.power_w[candidate.name]:
                steps.append((next_w, candidate))
            else:
                smooth.append(candidate)
        for next_w, candidate in sorted(steps, key=lambda step: _jump(table, *step)):
            first = table.power_w[candidate.name] == table.floor_w[candidate.name]
            if table.fits(candidate, next_w):
                table.give(candidate, next_w)
                jumped += [candidate] if first else []
            else:
                rising.remove(candidate)
                kept_down += [candidate] if first else []
                short = True
        if smooth and not steps:
            _rise_together(table, rising, smooth, level, scale)
        if not leapt:
            leapt = True
            _leap(table, rising, scale, caps)
    return (jumped + kept_down if kept_down else []), short


def _jump(table: _Table, next_w: float, candidate: Candidate) -> tuple[int, int]:
    """Small jumps first, then by turn; jumps that differ little are alike."""
    return round((next_w - table.power_w[candidate.name]) / 500.0), candidate.turn


def _leap(table: _Table, rising: Sequence[Candidate], scale: _Scale, caps: _Caps) -> None:
    """Bring all to the highest level that fits, as far as nobody meets a gap: many small steps at once."""
    if len(rising) < 2:
        return
    low = min(table.power_w[c.name] / scale(c) for c in rising)
    high = min(_end_of_range(table, c, caps) / scale(c) for c in rising)
    levels = {c.name: table.power_w[c.name] for c in rising}
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        reached = {c.name: max(table.power_w[c.name], c.at_most(middle * scale(c))) for c in rising}
        if middle > low and table.all_fit(rising, reached):
            low, levels = middle, reached
        else:
            high = middle
    for candidate in rising:
        table.give(candidate, levels[candidate.name])


def _end_of_range(table: _Table, candidate: Candidate, caps: _Caps) -> float:
    """Up to where it can rise without meeting a gap; no end at its top."""
    power_w = table.power_w[candidate.name]
    if candidate.name in caps or candidate.feasible is None:
        return power_w
    ends_w = [each.high_w for each in candidate.feasible.ranges if each.high_w > power_w]
    return ends_w[0] if len(ends_w) > 1 else max(power_w, table.top_w[candidate.name], _HIGHEST_W)


def _rise_together(
    table: _Table, rising: list[Candidate], smooth: Sequence[Candidate], level: float, scale: _Scale
) -> None:
    """Raise those that take any power, up to where one of them or another device stops them."""
    tops_w = {c.name: _smooth_top(table, c) for c in smooth}
    stops = [tops_w[c.name] / scale(c) for c in smooth]
    stops += [table.power_w[c.name] / scale(c) for c in rising if c not in smooth]
    above = min((stop for stop in stops if stop > level + _NOISE_W), default=level)
    rise = table.common_rise(smooth, scale, above - level)
    for candidate in smooth:
        target_w = table.power_w[candidate.name] + rise * scale(candidate)
        if above - level - rise <= _NOISE_W:
            target_w = above * scale(candidate)
        table.give(candidate, min(tops_w[candidate.name], target_w))
    for candidate in smooth:
        if above == level or table.tightest(candidate)[1] <= _NOISE_W:
            rising.remove(candidate)


def _smooth_top(table: _Table, candidate: Candidate) -> float:
    """The end of the range in which it can take any power at the same cost."""
    power_w, top_w = table.power_w[candidate.name], table.top_w[candidate.name]
    if candidate.feasible is None:
        return power_w
    if power_w < candidate.charged_w - _NOISE_W:
        top_w = min(top_w, candidate.charged_w)
    return min(top_w, next(r.high_w for r in candidate.feasible.ranges if r.high_w > power_w))


def _share(table: _Table, candidate: Candidate, strategy: Strategy) -> Share:
    if not table.is_limited(candidate):
        return Share(candidate.name, None, candidate.charged_w, _FREE)
    if candidate.feasible is None:
        return Share(candidate.name, None, candidate.charged_w, _not_steerable(candidate))
    power_w = table.power_w[candidate.name]
    budget, left_w = table.tightest(candidate)
    charge_w = max(power_w, candidate.charged_w)
    reason = _explain(candidate, budget, left_w, power_w, strategy)
    return Share(candidate.name, power_w, charge_w, reason)


def _explain(
    candidate: Candidate, budget: Budget, left_w: float, power_w: float, strategy: Strategy
) -> Reason:
    values: dict[str, ReasonValue] = {
        "left_w": left_w,
        "power_w": power_w,
        "source": budget.source,
        "strategy": strategy.value,
    }
    if left_w < -_NOISE_W:
        text = f"at its floor of {watts(power_w)}: the budget of {watts(budget.allowed_w)} is used up"
        return Reason("at_floor", text, values)
    useful_w = candidate.most_useful_w
    next_w = candidate.above(power_w, candidate.top_w)
    if useful_w is not None and next_w is None and useful_w < candidate.feasible_top_w:
        text = f"{watts(power_w)}: more than {watts(useful_w)} is of no use to it now"
        return Reason("no_use_for_more", text, values)
    if next_w is None:
        return Reason("all_it_can_take", f"{watts(power_w)}: all that it can take", values)
    if next_w <= power_w:
        return Reason("gets_the_rest", f"{watts(power_w)}: {_WHOLE[strategy]}", values)
    if power_w <= candidate.floor_w:
        text = f"{watts(power_w)}: too little is left for its next value, {watts(next_w)}"
        return Reason("pauses", text, values)
    return Reason("rounded_down", f"{watts(power_w)}: the next lower value it can hold", values)


_WHOLE = {
    Strategy.PRIORITY: "all that is left of the budget",
    Strategy.EQUAL: "its equal share of the budget",
    Strategy.PROPORTIONAL: "its share of the budget by size",
    Strategy.NEED: "its share of the budget by need",
}


def _not_steerable(candidate: Candidate) -> Reason:
    text = f"cannot be told anything; {watts(candidate.charged_w)} are set aside for it"
    return Reason("not_steerable", text, {"charged_w": candidate.charged_w})


_FREE = Reason("free", "free: no limit covers it")
