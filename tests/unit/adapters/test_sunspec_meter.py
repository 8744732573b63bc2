"""The SunSpec meter: signs, counters, plausibility."""

import logging

import pytest

from adapters.simulated.server import HouseOptions
from adapters.sunspec.meter import SignCheck
from hems.devices import MeterSample
from tests.unit.adapters.house import site


async def test_import_is_positive_and_the_counters_follow() -> None:
    async with site() as place:
        place.house.house.wallbox.car.connected = False
        place.house.house.load_w = 1500.0
        meter = place.meter(type="sunspec-meter", unit=3)
        await meter.connect()
        place.pass_time(3600.0)
        sample = await meter.read()
        assert sample.power_w == 1500.0
        assert sample.energy_consumed_wh == pytest.approx(1500, abs=1)
        assert sample.powers_w == (500.0, 500.0, 500.0)
        assert sample.voltages_v == (230.0, 230.0, 230.0)
        assert sample.frequency_hz == 50.0
        assert sample.at_s == place.clock.monotonic()


async def test_export_is_negative() -> None:
    async with site() as place:
        place.house.house.wallbox.car.connected = False
        place.house.house.inverter.sun_w = 5000.0
        meter = place.meter(type="sunspec-meter", unit=3)
        place.pass_time(3600.0)
        sample = await meter.read()
        assert sample.power_w == -4500.0
        assert sample.energy_fed_in_wh == pytest.approx(4500, abs=5)


async def test_a_meter_that_counts_export_positive_is_turned_by_its_setting() -> None:
    async with site(HouseOptions(meter_export_positive=True)) as place:
        place.house.house.wallbox.car.connected = False
        place.pass_time(10.0)
        assert (await place.meter(type="sunspec-meter", unit=3).read()).power_w == -500.0
        turned = place.meter(type="sunspec-meter", unit=3, sign="export_positive")
        assert (await turned.read()).power_w == 500.0
        assert (await turned.read()).currents_a[0] > 0.0


async def test_a_wrong_sign_is_noticed_from_the_counters(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "adapters.sunspec.meter")
    async with site(HouseOptions(meter_export_positive=True)) as place:
        place.house.house.wallbox.car.connected = False
        meter = place.meter(type="sunspec-meter", unit=3)
        for _ in range(20):
            place.pass_time(60.0)
            await meter.read()
    assert [record.message for record in caplog.records] == [
        "meter: power and counters point to opposite sides; check its setting `sign`"
    ]


@pytest.mark.parametrize("power_w", [3000.0, -3000.0])
def test_a_right_sign_is_never_called_wrong(power_w: float) -> None:
    check = SignCheck()
    for minute in range(60):
        energy_wh = abs(power_w) * minute / 60.0
        imported, exported = (energy_wh, 0.0) if power_w > 0 else (0.0, energy_wh)
        check.add(
            MeterSample(
                at_s=minute * 60.0, power_w=power_w, energy_consumed_wh=imported, energy_fed_in_wh=exported
            )
        )
        assert not check.contradicts
