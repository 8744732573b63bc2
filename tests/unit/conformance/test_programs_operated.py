"""How the bench operates our programs: what it types at the Steuerbox, and the meters of its house."""

from typing import Any

import pytest

from eebus.conformance.device import LimitOrder, NotPossible
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading
from hems.cli.conformance_steuerbox import failsafe_command, held_in, limit_command
from hems.cli.steuerbox.language import Failsafe, Limit, Release, parse_command
from tests.soak_conformance.house import Dials, House

_IN, _OUT = Direction.CONSUMPTION, Direction.PRODUCTION


@pytest.mark.parametrize(
    ("order", "command"),
    [
        (LimitOrder(_IN, 4200.0), Limit(_IN, 4200.0, None)),
        (LimitOrder(_OUT, 0.0, duration_s=60.0), Limit(_OUT, 0.0, 60.0)),
        (LimitOrder(_IN, 12345678.5), Limit(_IN, 12345678.5, None)),
        (LimitOrder(_OUT, 4321.0, active=False), Release(_OUT)),
    ],
)
def test_a_limit_is_typed_as_the_Steuerbox_reads_it(order: LimitOrder, command: Limit | Release) -> None:
    assert parse_command(limit_command(order)) == command


def test_failsafe_values_are_typed_as_the_Steuerbox_reads_them() -> None:
    assert parse_command(failsafe_command(_IN, 5001.0, None)) == Failsafe(5001.0, None, None)
    assert parse_command(failsafe_command(_OUT, 0.0, None)) == Failsafe(None, 0.0, None)
    assert parse_command(failsafe_command(_OUT, None, 7260.0)) == Failsafe(None, None, 7260.0)


def test_the_values_of_the_connection_point_and_of_the_unit_are_told_apart() -> None:
    partner: dict[str, Any] = {"grid": {"power": -2300.5}, "units": {"1": {}, "2": {"frequency": 49.98}}}
    answer = {"command": "values", "values": {"ab" * 20: partner}}
    assert held_in(answer, "MGCP") == {Quantity.POWER: -2300.5}
    assert held_in(answer, "MPC") == {Quantity.FREQUENCY: 49.98}
    assert held_in({"command": "values", "values": {}}, "MPC") == {}


def _turned(**values: float) -> Dials:
    dials = Dials()
    dials.turn({Quantity(name): Reading(value) for name, value in values.items()})
    return dials


def test_a_current_gets_its_direction_from_the_power_on_its_phase() -> None:
    dials = _turned(current_b=-10.0)
    assert dials.currents_a == [0.0, 10.0, 0.0]
    assert dials.powers_w == [0.0, -2300.0, 0.0]
    assert dials.power_w == -2300.0


def test_a_counter_grows_and_is_never_set_back() -> None:
    dials = _turned(energy_consumed=12_800.0)
    assert (dials.imported_wh, dials.exported_wh) == (12_800.0, 12_000.0)
    with pytest.raises(NotPossible):
        dials.turn({Quantity.ENERGY_CONSUMED: Reading(12_000.0)})


@pytest.mark.parametrize("quantity", [Quantity.VOLTAGE_AB, Quantity.POWER_A, Quantity.PV_LIMIT_FACTOR])
def test_what_these_meters_do_not_show_is_no_verdict(quantity: Quantity) -> None:
    with pytest.raises(NotPossible):
        Dials().turn({quantity: Reading(1.0)})
    with pytest.raises(NotPossible):
        Dials().turn({Quantity.POWER: Reading(None)})


def test_the_meter_of_the_bench_tells_what_flows_without_the_gateway() -> None:
    house = House()
    house.show("MGCP", {Quantity.POWER: Reading(-2300.0)})
    house.show("MPC", {Quantity.POWER: Reading(900.0)})
    assert (house.flowing_w(_IN), house.flowing_w(_OUT)) == (0.0, 2300.0)


def test_the_cap_of_the_house_is_configured_and_not_measured() -> None:
    House().show("MGCP", {Quantity.PV_LIMIT_FACTOR: Reading(70.0)})
    with pytest.raises(NotPossible):
        House().show("MGCP", {Quantity.PV_LIMIT_FACTOR: Reading(60.0)})
