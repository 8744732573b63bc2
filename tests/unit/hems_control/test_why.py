"""The sentence that says why: limit, what others take, credit, step, in the device's own terms."""

import asyncio
from dataclasses import replace

import pytest

from hems.control.credit import CreditReading, CreditTracker
from hems.control.why import in_own_terms
from hems.devices import Capabilities, FeasiblePowers, Kind, PowerRange
from hems.limits.ceilings import Basis
from hems.limits.sources.protection import GridFuse, protection_ceilings
from tests.unit.hems_control.house import House, SimulatedDevice, heat_pump, inverter, running
from tests.unit.hems_control.virtual_time import run

BOX = Capabilities(
    Kind.WALLBOX,
    11_040.0,
    FeasiblePowers(
        (PowerRange(0.0, 0.0), PowerRange(1380.0, 3680.0, 230.0), PowerRange(4140.0, 11_040.0, 690.0))
    ),
    reaction_s=1.0,
)


def why(house: House, name: str) -> str:
    reason = house.lane(name).why
    assert reason is not None
    return reason.text


def test_the_example_of_the_domain_reference_reads_like_a_sentence() -> None:
    async def scenario() -> None:
        pump = SimulatedDevice("heat_pump", heat_pump(), wanted_w=2000.0, demand_w=2000.0)
        box = SimulatedDevice("wallbox", BOX, wanted_w=11_040.0)
        house = House([pump, box])
        house.meter.reachable = False
        async with running(house):
            await house.watch(5.0)
            house.limit(7560.0)
            await house.watch(10.0)
            assert why(house, "wallbox") == (
                "5.52 kW (8 A three-phase) because the grid operator limits, heat_pump measured 2.00 kW, "
                "credit 0 (no meter reading of the last 5 s), next lower step"
            )
            reason = house.lane("wallbox").why
            assert reason is not None
            assert [reason.values[name] for name in ("limit_w", "credit_w", "power_w")] == [
                7560.0,
                0.0,
                5520.0,
            ]

    run(scenario())


def test_credit_is_named_once_it_is_used() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", BOX, wanted_w=11_040.0)
        async with running(House([box], house_w=500.0, pv_w=3500.0)) as house:
            house.limit(4200.0)
            await house.watch(60.0)
            assert "(10 A three-phase) because the grid operator limits plus 3.00 kW" in why(house, "wallbox")
            assert "credit 3.00 kW" in why(house, "wallbox")

    run(scenario())


def test_a_device_of_which_nothing_is_known_is_named_with_what_is_set_aside() -> None:
    async def scenario() -> None:
        first = SimulatedDevice("first", BOX, wanted_w=0.0, tells_what_it_holds=False)
        first.capabilities = Capabilities(
            Kind.WALLBOX, 11_040.0, BOX.consumption, reaction_s=1.0, measures_power=False
        )
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        house = House([first, pump])
        async with running(house):
            house.limit(5000.0)
            await asyncio.sleep(3.0)
            assert "first not measured, 4.83 kW set aside" in why(house, "pump") or "11.04 kW" in why(
                house, "pump"
            )

    run(scenario())


def test_what_is_kept_for_a_device_that_takes_less_is_named_so_that_the_figures_add_up() -> None:
    async def scenario() -> None:
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=1000.0)
        box = SimulatedDevice("wallbox", BOX, wanted_w=11_040.0)
        async with running(House([pump, box])) as house:
            house.limit(9000.0)
            await house.watch(30.0)
            assert why(house, "wallbox").startswith(
                "0 W because the grid operator limits, pump measured 1.00 kW, 8.00 kW kept for it, credit 0"
            )
            await house.watch(120.0)
            assert "pump measured 1.00 kW, 4.00 kW kept for it" in why(house, "wallbox")

    run(scenario())


def test_of_many_others_those_that_matter_most_are_named() -> None:
    async def scenario() -> None:
        pumps = [SimulatedDevice(f"pump{n}", heat_pump(), wanted_w=100.0 * n) for n in range(1, 6)]
        box = SimulatedDevice("wallbox", BOX, wanted_w=11_040.0)
        house = House([*pumps, box])
        async with running(house):
            house.limit(4000.0)
            await house.watch(10.0)
            text = why(house, "wallbox")
            assert text.count("pump") == 3
            assert "pump1 measured 100 W" in text
            assert ", 2 more 0 W, credit 0" in text

    run(scenario())


def test_readings_that_a_moving_device_mixes_are_no_proof_that_nothing_is_generated() -> None:
    tracker = CreditTracker()
    tracker.update(CreditReading(0.0, 2400.0, 1.0), frozen_until_s=0.0)
    assert tracker.reason.text == (
        "credit stays at 0 W: a device moves, and the readings show between 0 W and 2.40 kW"
    )


def test_a_rise_that_waits_says_what_for() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", replace(BOX, accepted_rise_s=60.0), wanted_w=11_040.0)
        async with running(House([box])) as house:
            house.limit(0.0)
            await house.watch(10.0)
            house.limit(7560.0)
            await house.watch(5.0)
            assert "it rests for 60 s after a pause" in why(house, "wallbox")

    run(scenario())


def test_production_has_its_own_words() -> None:
    async def scenario() -> None:
        from hems.limits.ceilings import Basis

        plant = SimulatedDevice("inverter", inverter(), wanted_w=-9000.0)
        async with running(House([plant], house_w=600.0)) as house:
            house.limit(3000.0, Basis.FEED_IN)
            await house.watch(60.0)
            assert why(house, "inverter").startswith("3.60 kW because the grid operator limits plus 600 W")

    run(scenario())


@pytest.mark.parametrize(
    ("power_w", "text"),
    [
        (0.0, "0 W"),
        (1380.0, "1.38 kW (6 A single-phase)"),
        (3680.0, "3.68 kW (16 A single-phase)"),
        (4140.0, "4.14 kW (6 A three-phase)"),
        (11_040.0, "11.04 kW (16 A three-phase)"),
    ],
)
def test_a_charge_point_is_told_in_amperes(power_w: float, text: str) -> None:
    assert in_own_terms(power_w, BOX) == text


def test_other_devices_are_told_in_watts() -> None:
    assert in_own_terms(2000.0, heat_pump()) == "2.00 kW"


def test_credit_is_told_only_where_the_limit_that_binds_earns_any() -> None:
    """Neither at the inverter itself nor at the fuse."""

    async def scenario() -> None:
        south = SimulatedDevice("south", inverter(), wanted_w=-9000.0)
        box = SimulatedDevice("wallbox", BOX, wanted_w=11_040.0)
        async with running(House([south, box], house_w=2000.0)) as house:
            house.limit(3000.0, Basis.INVERTER)
            now = asyncio.get_running_loop().time()
            house.control.new_ceilings(protection_ceilings(GridFuse(20.0), now))
            await house.watch(60.0)
            assert (
                why(house, "south")
                == "3.00 kW because the grid operator limits, all that is left of the budget"
            )
            assert "credit" not in why(house, "wallbox")

    run(scenario())


def test_feed_in_tells_what_the_house_takes_and_not_what_it_generates() -> None:
    async def scenario() -> None:
        south = SimulatedDevice("south", inverter(), wanted_w=-9000.0)
        async with running(House([south])) as house:
            house.limit(3000.0, Basis.FEED_IN)
            await house.watch(60.0)
            assert "credit 0 (the house takes nothing for certain)" in why(house, "south")
            house.pv_w = 800.0
            await house.watch(60.0)
            assert "other generation 800 W" in why(house, "south")

    run(scenario())
