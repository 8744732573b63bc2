"""Kilowatts that were written where watts are asked for."""

from pathlib import Path

import pytest

from adapters.registry import DEFAULT_REGISTRY
from hems.config import load
from hems.doubtful_powers import doubtful_powers


def told(folder: Path, text: str) -> list[str]:
    path = folder / "hems.yaml"
    path.write_text(text)
    return doubtful_powers(load(path, DEFAULT_REGISTRY))


def test_a_power_that_looks_like_kilowatts_is_doubted_with_the_watts_that_may_be_meant(
    tmp_path: Path,
) -> None:
    assert told(tmp_path, "grid_connection_point: {contractual_consumption_w: 24.15}\n") == [
        "grid_connection_point.contractual_consumption_w is 24.15 W, and powers are written in watts here: "
        "do you mean 24150 W?"
    ]


@pytest.mark.parametrize(
    ("text", "place", "meant"),
    [
        ("eebus: {failsafe: {consumption_w: 4.2}}", "eebus.failsafe.consumption_w", "4200 W"),
        (
            "devices: [{name: sun, adapter: {type: sunspec, host: a, nameplate_w: 10}}]",
            "devices[0].adapter.nameplate_w",
            "10000 W",
        ),
        (
            "mqtt: {host: a}\ndevices: [{name: box, adapter: {type: mqtt, kind: wallbox, params: "
            "{topic: box, max_power_w: 11.0}}}]",
            "devices[0].adapter.params.max_power_w",
            "11000 W",
        ),
    ],
)
def test_it_is_doubted_wherever_it_stands(tmp_path: Path, text: str, place: str, meant: str) -> None:
    (line,) = told(tmp_path, f"{text}\n")
    assert line.startswith(f"{place} is ")
    assert line.endswith(f"do you mean {meant}?")


@pytest.mark.parametrize("power_w", ["0", "100", "4200", "null"])
def test_nothing_and_usual_watts_are_believed(tmp_path: Path, power_w: str) -> None:
    assert told(tmp_path, f"eebus: {{failsafe: {{production_w: {power_w}}}}}\n") == []
