"""Feed-in limits: effective in time, several inverters, steps downwards, and battery charging used first."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from hems.devices import FeasiblePowers, PowerRange
from hems.limits.ceilings import Basis
from tests.unit.hems_control.house import PRODUCTION, House, SimulatedDevice, inverter, running
from tests.unit.hems_control.virtual_time import run

FULLY_WITHIN_S = 30.0


def fed_in_w(house: House) -> float:
    return max(0.0, -house.grid_w())


def plant(name: str, sun_w: float, step_w: float = 0.0) -> SimulatedDevice:
    can = replace(inverter(), production=FeasiblePowers((PowerRange(0.0, 10_000.0, step_w),)))
    return SimulatedDevice(name, can, wanted_w=-sun_w)


@pytest.mark.parametrize("limit_w", [0.0, 3000.0, 6000.0])
@pytest.mark.parametrize("lag_s", [0.0, 5.0])
def test_two_inverters_feed_in_no_more_than_ordered_after_30_s(limit_w: float, lag_s: float) -> None:
    async def scenario() -> None:
        house = House([plant("south", 9000.0), plant("west", 4000.0)], house_w=800.0, lag_s=lag_s)
        async with running(house):
            await house.watch(5.0)
            house.limit(limit_w, Basis.FEED_IN)
            await asyncio.sleep(FULLY_WITHIN_S)
            for _ in range(600):
                await asyncio.sleep(0.1)
                assert fed_in_w(house) <= limit_w + 1.0
            assert fed_in_w(house) >= limit_w - 850.0

    run(scenario())


def test_watts_become_the_next_lower_step_of_every_inverter() -> None:
    async def scenario() -> None:
        plants = [plant("south", 9000.0, step_w=1000.0), plant("west", 9000.0, step_w=1000.0)]
        async with running(House(plants)) as house:
            house.limit(4500.0, Basis.FEED_IN)
            await house.watch(10.0)
            assert sum(each.held[PRODUCTION] or 0.0 for each in plants) == 4000.0

    run(scenario())


def test_at_the_inverter_the_house_does_not_count() -> None:
    async def scenario() -> None:
        south = plant("south", 9000.0)
        async with running(House([south], house_w=2000.0)) as house:
            house.limit(3000.0, Basis.INVERTER)
            await house.watch(60.0)
            assert south.held[PRODUCTION] == 3000.0

    run(scenario())


@dataclass
class SelfConsuming(SimulatedDevice):
    """A battery that takes what the house would feed in, as every home battery does by itself."""

    most_w: float = 4000.0
    room_wh: float = 100_000.0

    def follow(self, surplus_w: float) -> None:
        """Charge with the surplus, up to what it can."""
        self.wanted_w = min(self.most_w, max(0.0, surplus_w)) if self.room_wh > 0.0 else 0.0


def test_a_battery_charges_first_before_the_sun_is_cut() -> None:
    """With 3 kW allowed and a battery that takes 4 kW, 7.5 of the 9 kW of sun are made."""

    async def scenario() -> None:
        from hems.devices import Capabilities, Kind

        south = plant("south", 9000.0)
        battery = SelfConsuming("battery", Capabilities(Kind.BATTERY, 4000.0), wanted_w=0.0)
        house = House([south, battery], house_w=500.0)

        async def live() -> None:
            while True:
                battery.follow(-south.power_w() - house.house_w)
                await asyncio.sleep(0.5)

        life = asyncio.ensure_future(live())
        async with running(house):
            await house.watch(5.0)
            house.limit(3000.0, Basis.FEED_IN)
            await asyncio.sleep(FULLY_WITHIN_S)
            for _ in range(3000):
                await asyncio.sleep(0.1)
                assert fed_in_w(house) <= 3000.0 + 1.0
            assert -south.power_w() == pytest.approx(7500.0, abs=100.0)
        life.cancel()

    run(scenario())
