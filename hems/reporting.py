"""From the store of measurements to what the Steuerbox reads about the grid connection point (MGCP)."""

from collections.abc import Mapping

from eebus.usecases.monitoring_data import Quantity, Reading, ValueState
from hems.metering.connection import ConnectionPoint
from hems.metering.measurements import Quality

_DISTURBED = Reading(None, ValueState.ERROR)


def readings_of(point: ConnectionPoint) -> Mapping[Quantity, Reading]:
    """What to publish. Old values are never repeated as new: a silent meter is a disturbed sensor."""
    if point.quality is Quality.MISSING:
        return {}
    values = {
        Quantity.POWER: point.power_w,
        Quantity.ENERGY_CONSUMED: point.energy_consumed_wh,
        Quantity.ENERGY_PRODUCED: point.energy_fed_in_wh,
    }
    known = {quantity: value for quantity, value in values.items() if value is not None}
    if point.quality is Quality.STALE:
        return dict.fromkeys(known, _DISTURBED)
    return {quantity: Reading(value) for quantity, value in known.items()}
