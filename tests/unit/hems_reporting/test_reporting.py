"""What the Steuerbox reads of the house: right signs, and never an old value as a new one."""

from eebus.usecases.monitoring_data import Quantity, Reading, ValueState
from hems.devices import DeviceSample
from hems.metering.connection import ConnectionPoint
from hems.metering.measurements import Quality
from hems.reporting import device_readings, factor_reading, readings_of


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


def test_MGCP_005_what_the_meter_measures_beside_power_is_reported_too() -> None:
    point = ConnectionPoint(
        Quality.GOOD,
        1.0,
        -2500.0,
        powers_w=(-2000.0, -1000.0, 500.0),
        currents_a=(9.0, 4.5, 2.2),
        voltages_v=(230.0, 231.0, 229.0),
        frequency_hz=50.01,
    )
    readings = readings_of(point)
    assert [readings[q].value for q in (Quantity.VOLTAGE_A, Quantity.VOLTAGE_C)] == [230.0, 229.0]
    assert readings[Quantity.FREQUENCY] == Reading(50.01)
    currents = [readings[q].value for q in (Quantity.CURRENT_A, Quantity.CURRENT_B, Quantity.CURRENT_C)]
    assert currents == [-9.0, -4.5, 2.2]


def test_currents_keep_their_sign_when_the_power_of_the_phases_is_unknown() -> None:
    readings = readings_of(ConnectionPoint(Quality.GOOD, 1.0, 100.0, currents_a=(0.4,)))
    assert readings[Quantity.CURRENT_A] == Reading(0.4)
    assert Quantity.CURRENT_B not in readings


def test_MPC_TS_009_a_device_reports_consumption_positive_and_production_negative() -> None:
    wallbox = DeviceSample(10.0, 4140.0, currents_a=(6.0, 6.0, 6.0), energy_consumed_wh=1000.0)
    readings = device_readings(wallbox, 12.0)
    assert readings[Quantity.POWER] == Reading(4140.0)
    assert readings[Quantity.CURRENT_B] == Reading(6.0)
    assert readings[Quantity.ENERGY_CONSUMED] == Reading(1000.0)
    inverter = DeviceSample(10.0, -3000.0, currents_a=(4.3,), energy_produced_wh=7.0)
    assert device_readings(inverter, 12.0)[Quantity.CURRENT_A] == Reading(-4.3)


def test_a_device_that_was_not_read_lately_is_a_disturbed_sensor() -> None:
    readings = device_readings(DeviceSample(10.0, 4140.0), 20.0)
    assert readings == {Quantity.POWER: Reading(None, ValueState.ERROR)}
    assert device_readings(None, 20.0) == {}
    assert device_readings(DeviceSample(10.0, None), 12.0) == {}


def test_MGCP_011_the_limitation_factor_is_told_in_percent_and_is_100_without_a_cap() -> None:
    assert factor_reading(0.6) == {Quantity.PV_LIMIT_FACTOR: Reading(60.0)}
    assert factor_reading(None) == {Quantity.PV_LIMIT_FACTOR: Reading(100.0)}
