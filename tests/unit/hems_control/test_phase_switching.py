"""A wallbox that switches its phases, driven by running control: on one phase, and back on all."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.simulated.house import House
from adapters.simulated.virtual import VirtualHouse, VirtualMeter
from adapters.simulated.virtual_device import Habits
from adapters.simulated.virtual_kinds import SwitchingWallbox, VirtualWallbox
from adapters.simulated.wallbox import Wallbox
from hems.control.loop import Controlled, ControlLoop
from hems.devices import Device
from hems.metering.energies import Energies
from hems.metering.measurements import Measurements
from tests.unit.hems_control.house import order
from tests.unit.hems_control.virtual_time import LoopClock, run


@pytest.mark.parametrize("measures_power", [True, False])
def test_charging_goes_on_with_one_phase_under_a_limit_and_with_three_after_it(measures_power: bool) -> None:
    async def scenario() -> None:
        clock = LoopClock()
        models = Wallbox()
        box = SwitchingWallbox("box", models, Habits(measures_power=measures_power))
        house = VirtualHouse(House(wallboxes=[models]), [box], VirtualMeter(), clock)
        control = control_of([box], house)
        tasks = [asyncio.ensure_future(job()) for job in control.jobs().values()]
        await asyncio.sleep(30.0)
        assert (models.switched_phases, round(models.power_w)) == (3, 11_040)

        control.new_ceilings([order(2_500.0, clock.monotonic())])
        for second in range(400):
            await asyncio.sleep(1.0)
            house.advance()
            assert second < 10 or models.power_w <= 2_500.0
        assert (models.switched_phases, round(models.power_w)) == (1, 2_484)

        control.new_ceilings([order(None, clock.monotonic())])
        await asyncio.sleep(900.0)
        house.advance()
        assert (models.switched_phases, round(models.power_w)) == (3, 11_040)
        assert models.hard_switches == 0
        await _end(tasks)

    run(scenario())


def test_the_pause_for_switching_does_not_take_a_limited_neighbour_below_what_it_may_have() -> None:
    async def scenario() -> None:
        clock = LoopClock()
        models = [Wallbox(), Wallbox()]
        switching = SwitchingWallbox("switching", models[0], Habits())
        steady = VirtualWallbox("steady", models[1], Habits())
        house = VirtualHouse(House(wallboxes=models), [switching, steady], VirtualMeter(), clock)
        control = control_of([steady, switching], house)
        tasks = [asyncio.ensure_future(job()) for job in control.jobs().values()]
        await asyncio.sleep(30.0)
        control.new_ceilings([order(7_560.0, clock.monotonic())])
        await asyncio.sleep(600.0)
        for _ in range(600):
            await asyncio.sleep(1.0)
            house.advance()
            assert sum(each.power_w for each in models) <= 7_560.0
        assert models[1].power_w + models[0].power_w >= 7_000.0
        await _end(tasks)

    run(scenario())


def control_of(devices: Sequence[Device], house: VirtualHouse) -> ControlLoop:
    return ControlLoop(
        devices=[Controlled(device) for device in devices],
        meter=house.meter,
        clock=LoopClock(),
        measurements=Measurements(),
        energies=Energies(),
        on_cycle=lambda: None,
        on_progress=lambda _progress: None,
    )


async def _end(tasks: Sequence["asyncio.Future[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
