"""Configurations that cannot work are mistakes, each with its line, its place and what would be right."""

from pathlib import Path

import pytest

from adapters.registry import DEFAULT_REGISTRY
from hems.config import ConfigError, load
from hems.equipment import make_devices, settings_that_cannot_work, unconnected
from hems.explanation import explain
from tests.unit.hems_explanation.test_examples import TODAY

HOUSE = """\
devices:
  - name: box
    adapter: {type: modbus, profile: heidelberg-energy-control, host: 192.0.2.1}
  - name: sun
    adapter: {type: sunspec, host: 192.0.2.2}
  - name: battery
    adapter: {type: simulated, max_power_w: 4000.0}
"""
CONTACTS = "adapter: {type: modbus-contacts, host: 192.0.2.3, inputs: {dim: 0, release: 1, off: 2}}"
HOT = "adapter: {type: modbus-contacts, host: 192.0.2.3, inputs: {p0: 0, p30: 1, p60: 2, p100: 3}}"
EVENING = 'windows: [{from: "17:00", until: "20:00"}]'


def mistakes(folder: Path, text: str) -> list[str]:
    """What is told of a file, without its name: line, place, problem and remedy."""
    path = folder / "hems.yaml"
    path.write_text(text)
    try:
        load(path, DEFAULT_REGISTRY, examine=lambda read: settings_that_cannot_work(read, DEFAULT_REGISTRY))
    except ConfigError as error:
        return [str(mistake).removeprefix(f"{path}:") for mistake in error.mistakes]
    return []


def relays(wiring: str, inputs: str = "{}", more: str = "", adapter: str = CONTACTS) -> str:
    return (
        f"{HOUSE}generation: {{installed_power_w: 9900, tested_on: 2026-01-01}}\n"
        f"relays:\n  - name: box1\n    wiring: {wiring}\n    inputs: {inputs}\n    {adapter}\n    {more}\n"
    )


@pytest.mark.parametrize(
    ("wiring", "inputs", "more"),
    [
        ("single_contact", "{dim: {signal: pulse}}", ""),
        ("dim_and_release", "{dim: {signal: pulse}}", ""),
        ("two_contacts", "{dim: {signal: pulse}, off: {signal: pulse}}", ""),
        ("custom", "{dim: {signal: pulse}}", "patterns: [{active: [dim], consumption_w: 0}, {active: []}]"),
    ],
    ids=["one contact", "release is a level", "both limit", "custom"],
)
def test_a_limit_that_no_pulse_can_end_is_a_mistake(
    tmp_path: Path, wiring: str, inputs: str, more: str
) -> None:
    assert mistakes(tmp_path, relays(wiring, inputs, more)) == [
        "12: relays[0].inputs.dim.signal: a pulse stands until another input gets one, and none here ends a "
        "limit of draw. Use signal: level, or a wiring with an input whose pulse lifts it, such as "
        "dim_and_release"
    ]


@pytest.mark.parametrize(
    ("wiring", "inputs", "more"),
    [
        ("dim_and_release", "{dim: {signal: pulse}, release: {signal: pulse}}", ""),
        ("dim_and_release", "{dim: {signal: pulse}}", "on_fault: release"),
        ("single_contact", "{dim: {signal: level}}", ""),
    ],
)
def test_pulses_that_another_one_lifts_are_right(tmp_path: Path, wiring: str, inputs: str, more: str) -> None:
    assert mistakes(tmp_path, relays(wiring, inputs, more)) == []


def test_relays_for_draw_cannot_name_an_inverter(tmp_path: Path) -> None:
    assert mistakes(tmp_path, relays("single_contact", more="devices: [box, sun]")) == [
        "14: relays[0].devices[1]: sun is an inverter, this limits draw. Name devices that can be told to "
        "draw less"
    ]


def test_relays_for_feed_in_cannot_name_devices(tmp_path: Path) -> None:
    assert mistakes(tmp_path, relays("one_hot", more="devices: [box]", adapter=HOT)) == [
        "14: relays[0].devices: the wiring 'one_hot' limits feed-in only, and that of the whole house. "
        "Remove devices"
    ]


@pytest.mark.parametrize(
    ("programme", "message"),
    [
        (
            "devices: [sun], consumption_w: 1000",
            "9: programmes[0].devices[0]: sun is an inverter, this limits draw. Name devices that can be "
            "told to draw less",
        ),
        ("devices: [box]", "9: programmes[0]: the programme limits nothing. Add consumption_w or feed_in_w"),
        (
            "devices: [sun], feed_in_w: 1000",
            "9: programmes[0].devices: feed_in_w limits the house at its grid connection, not single "
            "devices. Remove devices",
        ),
        (
            "devices: [box], feed_in_w: 1000, consumption_w: 1000",
            "9: programmes[0].devices: feed_in_w limits the house at its grid connection, not single "
            "devices. Give feed_in_w a programme of its own, without devices",
        ),
    ],
)
def test_programmes_that_limit_nothing_or_not_these_are_mistakes(
    tmp_path: Path, programme: str, message: str
) -> None:
    text = f"{HOUSE}programmes:\n  - {{name: evening, {programme}, {EVENING}}}\n"
    assert message in mistakes(tmp_path, text)


def test_programmes_with_one_value_are_right(tmp_path: Path) -> None:
    text = (
        f"{HOUSE}programmes:\n"
        f"  - {{name: a, consumption_w: 0, devices: [box, battery], {EVENING}}}\n"
        f"  - {{name: b, feed_in_w: 0, {EVENING}}}\n"
    )
    assert mistakes(tmp_path, text) == []


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (
            "device: sun, at_least_w: 1000",
            "9: wishes[0].device: sun cannot be told what to draw, so that nothing can be kept for it. Name "
            "a device whose draw can be limited",
        ),
        (
            "device: battery, at_least_w: 4100",
            "9: wishes[0].at_least_w: 4.10 kW is more than battery can be told, 4.00 kW. Wish for at most "
            "4.00 kW, or set adapter.max_power_w of the device to what it can take",
        ),
        (
            "device: box, at_least_w: 22000",
            "9: wishes[0].at_least_w: 22.00 kW is more than box can be told, 12.14 kW. Wish for at most "
            "12.14 kW, or set adapter.params.max_current_a of the device to what it can take",
        ),
    ],
)
def test_wishes_that_no_limit_could_grant_are_mistakes(tmp_path: Path, wish: str, message: str) -> None:
    assert mistakes(tmp_path, f"{HOUSE}wishes:\n  - {{{wish}, {EVENING}}}\n") == [message]


@pytest.mark.parametrize("setting", ["controllable: true", "class: storage"])
def test_an_inverter_is_no_controllable_consumer(tmp_path: Path, setting: str) -> None:
    text = HOUSE.replace("  - name: sun\n", f"  - name: sun\n    {setting}\n")
    assert mistakes(tmp_path, text) == [
        f"5: devices[1].{setting.split(':')[0]}: an inverter draws nothing that consumption limits could "
        "bound. Remove it; a battery behind the inverter is a device of its own"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "type: modbus, profile: heidelberg-energy-control, host: box.lan",
            "type: modbus, profile: heidelberg-energy-control, host: BOX.lan, port: 502, unit: 1",
        ),
        (
            "type: modbus, profile: keba-p30, host: box.lan",
            "type: modbus, profile: keba-p30, host: box.lan, params: {max_current_a: 32}",
        ),
        (
            "type: modbus, profile: heidelberg-energy-control, serial: /dev/ttyUSB0",
            "type: modbus, profile: heidelberg-energy-control, serial: /dev/ttyUSB0, unit: 1",
        ),
        ("type: sunspec, host: sun.lan", "type: sunspec, host: sun.lan, unit: 1, revert_s: 0"),
        ("type: mqtt, profile: openwb", "type: mqtt, profile: openwb, params: {chargepoint: 1, phases: 1}"),
    ],
    ids=["unit", "parameters", "serial", "sunspec", "mqtt"],
)
def test_two_devices_at_one_address_are_a_mistake_also_by_its_defaults(
    tmp_path: Path, first: str, second: str
) -> None:
    text = (
        "mqtt: {host: 192.0.2.9}\ndevices:\n"
        f"  - name: one\n    adapter: {{{first}}}\n  - name: two\n    adapter: {{{second}}}\n"
    )
    assert mistakes(tmp_path, text) == [
        "6: devices[1].adapter: leads to the same device as that of 'one'. Give every device its own address "
        "or unit"
    ]


def test_an_inverter_and_the_battery_behind_it_share_an_address(tmp_path: Path) -> None:
    text = (
        "devices:\n  - name: one\n    adapter: {type: sunspec, host: sun.lan}\n"
        "  - name: two\n    adapter: {type: sunspec-battery, host: sun.lan}\n"
        "  - name: three\n    adapter: {type: sunspec, host: sun.lan, subdevice: 1}\n"
    )
    assert mistakes(tmp_path, text) == []


def test_one_line_with_two_speeds_is_a_mistake_and_no_crash(tmp_path: Path) -> None:
    text = (
        "devices:\n  - name: one\n    adapter: {type: sunspec, host: sun.lan}\n"
        "  - name: two\n    adapter: {type: sunspec, host: sun.lan, unit: 2, framing: rtu_tcp}\n"
    )
    (told,) = mistakes(tmp_path, text)
    assert told.startswith("5: devices[1].adapter: two: ")


def warnings(folder: Path, text: str) -> list[str]:
    assert mistakes(folder, text) == []
    configuration = load(folder / "hems.yaml", DEFAULT_REGISTRY)
    devices = make_devices(configuration, DEFAULT_REGISTRY, unconnected(configuration))
    return [each for each in explain(configuration, devices, today=TODAY).warnings if "connected for" in each]


@pytest.mark.parametrize(
    ("adapter", "power_w", "setting"),
    [
        ("type: modbus, profile: alfen-ng9xx, host: a", 22_000, "adapter.params.max_current_a"),
        ("type: modbus, profile: luxtronik, host: a", 9_000, "adapter.params.nameplate_w"),
        ("type: simulated, max_power_w: 4000.0", 9_000, "adapter.max_power_w"),
        ("type: mqtt, profile: generic-device", 22_000, "adapter.params.max_power_w"),
    ],
)
def test_a_device_that_can_never_be_told_its_connection_power_is_told_of_with_the_setting(
    tmp_path: Path, adapter: str, power_w: int, setting: str
) -> None:
    text = f"mqtt: {{host: b}}\ndevices:\n  - name: box\n    adapter: {{{adapter}}}\n"
    assert warnings(tmp_path, text) == []
    (told,) = warnings(tmp_path, f"{text}    connection_power_w: {power_w}\n")
    assert f"Right: raise {setting}, or lower connection_power_w" in told
