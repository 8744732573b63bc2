"""What is told of devices that miss the gateway, and which figure to change where it is too much."""

from pathlib import Path

import pytest

from adapters.registry import DEFAULT_REGISTRY
from hems.config import load
from hems.equipment import make_devices, unconnected
from hems.explanation import Explanation, explain
from tests.unit.hems_explanation.test_examples import TODAY

FREE = "after 120 s without the gateway it is free"
FREED = "its feed-in is free 120 s after the gateway dies, also while a limit on feed-in is in force"
STEUERBOX = "eebus: {switches: {production_limits: true}}\n"
CONSUMPTION_ONLY = "eebus: {switches: {production_limits: false}}\n"
CAPPED = f"{CONSUMPTION_ONLY}generation: {{installed_power_w: 9900}}\n"


def explained(folder: Path, *devices: str, more: str = "") -> Explanation:
    path = folder / "hems.yaml"
    path.write_text(f"{more}devices:\n" + "".join(f"  - {{{device}}}\n" for device in devices))
    configuration = load(path, DEFAULT_REGISTRY)
    return explain(
        configuration,
        make_devices(configuration, DEFAULT_REGISTRY, unconnected(configuration)),
        today=TODAY,
    )


def inverter(settings: str = "") -> str:
    return f"name: sun, adapter: {{type: sunspec, host: a{settings}}}"


@pytest.mark.parametrize(
    ("settings", "alone"),
    [
        ("", "left alone, it keeps its last value"),
        (", revert_s: 120", FREE),
        (", revert_s: 120, nameplate_w: 10000", FREE),
        (", revert_s: 120, after_revert_w: 3000", "left alone, it holds 3.00 kW after 120 s"),
        (", after_revert_w: 0, revert_s: 60", "left alone, it holds 0 W after 60 s"),
    ],
)
def test_a_sunspec_inverter_that_was_not_reached_yet_does_what_its_settings_say(
    tmp_path: Path, settings: str, alone: str
) -> None:
    told = dict(explained(tmp_path, inverter(settings)).lines)["sun"]
    assert alone in told
    assert ("revert_s: 0 keeps the last value" in told) is (alone == FREE)


@pytest.mark.parametrize(("revert_s", "alone"), [(120, FREE), (0, "left alone, it keeps its last value")])
def test_a_sunspec_battery_is_free_after_its_time_where_it_has_a_timer(
    tmp_path: Path, revert_s: int, alone: str
) -> None:
    battery = f"name: battery, adapter: {{type: sunspec-battery, host: b, revert_s: {revert_s}}}"
    told = dict(explained(tmp_path, battery).lines)["battery"]
    assert alone in told
    assert ("where it has a timer for that" in told) is (revert_s > 0)


def test_a_size_that_is_only_assumed_is_told_with_the_setting_that_says_it(tmp_path: Path) -> None:
    battery = "name: battery, connection_power_w: 5000, adapter: {type: sunspec-battery, host: b"
    assumed = explained(tmp_path, battery + "}")
    assert (
        "-15.00 kW to 15.00 kW (assumed until it is connected; adapter.max_power_w says it)"
        in (dict(assumed.lines)["battery"])
    )
    assert "battery (15.00 kW, adapter.max_power_w)" in assumed.proofs[0].reason.text

    said = explained(tmp_path, battery + ", max_power_w: 4000}")
    assert "draw -4.00 kW to 4.00 kW; " in dict(said.lines)["battery"]
    assert "battery (5.00 kW, connection_power_w)" in said.proofs[0].reason.text


@pytest.mark.parametrize("more", [STEUERBOX, CAPPED], ids=["Steuerbox", "§ 9 EEG"])
@pytest.mark.parametrize("settings", [", revert_s: 120", ", revert_s: 120, nameplate_w: 10000"])
def test_feed_in_that_becomes_free_while_it_may_be_limited_is_told_with_both_cures(
    tmp_path: Path, settings: str, more: str
) -> None:
    (told,) = [w for w in explained(tmp_path, inverter(settings), more=more).warnings if FREED in w]
    assert "revert_s: 0 keeps the last value, after_revert_w sets one (model 704 only)" in told


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ("", CAPPED),
        (", revert_s: 60, after_revert_w: 0", CAPPED),
        (", revert_s: 120", CONSUMPTION_ONLY),
    ],
)
def test_feed_in_that_stays_limited_or_never_is_needs_no_word(
    tmp_path: Path, settings: str, more: str
) -> None:
    assert not [w for w in explained(tmp_path, inverter(settings), more=more).warnings if FREED in w]


def test_the_proof_tells_devices_with_a_fallback_from_those_without_and_the_figure_of_each(
    tmp_path: Path,
) -> None:
    told = explained(
        tmp_path,
        "name: pump, adapter: {type: modbus, profile: sg-ready-relays, host: a, params: {nameplate_w: 6000}}",
        "name: keba, adapter: {type: modbus, profile: keba-p30, host: b, params: {failsafe_current_a: 6}}",
        "name: alfen, adapter: {type: modbus, profile: alfen-ng9xx, host: c, params: {safe_current_a: 6}}",
        "name: quiet, adapter: {type: modbus, profile: heidelberg-energy-control, host: d}",
    )
    assert told.proofs[0].reason.text == (
        "left alone, the devices may take 15.11 kW, above the failsafe limit of 4.20 kW: lower the fallback "
        "of: keba (4.55 kW, adapter.params.failsafe_current_a), alfen (4.55 kW, "
        "adapter.params.safe_current_a); no fallback of its own, so that the type plate counts (correct it "
        "where it is less): pump (6.00 kW, adapter.params.nameplate_w); or raise eebus.failsafe.consumption_w"
    )


def test_the_proof_for_feed_in_names_its_own_failsafe_limit(tmp_path: Path) -> None:
    told = explained(
        tmp_path,
        inverter(", nameplate_w: 10000, revert_s: 120, after_revert_w: 8000"),
        more="eebus: {failsafe: {production_w: 5000}}\n",
    )
    assert told.proofs[1].reason.text == (
        "left alone, the devices may feed in 8.00 kW, above the failsafe limit of 5.00 kW: lower the "
        "fallback of: sun (8.00 kW, adapter.after_revert_w); or raise eebus.failsafe.production_w"
    )
