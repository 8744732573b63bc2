"""What the gateway reports about the grid connection point (MGCP), taken from the store of measurements."""

from dataclasses import dataclass

from hems.metering.energies import GRID_CONSUMED, GRID_FED_IN, Energies
from hems.metering.measurements import Measurements, Quality


@dataclass(frozen=True, slots=True)
class ConnectionPoint:
    """One report: import positive, export negative; energies grow from zero. None: not available.

    `quality` other than GOOD means that the values are the last known ones and must not be sent as new.
    """

    quality: Quality
    at_s: float | None = None
    power_w: float | None = None
    energy_fed_in_wh: float | None = None
    energy_consumed_wh: float | None = None
    powers_w: tuple[float, ...] = ()
    currents_a: tuple[float, ...] = ()
    voltages_v: tuple[float, ...] = ()
    frequency_hz: float | None = None


def connection_point(measurements: Measurements, energies: Energies, now: float) -> ConnectionPoint:
    """The grid connection point as it was last read."""
    quality = measurements.meter_quality(now)
    sample = measurements.meter()
    if sample is None:
        return ConnectionPoint(quality)
    return ConnectionPoint(
        quality=quality,
        at_s=sample.at_s,
        power_w=sample.power_w,
        energy_fed_in_wh=energies.total_wh(GRID_FED_IN),
        energy_consumed_wh=energies.total_wh(GRID_CONSUMED),
        powers_w=sample.powers_w,
        currents_a=sample.currents_a,
        voltages_v=sample.voltages_v,
        frequency_hz=sample.frequency_hz,
    )
