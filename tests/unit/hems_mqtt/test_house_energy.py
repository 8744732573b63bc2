"""The energy of the house grows by what was taken, whatever its counters show when they come and go."""

from dataclasses import replace

import pytest

from hems.northbound.moment import Moment
from hems.northbound.mqtt.house_energy import HouseEnergy
from tests.unit.hems_mqtt.house import CONTROL, DEVICES, ENERGIES_WH, NOW_S, a_moment

_UNREAD = {name: wh for name, wh in ENERGIES_WH.items() if not name.startswith("roof-1/")}


def _grown(before: dict[str, float] = ENERGIES_WH, **by_wh: float) -> dict[str, float]:
    """The counters, some of them further; `grid_fed_in` stands for `grid/fed_in`."""
    names = {name.replace("/", "_").replace("-", "_"): name for name in before}
    return before | {names[key]: before[names[key]] + wh for key, wh in by_wh.items()}


def _after(minutes: float, energies_wh: dict[str, float]) -> Moment:
    return a_moment(energies_wh=energies_wh, now_s=NOW_S + 60.0 * minutes)


def test_the_house_takes_what_comes_from_grid_sun_and_battery() -> None:
    house = HouseEnergy()
    assert house.at(a_moment()) == 0.0
    grown = _grown(
        grid_consumed=100.0,
        grid_fed_in=20.0,
        roof_1_produced=300.0,
        battery_consumed=60.0,
        battery_produced=50.0,
        wallbox_consumed=200.0,
    )
    assert house.at(_after(1.0, grown)) == pytest.approx(100 - 20 + 300 - 60 + 50)


@pytest.mark.parametrize(
    "missing", ["grid/consumed", "grid/fed_in", "roof-1/produced", "battery/produced", "battery/consumed"]
)
def test_while_a_counter_is_missing_the_sum_is_unknown(missing: str) -> None:
    some = {name: wh for name, wh in ENERGIES_WH.items() if name != missing}
    assert HouseEnergy().at(a_moment(energies_wh=some)) is None


def test_an_inverter_that_is_read_later_brings_no_step() -> None:
    house = HouseEnergy()
    assert house.at(a_moment(energies_wh=_UNREAD)) is None
    assert house.at(_after(1.0, ENERGIES_WH)) == 0.0
    assert house.at(_after(2.0, _grown(roof_1_produced=50.0))) == 50.0


def test_an_inverter_that_is_added_or_removed_brings_no_step() -> None:
    without = replace(CONTROL, devices=(DEVICES[0], DEVICES[2]))
    former, house = HouseEnergy(), HouseEnergy()
    assert former.at(a_moment(control=without)) == 0.0
    assert house.at(a_moment()) == 0.0


def test_a_counter_of_the_device_that_replaces_an_integrated_one_brings_no_step() -> None:
    house = HouseEnergy()
    house.at(a_moment(energies_wh=ENERGIES_WH | {"roof-1/produced": 12.0}))
    assert house.at(_after(1.0, ENERGIES_WH | {"roof-1/produced": 30_000_000.0})) == 0.0
    assert house.at(_after(2.0, ENERGIES_WH | {"roof-1/produced": 30_000_040.0})) == 40.0


def test_a_counter_with_coarse_steps_never_makes_it_fall() -> None:
    house = HouseEnergy()
    house.at(a_moment())
    assert house.at(_after(1.0, _grown(grid_consumed=500.0))) == 500.0
    assert house.at(_after(2.0, _grown(grid_consumed=500.0, grid_fed_in=900.0))) == 500.0
    caught_up = _grown(grid_consumed=500.0, grid_fed_in=900.0, roof_1_produced=1000.0)
    assert house.at(_after(3.0, caught_up)) == 600.0


def test_what_was_taken_while_the_gateway_was_off_counts() -> None:
    house = HouseEnergy()
    house.at(a_moment())
    assert house.at(_after(0.1, _grown(grid_consumed=20_000.0))) == 20_000.0
