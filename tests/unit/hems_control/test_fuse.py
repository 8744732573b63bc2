"""The house fuse blows by amperes: whatever the voltage is, and whatever the meter tells of it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from hems.control.headroom import left_of_fuse
from hems.devices import Capabilities, FeasiblePowers, Kind, MeterSample, PowerRange
from hems.limits.ceilings import Fuse
from hems.limits.sources.protection import GridFuse, protection_ceilings
from tests.unit.hems_control.house import House, SimulatedDevice, running
from tests.unit.hems_control.virtual_time import run

VOLTAGES_V = [207.0, 215.0, 230.0, 253.0]
ALL = FeasiblePowers((PowerRange(0.0, 60_000.0),))

Shown = Callable[[MeterSample, Sequence[float], float], MeterSample]


def amperes_and_volts(sample: MeterSample, phases_w: Sequence[float], volts: float) -> MeterSample:
    currents_a = tuple(abs(power_w) / volts for power_w in phases_w)
    return replace(
        sample, powers_w=tuple(phases_w), currents_a=currents_a, voltages_v=(volts,) * len(phases_w)
    )


def amperes_only(sample: MeterSample, phases_w: Sequence[float], volts: float) -> MeterSample:
    return replace(sample, currents_a=tuple(abs(power_w) / volts for power_w in phases_w))


def watts_only(sample: MeterSample, phases_w: Sequence[float], volts: float) -> MeterSample:
    return replace(sample, powers_w=tuple(phases_w))


def the_sum_only(sample: MeterSample, phases_w: Sequence[float], volts: float) -> MeterSample:
    return sample


def fused(fuse: GridFuse, volts: float, shows: Shown, house_w: float = 3000.0) -> float:
    """The amperes on each phase once a heater that takes all it may has settled beside the house."""

    def shown(sample: MeterSample) -> MeterSample:
        return shows(sample, (sample.power_w / fuse.phases,) * fuse.phases, volts)

    async def scenario() -> float:
        heater = SimulatedDevice("heater", Capabilities(Kind.OTHER, 60_000.0, consumption=ALL), 60_000.0)
        house = House([heater], house_w=house_w, meter_shows=shown)
        async with running(house):
            house.control.new_ceilings(protection_ceilings(fuse, asyncio.get_running_loop().time()))
            await house.watch(120)
            return house.grid_w() / fuse.phases / volts

    return run(scenario())


@pytest.mark.parametrize("volts", VOLTAGES_V)
@pytest.mark.parametrize("phases", [1, 3])
def test_a_fuse_is_used_up_to_its_amperes_at_every_voltage_that_the_meter_shows(
    phases: int, volts: float
) -> None:
    amperes = fused(GridFuse(35.0, phases), volts, amperes_and_volts)
    assert amperes == pytest.approx(35.0, abs=0.1)


@pytest.mark.parametrize("volts", VOLTAGES_V)
@pytest.mark.parametrize("shows", [amperes_only, watts_only, the_sum_only])
@pytest.mark.parametrize("phases", [1, 3])
def test_a_meter_without_voltages_is_read_as_if_the_voltage_were_lowest(
    phases: int, shows: Shown, volts: float
) -> None:
    amperes = fused(GridFuse(35.0, phases), volts, shows)
    assert 35.0 * 0.7 * 207.0 / 253.0 <= amperes <= 35.1


def test_the_voltage_falls_and_the_devices_get_less_watts() -> None:
    volts = 253.0

    def shown(sample: MeterSample) -> MeterSample:
        return amperes_and_volts(sample, (sample.power_w / 3,) * 3, volts)

    async def scenario() -> None:
        nonlocal volts
        heater = SimulatedDevice("heater", Capabilities(Kind.OTHER, 60_000.0, consumption=ALL), 60_000.0)
        async with running(House([heater], house_w=3000.0, meter_shows=shown)) as house:
            house.control.new_ceilings(protection_ceilings(GridFuse(35.0), asyncio.get_running_loop().time()))
            await house.watch(60)
            assert house.grid_w() / 3 / volts == pytest.approx(35.0, abs=0.1)
            volts = 207.0
            await house.watch(10)
            assert house.grid_w() / 3 / volts == pytest.approx(35.0, abs=0.1)

    run(scenario())


# --- one reading ---

PHASE_2 = Fuse(35.0, (2,), is_whole=False, least_voltage_v=207.0)
READ = MeterSample(at_s=0.0, power_w=6000.0)


def left_w(meter: MeterSample, drawn_w: float = 0.0, fuse: Fuse = PHASE_2) -> float | None:
    reading = left_of_fuse(fuse, meter, (drawn_w, drawn_w))
    return None if reading is None else reading.least_w


def test_reactive_power_of_the_house_takes_amperes_too() -> None:
    meter = replace(READ, powers_w=(2000.0,) * 3, currents_a=(15.0,) * 3, voltages_v=(230.0,) * 3)
    assert left_w(meter, 1000.0) == pytest.approx(35 * 230 - (15 * 230 - 1000))


def test_feed_in_over_a_phase_earns_no_more_than_the_whole_fuse() -> None:
    meter = replace(READ, powers_w=(0.0, -4000.0, 0.0), currents_a=(0.0, 20.0, 0.0))
    assert left_w(meter) == 35 * 207


def test_currents_without_a_direction_count_as_import() -> None:
    assert left_w(replace(READ, power_w=-9000.0, currents_a=(20.0,) * 3)) == (35 - 20) * 207


def test_the_direction_of_the_only_phase_is_that_of_the_connection() -> None:
    only = Fuse(35.0, (1,), is_whole=True, least_voltage_v=207.0)
    assert left_w(replace(READ, power_w=-4000.0, currents_a=(20.0,)), fuse=only) == 35 * 207


def test_a_sum_tells_nothing_of_a_phase() -> None:
    assert left_w(READ) is None
