"""What the Steuerbox reads of a running gateway beside the grid power: optional values, single devices."""

import asyncio
from pathlib import Path

from eebus.usecases.monitoring_data import Quantity
from hems.gateway import ENERGY_PERIOD_S
from tests.integration.hems.support import (
    Box,
    ShiftedClock,
    eventually,
    running_gateway,
    simulated_house,
    trusted_box,
    write_configuration,
)


async def test_MGCP_SCE5_to_7_values_that_the_meter_has_are_served_without_configuration(
    tmp_path: Path,
) -> None:
    async with (
        simulated_house(load_w=2000.0) as house,
        running_gateway(write_configuration(tmp_path, house.port)) as run,
        trusted_box(run) as box,
    ):
        wanted = {Quantity.POWER, Quantity.VOLTAGE_A, Quantity.CURRENT_C, Quantity.FREQUENCY}
        await eventually(lambda: wanted <= box.grid_values(run.ski).keys())
        values = box.grid_values(run.ski)
        assert 200.0 < values[Quantity.VOLTAGE_A] < 260.0
        assert 49.0 < values[Quantity.FREQUENCY] < 51.0
        assert box.units(run.ski) == {}


async def test_MPC_each_device_reports_on_an_entity_of_its_own_when_that_is_wished(tmp_path: Path) -> None:
    async with simulated_house(sun_w=6000.0) as house:
        path = write_configuration(tmp_path, house.port, eebus="report_devices: true")
        async with running_gateway(path) as run, trusted_box(run) as box:
            await eventually(
                lambda: (
                    len(box.units(run.ski)) == 2
                    and all(Quantity.POWER in values for values in box.units(run.ski).values())
                )
            )

            def powers() -> list[float]:
                return [values[Quantity.POWER] for _, values in sorted(box.units(run.ski).items())]

            await eventually(lambda: powers()[1] < -1000.0)
            assert powers()[0] >= 0.0


async def test_MGCP_SCE1_the_factor_follows_the_cap_and_is_absent_without_one(tmp_path: Path) -> None:
    steuerbox = Box()
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port)
        text = path.read_text()
        path.write_text(f"{text}generation: {{installed_power_w: 10000, cap_percent: 70}}\n")
        async with running_gateway(path) as run, trusted_box(run, steuerbox) as box:
            await eventually(lambda: box.grid_values(run.ski).get(Quantity.PV_LIMIT_FACTOR) == 70.0)
        path.write_text(f"{text}generation: {{installed_power_w: 10000, tested_on: 2026-01-01}}\n")
        async with running_gateway(path) as run, trusted_box(run, steuerbox) as box:
            await eventually(lambda: Quantity.POWER in box.grid_values(run.ski))
            assert Quantity.PV_LIMIT_FACTOR not in box.grid_values(run.ski)


async def test_the_counters_that_are_shown_follow_what_is_stored_each_minute(tmp_path: Path) -> None:
    """They once stood still until the next start, and the energy of weeks fell into that hour."""
    clock = ShiftedClock()
    async with (
        simulated_house(load_w=2000.0, sun_w=6000.0) as house,
        running_gateway(write_configuration(tmp_path, house.port), clock=clock) as run,
    ):

        def shown_wh() -> float:
            return run.gateway.moment().energies_wh.get("inverter/produced", 0.0)

        house.house.house.inverter.energy_wh = 10_000.0
        await asyncio.sleep(2.0)
        assert shown_wh() == 0.0
        clock.ahead_s += ENERGY_PERIOD_S
        await eventually(lambda: shown_wh() >= 10_000.0)
        house.house.house.inverter.energy_wh += 500.0
        await asyncio.sleep(2.0)
        clock.ahead_s += ENERGY_PERIOD_S
        await eventually(lambda: shown_wh() >= 10_500.0)
