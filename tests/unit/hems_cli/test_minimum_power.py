"""`hems minimum-power` from arguments, for people and for scripts."""

import json

import pytest
from click.testing import CliRunner, Result

from hems.cli import minimum_power
from hems.cli.root import hems as command


def hems(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(command, ["minimum-power", *arguments], input=typed)


def test_it_explains_what_counts_and_how_the_figure_comes_about() -> None:
    result = hems("wallbox=11", "heat-pump=15", "battery=5", "wallbox=3.7")
    assert result.exit_code == 0
    assert "Counts not  wallbox 2: 3.70 kW is not above 4.20 kW (2.4.1)" in result.stdout
    assert "n           3 behind the energy management, simultaneity factor 0.75" in result.stdout
    assert "Minimum     0.4 · 15 + (3 − 1) · 0.75 · 4.2 = 12.30 kW (4.5.2)" in result.stdout


def test_rods_belong_to_the_heat_pump_and_direct_devices_stand_alone() -> None:
    result = hems("heat-pump=3", "heating-rod=9", "wallbox=11,direct")
    assert "heat-pump, heating-rod: heat pump group of 12 kW (2.4.2)" in result.stdout
    assert "0.4 · 12 = 4.80 kW (4.5.2)" in result.stdout
    assert "wallbox: 4.20 kW (4.5.1)" in result.stdout


def test_json_has_exact_figures() -> None:
    answer = json.loads(hems("--json", "heat-pump=11.1").stdout)
    assert answer["ems"]["power_w"] == pytest.approx(4440.0)
    assert answer["consumers"] == 1


def test_no_device_counts() -> None:
    assert "no device counts" in hems("battery=4.2").stdout


@pytest.mark.parametrize("wrong", ["car=11", "wallbox", "wallbox=x", "wallbox=-1", "wallbox=11,maybe"])
def test_wrong_arguments_are_named(wrong: str) -> None:
    result = hems(wrong)
    assert result.exit_code == 2
    assert "wallbox=11" not in result.stdout
    assert "Invalid value" in result.stderr


def test_without_arguments_a_script_is_told_what_to_write() -> None:
    result = hems()
    assert result.exit_code == 2
    assert "hems minimum-power wallbox=11 heat-pump=8" in result.stderr


def test_at_a_terminal_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimum_power, "_at_terminal", lambda: True)
    result = hems(typed="11 3,7\neleven\n8\n\n\n")
    assert "'eleven' is no power in kW" in result.stderr
    assert "4.2 + (2 − 1) · 0.80 · 4.2 = 7.56 kW (4.5.2)" in result.stdout
