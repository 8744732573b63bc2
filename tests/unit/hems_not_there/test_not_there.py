"""Files and serial lines that the configuration names and this machine does not have."""

from pathlib import Path

import pytest

from adapters.registry import DEFAULT_REGISTRY
from hems.config import load
from hems.not_there import not_there


def told(folder: Path, text: str) -> list[str]:
    path = folder / "hems.yaml"
    path.write_text(text)
    return not_there(load(path, DEFAULT_REGISTRY))


def on_serial_line(line: object) -> str:
    profile = "heidelberg-energy-control"
    return f"devices: [{{name: box, adapter: {{type: modbus, profile: {profile}, serial: {line}}}}}]\n"


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ("password_file: gone", "mqtt.password_file"),
        ("tls: {ca_file: gone}", "mqtt.tls.ca_file"),
        ("tls: {certificate_file: gone}", "mqtt.tls.certificate_file"),
        ("tls: {key_file: gone}", "mqtt.tls.key_file"),
    ],
)
def test_a_file_that_does_not_exist_is_told_with_its_setting(
    tmp_path: Path, settings: str, setting: str
) -> None:
    (line,) = told(tmp_path, f"mqtt: {{host: broker, {settings}}}\n")
    assert line.startswith(f"{setting}: {tmp_path}/gone cannot be read (No such file or directory), and ")


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (line,) = told(tmp_path, "mqtt: {host: broker, password_file: .}\n")
    assert "cannot be read (Is a directory)" in line


def test_a_serial_line_that_is_not_plugged_in_is_told_with_its_device(tmp_path: Path) -> None:
    (line,) = told(tmp_path, on_serial_line("/dev/ttyGONE"))
    assert line.startswith(
        "devices[0].adapter.serial: there is no /dev/ttyGONE now, so box cannot be reached."
    )


def test_what_is_there_needs_no_word(tmp_path: Path) -> None:
    (tmp_path / "mqtt.password").write_text("secret\n")
    there = "mqtt: {host: broker, password_file: mqtt.password, tls: {}}\n"
    assert told(tmp_path, there + on_serial_line(tmp_path / "mqtt.password")) == []
