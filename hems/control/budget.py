"""From ceilings to the power that devices may take or produce together: allowed = limit + credit.

How import is split between controllable devices and the rest of the house while own generation covers part
of it is left open by BNetzA. By default the house comes first, which never allows more than the other
conventions: the credit is what generation covers beyond the rest of the house, `max(0, measured draw of the
controllable devices - signed grid power)`. For production it is what the house certainly takes: `measured
production + signed grid power`, below zero where generation that nobody can tell anything feeds in. All are
loops through the grid meter: how much of the credit may be used says `credit`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hems.devices import Direction
from hems.limits.arbiter import Allowance, strictest
from hems.limits.ceilings import Basis, Ceiling
from hems.limits.reason import Reason, watts


class Convention(StrEnum):
    """Whose import is it? `H` rest of the house, `D` controllable devices, `G` generation, `L` limit."""

    HOUSE_FIRST = "house_first"
    """Generation serves the house first: D at most L + max(0, G - H)."""
    PRO_RATA = "pro_rata"
    """Generation serves both by their draw: D at most half of (L+G-H) + sqrt((L+G-H)² + 4·L·H)."""
    CONTROLLABLE_FIRST = "controllable_first"
    """Generation serves controllable devices first: D at most L + G."""


_JUST_BELOW_W = 1e-3
"""More than what counts as the same power when steps are rounded."""


@dataclass(frozen=True, slots=True)
class Part:
    """How much of a device's power a budget counts.

    `weight`: the part that counts. A device that switches its phases runs on one of them below `from_w`,
    where `on_one` counts instead; from there on it may run on one or on all, and the worse of both counts.
    """

    weight: float
    from_w: float = 0.0
    on_one: float = 0.0

    @property
    def covers(self) -> bool:
        """Whether the budget has to do with the device at all."""
        return self.steepest > 0.0

    @property
    def steepest(self) -> float:
        """The most that a watt may count."""
        return max(self.weight, self.on_one)

    def counted_w(self, power_w: float) -> float:
        """What a power counts."""
        if power_w < self.from_w:
            return self.on_one * power_w
        return max(self.on_one * self.from_w, self.weight * power_w)

    def more_w(self, power_w: float, more_w: float) -> float:
        """What so much more than a power counts more."""
        if not self.from_w:
            return self.weight * more_w
        return self.counted_w(power_w + more_w) - self.counted_w(power_w)

    def most_w(self, counted_w: float) -> float:
        """The highest power that counts no more than that."""
        if self.on_one and counted_w < self.on_one * self.from_w:
            return counted_w / self.on_one
        if not self.weight:
            return math.inf
        on_all_w = counted_w / self.weight
        return on_all_w if on_all_w >= self.from_w else self.from_w - _JUST_BELOW_W


@dataclass(frozen=True, slots=True)
class Budget:
    """What a set of devices may take or produce together, and by which ceiling.

    `devices`: the names, None for all that the direction covers. `weights`: the part of a device's power that
    counts, for those of which not all does: a third on each phase. `switching`: for devices that switch their
    phases, from which power on they use all, and the part that counts below.
    """

    source: str
    allowed_w: float
    devices: frozenset[str] | None
    reason: Reason
    weights: Mapping[str, float] = field(default_factory=dict)
    switching: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def part(self, name: str) -> Part:
        """How it counts a device."""
        if self.devices is not None and name not in self.devices:
            return Part(0.0)
        return Part(self.weights.get(name, 1.0), *self.switching.get(name, (0.0, 0.0)))


@dataclass(frozen=True, slots=True)
class Situation:
    """What ceilings are converted with, from measurement and configuration.

    `credit_w`: generation beyond the house, or what the house takes for certain; negative: what others feed
    in. `offer_w`: what is fed in for a moment so that a battery may store it. `generation_w`, `house_w`: G
    and H on the safe side, for the conventions that need them; without a meter G is 0. `headroom_w`: what is
    left of each protection ceiling for the devices. `sharing`: the devices among which a value for all
    controllable ones is divided, None for all. `spread`: by name, the parts of a device's power on the three
    phases; a device that is not there spreads evenly. `switching`: the devices that switch between one phase
    and all, with the number of the one, and from which power on they use all.
    """

    credit_w: float = 0.0
    generation_w: float = 0.0
    house_w: float = 0.0
    headroom_w: Mapping[Basis, float] = field(default_factory=dict)
    convention: Convention = Convention.HOUSE_FIRST
    offer_w: float = 0.0
    sharing: frozenset[str] | None = None
    spread: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    switching: Mapping[str, tuple[int, float]] = field(default_factory=dict)


def credit_towards(limit_w: float, situation: Situation) -> float:
    """How much more than the limit the controllable devices may take, by the convention."""
    generation_w, house_w = situation.generation_w, situation.house_w
    match situation.convention:
        case Convention.CONTROLLABLE_FIRST:
            return max(situation.credit_w, generation_w)
        case Convention.PRO_RATA:
            spare_w = limit_w + generation_w - house_w
            allowed_w = (spare_w + math.sqrt(spare_w**2 + 4.0 * limit_w * house_w)) / 2.0
            return max(situation.credit_w, allowed_w - limit_w)
        case Convention.HOUSE_FIRST:
            return situation.credit_w


def convert(ceiling: Ceiling, situation: Situation) -> Allowance:
    """One ceiling in force as device power.

    Credit counts only towards a ceiling on all devices at the grid connection: an inverter ceiling means the
    inverter itself, and a value for a named device (direct control) is taken as that device's own draw.
    Raises ValueError for a ceiling that bounds nothing.
    """
    if ceiling.value_w is None:
        raise ValueError(f"{ceiling.source} bounds nothing")
    if ceiling.basis in PROTECTING:
        allowed_w = situation.headroom_w.get(ceiling.basis, ceiling.value_w)
        return Allowance(ceiling, allowed_w, _left(ceiling, allowed_w))
    credit_w = 0.0
    if _earns_credit(ceiling):
        consumption = ceiling.basis is Basis.CONTROLLABLE
        credit_w = credit_towards(ceiling.value_w, situation) if consumption else situation.credit_w
    offer_w = situation.offer_w if ceiling.basis is Basis.FEED_IN and ceiling.devices is None else 0.0
    allowed_w = max(0.0, ceiling.value_w + credit_w + offer_w)
    reason = _allowed(ceiling, credit_w, allowed_w, situation.convention)
    return Allowance(ceiling, allowed_w, _offered(reason, offer_w) if offer_w else reason)


def _earns_credit(ceiling: Ceiling) -> bool:
    return ceiling.devices is None and ceiling.basis in (Basis.CONTROLLABLE, Basis.FEED_IN)


PROTECTING = frozenset(Basis) - {Basis.CONTROLLABLE, Basis.FEED_IN, Basis.INVERTER}
"""What bounds the wires of the connection: the devices get what the rest of the house leaves."""


def budgets(
    direction: Direction, in_force: Iterable[Ceiling], situation: Situation = Situation()
) -> tuple[Budget, ...]:
    """The binding budget of each set of devices in one direction; empty when nothing is limited."""
    mine = [ceiling for ceiling in in_force if ceiling.basis.direction is direction]
    limiting = [convert(c, situation) for c in mine if c.basis not in PROTECTING]
    protecting = [convert(c, situation) for c in mine if c.basis in PROTECTING]
    return tuple(_budget(allowance, situation) for allowance in (*strictest(limiting), *protecting))


def budget_of(ceiling: Ceiling, situation: Situation) -> Budget:
    """The budget of one ceiling in force, whether it binds or not. Raises ValueError like `convert`."""
    return _budget(convert(ceiling, situation), situation)


def _budget(allowance: Allowance, situation: Situation) -> Budget:
    ceiling = allowance.ceiling
    devices, weights = ceiling.devices, {}
    switching: dict[str, tuple[float, float]] = {}
    if ceiling.basis is Basis.CONTROLLABLE and devices is None:
        devices = situation.sharing
    phase = ceiling.basis.phase
    if phase is not None:
        weights = {name: spread[phase - 1] for name, spread in situation.spread.items()}
        for name, (line, from_w) in situation.switching.items():
            switching[name] = (from_w, float(line == phase))
        if ceiling.basis in _UNBALANCING:
            weights |= dict.fromkeys(switching, 0.0)
            lopsided = [name for name, weight in weights.items() if weight == 1.0]
            lopsided += [name for name, (_, on_one) in switching.items() if on_one]
            devices = frozenset(lopsided)
    return Budget(ceiling.source, allowance.allowed_w, devices, allowance.reason, weights, switching)


_UNBALANCING = frozenset({Basis.UNBALANCE_1, Basis.UNBALANCE_2, Basis.UNBALANCE_3})


def _left(ceiling: Ceiling, allowed_w: float) -> Reason:
    text = f"{watts(allowed_w)} left for devices: {ceiling.reason.text}"
    values = {"source": ceiling.source, "limit_w": ceiling.value_w, "allowed_w": allowed_w}
    return Reason("left_of_connection", text, values)


def _offered(reason: Reason, offer_w: float) -> Reason:
    text = f"{reason.text} plus {watts(offer_w)} that a battery may store"
    return Reason(reason.code, text, {**reason.values, "offer_w": offer_w})


def _allowed(ceiling: Ceiling, credit_w: float, allowed_w: float, convention: Convention) -> Reason:
    consumption = ceiling.basis.direction is Direction.CONSUMPTION
    surplus = _CREDIT[convention] if consumption else "what the house takes for certain"
    plus = f" plus {watts(credit_w)} of {surplus}" if credit_w > 0.0 else ""
    if credit_w < 0.0:
        plus = f" less {watts(-credit_w)} of other generation"
    return Reason(
        "allowed",
        f"{watts(allowed_w)} allowed: {ceiling.reason.text}{plus}",
        {
            "source": ceiling.source,
            "limit_w": ceiling.value_w,
            "credit_w": credit_w if _earns_credit(ceiling) else None,
            "allowed_w": allowed_w,
            "convention": convention.value,
        },
    )


_CREDIT = {
    Convention.HOUSE_FIRST: "own generation beyond the house",
    Convention.PRO_RATA: "own generation, shared with the house",
    Convention.CONTROLLABLE_FIRST: "own generation",
}
