"""The commands as people and scripts call them: texts, JSON and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hems.cli.root import hems as command


def hems(*arguments: str) -> Result:
    result = CliRunner().invoke(command, arguments, env={"HEMS_CONFIG": None, "HEMS_DATA_DIR": None})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def house(tmp_path: Path) -> Path:
    path = tmp_path / "hems.yaml"
    path.write_text(
        "devices:\n"
        "  - name: battery\n"
        "    controllable: true\n"
        "    adapter: {type: simulated, max_power_w: 4000.0}\n"
    )  # fmt: skip
    return path


def test_help_lists_every_command_without_importing_any() -> None:
    code = (
        "import sys; from hems.cli.root import hems as main;"
        "main(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    )
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("run", "demo", "check", "config", "status", "pair", "identity"):
        assert f"  {name}" in listed
    assert "'pydantic'" not in listed
    assert "'hems.cli.run'" not in listed


def test_unknown_commands_are_wrong_usage() -> None:
    assert hems("rnu").exit_code == 2


def test_check_tells_what_a_right_configuration_means(house: Path) -> None:
    result = hems("check", "--config", str(house))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{house} is right. It means:\n")
    assert "left alone, the devices take at most 4.00 kW of 4.20 kW in failsafe" in result.stdout
    assert "No meter is configured" in result.stdout


def test_check_names_the_device_that_breaks_the_fallback_proof(house: Path) -> None:
    house.write_text(house.read_text().replace("4000.0", "9000.0"))
    result = hems("check", "--config", str(house))
    assert result.exit_code == 1
    assert "the type plate counts (correct it where it is less): battery (9.00 kW, adapter.max_power_w)" in (
        result.stdout
    )


def test_a_connection_power_above_the_type_plate_of_the_adapter_is_the_worst_case(house: Path) -> None:
    house.write_text(house.read_text() + "    connection_power_w: 9000\n")
    result = hems("check", "--config", str(house))
    assert result.exit_code == 1
    assert "battery (9.00 kW, connection_power_w); or raise eebus.failsafe.consumption_w" in result.stdout


def test_check_as_json(house: Path) -> None:
    told = json.loads(hems("check", "--config", str(house), "--json").stdout)
    assert told["ok"] is True
    assert told["safe_when_left_alone"] is True
    assert told["fallback_proofs"][0]["sum_w"] == 4000.0


def test_check_tells_what_is_not_there_and_what_looks_like_kilowatts(house: Path) -> None:
    house.write_text("mqtt: {host: broker, password_file: gone}\n" + house.read_text())
    house.write_text("grid_connection_point: {contractual_production_w: 9.9}\n" + house.read_text())
    attention = "\n".join(json.loads(hems("check", "--config", str(house), "--json").stdout)["warnings"])
    assert "mqtt.password_file" in attention
    assert "do you mean 9900 W?" in attention
    printed = hems("check", "--config", str(house)).stdout
    assert all(f"  Attention      {line}\n" in printed for line in attention.splitlines())


def test_check_reports_all_mistakes_and_opens_nothing(house: Path) -> None:
    house.write_text("eebus: {prot: 1}\nsite: {nmae: x}\n")
    result = hems("check", "--config", str(house))
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1] == "2 mistakes in the configuration."
    assert sorted(path.name for path in house.parent.iterdir()) == ["hems.yaml"]


def test_mistakes_as_json(house: Path) -> None:
    house.write_text("eebus: {port: 99999}\n")
    result = hems("check", "--config", str(house), "--json")
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert (told["mistakes"][0]["line"], told["mistakes"][0]["path"]) == (1, "eebus.port")


def test_settings_that_cannot_work_are_mistakes_with_their_line(house: Path) -> None:
    house.write_text(
        "devices:\n"
        "  - name: wallbox\n"
        "    adapter: {type: modbus, profile: no-such-wallbox, host: 192.0.2.1}\n"
    )
    result = hems("check", "--config", str(house))
    assert result.exit_code == 3
    assert result.stderr.startswith(f"{house}:3: devices[0].adapter: ")
    assert "no-such-wallbox" in result.stderr


def test_without_any_configuration_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = hems("check")
    assert result.exit_code == 3
    assert result.stderr.startswith("No configuration file: neither hems.yaml nor")


def test_the_schema_is_printed_or_written(tmp_path: Path) -> None:
    printed = hems("config", "schema").stdout
    assert json.loads(printed)["title"] == "Configuration"
    assert hems("config", "schema", "--output", str(tmp_path / "schema.json")).exit_code == 0
    assert (tmp_path / "schema.json").read_text() == printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("pair", "list"),
        ("pair", "remove", "aa" * 20),
        ("pair", "accept", "aa" * 20, "--as", "device"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_commands_for_the_running_gateway_say_plainly_that_none_runs(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    result = hems(*arguments, "--data-dir", str(tmp_path))
    assert result.exit_code == 4
    assert result.stderr == (
        f"No gateway runs with the data directory {tmp_path}. Start it with: hems run --config FILE\n"
    )


def test_an_ski_is_read_as_people_write_it_and_refused_otherwise(tmp_path: Path) -> None:
    grouped = " ".join(["AABB"] * 10)
    assert hems("pair", "accept", grouped, "--as", "device", "--data-dir", str(tmp_path)).exit_code == 4
    refused = hems("pair", "accept", "AABB", "--as", "device")
    assert refused.exit_code == 2
    assert "'AABB' is not an SKI" in refused.stderr


def test_a_role_must_be_said(tmp_path: Path) -> None:
    refused = hems("pair", "accept", "aa" * 20, "--data-dir", str(tmp_path))
    assert refused.exit_code == 2
    assert "--as" in refused.stderr


@pytest.mark.parametrize("limit", ["-100", "-0.5", "1e9", "nan", "five"])
def test_an_own_limit_that_is_no_number_of_watts_from_0_is_told_so(tmp_path: Path, limit: str) -> None:
    result = hems("limit", limit, "--data-dir", str(tmp_path))
    assert result.exit_code == 2
    assert f"'{limit}' is not right here: a limit is a number of watts from 0 to 1000000" in result.stderr


@pytest.mark.parametrize("option", ["--jsn", "-x"])
def test_an_unknown_option_of_the_own_limit_is_still_one(tmp_path: Path, option: str) -> None:
    result = hems("limit", option, "--data-dir", str(tmp_path))
    assert result.exit_code == 2
    assert "No such option" in result.stderr
