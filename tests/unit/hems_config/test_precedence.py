"""Defaults < file < environment < options, and what values become."""

from pathlib import Path

import pytest

from hems.config import ConfigError, Configuration, load
from tests.unit.hems_config.registry import TEST_REGISTRY, ModbusSettings

FILE = """
site: {name: off}
eebus:
  port: 5000
  peers:
    - {ski: AAAA bbbb 0000 1111 2222 3333 4444 5555 6666 7777, host: box}
devices:
  - name: wallbox
    priority: 3
    adapter: {type: modbus, host: 192.0.2.10}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "hems.yaml"
    file.write_text(FILE)
    return file


def test_an_empty_file_is_a_configuration_of_defaults(tmp_path: Path) -> None:
    path = tmp_path / "hems.yaml"
    path.write_text("# nothing yet\n")
    configuration = load(path, TEST_REGISTRY)
    assert configuration.eebus.port == 4712
    assert configuration.eebus.failsafe.consumption_w == 4200.0
    assert configuration.eebus.failsafe.production_w is None
    assert configuration.devices == ()
    assert configuration.data_dir == tmp_path / "data"


def test_the_file_beats_the_defaults(path: Path) -> None:
    configuration = load(path, TEST_REGISTRY)
    assert configuration.eebus.port == 5000
    assert configuration.devices[0].priority == 3
    assert configuration.devices[0].adapter == ModbusSettings(type="modbus", host="192.0.2.10")


def test_yaml_1_2_words_stay_words(path: Path) -> None:
    assert load(path, TEST_REGISTRY).site.name == "off"


def test_the_environment_beats_the_file(path: Path) -> None:
    configuration = load(
        path,
        TEST_REGISTRY,
        environment={
            "HEMS__EEBUS__PORT": "6000",
            "HEMS__EEBUS__ANNOUNCE": "false",
            "HEMS__EEBUS__INTERFACES": "[eth0, eth1]",
            "HEMS__DEVICES__0__ADAPTER__HOST": "192.0.2.99",
            "HEMS__EEBUS__FAILSAFE__PRODUCTION_W": "3000",
            "HEMS_CONFIG": "elsewhere",
            "PATH": "/bin",
        },
    )
    assert configuration.eebus.port == 6000
    assert configuration.eebus.announce is False
    assert configuration.eebus.interfaces == ("eth0", "eth1")
    assert configuration.eebus.failsafe.production_w == 3000.0
    assert configuration.devices[0].adapter.model_dump()["host"] == "192.0.2.99"


def test_options_beat_the_environment(path: Path) -> None:
    configuration = load(
        path,
        TEST_REGISTRY,
        environment={"HEMS__EEBUS__PORT": "6000"},
        options={"eebus.port": 7000, "data_dir": "/srv/hems"},
    )
    assert configuration.eebus.port == 7000
    assert configuration.data_dir == Path("/srv/hems")


def test_mistakes_name_the_variable_or_option_that_made_them(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            path,
            TEST_REGISTRY,
            environment={
                "HEMS__EEBUS__PORT": "many",
                "HEMS__EEBUS__PROT": "1",
                "HEMS__DEVICES__7__NAME": "x",
            },
            options={"log.level": "loud"},
        )
    assert [(mistake.source, mistake.line, mistake.path) for mistake in caught.value.mistakes] == [
        ("HEMS__DEVICES__7__NAME", None, "devices.7"),
        ("HEMS__EEBUS__PORT", None, "eebus.port"),
        ("HEMS__EEBUS__PROT", None, "eebus.prot"),
        ("option log.level", None, "log.level"),
    ]


def test_an_empty_section_in_the_file_can_be_filled_by_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "hems.yaml"
    path.write_text("eebus:\n")
    assert load(path, TEST_REGISTRY, environment={"HEMS__EEBUS__PORT": "6000"}).eebus.port == 6000


def test_relative_folders_count_from_the_file_not_from_the_shell(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert load(path, TEST_REGISTRY).data_dir == path.parent / "data"


def test_a_configuration_never_changes_after_loading(path: Path) -> None:
    configuration: Configuration = load(path, TEST_REGISTRY)
    with pytest.raises(ValueError, match="frozen"):
        configuration.site.name = "other"
