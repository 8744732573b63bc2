"""The battery in the gateway's own process obeys the port and keeps its books."""

import pytest

from adapters.context import Context
from adapters.registry import DEFAULT_REGISTRY
from adapters.simulated.battery_device import SimulatedBatterySettings
from eebus.clock import FakeClock
from hems.devices import Direction, Setpoint, WriteRefused


async def test_charging_stops_at_the_ceiling_and_resumes_after_the_release() -> None:
    clock = FakeClock()
    settings = SimulatedBatterySettings(type="simulated", charge_power_w=3000.0)
    battery = DEFAULT_REGISTRY.make_device("battery", settings, Context(clock=clock))
    await battery.connect()
    clock.advance(3600.0)
    assert (await battery.read()).energy_consumed_wh == pytest.approx(3000.0)

    readback = await battery.write(Setpoint(Direction.CONSUMPTION, 1000.0))
    assert readback.confirmed
    assert (await battery.read()).power_w == 1000.0
    await battery.write(Setpoint(Direction.CONSUMPTION, None))
    sample = await battery.read()
    assert sample.power_w == 3000.0
    assert sample.ceilings_w == {Direction.CONSUMPTION: None}


async def test_a_full_battery_takes_no_more_than_its_capacity() -> None:
    clock = FakeClock()
    settings = SimulatedBatterySettings(type="simulated", capacity_wh=1000.0, charge_percent=90.0)
    battery = DEFAULT_REGISTRY.make_device("battery", settings, Context(clock=clock))
    clock.advance(3600.0)
    assert (await battery.read()).energy_consumed_wh == pytest.approx(100.0)


async def test_discharge_stays_free_below_a_ceiling_of_zero() -> None:
    clock = FakeClock()
    settings = SimulatedBatterySettings(type="simulated", charge_power_w=-2000.0)
    battery = DEFAULT_REGISTRY.make_device("battery", settings, Context(clock=clock))
    await battery.write(Setpoint(Direction.CONSUMPTION, 0.0))
    clock.advance(1.0)
    assert (await battery.read()).power_w == -2000.0


async def test_a_production_limit_is_refused_in_plain_words() -> None:
    settings = SimulatedBatterySettings(type="simulated")
    battery = DEFAULT_REGISTRY.make_device("cellar", settings, Context(clock=FakeClock()))
    with pytest.raises(WriteRefused, match="cellar"):
        await battery.write(Setpoint(Direction.PRODUCTION, 0.0))
