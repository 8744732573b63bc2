"""Raises the lowest again and again: a division as level as devices and budgets allow. Pure.

A device's level is its power in parts of its scale. Of two divisions the better one is found from below: the
higher lowest level; if those are the same, fewer devices at it; if as many, those devices that come later by
turn and priority; then the same for the next level. There is exactly one best division, and it is found by
raising all that are lowest, each to the next value that it can hold; where not all can go on, as many as
possible do, by turn and priority, and the others keep what they have for good.
"""

from collections.abc import Iterator, Mapping, Sequence

from hems.control.candidates import NOISE_W, Candidate
from hems.control.choice import Choice
from hems.control.pots import Pots

Scale = Mapping[str, float]
"""What one level is worth in watts, by device."""

_LEAST_RISE_W = 1e-3
"""What a device that takes any power needs to rise at all."""
_PATIENCE = 2
"""After so many rounds of single rises, many small ones are made at once."""
_COARSEST = 256.0
"""A leap comes at least as near as such a part of the levels ahead, and as near as the finest step."""


def level(pots: Pots, devices: Sequence[Candidate], scale: Scale) -> None:
    """Give the devices, which come in priority order, the best division of what is left in the pots."""
    rising = [c for c in devices if pots.fits(c, pots.power_w[c.name])]
    rises = 0
    while rising:
        lowest = _lowest(pots, rising, scale)
        wanted_w = {c.name: _wanted_w(pots, c) for c in lowest}
        chosen = _as_many_as_fit(pots, lowest, wanted_w)
        for candidate in lowest:
            if candidate not in chosen:
                rising.remove(candidate)
        stepping = [c for c in chosen if pots.next_w(c) != pots.power_w[c.name]]
        for candidate in stepping:
            pots.give(candidate, wanted_w[candidate.name] or 0.0)
        if chosen and not stepping:
            _rise_together(pots, rising, chosen, scale)
        rises += len(chosen)
        if rises > _PATIENCE * len(devices):
            _leap(pots, rising, scale)
            rises = 0


def _lowest(pots: Pots, rising: Sequence[Candidate], scale: Scale) -> list[Candidate]:
    levels = [pots.power_w[c.name] / scale[c.name] for c in rising]
    lowest = min(levels) + NOISE_W
    return [c for c, each in zip(rising, levels, strict=True) if each <= lowest]


def _wanted_w(pots: Pots, candidate: Candidate) -> float | None:
    """The next power that it can hold; None at its top."""
    next_w = pots.next_w(candidate)
    return next_w + _LEAST_RISE_W if next_w == pots.power_w[candidate.name] else next_w


def _as_many_as_fit(
    pots: Pots, lowest: Sequence[Candidate], wanted_w: Mapping[str, float | None]
) -> list[Candidate]:
    wishes = {c.name: w for c in lowest if (w := wanted_w[c.name]) is not None and pots.fits(c, w)}
    able = [c for c in lowest if c.name in wishes]
    if pots.all_fit(able, wishes):
        return able
    able.sort(key=lambda c: c.turn)
    choice = Choice([pots.costs_w(c, wishes[c.name]) for c in able], pots.left_w)
    return [able[index] for index in choice.most()]


def _rise_together(
    pots: Pots, rising: Sequence[Candidate], smooth: Sequence[Candidate], scale: Scale
) -> None:
    """Raise those that take any power, up to where one of them or another device stops them."""
    tops_w = {c.name: _smooth_top_w(pots, c) for c in smooth}
    stops = [tops_w[c.name] / scale[c.name] for c in smooth]
    stops += [pots.power_w[c.name] / scale[c.name] for c in rising if c not in smooth]
    low = max(pots.power_w[c.name] / scale[c.name] for c in smooth)
    stop = max(low, min(stops))
    rise = pots.common_rise(smooth, scale, stop - low)
    for candidate in smooth:
        target_w = (low + rise if rise < stop - low else stop) * scale[candidate.name]
        pots.give(candidate, min(tops_w[candidate.name], target_w))


def _smooth_top_w(pots: Pots, candidate: Candidate) -> float:
    """The end of the range in which it can take any power at the same cost."""
    power_w, top_w = pots.power_w[candidate.name], pots.top_w[candidate.name]
    if candidate.feasible is None:
        return power_w
    if power_w < candidate.charged_w - NOISE_W:
        top_w = min(top_w, candidate.charged_w)
    return min(top_w, next(r.high_w for r in candidate.feasible.ranges if r.high_w > power_w))


def _leap(pots: Pots, rising: Sequence[Candidate], scale: Scale) -> None:
    """Bring all to the highest common level that fits: single rises would end there too, later."""
    if not rising:
        return
    low = min(pots.power_w[c.name] / scale[c.name] for c in rising)
    high = max(pots.top_w[c.name] / scale[c.name] for c in rising)
    reached_w = {c.name: pots.power_w[c.name] for c in rising}
    near = min([(high - low) / _COARSEST, *_steps(rising, scale)])
    while high - low > near:
        middle = (low + high) / 2.0
        wanted_w = {c.name: _at_level_w(pots, c, middle * scale[c.name]) for c in rising}
        if pots.all_fit(rising, wanted_w):
            low, reached_w = middle, wanted_w
        else:
            high = middle
    for candidate in rising:
        pots.give(candidate, reached_w[candidate.name])


def _steps(rising: Sequence[Candidate], scale: Scale) -> Iterator[float]:
    for candidate in rising:
        for each in candidate.feasible.ranges if candidate.feasible is not None else ():
            if each.step_w:
                yield each.step_w / scale[candidate.name]


def _at_level_w(pots: Pots, candidate: Candidate, power_w: float) -> float:
    return max(pots.power_w[candidate.name], candidate.at_least(power_w, pots.top_w[candidate.name]))
