"""The proof that devices left alone stay within the failsafe limit."""

from hems.control.fallbacks import LeftAlone, prove_fallbacks
from hems.devices import Fallback


def test_fallbacks_that_fit_are_proven() -> None:
    proof = prove_fallbacks(
        [LeftAlone("box", 11040.0, Fallback(60.0, 1380.0)), LeftAlone("pump", 2800.0, None)], 4200.0
    )
    assert proof.holds
    assert proof.sum_w == 4180.0
    assert proof.offenders == ()


def test_a_device_without_fallback_counts_with_its_type_plate_and_is_named_first() -> None:
    devices = [LeftAlone("box", 11040.0, Fallback(60.0, 4140.0)), LeftAlone("pump", 2000.0, None)]
    proof = prove_fallbacks(devices, 4200.0)
    assert not proof.holds
    assert proof.offenders == ("pump", "box")
    assert "pump, box" in proof.reason.text


def test_a_fallback_of_zero_offends_nobody() -> None:
    devices = [LeftAlone("box", 11040.0, Fallback(60.0, 0.0)), LeftAlone("pump", 5000.0, None)]
    assert prove_fallbacks(devices, 4200.0).offenders == ("pump",)


def test_no_device_always_fits() -> None:
    assert prove_fallbacks([], 0.0).holds
