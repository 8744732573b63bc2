"""What a Steuerbox tells in plain words."""

from eebus.usecases.monitoring_data import Quantity
from hems.cli.steuerbox.telling import value_lines


def test_a_value_that_is_disturbed_is_not_shown_as_a_current_one() -> None:
    lines = value_lines("grid", {Quantity.FREQUENCY: 50.0}, {Quantity.POWER: 20.0})
    assert list(lines) == ["grid frequency: 50 Hz", "grid power: disturbed for 20 s"]
