"""Which devices may be freed when the gateway stops in good order. Pure.

What people and their programmes ask for ends with the gateway. Orders, what stands in for them, and the law
hold on without it: devices that they cover keep their set-point until their own fallback takes over. The
wires stay as they are too, but nobody watches them any more: devices keep their set-points unless all of
them free fit into what a fuse carries beside the house, or into the unbalance that is allowed.
"""

from collections.abc import Iterable, Mapping

from hems.control.budget import PROTECTING, Situation, budget_of
from hems.control.gauge import HOUSE_RESERVE
from hems.limits.ceilings import Ceiling, CeilingKind


def bound_at_stop(
    in_force: Iterable[Ceiling], situation: Situation, nameplates_w: Mapping[str, float]
) -> dict[str, Ceiling]:
    """The devices that must not be freed, each with a ceiling that forbids it.

    `in_force`: the ceilings of one direction. `nameplates_w`: what its devices may take when free, by name.
    """
    bound: dict[str, Ceiling] = {}
    for ceiling in in_force:
        if ceiling.kind is CeilingKind.USER:
            continue
        budget = budget_of(ceiling, situation)
        counted_w = {name: budget.part(name).counted_w(power_w) for name, power_w in nameplates_w.items()}
        if ceiling.basis in PROTECTING and sum(counted_w.values()) <= _left_unwatched_w(ceiling):
            continue
        bound |= {name: ceiling for name in nameplates_w if budget.part(name).covers and name not in bound}
    return bound


def _left_unwatched_w(ceiling: Ceiling) -> float:
    value_w = ceiling.value_w or 0.0
    return value_w if ceiling.fuse is None else value_w * (1.0 - HOUSE_RESERVE)
