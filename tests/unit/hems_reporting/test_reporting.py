"""What the Steuerbox reads of the house: right signs, and never an old value as a new one."""

from eebus.usecases.monitoring_data import Quantity, Reading, ValueState
from hems.metering.connection import ConnectionPoint
from hems.metering.measurements import Quality
from hems.reporting import readings_of


def _point(quality: Quality) -> ConnectionPoint:
    return ConnectionPoint(quality, 1.0, -2500.0, energy_fed_in_wh=7000.0, energy_consumed_wh=9000.0)


def test_feed_in_is_negative_power_and_both_counters_grow() -> None:
    assert readings_of(_point(Quality.GOOD)) == {
        Quantity.POWER: Reading(-2500.0),
        Quantity.ENERGY_CONSUMED: Reading(9000.0),
        Quantity.ENERGY_PRODUCED: Reading(7000.0),
    }


def test_a_silent_meter_is_a_disturbed_sensor() -> None:
    readings = readings_of(_point(Quality.STALE))
    assert set(readings) == {Quantity.POWER, Quantity.ENERGY_CONSUMED, Quantity.ENERGY_PRODUCED}
    assert all(reading == Reading(None, ValueState.ERROR) for reading in readings.values())


def test_without_a_meter_nothing_is_invented() -> None:
    assert readings_of(ConnectionPoint(Quality.MISSING)) == {}


def test_a_meter_without_counters_leaves_energy_out() -> None:
    assert set(readings_of(ConnectionPoint(Quality.GOOD, 1.0, 400.0))) == {Quantity.POWER}
