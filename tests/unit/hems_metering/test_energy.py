"""Energy counters: never backwards, never invented, over restarts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.devices import DeviceSample, MeterSample
from hems.metering.energies import GRID_CONSUMED, GRID_FED_IN, Energies
from hems.metering.energy import EnergyCounter


def test_power_is_integrated() -> None:
    counter = EnergyCounter()
    for second in range(1, 3601):
        counter = counter.integrate(1000.0, 1.0, float(second))
    assert counter.total_wh == pytest.approx(1000.0)


@pytest.mark.parametrize("elapsed_s", [-5.0, 0.0, 60.1, 86400.0])
def test_trap_19_gaps_and_steps_of_the_clock_add_nothing(elapsed_s: float) -> None:
    assert EnergyCounter(5.0).integrate(1000.0, elapsed_s, 0.0).total_wh == 5.0


def test_the_devices_own_counter_is_adopted_and_followed() -> None:
    counter = EnergyCounter().read(12_345_000.0, 0.0).read(12_345_010.0, 60.0)
    assert counter.total_wh == 12_345_010.0


def test_a_device_counter_that_is_behind_what_was_integrated_takes_nothing_back() -> None:
    assert EnergyCounter(total_wh=5000.0).read(100.0, 0.0).read(110.0, 1.0).total_wh == 5010.0


def test_energy_during_a_restart_is_counted_when_the_device_counted_it() -> None:
    stored = EnergyCounter(total_wh=1000.0, base_wh=1000.0, unix_s=0.0)
    assert stored.read(6000.0, 3600.0).total_wh == 6000.0


def test_a_reset_of_the_device_loses_nothing_and_never_runs_backwards() -> None:
    counter = EnergyCounter().read(5000.0, 0.0)
    for second in range(1, 10):
        counter = counter.read(float(second), float(second))
        assert counter.total_wh >= 5000.0
    assert counter.total_wh == pytest.approx(5006.0)


@pytest.mark.parametrize("wrong_wh", [0.0, 9_000_000.0])
def test_one_misreading_changes_nothing(wrong_wh: float) -> None:
    counter = EnergyCounter().read(5000.0, 0.0).read(wrong_wh, 1.0).read(5001.0, 2.0)
    assert counter.total_wh == 5001.0


def test_a_replaced_meter_that_counts_higher_is_followed_without_the_jump() -> None:
    counter = EnergyCounter().read(5000.0, 0.0)
    for second in range(1, 4):
        counter = counter.read(9_000_000.0, float(second))
    assert counter.read(9_000_010.0, 4.0).total_wh == 5010.0


@given(st.lists(st.floats(0.0, 1e9), min_size=1, max_size=40))
def test_no_sequence_of_readings_runs_the_counter_backwards(readings: list[float]) -> None:
    counter = EnergyCounter()
    for second, reading_wh in enumerate(readings):
        after = counter.read(reading_wh, float(second))
        assert after.total_wh >= counter.total_wh
        counter = after


def test_import_and_export_have_counters_of_their_own() -> None:
    energies = Energies()
    for second, power_w in enumerate([1000.0, 3600.0, -7200.0]):
        energies.put_meter(MeterSample(float(second), power_w), float(second))
    assert energies.total_wh(GRID_CONSUMED) == pytest.approx(1.0)
    assert energies.total_wh(GRID_FED_IN) == pytest.approx(2.0)


def test_counters_go_on_after_a_restart() -> None:
    before = Energies()
    before.put_device("box", DeviceSample(0.0, 3600.0), 0.0)
    before.put_device("box", DeviceSample(1.0, 3600.0), 1.0)
    after = Energies(before.counters())
    after.put_device("box", DeviceSample(50.0, 3600.0), 1000.0)
    assert after.total_wh("box/consumed") == pytest.approx(1.0)
    after.put_device("box", DeviceSample(51.0, 3600.0), 1001.0)
    assert after.total_wh("box/consumed") == pytest.approx(2.0)


def test_a_counter_that_is_missing_once_is_not_integrated_on_top() -> None:
    energies = Energies()
    energies.put_meter(MeterSample(0.0, 1000.0, energy_consumed_wh=500.0), 0.0)
    energies.put_meter(MeterSample(30.0, 1000.0), 30.0)
    energies.put_meter(MeterSample(60.0, 1000.0, energy_consumed_wh=517.0), 60.0)
    assert energies.total_wh(GRID_CONSUMED) == 517.0


def test_what_is_never_measured_has_no_counter() -> None:
    energies = Energies()
    energies.put_device("relay", DeviceSample(0.0, None), 0.0)
    assert energies.total_wh("relay/consumed") is None
    assert energies.counters() == {}
