"""The example configurations mean what they promise, and are safe when the gateway dies."""

from datetime import date
from pathlib import Path

import pytest

from adapters.registry import DEFAULT_REGISTRY
from hems.config import load
from hems.devices import Device
from hems.equipment import make_devices, unconnected
from hems.explanation import Explanation, explain

EXAMPLES = Path(__file__).parents[3] / "config"
TODAY = date(2026, 11, 25)


def made_from(path: Path) -> tuple[list[Device], Explanation]:
    configuration = load(path, DEFAULT_REGISTRY)
    devices = make_devices(configuration, DEFAULT_REGISTRY, unconnected(configuration))
    return list(devices), explain(configuration, devices, today=TODAY)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_safe_when_its_gateway_dies(path: Path) -> None:
    assert made_from(path)[1].safe


def test_the_full_house_has_a_wallbox_a_heat_pump_a_battery_and_the_sun() -> None:
    devices, explanation = made_from(EXAMPLES / "full-house.yaml")
    assert {str(device.capabilities.kind) for device in devices} == {
        "wallbox", "heat_pump", "battery", "inverter",
    }  # fmt: skip
    assert ("Minimum", "4.2 + (3 − 1) · 0.75 · 4.2 = 10.50 kW (4.5.2)") in explanation.lines
    assert explanation.warnings == ()
