"""Chance as a pure function of a seed and a moment: a house has the same day however often it is asked."""

_MASK = 0xFFFFFFFFFFFFFFFF


def chance(seed: int, index: int) -> float:
    """A number from 0 up to, not including, 1; equal for equal arguments, unrelated for neighbours."""
    mixed = (seed * 0x9E3779B97F4A7C15 + index * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ (mixed >> 31)) / 2.0**64


def wander(seed: int, at_s: float, period_s: float) -> float:
    """A number between 0 and 1 that moves smoothly from one value to the next within each period."""
    slot = int(at_s // period_s)
    part = at_s / period_s - slot
    before, after = chance(seed, slot), chance(seed, slot + 1)
    return before + (after - before) * part * part * (3.0 - 2.0 * part)
