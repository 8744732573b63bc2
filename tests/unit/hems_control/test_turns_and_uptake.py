"""Turns in pausing, and what a device really takes of what it is offered."""

import asyncio
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.control.allocation import Strategy
from hems.control.rules import Traits
from hems.control.turns import MIN_RUN_S, TURN_S, Turns
from hems.control.uptake import LEARN_AFTER_S, REMEMBER_S, Uptake
from hems.devices import Capabilities, FeasiblePowers, Kind, PowerRange
from tests.unit.hems_control.house import House, SimulatedDevice, heat_pump, running, wallbox
from tests.unit.hems_control.virtual_time import run

BOX = wallbox()
BOX_POWERS = BOX.consumption
assert BOX_POWERS is not None


def test_a_device_that_has_just_started_keeps_its_place_and_one_that_waits_long_gets_it() -> None:
    turns = Turns()
    turns.note("a", running=True, now=0.0)
    turns.note("b", running=False, now=0.0)
    assert turns.rank("a", MIN_RUN_S - 1) < turns.rank("b", MIN_RUN_S - 1)
    assert turns.rank("a", TURN_S - 1) < turns.rank("b", TURN_S - 1)
    assert turns.rank("b", TURN_S) < turns.rank("a", TURN_S)


def test_repeating_what_is_known_starts_no_new_turn() -> None:
    turns = Turns()
    for now in range(0, int(TURN_S) + 1, 60):
        turns.note("a", running=False, now=float(now))
    assert turns.rank("a", TURN_S) == 1


def test_two_cars_that_cannot_both_charge_take_turns() -> None:
    async def scenario() -> None:
        cars = [SimulatedDevice(name, wallbox(), wanted_w=11040.0) for name in ("left", "right")]
        async with running(House(cars)) as house:
            house.limit(5000.0)
            charged_s = {"left": 0, "right": 0}
            for _ in range(2400):
                await asyncio.sleep(1.0)
                for car in cars:
                    charged_s[car.name] += car.power_w() > 0.0
            assert min(charged_s.values()) > 800
            assert house.drawn_w() <= 5000.0
            assert all(len(car.writes) < 15 for car in cars)

    run(scenario())


def test_a_device_that_has_just_started_runs_its_least_time_unless_the_limit_forbids_it() -> None:
    """A compressor is not paused for a device of higher priority, but for the grid operator."""

    async def scenario() -> None:
        stages = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(3000.0, 3000.0)))
        capabilities = replace(heat_pump(), consumption=stages, min_run_s=600.0)
        pump = SimulatedDevice("pump", capabilities, wanted_w=3000.0)
        car = SimulatedDevice("car", wallbox(), wanted_w=11040.0, demand_w=0.0)
        async with running(House([car, pump], ranks={"car": 1, "pump": 2})) as house:
            house.limit(2000.0)
            await house.watch(60.0)
            house.limit(5000.0)
            await house.watch(60.0)
            assert pump.power_w() == 3000.0
            car.demand_w = None
            await house.watch(480.0)
            assert (car.power_w(), pump.power_w()) == (0.0, 3000.0)
            await house.watch(120.0)
            assert (car.power_w(), pump.power_w()) == (4830.0, 0.0)
            car.demand_w = 0.0
            await house.watch(60.0)
            assert pump.power_w() == 3000.0
            house.limit(2000.0)
            await house.watch(5.0)
            assert pump.power_w() == 0.0

    run(scenario())


@pytest.mark.parametrize("strategy", [Strategy.PRIORITY, Strategy.EQUAL])
def test_a_device_that_takes_nothing_in_its_turn_gives_it_back_after_a_minute(strategy: Strategy) -> None:
    async def scenario() -> None:
        full = SimulatedDevice("full", wallbox(), wanted_w=0.0)
        hungry = SimulatedDevice("hungry", wallbox(), wanted_w=11040.0)
        async with running(House([full, hungry], strategy=strategy)) as house:
            house.limit(5000.0)
            await house.watch(LEARN_AFTER_S + 30.0)
            assert hungry.power_w() == 4830.0
            full.wanted_w = 11040.0
            await house.watch(TURN_S - LEARN_AFTER_S)
            assert hungry.power_w() == 4830.0
            await house.watch(LEARN_AFTER_S + 90.0)
            assert full.power_w() == 4830.0

    run(scenario())


def test_whoever_takes_nothing_of_an_offer_is_idle_and_a_pause_or_a_draw_is_no_sign_of_it() -> None:
    assert uptake(4140.0, 20.0, LEARN_AFTER_S).idles(LEARN_AFTER_S)
    assert not uptake(4140.0, 20.0, LEARN_AFTER_S - 1).idles(LEARN_AFTER_S - 1)
    assert not uptake(4140.0, 1400.0, 600).idles(600.0)
    assert not uptake(0.0, 0.0, 600).idles(600.0)
    assert not Uptake().idles(600.0)


def uptake(told_w: float, measured_w: float, seconds: float, start_s: float = 0.0) -> Uptake:
    learned = Uptake()
    for second in range(int(seconds) + 1):
        learned.observe(told_w, measured_w, start_s + second)
    return learned


def useful(learned: Uptake, now: float) -> float | None:
    assert BOX_POWERS is not None
    return learned.most_useful_w(BOX, BOX_POWERS, now)


def test_nothing_is_concluded_before_the_offer_has_stood_for_a_while() -> None:
    assert useful(uptake(11040.0, 6600.0, LEARN_AFTER_S - 1), LEARN_AFTER_S - 1) is None
    assert useful(uptake(11040.0, 6600.0, LEARN_AFTER_S), LEARN_AFTER_S) == 7260.0


def test_near_its_set_point_a_device_may_want_more() -> None:
    assert useful(uptake(6900.0, 6850.0, 600), 600.0) is None


def test_a_paused_device_tells_nothing() -> None:
    assert useful(uptake(0.0, 0.0, 600), 600.0) is None


def test_an_idle_device_can_still_start() -> None:
    assert useful(uptake(11040.0, 0.0, 600), 600.0) == 4140.0


def test_the_highest_draw_of_the_last_minutes_counts() -> None:
    learned = uptake(11040.0, 8000.0, 60)
    for second in range(61, 200):
        learned.observe(11040.0, 5000.0, float(second))
    assert useful(learned, 199.0) == 8800.0
    for second in range(200, 200 + int(REMEMBER_S)):
        learned.observe(11040.0, 5000.0, float(second))
    assert useful(learned, 200.0 + REMEMBER_S) == 5500.0


@given(st.lists(st.floats(0.0, 11040.0), min_size=1, max_size=50), st.floats(1.0, 11040.0))
def test_never_less_than_what_was_measured_is_thought_useful(draws_w: list[float], told_w: float) -> None:
    learned = Uptake()
    for second, draw_w in enumerate(draws_w):
        learned.observe(told_w, draw_w, second * 10.0)
    found_w = useful(learned, len(draws_w) * 10.0)
    recent_w = [w for second, w in enumerate(draws_w) if second * 10.0 >= len(draws_w) * 10.0 - REMEMBER_S]
    assert found_w is None or found_w >= max(recent_w)


def test_what_a_car_does_not_take_goes_to_the_heat_pump_and_comes_back() -> None:
    async def scenario() -> None:
        car = SimulatedDevice("car", wallbox(), wanted_w=4200.0)
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([car, pump])) as house:
            house.limit(9000.0)
            await house.watch(30.0)
            assert pump.power_w() < 2000.0
            await house.watch(90.0)
            assert pump.power_w() >= 4100.0
            car.wanted_w = 11040.0
            await house.watch(60.0)
            assert car.power_w() >= 6900.0
            assert house.most_drawn_w <= 9000.0 + 1.0

    run(scenario())


@dataclass
class Compressor(SimulatedDevice):
    """It starts only where it may take its least power, and stops below it."""

    least_w: float = 1200.0

    def power_w(self) -> float:
        power_w = super().power_w()
        return power_w if power_w >= self.least_w else 0.0


@pytest.mark.parametrize("tells_its_least", [True, False])
def test_a_heat_pump_that_comes_to_want_power_during_a_limit_gets_it_before_the_car(
    tells_its_least: bool,
) -> None:
    async def scenario() -> None:
        top = PowerRange(1200.0, 6000.0, 100.0) if tells_its_least else PowerRange(0.0, 6000.0, 100.0)
        powers = FeasiblePowers((PowerRange(0.0, 0.0), top) if tells_its_least else (top,))
        pump = Compressor("pump", Capabilities(Kind.HEAT_PUMP, 6000.0, powers, reaction_s=1.0), wanted_w=0.0)
        car = SimulatedDevice("car", wallbox(), wanted_w=11040.0)
        async with running(House([pump, car], ranks={"pump": 1, "car": 2})) as house:
            house.limit(9700.0)
            await house.watch(180.0)
            assert car.power_w() >= 6000.0
            pump.wanted_w = 5000.0
            await house.watch(180.0)
            assert pump.power_w() >= 5000.0
            assert car.power_w() >= 4140.0 - 1.0
            assert house.most_drawn_w <= 9700.0 + 1.0

    run(scenario())


def test_an_equal_division_is_kept_by_the_running_house() -> None:
    async def scenario() -> None:
        pumps = [SimulatedDevice(name, heat_pump(), wanted_w=8000.0) for name in "abc"]
        house = House(pumps, strategy=Strategy.EQUAL, traits=Traits())
        async with running(house):
            house.limit(6000.0)
            await house.watch(10.0)
            assert [pump.power_w() for pump in pumps] == [2000.0] * 3

    run(scenario())
