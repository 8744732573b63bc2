"""From budgets and the standing of the devices to the set-points that may be given now. Pure.

Reductions are always permitted. A rise may spend only power that nobody can still take: the budget less what
every device may hold for all we know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hems.control.allocation import Allocation, Share, Strategy, allocate
from hems.control.budget import Budget, Part
from hems.control.candidates import NOISE_W, Candidate
from hems.control.execution import LaneView, Obedience
from hems.devices import FeasiblePowers, PowerRange
from hems.limits.reason import Reason, watts

SMALLEST_RISE_W = 50.0
"""Smaller rises are not made, so that noise in the measurements does not become writes."""
_TRIFLE, _TRIFLE_W = 0.01, 25.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A device in one direction: how it stands, what it can be told (None: nothing), what it has use for.

    `nameplate_w`, `need`, `turn` and `promised_w`: what the strategy knows of it, as in `Candidate`.
    """

    view: LaneView
    feasible: FeasiblePowers | None
    demand_w: float | None = None
    nameplate_w: float = 1.0
    need: int = 0
    turn: int = 0
    promised_w: float = 0.0

    @property
    def name(self) -> str:
        """The device's name."""
        return self.view.name

    @property
    def shift_w(self) -> float:
        """So much more than told it comes to take. A step is not given up for a trifle."""
        excess_w = self.view.excess_w
        if excess_w == 0.0 or self.feasible is None or _is_free_from_zero(self.feasible):
            return excess_w
        return max(0.0, excess_w - max(_TRIFLE_W, _TRIFLE * (self.view.told_w or 0.0)))

    @property
    def takeable(self) -> FeasiblePowers | None:
        """What it comes to take when it is told what it can hold."""
        if self.feasible is None or self.shift_w == 0.0:
            return self.feasible
        return FeasiblePowers(tuple(_shifted(each, self.shift_w) for each in self.feasible.ranges))

    def taken_w(self, told_w: float) -> float:
        """What it comes to take when it is told that much."""
        return told_w + self.shift_w if told_w > 0.0 else told_w

    def told_w(self, taken_w: float) -> float:
        """What it is to be told so that it takes no more than that."""
        if self.feasible is None or self.shift_w == 0.0 or taken_w <= 0.0:
            return taken_w
        return max(0.0, self.feasible.at_most(taken_w - self.shift_w + NOISE_W) or 0.0)


def _is_free_from_zero(feasible: FeasiblePowers) -> bool:
    only = feasible.ranges[0]
    return len(feasible.ranges) == 1 and only.low_w <= 0.0 and only.step_w == 0.0


def _shifted(powers: PowerRange, shift_w: float) -> PowerRange:
    if powers.high_w <= 0.0:
        return powers
    low_w = powers.low_w + shift_w if powers.low_w > 0.0 else powers.low_w
    return PowerRange(low_w, powers.high_w + shift_w, powers.step_w)


@dataclass(frozen=True, slots=True)
class Told:
    """A set-point to give now (None: free), and why."""

    power_w: float | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Plan:
    """The division that is aimed at, and the set-points on the way to it by device name."""

    allocation: Allocation
    setpoints: Mapping[str, Told]


def plan(
    budgets: Sequence[Budget], standings: Sequence[Standing], strategy: Strategy = Strategy.PRIORITY
) -> Plan:
    """Divide the budgets between the devices, given in priority order, and say what each is told now."""
    allocation = allocate(budgets, [_candidate(s) for s in standings], strategy)
    spare = [_Spare(budget, standings) for budget in budgets]
    setpoints = {}
    for standing, share in zip(standings, allocation.shares, strict=True):
        told = _step(standing, share, [s for s in spare if s.part(standing).covers])
        if told is not None:
            setpoints[standing.name] = told
    return Plan(allocation, setpoints)


def _candidate(standing: Standing) -> Candidate:
    view = standing.view
    useful_w = [] if standing.demand_w is None else [standing.demand_w]
    if view.obedience is Obedience.UNREACHABLE:
        useful_w.append(view.charge_w)
    elif view.obedience is Obedience.DISOBEYING and view.told_w is not None:
        useful_w.append(standing.taken_w(view.told_w))
    return Candidate(
        standing.name,
        standing.takeable,
        view.reserved_w,
        min(useful_w, default=None),
        nameplate_w=standing.nameplate_w,
        need=standing.need,
        turn=standing.turn,
        promised_w=standing.promised_w,
    )


class _Spare:
    """The part of one budget that no device can still take."""

    def __init__(self, budget: Budget, standings: Sequence[Standing]) -> None:
        self._budget = budget
        self.left_w = budget.allowed_w - sum(self.part(s).counted_w(s.view.charge_w) for s in standings)

    def part(self, standing: Standing) -> Part:
        return self._budget.part(standing.name)

    def most_w(self, standing: Standing) -> float:
        """What it may hold at most beside all others."""
        part = self.part(standing)
        return part.most_w(part.counted_w(standing.view.charge_w) + max(0.0, self.left_w))

    def take(self, standing: Standing, power_w: float) -> None:
        """It is given that power."""
        charge_w = standing.view.charge_w
        self.left_w -= self.part(standing).more_w(charge_w, max(0.0, power_w - charge_w))


def _step(standing: Standing, share: Share, spare: Sequence[_Spare]) -> Told | None:
    view, takeable = standing.view, standing.takeable
    if takeable is None:
        return None
    if share.power_w is None:
        return _release(view, share)
    bounded = view.told and view.told_w is not None
    if not bounded or share.power_w <= standing.taken_w(_known(view.told_w)):
        return _told(standing, share.power_w, share.reason)
    return _rise(standing, takeable, share.power_w, share.reason, spare)


def _told(standing: Standing, taken_w: float, reason: Reason) -> Told:
    """The set-point with which it comes to take that much."""
    power_w = standing.told_w(taken_w)
    if power_w == taken_w:
        return Told(power_w, reason)
    text = f"{reason.text}; told {watts(power_w)}, because it takes {watts(standing.shift_w)} more than told"
    return Told(power_w, Reason(reason.code, text, {**reason.values, "excess_w": standing.shift_w}))


def _release(view: LaneView, share: Share) -> Told | None:
    if not view.told:
        return None
    if view.told_w is None or view.may_rise:
        return Told(None, share.reason)
    return Told(view.told_w, _rests(view))


def _rise(
    standing: Standing, takeable: FeasiblePowers, share_w: float, reason: Reason, spare: Sequence[_Spare]
) -> Told:
    view = standing.view
    told_w = _known(view.told_w)
    taken_w = standing.taken_w(told_w)
    if not view.may_rise:
        return Told(told_w, _rests(view))
    power_w = takeable.at_most(min(share_w, *(s.most_w(standing) for s in spare)))
    if power_w is None or power_w <= taken_w:
        return Told(told_w, _waits(taken_w, share_w))
    if power_w - _worth(taken_w, takeable) < SMALLEST_RISE_W:
        return Told(told_w, _too_small(taken_w, power_w))
    for each in spare:
        each.take(standing, power_w)
    return _told(standing, power_w, reason if power_w == share_w else _waits(power_w, share_w))


def _worth(taken_w: float, takeable: FeasiblePowers) -> float:
    """What the device makes of its set-point: less, once a higher voltage has made its currents cost more."""
    power_w = takeable.at_most(taken_w)
    return taken_w if power_w is None else power_w


def _known(power_w: float | None) -> float:
    if power_w is None:
        raise ValueError("a free device holds no set-point")
    return power_w


def _rests(view: LaneView) -> Reason:
    return Reason("rise_paused", f"rises later: {view.waits_for}", {"power_w": view.told_w})


def _too_small(told_w: float, power_w: float) -> Reason:
    text = f"stays at {watts(told_w)}: {watts(power_w - told_w)} more are not worth a change"
    return Reason("rise_too_small", text, {"power_w": told_w, "possible_w": power_w})


def _waits(power_w: float, share_w: float) -> Reason:
    text = f"{watts(power_w)} on its way to {watts(share_w)}: others have not given up their power yet"
    return Reason("rise_waits_for_release", text, {"power_w": power_w, "share_w": share_w})
