"""Why a device was told its set-point: one sentence with all figures, the same wherever it is shown. Pure."""

from collections.abc import Mapping, Sequence

from hems.control.budget import Budget
from hems.control.execution import LaneView
from hems.control.planning import Told
from hems.devices import Capabilities, Direction, Kind
from hems.limits.reason import Reason, ReasonValue, watts

_LEAST_A = 6.0
"""The lowest current of a charge point (IEC 61851), at the low end of its range."""
_USUAL_PHASE_W = 1380.0
_NAMED = 3
"""So many others are named."""
_MORE_W, _MORE = 50.0, 0.02
"""So much more is worth a word."""
_WORDS = {1: "single-phase", 2: "two-phase", 3: "three-phase"}


def explain(
    told: Told,
    capabilities: Capabilities,
    covering: Sequence[Budget],
    others: Sequence[LaneView],
    kept_w: Mapping[str, float],
    direction: Direction,
    credit_reason: Reason,
) -> Reason:
    """The set-point in the device's own terms, the limit behind it, what others take, the credit, the step.

    `covering`: the budgets that count for the device. `others`: the other devices of this direction;
    `kept_w`: what the division leaves to each of them, by name. Credit is told where the binding limit earns
    any.
    """
    if told.power_w is None or not covering:
        return told.reason
    binding = _binding(told, covering)
    limit_w, credit_w = (binding.reason.values.get(key) for key in ("limit_w", "credit_w"))
    parts = [str(binding.reason.values.get("cause", "")) or _limit(binding)]
    parts += _others([view for view in others if binding.part(view.name).covers], kept_w)
    if credit_w is not None:
        parts.append(_credit(float(credit_w), direction, credit_reason))
    parts.append(_step(told.reason))
    if "excess_w" in told.reason.values:
        parts.append(f"it takes {watts(float(told.reason.values['excess_w'] or 0.0))} more than told")
    text = f"{in_own_terms(told.power_w, capabilities)} because {', '.join(parts)}"
    values: dict[str, ReasonValue] = {
        **told.reason.values,
        "source": binding.source,
        "limit_w": limit_w,
        "credit_w": credit_w,
    }
    return Reason(told.reason.code, text, values)


def _credit(credit_w: float, direction: Direction, reason: Reason) -> str:
    if credit_w > 0.0:
        return f"credit {watts(credit_w)}"
    if credit_w < 0.0:
        return f"other generation {watts(-credit_w)}"
    if reason.code == "credit":
        return f"credit 0 ({_NOTHING_EARNED[direction]})"
    return f"credit 0 ({_CREDIT_WORDS.get(reason.code, reason.text)})"


def in_own_terms(power_w: float, capabilities: Capabilities) -> str:
    """A set-point as the device's user knows it: `5.52 kW (8 A three-phase)` for a charge point."""
    if capabilities.kind is not Kind.WALLBOX or capabilities.consumption is None or power_w <= 0.0:
        return watts(power_w)
    for each in capabilities.consumption.ranges:
        if each.low_w > 0.0 and each.low_w - 1.0 <= power_w <= each.high_w + 1.0:
            phases = min(3, max(1, round(each.low_w / _USUAL_PHASE_W)))
            amperes = _LEAST_A * power_w / each.low_w
            return f"{watts(power_w)} ({amperes:.3g} A {_WORDS[phases]})"
    return watts(power_w)


def _binding(told: Told, covering: Sequence[Budget]) -> Budget:
    source = told.reason.values.get("source")
    return next((b for b in covering if b.source == source), covering[0])


def _limit(budget: Budget) -> str:
    return budget.reason.text.partition(": ")[2] or budget.reason.text


def _others(views: Sequence[LaneView], kept_w: Mapping[str, float]) -> list[str]:
    """Those that matter most by themselves, in their order; the rest together."""
    largest = sorted(views, key=lambda view: max(kept_w[view.name], view.measured_w or 0.0), reverse=True)
    named = {view.name for view in largest[:_NAMED]}
    told = [_other(view, kept_w[view.name]) for view in views if view.name in named]
    rest = [view for view in views if view.name not in named]
    if rest:
        together_w = sum(kept_w[view.name] for view in rest)
        told.append(f"{len(rest)} more {watts(together_w)}")
    return told


def _other(view: LaneView, kept_w: float) -> str:
    """What another device takes, and what is kept for it where that is clearly more."""
    kept_w = max(kept_w, view.charge_w if view.reserved_w else 0.0)
    if view.measured_w is None:
        return f"{view.name} not measured, {watts(kept_w)} set aside"
    told = f"{view.name} measured {watts(view.measured_w)}"
    is_more = kept_w > view.measured_w + max(_MORE_W, _MORE * view.measured_w)
    return f"{told}, {watts(kept_w)} kept for it" if is_more else told


def _step(reason: Reason) -> str:
    if reason.code in _STEP_WORDS:
        return _STEP_WORDS[reason.code]
    return (reason.text.partition(": ")[2] or reason.text).partition("; told ")[0]


_STEP_WORDS = {
    "rounded_down": "next lower step",
    "pauses": "too little for its least, so it pauses",
    "all_it_can_take": "all that it can take",
}
_CREDIT_WORDS = {"no_credit_without_meter": "no meter reading of the last 5 s"}
_NOTHING_EARNED = {
    Direction.CONSUMPTION: "no own generation beyond the house",
    Direction.PRODUCTION: "the house takes nothing for certain",
}
