"""Divides a budget between devices. Pure: the same input gives the same set-points, each with its reason.

Strategy *priority*: among all divisions that the devices can hold and that stay within every budget, the one
that is lexicographically largest in priority order. Each device takes as much as leaves the later ones their
floor, rounded down to what it can do; what it cannot use goes on to the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hems.control.budget import Budget
from hems.devices import FeasiblePowers
from hems.limits.reason import Reason, ReasonValue, watts


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that takes part, in one direction; powers are magnitudes in watts.

    `feasible`: what it can be told; None for a device that counts but cannot be told anything.
    `charged_w`: what it takes whatever it is told (unreachable, disobeying, not steerable); 0 for the others.
    `most_useful_w`: no more than this is of use to it, or allowed to it; None when unknown.
    """

    name: str
    feasible: FeasiblePowers | None
    charged_w: float = 0.0
    most_useful_w: float | None = None

    @property
    def floor_w(self) -> float:
        """The least it can be brought down to. Batteries go to zero: discharge stays free, never forced."""
        return 0.0 if self.feasible is None else max(0.0, self.feasible.least_w)

    @property
    def least_charge_w(self) -> float:
        """The least that it costs the budget."""
        return max(self.floor_w, self.charged_w)


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


def allocate(budgets: Sequence[Budget], candidates: Sequence[Candidate]) -> Allocation:
    """Divide the budgets between the candidates, which come in priority order, the first being served first.

    Set-points never exceed a budget unless the floors and charges alone do; then everybody is at the floor
    and `overshoot_w` says by how much.
    """
    pots = [_Pot(budget, candidates) for budget in budgets]
    shares = tuple(_serve(candidate, [p for p in pots if p.covers(candidate)]) for candidate in candidates)
    overshoot_w = max((-p.left_w for p in pots), default=0.0)
    return Allocation(shares, max(0.0, overshoot_w))


class _Pot:
    """What is left of one budget after the floors of all its devices have been set aside."""

    def __init__(self, budget: Budget, candidates: Sequence[Candidate]) -> None:
        self.budget = budget
        self.left_w = budget.allowed_w - sum(c.least_charge_w for c in candidates if self.covers(c))

    def covers(self, candidate: Candidate) -> bool:
        return self.budget.devices is None or candidate.name in self.budget.devices


def _serve(candidate: Candidate, pots: Sequence[_Pot]) -> Share:
    if not pots:
        return Share(candidate.name, None, candidate.charged_w, _FREE)
    tightest = min(pots, key=lambda pot: pot.left_w)
    offered_w = candidate.least_charge_w + tightest.left_w
    if candidate.feasible is None:
        return Share(candidate.name, None, candidate.charged_w, _not_steerable(candidate))
    power_w = _take(candidate, candidate.feasible, offered_w)
    charge_w = max(power_w, candidate.charged_w)
    for pot in pots:
        pot.left_w -= charge_w - candidate.least_charge_w
    return Share(candidate.name, power_w, charge_w, _explain(candidate, tightest, offered_w, power_w))


def _take(candidate: Candidate, feasible: FeasiblePowers, offered_w: float) -> float:
    wanted_w = offered_w
    if candidate.most_useful_w is not None:
        wanted_w = min(wanted_w, candidate.most_useful_w)
    power_w = feasible.at_most(wanted_w)
    return candidate.floor_w if power_w is None else max(candidate.floor_w, power_w)


def _explain(candidate: Candidate, pot: _Pot, offered_w: float, power_w: float) -> Reason:
    values: dict[str, ReasonValue] = {"offered_w": offered_w, "power_w": power_w, "source": pot.budget.source}
    if pot.left_w < 0.0:
        text = f"at its floor of {watts(power_w)}: the budget of {watts(pot.budget.allowed_w)} is used up"
        return Reason("at_floor", text, values)
    useful_w = candidate.most_useful_w
    if useful_w is not None and useful_w < offered_w:
        text = f"{watts(power_w)}: more than {watts(useful_w)} is of no use to it now"
        return Reason("no_use_for_more", text, values)
    if power_w >= offered_w:
        return Reason("gets_the_rest", f"{watts(power_w)}: all that is left of the budget", values)
    if candidate.feasible is not None and power_w >= candidate.feasible.most_w:
        return Reason("all_it_can_take", f"{watts(power_w)}: all that it can take", values)
    text = f"{watts(power_w)}: the next lower value it can hold below the {watts(offered_w)} that are left"
    return Reason("rounded_down", text, values)


def _not_steerable(candidate: Candidate) -> Reason:
    text = f"cannot be told anything; {watts(candidate.charged_w)} are set aside for it"
    return Reason("not_steerable", text, {"charged_w": candidate.charged_w})


_FREE = Reason("free", "free: no limit covers it")
