"""The minimum power of BNetzA BK6-22-300: the worked examples of the domain reference and its traps."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.limits.minimum_power import (
    BK6_22_300,
    Consumer,
    ConsumerClass,
    ControlMode,
    MinimumPower,
    minimum_power,
)

WALLBOX, PUMP = ConsumerClass.CHARGE_POINT, ConsumerClass.HEAT_PUMP
COOLING, BATTERY = ConsumerClass.COOLING, ConsumerClass.STORAGE
ROD = PUMP
Kind = ConsumerClass


def house(*devices: tuple[Kind, float]) -> MinimumPower:
    return minimum_power(
        Consumer(f"d{number}", kind, power_kw * 1000.0) for number, (kind, power_kw) in enumerate(devices)
    )


VECTORS = {
    "01_wallbox": ([(WALLBOX, 11)], 1, 4.20),
    "02_wallbox_and_heat_pump": ([(WALLBOX, 11), (PUMP, 8)], 2, 7.56),
    "03_wallbox_and_battery": ([(WALLBOX, 11), (BATTERY, 5)], 2, 7.56),
    "04_large_heat_pump_among_three": ([(WALLBOX, 11), (PUMP, 15), (BATTERY, 5)], 3, 12.30),
    "05_three_without_a_large_group": ([(WALLBOX, 11), (PUMP, 9), (BATTERY, 10)], 3, 10.50),
    "06_wallbox_and_large_heat_pump": ([(WALLBOX, 11), (PUMP, 20)], 2, 11.36),
    "07_large_heat_pump_and_battery": ([(WALLBOX, 11), (PUMP, 20), (BATTERY, 5)], 3, 14.30),
    "08_large_heat_pump_and_large_cooling": ([(PUMP, 20), (COOLING, 15)], 2, 11.36),
    "09_three_heat_pumps_are_one": ([(PUMP, 5), (PUMP, 5), (PUMP, 5)], 1, 6.00),
    "10_heat_pump_with_rod": ([(PUMP, 3), (ROD, 9)], 1, 4.80),
    "11_heat_pump_with_larger_rod": ([(PUMP, 4.7), (ROD, 15)], 1, 7.88),
    "12_two_small_heat_pumps_count_as_one": ([(PUMP, 3), (PUMP, 3)], 1, 4.20),
    "13_heat_pump_of_exactly_11_kw": ([(PUMP, 11.0)], 1, 4.20),
    "14_heat_pump_just_above_11_kw": ([(PUMP, 11.1)], 1, 4.44),
    "15_two_wallboxes": ([(WALLBOX, 11), (WALLBOX, 11)], 2, 7.56),
    "16_a_small_wallbox_does_not_count": ([(WALLBOX, 11), (WALLBOX, 3.7)], 1, 4.20),
    "17_a_battery_of_4_2_kw_does_not_count": ([(WALLBOX, 11), (BATTERY, 4.2)], 1, 4.20),
    "18_ten_wallboxes": ([(WALLBOX, 11)] * 10, 10, 21.21),
}


@pytest.mark.parametrize(("devices", "consumers", "power_kw"), VECTORS.values(), ids=VECTORS)
def test_vector(devices: list[tuple[Kind, float]], consumers: int, power_kw: float) -> None:
    result = house(*devices)
    assert result.consumers == consumers
    assert result.ems is not None
    assert result.ems.power_w == pytest.approx(power_kw * 1000.0)
    assert result.ems.clause == "4.5.2"


def test_vector_19_direct_control_leaves_each_its_own() -> None:
    result = minimum_power(
        [
            Consumer("box", WALLBOX, 11_000.0, ControlMode.DIRECT),
            Consumer("pump", PUMP, 20_000.0, ControlMode.DIRECT),
        ]
    )
    assert result.ems is None
    assert {each.names: each.power_w for each in result.direct} == {("box",): 4200.0, ("pump",): 8000.0}
    assert {each.clause for each in result.direct} == {"4.5.1"}


def test_vector_20_a_device_under_direct_control_does_not_count_in_the_formula_of_the_others() -> None:
    result = minimum_power(
        [
            Consumer("box", WALLBOX, 11_000.0, ControlMode.DIRECT),
            Consumer("pump", PUMP, 8000.0),
            Consumer("battery", BATTERY, 5000.0),
        ]
    )
    assert result.consumers == 2
    assert result.ems is not None
    assert result.ems.power_w == pytest.approx(7560.0)
    assert [each.power_w for each in result.direct] == [4200.0]


@pytest.mark.parametrize(
    ("consumers", "power_kw"),
    list(enumerate([4.20, 7.56, 10.50, 13.02, 15.12, 16.80, 18.06, 18.90, 19.32, 21.21], start=1)),
)
def test_table_of_results_without_a_large_group(consumers: int, power_kw: float) -> None:
    result = house(*[(WALLBOX, 11.0)] * consumers)
    assert result.ems is not None
    assert result.ems.power_w == pytest.approx(power_kw * 1000.0)


def test_trap_13_two_small_wallboxes_do_not_count_but_two_small_heat_pumps_do() -> None:
    assert house((WALLBOX, 3.7), (WALLBOX, 3.7)).ems is None
    assert house((PUMP, 3.0), (PUMP, 3.0)).counted_names == {"d0", "d1"}


def test_trap_14_exactly_the_threshold_is_not_above_it() -> None:
    assert house((PUMP, 4.2)).counted == ()
    assert house((WALLBOX, 4.2)).counted == ()
    assert house((PUMP, 4.200001)).consumers == 1


def test_wallboxes_and_batteries_are_never_summed() -> None:
    assert house((BATTERY, 3.0), (BATTERY, 3.0)).counted == ()
    assert house((WALLBOX, 5.0), (WALLBOX, 5.0)).consumers == 2


def test_heat_pumps_and_cooling_are_two_groups() -> None:
    assert house((PUMP, 3.0), (COOLING, 3.0)).counted == ()
    assert house((PUMP, 5.0), (COOLING, 5.0)).consumers == 2


def test_each_result_carries_its_formula_and_clause() -> None:
    result = house((WALLBOX, 11), (PUMP, 20), (BATTERY, 5))
    assert result.ems is not None
    assert result.ems.formula == "0.4 · 20 + (3 − 1) · 0.75 · 4.2"
    assert [unit.clause for unit in result.counted] == ["2.4.1", "2.4.2", "2.4.1"]
    (left_out,) = house((BATTERY, 4.2)).not_counted
    assert left_out.reason == "4.20 kW is not above 4.20 kW (2.4.1)"


def test_a_house_without_controllable_devices_has_no_minimum() -> None:
    empty = minimum_power([])
    assert (empty.consumers, empty.factor, empty.ems, empty.direct) == (0, None, None, ())


def test_the_numbers_are_data() -> None:
    other = dataclasses.replace(BK6_22_300, simultaneity=(1.0,), base_w=5000.0)
    result = minimum_power([Consumer(name, WALLBOX, 11_000.0) for name in "abc"], other)
    assert result.ems is not None
    assert result.ems.power_w == 15_000.0


def test_a_negative_connection_power_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="box"):
        minimum_power([Consumer("box", WALLBOX, -1.0)])


devices = st.lists(st.tuples(st.sampled_from(list(Kind)), st.floats(0.0, 30.0)), max_size=12)


@given(devices)
def test_every_device_is_either_counted_or_named_with_the_reason(house_: list[tuple[Kind, float]]) -> None:
    result = house(*house_)
    named = [name for unit in result.counted for name in unit.names]
    named += [name for left_out in result.not_counted for name in left_out.names]
    assert sorted(named) == sorted(f"d{number}" for number in range(len(house_)))


@given(devices, st.sampled_from([WALLBOX, BATTERY]), st.floats(4.3, 30.0))
def test_a_further_device_never_lowers_the_minimum(
    house_: list[tuple[Kind, float]], kind: Kind, power_kw: float
) -> None:
    before, after = house(*house_), house(*house_, (kind, power_kw))
    assert after.ems is not None
    assert before.ems is None or after.ems.power_w >= before.ems.power_w - 1e-6
