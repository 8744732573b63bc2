"""What a fuse still carries beside the rest of the house. Pure.

A fuse blows by amperes. They are taken times the voltage of the same moment here: then comparing with the
watts of devices is comparing amperes, and what reactive power adds to the current counts too.
"""

from hems.control.credit import CreditReading
from hems.devices import MeterSample
from hems.limits.ceilings import Fuse


def left_of_fuse(fuse: Fuse, meter: MeterSample, drawn_w: tuple[float, float]) -> CreditReading | None:
    """What devices may draw through the fuse; None when the meter does not show what it carries.

    `drawn_w`: what they drew through it when the meter was read, at least and at most; the rest is the house.
    Feed-in of the rest earns nothing: a cloud ends it within seconds.
    """
    volts = [_volts(fuse, meter, line) for line in fuse.lines]
    carried_va = _carried_va(fuse, meter, volts)
    if carried_va is None:
        return None
    whole_va = fuse.current_a * sum(volts)
    least_va, most_va = (max(0.0, whole_va - max(0.0, carried_va - each_w)) for each_w in drawn_w)
    return CreditReading(least_va, most_va, meter.at_s)


def _volts(fuse: Fuse, meter: MeterSample, line: int) -> float:
    """As measured, or what makes the most amperes of watts."""
    shown = meter.voltages_v[line - 1] if line <= len(meter.voltages_v) else 0.0
    return shown if shown > 0.0 else fuse.least_voltage_v


def _carried_va(fuse: Fuse, meter: MeterSample, volts: list[float]) -> float | None:
    """What comes in over all its lines, feed-in negative."""
    carried = [_line_va(fuse, meter, line, each) for line, each in zip(fuse.lines, volts, strict=True)]
    known = [each for each in carried if each is not None]
    if len(known) == len(carried):
        return sum(known)
    return meter.power_w if fuse.is_whole else None


def _line_va(fuse: Fuse, meter: MeterSample, line: int, volts: float) -> float | None:
    power_w = meter.powers_w[line - 1] if line <= len(meter.powers_w) else None
    if line > len(meter.currents_a):
        return power_w
    flow_w = meter.power_w if power_w is None and fuse.is_whole else power_w
    apparent_va = abs(meter.currents_a[line - 1]) * volts
    return -apparent_va if flow_w is not None and flow_w < 0.0 else apparent_va
