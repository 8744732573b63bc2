"""Which house the gateway has that `hems conformance --run-gateway` starts."""

from pathlib import Path

import pytest

from adapters.registry import DEFAULT_REGISTRY
from hems.cli.conformance_house import overlaid, quiet_in_home_assistant, simulated_equipment
from hems.config import Configuration, load

_CONFIGURATIONS = sorted((Path(__file__).parents[3] / "config").glob("*.yaml"))
_PORT = 1502


def _in_a_simulated_house(path: Path, environment: dict[str, str]) -> Configuration:
    changes = {"DATA_DIR": "/tmp/thrown-away", **simulated_equipment(_PORT)}
    return load(path, DEFAULT_REGISTRY, environment=overlaid(environment, changes))


@pytest.mark.parametrize("path", _CONFIGURATIONS, ids=lambda path: path.stem)
def test_nothing_of_the_real_house_is_reached_in_the_simulated_one(path: Path) -> None:
    configuration = _in_a_simulated_house(path, {})
    reached = [device.adapter.model_dump() for device in configuration.devices]
    assert configuration.grid_connection_point.meter is not None
    reached.append(configuration.grid_connection_point.meter.model_dump())
    assert {(settings["host"], settings["port"]) for settings in reached} == {("127.0.0.1", _PORT)}
    assert configuration.data_dir == Path("/tmp/thrown-away")
    assert (configuration.mqtt, configuration.relays) == (None, ())


@pytest.mark.parametrize("path", _CONFIGURATIONS, ids=lambda path: path.stem)
def test_the_limits_of_the_real_house_stay(path: Path) -> None:
    real, tested = load(path, DEFAULT_REGISTRY), _in_a_simulated_house(path, {})
    assert tested.eebus == real.eebus
    assert tested.generation == real.generation


def test_what_the_environment_says_of_the_real_house_does_not_come_on_top(tmp_path: Path) -> None:
    path = tmp_path / "hems.yaml"
    path.write_text("site: {name: Here}\n", encoding="utf-8")
    environment = {
        "HEMS__DATA_DIR": "/var/lib/eebus-hems",
        "HEMS__DEVICES__0__ADAPTER__HOST": "192.168.178.40",
        "HEMS__MQTT__HOST": "192.168.178.20",
        "HEMS__SITE__NAME": "There",
    }
    configuration = _in_a_simulated_house(path, environment)
    assert configuration.data_dir == Path("/tmp/thrown-away")
    assert configuration.mqtt is None
    assert {device.adapter.model_dump()["host"] for device in configuration.devices} == {"127.0.0.1"}
    assert configuration.site.name == "There"


def test_a_gateway_under_test_leaves_no_devices_in_home_assistant(tmp_path: Path) -> None:
    path = tmp_path / "hems.yaml"
    path.write_text("mqtt: {host: 192.168.178.20}\n", encoding="utf-8")
    environment = overlaid({}, quiet_in_home_assistant(load(path, DEFAULT_REGISTRY)))
    tested = load(path, DEFAULT_REGISTRY, environment=environment)
    assert tested.mqtt is not None
    assert not tested.mqtt.home_assistant.enabled
    path.write_text("site: {name: Here}\n", encoding="utf-8")
    assert quiet_in_home_assistant(load(path, DEFAULT_REGISTRY)) == {}
