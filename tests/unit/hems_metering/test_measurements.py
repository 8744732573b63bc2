"""Readings with age, and meter and devices compared at one moment."""

from hems.devices import DeviceSample, Direction, MeterSample
from hems.metering.connection import connection_point
from hems.metering.energies import Energies
from hems.metering.measurements import Measurements, PairedReading, Quality

CONSUMPTION, PRODUCTION = Direction.CONSUMPTION, Direction.PRODUCTION


def filled(meter: list[tuple[float, float]], **devices: list[tuple[float, float | None]]) -> Measurements:
    measurements = Measurements()
    for at_s, power_w in meter:
        measurements.put_meter(MeterSample(at_s, power_w))
    for name, samples in devices.items():
        for at_s, device_w in samples:
            measurements.put_device(name, DeviceSample(at_s, device_w))
    return measurements


def test_quality_of_the_meter_by_age() -> None:
    measurements = Measurements()
    assert measurements.meter_quality(0.0) is Quality.MISSING
    measurements.put_meter(MeterSample(10.0, 500.0))
    assert measurements.meter_quality(15.0) is Quality.GOOD
    assert measurements.meter_quality(15.1) is Quality.STALE


def test_trap_11_without_a_fresh_meter_there_is_no_pair() -> None:
    assert filled([], box=[(10.0, 4000.0)]).paired(CONSUMPTION, ["box"], 10.0) is None
    assert filled([(10.0, 0.0)], box=[(10.0, 4000.0)]).paired(CONSUMPTION, ["box"], 15.1) is None


def test_meter_and_device_are_paired_within_a_second() -> None:
    measurements = filled([(10.0, 500.0)], box=[(9.0, 4000.0)])
    assert measurements.paired(CONSUMPTION, ["box"], 10.5) == PairedReading(500.0, 4000.0, 4000.0, 9.0)


def test_a_device_read_too_early_or_late_counts_zero() -> None:
    measurements = filled([(10.0, 500.0)], box=[(8.9, 4000.0)])
    assert measurements.paired(CONSUMPTION, ["box"], 10.5) == PairedReading(500.0, 0.0, 0.0, 10.0)


def test_an_older_meter_reading_that_fits_is_better_than_a_newer_that_does_not() -> None:
    measurements = filled([(9.0, 400.0), (11.0, 600.0)], box=[(8.5, 4000.0), (9.5, 4100.0)])
    assert measurements.paired(CONSUMPTION, ["box"], 11.0) == PairedReading(400.0, 4000.0, 4100.0, 8.5)


def test_unmeasured_and_silent_devices_count_zero_and_hold_nothing_up() -> None:
    measurements = filled([(10.0, 500.0)], blind=[(10.0, None)], silent=[(1.0, 3000.0)])
    assert measurements.paired(CONSUMPTION, ["blind", "silent", "unknown"], 10.0) == PairedReading(
        500.0, 0.0, 0.0, 10.0
    )


def test_discharge_is_not_draw_and_draw_is_not_production() -> None:
    measurements = filled(
        [(10.0, 0.0)], battery=[(10.0, -2000.0)], pv=[(10.0, -3000.0)], box=[(10.0, 4000.0)]
    )
    names = ["battery", "pv", "box"]
    drawn = measurements.paired(CONSUMPTION, names, 10.0)
    produced = measurements.paired(PRODUCTION, names, 10.0)
    assert drawn is not None
    assert produced is not None
    assert (drawn.least_w, produced.least_w) == (4000.0, 5000.0)


def test_the_report_of_the_connection_point_carries_quality_and_own_energies() -> None:
    measurements, energies = Measurements(), Energies()
    assert connection_point(measurements, energies, 0.0).quality is Quality.MISSING
    for second in (0, 36):
        sample = MeterSample(float(second), -1000.0, voltages_v=(230.0, 231.0, 232.0), frequency_hz=50.01)
        measurements.put_meter(sample)
        energies.put_meter(sample, unix_s=float(second))
    report = connection_point(measurements, energies, 37.0)
    assert (report.quality, report.power_w) == (Quality.GOOD, -1000.0)
    assert (report.energy_fed_in_wh, report.energy_consumed_wh) == (10.0, 0.0)
    assert (report.voltages_v, report.frequency_hz) == ((230.0, 231.0, 232.0), 50.01)
    assert connection_point(measurements, energies, 60.0).quality is Quality.STALE
