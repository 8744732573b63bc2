"""The proof that devices left alone stay within the failsafe limit."""

from hems.control.fallbacks import LeftAlone, prove_fallbacks
from hems.devices import Fallback


def test_fallbacks_that_fit_are_proven() -> None:
    proof = prove_fallbacks(
        [LeftAlone("box", 11040.0, Fallback(60.0, 1380.0)), LeftAlone("pump", 2800.0, None)], 4200.0, "take"
    )
    assert proof.holds
    assert proof.sum_w == 4180.0
    assert proof.offenders == ()


def test_a_device_without_fallback_counts_with_its_type_plate_and_is_named_first() -> None:
    devices = [LeftAlone("box", 11040.0, Fallback(60.0, 4140.0)), LeftAlone("pump", 2000.0, None)]
    proof = prove_fallbacks(devices, 4200.0, "take")
    assert not proof.holds
    assert proof.offenders == ("pump", "box")


def test_a_fallback_of_zero_offends_nobody() -> None:
    devices = [LeftAlone("box", 11040.0, Fallback(60.0, 0.0)), LeftAlone("pump", 5000.0, None)]
    assert prove_fallbacks(devices, 4200.0, "take").offenders == ("pump",)


def test_no_device_always_fits() -> None:
    assert prove_fallbacks([], 0.0, "take").holds


def test_the_reason_tells_what_the_devices_do_with_the_power() -> None:
    sun = [LeftAlone("sun", 8000.0, None)]
    fits = prove_fallbacks(sun, 9000.0, "feed in").reason
    assert fits.text == "left alone, the devices feed in at most 8.00 kW of 9.00 kW in failsafe"
    exceeds = prove_fallbacks(sun, 4200.0, "feed in").reason
    assert exceeds.text == "left alone, the devices may feed in 8.00 kW, above the failsafe limit of 4.20 kW"
