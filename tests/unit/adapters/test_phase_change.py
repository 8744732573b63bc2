"""Wallboxes that switch between one phase and three: what they can be told, when they switch, and how."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.modbus.phases import Move, PhaseChange
from adapters.simulated.server import HouseOptions, WallboxMake
from hems.devices import Direction, PowerRange, Setpoint
from tests.unit.adapters.house import Site, site

CONSUMPTION = Direction.CONSUMPTION
MAKES: tuple[WallboxMake, ...] = ("alfen", "keba-p30", "keba-p40")
PROFILES = {"alfen": "alfen-ng9xx"}
REST_S, DWELL_S = 60.0, 600.0
AGAIN_S = 15.0


class Box:
    """The device, told the same again and again as the gateway does, and the wallbox behind it."""

    def __init__(self, place: Site, device: Any) -> None:
        self._place = place
        self.device = device
        self.wallbox = place.house.house.wallbox

    async def is_told(self, power_w: float | None, seconds: float) -> None:
        for _ in range(round(seconds / AGAIN_S)):
            await self.device.write(Setpoint(CONSUMPTION, power_w))
            for _ in range(round(AGAIN_S / 5.0)):
                self._place.pass_time(5.0)
                await self.device.read()

    @property
    def state(self) -> tuple[int, int]:
        return self.wallbox.switched_phases, round(self.wallbox.power_w)


@asynccontextmanager
async def box(make: WallboxMake, **params: float) -> AsyncIterator[Box]:
    async with site(HouseOptions(wallboxes=(make,))) as place:
        device = place.device(
            type="modbus",
            profile=PROFILES.get(make, make),
            unit=1,
            request_gap_ms=0,
            write_gap_ms=0,
            params={"switches_phases": 1, "assumed_voltage_v": 230, **params},
        )
        await device.connect()
        await device.read()
        yield Box(place, device)


@pytest.mark.parametrize("make", MAKES)
async def test_it_can_be_told_powers_of_both_below_its_least_on_three_phases_those_of_one(
    make: WallboxMake,
) -> None:
    async with box(make) as each:
        capabilities = each.device.capabilities
        assert capabilities.consumption is not None
        pause, on_one, on_all = capabilities.consumption.ranges
        assert pause == PowerRange(0.0, 0.0)
        assert (on_one.low_w, on_all.low_w, on_all.high_w) == (1380.0, 4140.0, 11_040.0)
        assert on_one.high_w == pytest.approx(3680.0)
        assert capabilities.all_phases_from_w == 4140.0
        assert capabilities.nameplate_w == 11_040.0


@pytest.mark.parametrize("make", MAKES)
async def test_a_box_without_the_switch_is_as_it_was_and_its_registers_are_left_alone(
    make: WallboxMake,
) -> None:
    async with box(make, switches_phases=0) as each:
        capabilities = each.device.capabilities
        assert capabilities.consumption is not None
        assert len(capabilities.consumption.ranges) == 2
        assert capabilities.all_phases_from_w is None
        await each.is_told(2300.0, 300.0)
        assert each.state == (3, 0)


@pytest.mark.parametrize("make", MAKES)
async def test_it_pauses_rests_switches_rests_and_goes_on_with_one_phase(make: WallboxMake) -> None:
    async with box(make) as each:
        await each.is_told(11_040.0, 60.0)
        assert each.state == (3, 11_040)
        await each.is_told(2300.0, 15.0)
        assert each.state == (3, 0)
        await each.is_told(2300.0, REST_S - 15.0)
        assert each.state == (3, 0)
        await each.is_told(2300.0, 45.0)
        assert each.state == (1, 0)
        await each.is_told(2300.0, REST_S)
        assert each.state == (1, 2300)
        assert (await each.device.read()).ceilings_w == {CONSUMPTION: pytest.approx(2300.0)}
        assert each.wallbox.hard_switches == 0


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("freed_w", [8280.0, None])
async def test_it_goes_back_to_three_phases_not_before_its_dwell_time_and_runs_meanwhile(
    make: WallboxMake, freed_w: float | None
) -> None:
    async with box(make) as each:
        await each.is_told(2300.0, 180.0)
        assert each.state == (1, 2300)
        await each.is_told(freed_w, DWELL_S / 2)
        assert each.state == (1, 3680)
        held_w = (await each.device.read()).ceilings_w[CONSUMPTION]
        assert held_w is not None
        assert held_w == pytest.approx(3680.0)
        await each.is_told(freed_w, DWELL_S)
        assert each.state == (3, 8280 if freed_w else 11_040)
        assert each.wallbox.hard_switches == 0


@pytest.mark.parametrize("make", MAKES)
async def test_a_limit_within_the_dwell_time_pauses_at_once(make: WallboxMake) -> None:
    async with box(make) as each:
        await each.is_told(2300.0, 180.0)
        await each.is_told(11_040.0, DWELL_S + 3 * REST_S)
        assert each.state == (3, 11_040)
        await each.is_told(2300.0, 30.0)
        assert each.state == (3, 0)
        await each.is_told(2300.0, DWELL_S / 2)
        assert each.state == (3, 0)
        await each.is_told(2300.0, DWELL_S)
        assert each.state == (1, 2300)


@pytest.mark.parametrize("make", MAKES)
async def test_below_the_least_of_one_phase_nothing_is_switched(make: WallboxMake) -> None:
    async with box(make) as each:
        await each.is_told(1000.0, 600.0)
        assert each.state == (3, 0)


def test_a_change_takes_pause_rest_switch_rest() -> None:
    change = PhaseChange(rest_s=60.0, dwell_s=600.0)
    assert change.next_move(wants_all=False, on_all=True, now=0.0) is Move.PAUSE
    change.note_pause(True, 0.0)
    assert change.next_move(wants_all=False, on_all=True, now=59.0) is Move.PAUSE
    assert change.next_move(wants_all=False, on_all=True, now=60.0) is Move.SWITCH
    change.note_change(60.0)
    assert change.next_move(wants_all=False, on_all=False, now=119.0) is Move.PAUSE
    assert change.next_move(wants_all=False, on_all=False, now=120.0) is Move.RUN
