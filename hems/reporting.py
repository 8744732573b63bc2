"""From the store of measurements to what the Steuerbox reads about the house (MGCP) and its devices (MPC)."""

import math
from collections.abc import Mapping, Sequence

from eebus.usecases.monitoring_data import Quantity, Reading, ValueState
from hems.devices import DeviceSample
from hems.metering.connection import ConnectionPoint
from hems.metering.measurements import METER_AGE_S, Quality

_VOLTAGES = (Quantity.VOLTAGE_A, Quantity.VOLTAGE_B, Quantity.VOLTAGE_C)
_CURRENTS = (Quantity.CURRENT_A, Quantity.CURRENT_B, Quantity.CURRENT_C)
_DISTURBED = Reading(None, ValueState.ERROR)


def readings_of(point: ConnectionPoint) -> Mapping[Quantity, Reading]:
    """What to publish. Old values are never repeated as new: a silent meter is a disturbed sensor."""
    if point.quality is Quality.MISSING:
        return {}
    values = {
        Quantity.POWER: point.power_w,
        Quantity.ENERGY_CONSUMED: point.energy_consumed_wh,
        Quantity.ENERGY_PRODUCED: point.energy_fed_in_wh,
        Quantity.FREQUENCY: point.frequency_hz,
        **_by_phase(_VOLTAGES, point.voltages_v),
        **_by_phase(_CURRENTS, _signed(point.currents_a, point.powers_w)),
    }
    return _readings(values, stale=point.quality is Quality.STALE)


def factor_reading(feed_in_cap: float | None) -> Mapping[Quantity, Reading]:
    """The PV feed-in power limitation factor in percent (MGCP-011); without a cap all may be fed in."""
    return {Quantity.PV_LIMIT_FACTOR: Reading(100.0 if feed_in_cap is None else 100.0 * feed_in_cap)}


def device_readings(sample: DeviceSample | None, now: float) -> Mapping[Quantity, Reading]:
    """What a device reports of itself (MPC): consumption positive, production negative."""
    if sample is None:
        return {}
    values = {
        Quantity.POWER: sample.power_w,
        Quantity.ENERGY_CONSUMED: sample.energy_consumed_wh,
        Quantity.ENERGY_PRODUCED: sample.energy_produced_wh,
        **_by_phase(_VOLTAGES, sample.voltages_v),
        **_by_phase(_CURRENTS, _signed(sample.currents_a, (sample.power_w or 0.0,) * 3)),
    }
    return _readings(values, stale=now - sample.at_s > METER_AGE_S)


def _readings(values: Mapping[Quantity, float | None], *, stale: bool) -> Mapping[Quantity, Reading]:
    known = {quantity: value for quantity, value in values.items() if value is not None}
    if stale:
        return dict.fromkeys(known, _DISTURBED)
    return {quantity: Reading(value) for quantity, value in known.items()}


def _by_phase(quantities: Sequence[Quantity], values: Sequence[float]) -> dict[Quantity, float | None]:
    return dict(zip(quantities, values, strict=False))


def _signed(currents_a: Sequence[float], powers_w: Sequence[float]) -> list[float]:
    """Currents with the sign of the power on their phase, where that is known (MPC-TS-009)."""
    if len(powers_w) < len(currents_a):
        return list(currents_a)
    return [math.copysign(a, w) if w else a for a, w in zip(currents_a, powers_w, strict=False)]
