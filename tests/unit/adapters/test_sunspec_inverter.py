"""The SunSpec inverter against one that is laid out by hand from the tables of the models."""

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.simulated.faults import Fault
from adapters.simulated.server import HouseOptions
from hems.devices import DeviceError, DeviceUnreachable, Direction, Fallback, Setpoint, WriteRefused
from tests.unit.adapters.house import Site, site

PRODUCTION = Direction.PRODUCTION
M123 = HouseOptions(inverters=(123,))
M704 = HouseOptions(inverters=(704,))


def limit(power_w: float | None) -> Setpoint:
    return Setpoint(PRODUCTION, power_w)


async def connected(place: Site, **settings: Any) -> Any:
    device = place.device(type="sunspec", unit=2, **settings)
    await device.connect()
    return device


@pytest.mark.parametrize("options", [M123, M704])
async def test_production_is_read_as_negative_power(options: HouseOptions) -> None:
    async with site(options) as place:
        place.house.house.inverter.sun_w = 6000.0
        device = await connected(place)
        place.pass_time(3600.0)
        sample = await device.read()
        assert sample.power_w == -6000.0
        assert sample.energy_produced_wh == pytest.approx(5997, abs=5)
        assert sample.voltages_v == (230.0, 230.0, 230.0)
        assert sample.state == "producing"
        assert sample.ceilings_w == {PRODUCTION: None}


@pytest.mark.parametrize("options", [M123, M704])
async def test_a_limit_takes_effect_is_shown_and_released(options: HouseOptions) -> None:
    async with site(options) as place:
        place.house.house.inverter.sun_w = 9000.0
        device = await connected(place)
        readback = await device.write(limit(4200.0))
        assert (readback.written_w, readback.held_w, readback.confirmed) == (4200.0, 4200.0, True)
        place.pass_time(10.0)
        sample = await device.read()
        assert (sample.power_w, sample.state) == (-4200.0, "throttled")
        assert sample.ceilings_w == {PRODUCTION: 4200.0}
        readback = await device.write(limit(None))
        assert (readback.written_w, readback.held_w, readback.confirmed) == (None, None, True)
        place.pass_time(10.0)
        assert (await device.read()).power_w == -9000.0


@pytest.mark.parametrize("options", [M123, M704])
async def test_zero_is_a_limit(options: HouseOptions) -> None:
    async with site(options) as place:
        place.house.house.inverter.sun_w = 9000.0
        device = await connected(place)
        assert (await device.write(limit(0.0))).held_w == 0.0
        place.pass_time(10.0)
        assert (await device.read()).power_w == 0.0


async def test_the_limit_is_rounded_down_to_the_step_of_the_device() -> None:
    async with site(M123) as place:
        device = await connected(place)
        assert (await device.write(limit(4200.99))).held_w == 4200.0  # 0.01 % of 10 kW are 1 W


@pytest.mark.parametrize("options", [M123, M704])
async def test_the_device_drops_the_limit_when_it_is_not_refreshed(options: HouseOptions) -> None:
    async with site(options) as place:
        place.house.house.inverter.sun_w = 9000.0
        device = await connected(place, revert_s=120)
        assert device.capabilities.production_fallback == Fallback(after_s=120.0, power_w=10_000.0)
        assert device.capabilities.refresh_s == 48.0
        await device.write(limit(3000.0))
        for _ in range(5):
            place.pass_time(device.capabilities.refresh_s)
            await device.write(limit(3000.0))
        assert (await device.read()).ceilings_w == {PRODUCTION: 3000.0}
        place.pass_time(119.0)
        assert (await device.read()).ceilings_w == {PRODUCTION: 3000.0}
        place.pass_time(2.0)
        assert (await device.read()).ceilings_w == {PRODUCTION: None}


@pytest.mark.parametrize("options", [M123, M704])
async def test_a_limit_that_nobody_will_renew_has_no_end_until_the_next_one(options: HouseOptions) -> None:
    async with site(options) as place:
        device = await connected(place, revert_s=120)
        await device.write(limit(3000.0))
        await device.write(Setpoint(PRODUCTION, 3000.0, lasting=True))
        place.pass_time(10_000.0)
        assert (await device.read()).ceilings_w == {PRODUCTION: 3000.0}
        await device.write(limit(4000.0))
        place.pass_time(121.0)
        assert (await device.read()).ceilings_w == {PRODUCTION: None}


async def test_704_the_timer_is_one_32_bit_number_and_counts_down() -> None:
    """A five-register write would put the seconds into the high word: 65 536 times as long."""
    async with site(M704) as place:
        device = await connected(place, revert_s=300)
        await device.write(limit(3000.0))
        inverter = place.house.house.inverter
        assert inverter.revert_s == 300.0
        place.pass_time(100.0)
        assert inverter.remaining_s == pytest.approx(200.0)


async def test_704_can_stay_limited_after_its_timer() -> None:
    async with site(M704) as place:
        place.house.house.inverter.sun_w = 9000.0
        device = await connected(place, revert_s=60, after_revert_w=6000.0)
        assert device.capabilities.production_fallback == Fallback(after_s=60.0, power_w=6000.0)
        await device.write(limit(1000.0))
        place.pass_time(61.0)
        assert (await device.read()).ceilings_w == {PRODUCTION: 6000.0}


async def test_123_cannot_promise_a_limit_after_its_timer() -> None:
    async with site(M123) as place:
        device = place.device(type="sunspec", unit=2, revert_s=60, after_revert_w=6000.0)
        with pytest.raises(DeviceError, match="model 123 can only drop its limit"):
            await device.connect()


async def test_what_follows_a_timer_needs_a_timer() -> None:
    async with site(M704) as place:
        with pytest.raises(ValidationError, match="set revert_s above 0"):
            place.device(type="sunspec", unit=2, after_revert_w=6000.0)


async def test_without_a_timer_the_limit_stays_for_ever_and_there_is_no_fallback() -> None:
    """The default: a gateway that is killed during an order leaves no inverter free."""
    async with site(M123) as place:
        device = await connected(place)
        assert device.capabilities.production_fallback is None
        await device.write(limit(3000.0))
        place.pass_time(10_000.0)
        assert (await device.read()).ceilings_w == {PRODUCTION: 3000.0}


async def test_a_rebooted_inverter_shows_that_it_lost_its_limit() -> None:
    async with site(M123) as place:
        device = await connected(place)
        await device.write(limit(3000.0))
        await place.house.command({"cmd": "reboot", "unit": "inverter"})
        assert (await device.read()).ceilings_w == {PRODUCTION: None}


async def test_an_inverter_that_confirms_and_ignores_is_caught() -> None:
    async with site(M123) as place:
        device = await connected(place)
        place.house.units["inverter"].faults.add(Fault.IGNORE_WRITES)
        with pytest.raises(WriteRefused, match="3000 W was written, but the device shows no limit"):
            await device.write(limit(3000.0))


async def test_read_back_alone_proves_nothing() -> None:
    """8.6.2: registers hold the limit, the power does not follow; only the measurement shows it."""
    async with site(M123) as place:
        place.house.house.inverter.sun_w = 9000.0
        device = await connected(place)
        place.house.units["inverter"].faults.add(Fault.NO_EFFECT)
        assert (await device.write(limit(3000.0))).confirmed
        place.pass_time(10.0)
        sample = await device.read()
        assert sample.ceilings_w == {PRODUCTION: 3000.0}
        assert sample.power_w == -9000.0


async def test_an_unreachable_inverter_is_told_as_such_and_comes_back() -> None:
    async with site(M123) as place:
        device = await connected(place)
        place.house.units["inverter"].faults.add(Fault.UNREACHABLE)
        with pytest.raises(DeviceUnreachable):
            await device.write(limit(3000.0))
        place.house.units["inverter"].faults.clear()
        assert (await device.write(limit(3000.0))).confirmed


async def test_it_can_be_limited_before_it_was_ever_read() -> None:
    async with site(M123) as place:
        device = place.device(type="sunspec", unit=2)
        assert (await device.write(limit(3000.0))).confirmed
        assert device.capabilities.nameplate_w == 10_000.0


async def test_an_inverter_of_unknown_size_is_not_taken_for_a_small_one() -> None:
    async with site(M123) as place:
        unknown = place.device(type="sunspec", unit=2).capabilities
        assert (unknown.nameplate_w, unknown.production_fallback) == (30_000.0, None)
        told = place.device(type="sunspec", unit=2, revert_s=120, nameplate_w=8_000.0).capabilities
        assert (told.nameplate_w, told.production_fallback) == (8_000.0, Fallback(120.0, 8_000.0))


async def test_its_consumption_is_not_limited() -> None:
    async with site(M123) as place:
        device = place.device(type="sunspec", unit=2)
        with pytest.raises(WriteRefused, match="production only"):
            await device.write(Setpoint(Direction.CONSUMPTION, 0.0))


async def test_a_meter_is_no_inverter() -> None:
    async with site(M123) as place:
        device = place.device(type="sunspec", unit=3)
        with pytest.raises(DeviceError, match=r"model 704 or 123 is needed.*the map holds 1, 203"):
            await device.connect()
