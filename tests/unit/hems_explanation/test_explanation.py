"""What `hems check` tells: the meaning of a configuration and the proof for a dead gateway."""

from dataclasses import dataclass

import pytest

from eebus.usecases.events import StoredFailsafe
from hems.config import Configuration, DeviceSettings, EebusSettings, FailsafeSettings
from hems.devices import (
    Capabilities,
    DeviceSample,
    Fallback,
    FeasiblePowers,
    Kind,
    PowerRange,
    Readback,
    Setpoint,
)
from hems.explanation import explain

WALLBOX_POWERS = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(4140.0, 11040.0)))


@dataclass
class OfflineDevice:
    """A device of which only the capabilities are asked."""

    name: str
    capabilities: Capabilities

    async def connect(self) -> None:
        raise AssertionError("nothing may be connected")

    async def read(self) -> DeviceSample:
        raise AssertionError("nothing may be read")

    async def write(self, setpoint: Setpoint) -> Readback:
        raise AssertionError("nothing may be written")

    async def close(self) -> None:
        raise AssertionError("nothing was opened")


def wallbox(fallback_w: float | None) -> Capabilities:
    fallback = None if fallback_w is None else Fallback(after_s=30.0, power_w=fallback_w)
    return Capabilities(Kind.WALLBOX, 11_040.0, consumption=WALLBOX_POWERS, consumption_fallback=fallback)


def inverter(fallback_w: float | None) -> Capabilities:
    powers = FeasiblePowers((PowerRange(0.0, 10_000.0),))
    fallback = None if fallback_w is None else Fallback(after_s=120.0, power_w=fallback_w)
    return Capabilities(Kind.INVERTER, 10_000.0, production=powers, production_fallback=fallback)


def house(
    *capabilities: Capabilities, controllable: bool = True, production_w: float | None = None
) -> tuple[Configuration, list[OfflineDevice]]:
    settings = tuple(
        DeviceSettings(
            name=f"device{n}",
            priority=9 - n,
            controllable=controllable,
            adapter=DeviceSettings.model_construct(),
        )
        for n in range(len(capabilities))
    )
    failsafe = FailsafeSettings(production_w=production_w)
    configuration = Configuration(devices=settings, eebus=EebusSettings(failsafe=failsafe))
    return configuration, [OfflineDevice(f"device{n}", c) for n, c in enumerate(capabilities)]


def test_devices_that_pause_when_left_alone_are_safe() -> None:
    explanation = explain(*house(wallbox(0.0), wallbox(4140.0)))
    assert explanation.safe
    assert (
        "Gateway dies",
        "left alone, the devices take at most 4.14 kW of 4.20 kW in failsafe",
    ) in explanation.lines


@pytest.mark.parametrize(("fallback_w", "taken"), [(None, "11.04 kW"), (8000.0, "8.00 kW")])
def test_a_device_that_keeps_or_falls_too_high_is_named(fallback_w: float | None, taken: str) -> None:
    explanation = explain(*house(wallbox(fallback_w)))
    assert not explanation.safe
    assert explanation.proofs[0].offenders == ("device0",)
    assert taken in explanation.proofs[0].reason.text


def test_a_device_that_does_not_count_is_no_part_of_the_proof() -> None:
    assert explain(*house(wallbox(None), controllable=False)).safe


def test_inverters_draw_nothing_but_may_feed_in_too_much() -> None:
    assert explain(*house(inverter(None))).safe
    cut = explain(*house(inverter(None), production_w=3000.0))
    assert [proof.holds for proof in cut.proofs] == [True, False]


def test_what_a_steuerbox_has_written_counts_instead_and_is_told() -> None:
    explanation = explain(*house(wallbox(4140.0)), StoredFailsafe(consumption_w=3000.0, duration_s=14_400.0))
    assert not explanation.safe
    assert (
        "But",
        "a Steuerbox has written draw 3.00 kW, duration 4 h; that counts instead",
    ) in explanation.lines


def test_devices_are_told_in_order_of_priority() -> None:
    labels = [label for label, _ in explain(*house(wallbox(0.0), wallbox(0.0))).lines]
    assert labels.index("device1") < labels.index("device0")


def test_a_house_without_devices_or_meter_is_warned() -> None:
    warnings = " ".join(explain(*house()).warnings)
    assert "No device is configured" in warnings
    assert "No meter is configured" in warnings
