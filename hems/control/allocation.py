"""Divides a budget between devices. Pure: the same input gives the same set-points, each with its reason.

A strategy orders the devices in tiers and says what is levelled within a tier. Tiers are served one after the
other, each leaving the later ones their floor; what is best within a tier says `levelling`. Everything is
rounded down to what a device can do, and what one cannot use goes on to the others.

* *priority*: every device is a tier of its own, in priority order: the lexicographically largest division.
* *equal*: one tier, levelled in watts.
* *proportional*: one tier, levelled in parts of the type plate.
* *need*: a tier for each class of need, levelled in parts of the type plate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hems.control.budget import Budget
from hems.control.candidates import NOISE_W, Candidate
from hems.control.levelling import Scale, level
from hems.control.pots import Pots
from hems.limits.reason import Reason, ReasonValue, watts


class Strategy(StrEnum):
    """How scarce power is divided."""

    PRIORITY = "priority"
    EQUAL = "equal"
    PROPORTIONAL = "proportional"
    NEED = "need"


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
    pots = Pots(budgets, candidates)
    limited = [candidate for candidate in candidates if pots.is_limited(candidate)]
    for candidate in limited:
        _keep_promise(pots, candidate)
    for tier, scale in _tiers(strategy, limited):
        _serve(pots, tier, scale)
    shares = tuple(_share(pots, candidate, strategy) for candidate in candidates)
    return Allocation(shares, max(0.0, max((-left_w for left_w in pots.left_w), default=0.0)))


_Tier = tuple[Sequence[Candidate], Scale]


def _tiers(strategy: Strategy, candidates: Sequence[Candidate]) -> list[_Tier]:
    in_watts = {candidate.name: 1.0 for candidate in candidates}
    in_parts = {candidate.name: max(candidate.nameplate_w, 1.0) for candidate in candidates}
    match strategy:
        case Strategy.PRIORITY:
            return [([candidate], in_watts) for candidate in candidates]
        case Strategy.EQUAL:
            return [(candidates, in_watts)]
        case Strategy.PROPORTIONAL:
            return [(candidates, in_parts)]
        case Strategy.NEED:
            classes = sorted({candidate.need for candidate in candidates})
            return [([c for c in candidates if c.need == need], in_parts) for need in classes]


def _keep_promise(pots: Pots, candidate: Candidate) -> None:
    """At least what was promised, by the next power above it where that fits, else what fits below."""
    if candidate.promised_w <= 0.0 or candidate.feasible is None:
        return
    power_w = candidate.at_most(candidate.promised_w)
    if power_w < candidate.promised_w:
        above_w = candidate.above(power_w, candidate.top_w)
        if above_w is not None and above_w > power_w and pots.fits(candidate, above_w):
            power_w = above_w
    power_w = min(power_w, candidate.at_most(pots.most_w(candidate)))
    if power_w > pots.power_w[candidate.name]:
        pots.give(candidate, power_w)


def _serve(pots: Pots, tier: Sequence[Candidate], scale: Scale) -> None:
    steerable = [candidate for candidate in tier if candidate.feasible is not None]
    if len(steerable) > 1:
        level(pots, steerable, scale)
        return
    for only in steerable:
        power_w = only.at_most(pots.most_w(only))
        if power_w > pots.power_w[only.name]:
            pots.give(only, power_w)


def _share(pots: Pots, candidate: Candidate, strategy: Strategy) -> Share:
    if not pots.is_limited(candidate):
        return Share(candidate.name, None, candidate.charged_w, _FREE)
    if candidate.feasible is None:
        return Share(candidate.name, None, candidate.charged_w, _not_steerable(candidate))
    power_w = pots.power_w[candidate.name]
    budget, left_w = pots.tightest(candidate)
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
    if left_w < -NOISE_W:
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
