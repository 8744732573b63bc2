"""The proof that a gateway that dies leaves the house within its failsafe limit."""

from collections.abc import Iterable
from dataclasses import dataclass

from hems.devices import Fallback
from hems.limits.reason import Reason, watts


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A device that nobody talks to any more: `fallback` is what it was programmed with, None for nothing."""

    name: str
    nameplate_w: float
    fallback: Fallback | None

    @property
    def power_w(self) -> float:
        """What it may then take: its fallback, else everything by its type plate."""
        return self.nameplate_w if self.fallback is None else self.fallback.power_w


@dataclass(frozen=True, slots=True)
class FallbackProof:
    """Outcome. `offenders`: without fallback first, then by size; empty when the proof holds."""

    holds: bool
    sum_w: float
    failsafe_limit_w: float
    offenders: tuple[str, ...]
    reason: Reason


def prove_fallbacks(devices: Iterable[LeftAlone], failsafe_limit_w: float, does: str) -> FallbackProof:
    """Check that all fallbacks, and the type plates of devices without one, fit into the failsafe limit.

    `does`: what the devices do with the power, for the reason: take, or feed in.
    """
    left_alone = list(devices)
    sum_w = sum(d.power_w for d in left_alone)
    holds = sum_w <= failsafe_limit_w
    offenders = () if holds else _offenders(left_alone)
    return FallbackProof(
        holds, sum_w, failsafe_limit_w, offenders, _explain(sum_w, failsafe_limit_w, holds, does)
    )


def _offenders(devices: list[LeftAlone]) -> tuple[str, ...]:
    drawing = [d for d in devices if d.power_w > 0.0]
    return tuple(d.name for d in sorted(drawing, key=lambda d: (d.fallback is not None, -d.power_w)))


def _explain(sum_w: float, failsafe_limit_w: float, holds: bool, does: str) -> Reason:
    values = {"sum_w": sum_w, "failsafe_limit_w": failsafe_limit_w}
    total, limit = watts(sum_w), watts(failsafe_limit_w)
    if holds:
        text = f"left alone, the devices {does} at most {total} of {limit} in failsafe"
        return Reason("fallbacks_fit", text, values)
    text = f"left alone, the devices may {does} {total}, above the failsafe limit of {limit}"
    return Reason("fallbacks_exceed", text, values)
