"""MQTT profiles: all that are shipped load, and mistakes in them are named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.broker import Message
from adapters.mqtt.inbox import Inbox
from adapters.mqtt.profile import MqttProfile, load_mqtt_profile, parse_mqtt_profile
from adapters.settings import SettingsError
from tests.unit.adapters_mqtt.bench import Bench

SHIPPED = ("generic-device", "generic-meter", "json-meter", "openwb")


@pytest.mark.parametrize("profile_id", SHIPPED)
def test_every_shipped_profile_loads_and_is_called_like_its_file(profile_id: str) -> None:
    profile = load_mqtt_profile(profile_id, {})
    assert profile.profile.id == profile_id
    assert not [topic for topic in profile.topics if "$" in topic or "+" in topic]


def test_parameters_stand_for_whole_values_and_for_parts_of_topics() -> None:
    profile = load_mqtt_profile("openwb", {"chargepoint": 7.0, "max_current_a": 20})
    assert profile.points["power_w"].topics == ("openWB/simpleAPI/chargepoint/7/power",)
    assert profile.controls.max_current_a is not None
    assert profile.controls.max_current_a.range.max == 20.0


@pytest.mark.parametrize(
    ("profile_id", "params", "problem"),
    [
        ("nothing", {}, "there is no MQTT profile 'nothing'; known are: generic-device, generic-meter"),
        ("../secret", {}, "is not a profile id"),
        ("openwb", {"topic": "x"}, "no parameter 'topic'"),
        ("openwb", {"phases": 4}, "phases = 4 is outside 1 to 3"),
        ("openwb", {"phases": "three"}, "parameter phases is a number"),
        ("openwb", {"phases": 2}, "phases"),
        ("generic-meter", {"topic": 5}, "parameter topic is a text"),
        ("generic-meter", {"topic": "a/#"}, "topics"),
    ],
)
def test_wrong_parameters_are_named(profile_id: str, params: dict[str, float | str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load_mqtt_profile(profile_id, params)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "not YAML"),
        ("- a", "a map of blocks"),
        ("profile: {}", "profile.schema"),
        ("topic: '${none}'", r"^mine:1: '\$\{none\}' is not a declared parameter"),
    ],
)
def test_a_broken_profile_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse_mqtt_profile(text, {}, "mine")


def test_a_reply_must_be_a_point_and_a_meter_needs_a_power(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(_text("other").replace("held_power_w: {", "held_w: {"))
    with pytest.raises(SettingsError, match="points that are not declared: held_power_w"):
        load_mqtt_profile("a", {}, [tmp_path])
    (tmp_path / "b.yaml").write_text(
        _text("meter").replace('power_w: {topics: ["${topic}/power_w"]', "p_w: {topics: [x]", 1)
    )
    with pytest.raises(SettingsError, match="a meter needs the point power_w"):
        load_mqtt_profile("b", {}, [tmp_path])


def _text(kind: str) -> str:
    folder = Path(__file__).parents[3] / "adapters" / "profiles" / "mqtt"
    text = (folder / "generic-device.yaml").read_text()
    return text.replace("kind: other", f"kind: {kind}")


def test_a_read_only_profile_cannot_be_told_anything(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(_text("other").replace("control_experimental", "read_only"))
    bench = Bench(profile_folders=(tmp_path,))
    assert bench.device(profile="mine").capabilities.consumption is None


def test_a_profile_says_whether_its_device_keeps_the_set_point_when_the_gateway_stops(tmp_path: Path) -> None:
    keeping = _text("other").replace("    release:", "    on_shutdown: keep\n    release:")
    (tmp_path / "mine.yaml").write_text(keeping)
    bench = Bench(profile_folders=(tmp_path,))
    assert not bench.device(profile="mine").capabilities.freed_at_stop
    assert bench.device().capabilities.freed_at_stop


def test_meters_and_devices_are_not_mixed_up() -> None:
    with pytest.raises(SettingsError, match="describes a meter"):
        Bench().device(profile="generic-meter")
    with pytest.raises(SettingsError, match="describes a device"):
        Bench().meter(profile="openwb")


def test_without_a_section_mqtt_there_are_no_such_devices() -> None:
    bench = Bench(with_broker=False)
    with pytest.raises(SettingsError, match="needs a section 'mqtt'"):
        bench.device()


PROFILE: MqttProfile = load_mqtt_profile("json-meter", {"topic": "t"})


@given(st.binary(max_size=200))
def test_no_payload_breaks_the_inbox(payload: bytes) -> None:
    inbox = Inbox(PROFILE)
    inbox.put(Message("t", payload, retained=False), 1.0)
    assert isinstance(inbox.text("power_w"), str)
    number = inbox.number("power_w")
    assert number is None or -1_000_000.0 <= number <= 1_000_000.0


def test_a_generic_device_cannot_be_told_to_give_up_before_it_is_told_again() -> None:
    shortest = load_mqtt_profile("generic-device", {"watchdog_s": 30}).controls.max_power_w
    assert shortest is not None
    assert shortest.failsafe is not None
    assert shortest.refresh_s is not None
    assert shortest.refresh_s < shortest.failsafe.after_s
    with pytest.raises(SettingsError, match="outside 30 to 3600"):
        load_mqtt_profile("generic-device", {"watchdog_s": 29})
