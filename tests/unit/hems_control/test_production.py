"""Feed-in limits: effective in time, several inverters, steps downwards, and battery charging used first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from hems.control.allocation import Strategy
from hems.devices import Capabilities, FeasiblePowers, Kind, PowerRange
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
@pytest.mark.parametrize("lag_s", [0.0, 5.0, 10.0])
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


@pytest.mark.parametrize(("other_w", "least_w"), [(800.0, 2900.0), (5000.0, 4500.0)])
@pytest.mark.parametrize("lag_s", [0.0, 5.0, 10.0])
def test_generation_that_cannot_be_told_is_made_up_for_by_the_inverters(
    other_w: float, least_w: float, lag_s: float
) -> None:
    """Plug-in solar, a second plant: what it feeds in counts, as far as the inverters can give way."""

    async def scenario() -> None:
        south = plant("south", 9000.0)
        house = House([south], house_w=500.0, pv_w=other_w, lag_s=lag_s)
        async with running(house):
            await house.watch(5.0)
            house.limit(3000.0, Basis.FEED_IN)
            await asyncio.sleep(FULLY_WITHIN_S)
            for _ in range(600):
                await asyncio.sleep(0.1)
                assert fed_in_w(house) <= max(3000.0, other_w - 500.0) + 1.0
            assert fed_in_w(house) >= least_w

    run(scenario())


def test_a_battery_that_begins_to_discharge_by_itself_is_made_up_for_in_time() -> None:
    async def scenario() -> None:
        south = plant("south", 9000.0)
        battery = SimulatedDevice("battery", Capabilities(Kind.BATTERY, 4000.0), wanted_w=0.0)
        house = House([south, battery], house_w=500.0)
        async with running(house):
            house.limit(3000.0, Basis.FEED_IN)
            await house.watch(60.0)
            assert fed_in_w(house) == pytest.approx(3000.0)
            battery.wanted_w = -2000.0
            await asyncio.sleep(FULLY_WITHIN_S)
            for _ in range(600):
                await asyncio.sleep(0.1)
                assert fed_in_w(house) <= 3001.0

    run(scenario())


@pytest.mark.parametrize("sun_w", [0.0, 700.0, 2000.0, 4000.0])
@pytest.mark.parametrize("lag_s", [0.0, 5.0, 10.0])
def test_an_unmeasured_inverter_that_makes_less_than_it_may_hides_no_generation_of_others(
    sun_w: float, lag_s: float
) -> None:
    """The sun comes out within a quarter of a minute, and nobody can tell who feeds in."""

    async def scenario() -> None:
        south = plant("south", 300.0)
        south.capabilities = replace(south.capabilities, measures_power=False, reaction_s=6.0)
        house = House([south], house_w=3000.0, pv_w=500.0, lag_s=lag_s)
        async with running(house):
            house.limit(5600.0, Basis.FEED_IN)
            await asyncio.sleep(90.0)
            for second in range(1, 16):
                house.pv_w = 500.0 + 7800.0 * second / 15.0
                south.wanted_w = -(300.0 + (sun_w - 300.0) * second / 15.0)
                await asyncio.sleep(1.0)
            await asyncio.sleep(FULLY_WITHIN_S - 5.0)
            for _ in range(3000):
                await asyncio.sleep(0.1)
                assert fed_in_w(house) <= 5601.0
            assert -south.power_w() == pytest.approx(min(sun_w, 300.0), abs=1.0)

    run(scenario())


@pytest.mark.parametrize("lag_s", [0.0, 5.0])
def test_other_generation_that_rises_for_a_minute_is_followed_in_time(lag_s: float) -> None:
    """The inverter, which gives way all the while, is no reason to take it for the cause."""

    async def scenario() -> None:
        south = plant("south", 9000.0)
        south.capabilities = replace(south.capabilities, reaction_s=3.0)
        house = House([south], house_w=1500.0, pv_w=500.0, lag_s=lag_s)
        async with running(house):
            house.limit(3000.0, Basis.FEED_IN)
            await asyncio.sleep(90.0)
            over_s = longest_s = 0.0
            for tenth in range(900):
                house.pv_w = 500.0 + min(6.5 * tenth, 3800.0)
                await asyncio.sleep(0.1)
                over_s = over_s + 0.1 if fed_in_w(house) > 3240.0 else 0.0
                longest_s = max(longest_s, over_s)
            assert longest_s <= 20.0

    run(scenario())


def test_without_a_meter_other_generation_that_was_seen_still_counts() -> None:
    async def scenario() -> None:
        house = House([plant("south", 9000.0)], house_w=500.0, pv_w=2000.0)
        async with running(house):
            house.limit(3000.0, Basis.FEED_IN)
            await asyncio.sleep(FULLY_WITHIN_S)
            house.meter.reachable = False
            await house.watch(60.0)
            assert fed_in_w(house) <= 3001.0

    run(scenario())


@pytest.mark.parametrize("measures_power", [True, False])
@pytest.mark.parametrize("lag_s", [0.0, 5.0, 10.0])
def test_what_an_inverter_still_made_a_moment_ago_is_not_taken_for_other_generation(
    measures_power: bool, lag_s: float
) -> None:
    async def scenario() -> None:
        south = plant("south", 9000.0)
        south.capabilities = replace(south.capabilities, measures_power=measures_power)
        async with running(House([south], house_w=500.0, lag_s=lag_s)) as house:
            await house.watch(5.0)
            house.limit(3000.0, Basis.FEED_IN)
            for _ in range(120):
                await asyncio.sleep(1.0)
                assert (south.held[PRODUCTION] or 0.0) >= 3000.0

    run(scenario())


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_share_that_an_inverter_without_sun_cannot_fill_goes_to_the_others(strategy: Strategy) -> None:
    async def scenario() -> None:
        south, west = plant("south", 500.0), plant("west", 9000.0)
        async with running(House([south, west], house_w=500.0, strategy=strategy)) as house:
            house.limit(3000.0, Basis.FEED_IN)
            await house.watch(180.0)
            assert fed_in_w(house) >= 2400.0
            south.wanted_w = -9000.0
            for _ in range(1200):
                await asyncio.sleep(0.1)
                assert fed_in_w(house) <= 3001.0
            assert -south.power_w() >= 1500.0

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


@asynccontextmanager
async def storing(house: House, south: SimulatedDevice, battery: SelfConsuming) -> AsyncIterator[None]:
    """Let the battery follow the surplus."""

    async def live() -> None:
        while True:
            battery.follow(-south.power_w() - house.house_w)
            await asyncio.sleep(0.5)

    life = asyncio.ensure_future(live())
    try:
        yield
    finally:
        life.cancel()


def stored(most_w: float = 4000.0) -> SelfConsuming:
    return SelfConsuming("battery", Capabilities(Kind.BATTERY, 4000.0), wanted_w=0.0, most_w=most_w)


def test_a_battery_charges_first_before_the_sun_is_cut() -> None:
    """With 3 kW allowed and a battery that takes 4 kW, 7.5 of the 9 kW of sun are made."""

    async def scenario() -> None:
        south, battery = plant("south", 9000.0), stored()
        house = House([south, battery], house_w=500.0)
        async with storing(house, south, battery), running(house):
            await house.watch(5.0)
            house.limit(3000.0, Basis.FEED_IN)
            await asyncio.sleep(FULLY_WITHIN_S)
            for _ in range(3000):
                await asyncio.sleep(0.1)
                assert fed_in_w(house) <= 3000.0 + 1.0
            assert -south.power_w() == pytest.approx(7500.0, abs=100.0)

    run(scenario())


def test_a_battery_may_charge_first_also_where_nothing_may_be_fed_in() -> None:
    """Where the household chooses so: it is shown 2 % of the type plate at a time, which it takes."""

    async def scenario() -> None:
        south, battery = plant("south", 9000.0), stored()
        house = House([south, battery], house_w=500.0, offer_to_batteries=True)
        async with running(house):
            await house.watch(1.0)
            house.limit(0.0, Basis.FEED_IN)
            await asyncio.sleep(FULLY_WITHIN_S)
            assert fed_in_w(house) <= 1.0
            async with storing(house, south, battery):
                fed_in_ws = 0.0
                for _ in range(9000):
                    await asyncio.sleep(0.1)
                    fed_in_ws += 0.1 * fed_in_w(house)
                    assert fed_in_w(house) <= 201.0
                assert battery.power_w() == pytest.approx(4000.0, abs=250.0)
                assert fed_in_ws / 3600.0 < 5.0

    run(scenario())


def test_nothing_is_offered_to_batteries_unless_the_household_chooses_so() -> None:
    """0 W are 0 W, also where a battery stays empty for it."""

    async def scenario() -> None:
        south, battery = plant("south", 9000.0), stored()
        house = House([south, battery], house_w=500.0)
        async with running(house), storing(house, south, battery):
            house.limit(0.0, Basis.FEED_IN)
            await asyncio.sleep(FULLY_WITHIN_S)
            for _ in range(1200):
                await asyncio.sleep(0.1)
                assert fed_in_w(house) <= 1.0

    run(scenario())


def test_a_battery_that_takes_no_more_is_offered_little_and_seldom() -> None:
    async def scenario() -> None:
        south, battery = plant("south", 9000.0), stored(most_w=0.0)
        house = House([south, battery], house_w=500.0, offer_to_batteries=True)
        async with running(house), storing(house, south, battery):
            house.limit(0.0, Basis.FEED_IN)
            await asyncio.sleep(FULLY_WITHIN_S)
            longest_s, now_s, fed_in_ws = 0.0, 0.0, 0.0
            for _ in range(3600):
                await asyncio.sleep(0.5)
                now_s = now_s + 0.5 if fed_in_w(house) > 1.0 else 0.0
                longest_s = max(longest_s, now_s)
                fed_in_ws += 0.5 * fed_in_w(house)
            assert longest_s <= 30.0
            assert 0.0 < fed_in_ws / 3600.0 < 5.0

    run(scenario())
