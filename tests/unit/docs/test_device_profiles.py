"""The example of docs/device-profiles.md works as it stands; mistakes in it are told with their line."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hems.cli.root import hems as command

ROOT = Path(__file__).parents[3]
PROFILE, DEVICES = re.findall(
    r"```yaml\n(.*?)```", (ROOT / "docs" / "device-profiles.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hems.yaml").write_text(DEVICES)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "rod.yaml").write_text(PROFILE)
    return tmp_path


def check(folder: Path) -> Result:
    result = CliRunner().invoke(command, ["check", "--config", str(folder / "hems.yaml")])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def mistake(folder: Path) -> str:
    """The first line of the only mistake."""
    result = check(folder)
    assert result.exit_code == 3, result.output
    assert "1 mistake in the configuration." in result.stderr
    return result.stderr.splitlines()[0]


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))


def test_the_example_is_right_and_is_used(folder: Path) -> None:
    result = check(folder)
    assert result.exit_code == 0, result.output
    (line,) = [text for text in result.stdout.splitlines() if text.startswith("  rod ")]
    assert "2.00 kW" in line


def test_a_mistake_in_the_profile_is_told_with_its_file_and_line(folder: Path) -> None:
    file = folder / "profiles" / "rod.yaml"
    change(file, "  held_w: {table: hr, addr: 20", "  held_w: {table: hr, addr: 70000")
    line = PROFILE.splitlines().index("  held_w: {table: hr, addr: 20, type: u16}") + 1
    assert mistake(folder).startswith(
        f"{folder / 'hems.yaml'}:3: devices[0].adapter: {file}:{line}: points.held_w.addr: "
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("profile:\n", "profile: [\n", ": not YAML: "),
        ('release: "${most_w}"', 'release: "${w}"', ":22: '${w}' is not a declared parameter"),
        ("params:\n", "params: [most_w]\nmore:\n", ":10: params: is a map from name to parameter"),
        (", max: 9000,", ", most: 9000,", ":11: params.most_w.max: Field required"),
    ],
)
def test_no_mistake_in_a_profile_ends_in_a_traceback(
    folder: Path, before: str, after: str, told: str
) -> None:
    change(folder / "profiles" / "rod.yaml", before, after)
    assert f"{folder / 'profiles' / 'rod.yaml'}" in (line := mistake(folder))
    assert told in line


def test_a_profile_that_is_no_text_is_named(folder: Path) -> None:
    (folder / "profiles" / "rod.yaml").write_bytes(b"\xff\xfe")
    assert f"{folder / 'profiles' / 'rod.yaml'}: not UTF-8 text (byte 0)" in mistake(folder)


def test_an_unknown_profile_is_told_with_the_folders_that_were_searched(folder: Path) -> None:
    change(folder / "hems.yaml", "profile: rod", "profile: rode")
    told = mistake(folder)
    assert "there is no profile 'rode'; known are: " in told
    assert ", rod, " in told
    assert f"One of your own would be rode.yaml in {folder / 'profiles'}" in told


def test_without_the_folder_of_the_default_the_message_says_so(folder: Path) -> None:
    (folder / "profiles" / "rod.yaml").unlink()
    (folder / "profiles").rmdir()
    assert f"rod.yaml in {folder / 'profiles'} (no such folder)" in mistake(folder)


def test_folders_may_be_anywhere_and_must_be_there_when_they_are_named(folder: Path) -> None:
    (folder / "profiles").rename(folder / "mine")
    with (folder / "hems.yaml").open("a") as file:
        file.write("profile_folders: [mine]\n")
    assert check(folder).exit_code == 0
    change(folder / "hems.yaml", "[mine]", "[mine, lost]")
    assert mistake(folder) == (
        f"{folder / 'hems.yaml'}:4: profile_folders[1]: there is no folder {folder / 'lost'}. "
        "Make it, or remove it here"
    )


def test_profiles_of_mqtt_devices_are_found_there_too(folder: Path) -> None:
    shipped = (ROOT / "adapters" / "profiles" / "mqtt" / "generic-device.yaml").read_text()
    (folder / "profiles" / "rod.yaml").write_text(shipped.replace("id: generic-device", "id: rod"))
    (folder / "hems.yaml").write_text(
        "mqtt: {host: 192.0.2.1}\n"
        "devices:\n"
        "  - name: rod\n"
        "    adapter: {type: mqtt, profile: rod, kind: heat_pump, params: {max_power_w: 2000}}\n"
    )
    result = check(folder)
    assert result.exit_code == 0, result.output
    change(folder / "profiles" / "rod.yaml", "reaction_s: 5", "reaction: 5")
    line = len(shipped.splitlines())
    assert f"{folder / 'profiles' / 'rod.yaml'}:{line}: controls.max_power_w.reaction: " in mistake(folder)
