"""Simulated devices at a broker: their topics, what they make of commands, and how they misbehave."""

import pytest

from adapters.mqtt.profile import load_mqtt_profile
from adapters.simulated.faults import Fault
from adapters.simulated.heat_pump import HeatPump
from adapters.simulated.house import House
from adapters.simulated.mqtt_device import CommandTaken, MqttDevice
from adapters.simulated.mqtt_generic import BrokerBattery, BrokerHeatPump, BrokerMeter
from adapters.simulated.mqtt_openwb import OpenWb
from adapters.simulated.wallbox import Wallbox

HELD, SET = "hp/max_power_w", "hp/max_power_w/set"
CURRENT = "openWB/simpleAPI/set/chargepoint/3/chargecurrent"
LOCK = "openWB/simpleAPI/set/chargepoint/3/chargepoint_lock"
EVSE = "openWB/simpleAPI/chargepoint/3/evse_current"


def _heat_pump() -> tuple[BrokerHeatPump, HeatPump]:
    model = HeatPump(nameplate_w=4_000.0, store_wh=1_000.0)
    return BrokerHeatPump("mqtt-heat-pump", "hp", model, lambda _taken: None), model


def _openwb() -> tuple[OpenWb, Wallbox, list[CommandTaken]]:
    taken: list[CommandTaken] = []
    wallbox = Wallbox()
    return OpenWb("mqtt-wallbox", 3, wallbox, taken.append), wallbox, taken


@pytest.mark.parametrize(
    ("profile", "params", "device"),
    [
        ("generic-meter", {"topic": "m"}, BrokerMeter("m", "m", House(), lambda _taken: None)),
        ("generic-device", {"topic": "hp"}, _heat_pump()[0]),
        ("generic-device", {"topic": "b"}, BrokerBattery("b", "b", House().battery, lambda _taken: None)),
        ("openwb", {"chargepoint": 3}, _openwb()[0]),
    ],
    ids=["meter", "heat-pump", "battery", "wallbox"],
)
def test_what_it_shows_and_obeys_is_what_the_profile_names(
    profile: str, params: dict[str, float | str], device: MqttDevice
) -> None:
    named = load_mqtt_profile(profile, params)
    shown = device.beat(0.0).keys()
    missing = named.topics - shown
    assert all("produced" in topic or "_l" in topic for topic in missing), missing
    controls = named.controls.max_power_w or named.controls.max_current_a
    pause = controls.write.pause if controls is not None else None
    told = {controls.write.topic} | ({pause.topic} if pause else set()) if controls is not None else set()
    assert set(device.commands) == told


def test_openwb_takes_whole_amperes_at_its_control_interval_and_tells_changes_only() -> None:
    device, wallbox, taken = _openwb()
    assert device.beat(0.0)[EVSE] == "16"
    for payload in ("6.5", "5", "33", "-8", "nonsense"):
        assert not device.hear(CURRENT, payload), "openWB does not react before its next interval"
    assert device.beat(10.0).keys() == {"openWB/system/time"}
    device.hear(CURRENT, "8")
    assert wallbox.max_current_a == 16.0
    assert device.beat(20.0)[EVSE] == "8"
    assert wallbox.max_current_a == 8.0
    assert [each.meaning for each in taken] == ["charge current 8 A"]


def test_a_locked_openwb_offers_nothing_and_a_restart_forgets_lock_and_current() -> None:
    device, wallbox, _ = _openwb()
    device.hear(CURRENT, "8")
    device.hear(LOCK, "true")
    assert device.beat(0.0)[EVSE] == "0"
    assert wallbox.offered_a == 0.0
    device.restart(5.0, boot_s=20.0)
    assert (device.away_s(5.0), device.away_s(26.0)) == (20.0, 0.0)
    device.join()
    assert device.beat(26.0)[EVSE] == "16"
    assert wallbox.offered_a == 16.0


def test_a_generic_device_falls_to_its_failsafe_power_without_commands() -> None:
    device, model = _heat_pump()
    device.failsafe_power_w = 1_500.0
    assert device.beat(0.0)[HELD] == "4000"
    assert device.beat(59.9)[HELD] == "4000"
    assert device.beat(60.0)[HELD] == "1500"
    assert model.ceiling_w == 1_500.0
    assert device.own_doing == "watchdog ran out: holds 1500 W"
    assert device.hear(SET, "3000"), "it answers at once"
    assert device.beat(61.0)[HELD] == "3000"
    assert device.own_doing == "follows its commands"


@pytest.mark.parametrize(
    ("fault", "shown", "followed_w"),
    [(Fault.IGNORE_WRITES, "4000", 4_000.0), (Fault.CLIP, "3000", 3_000.0),
     (Fault.NO_EFFECT, "2000", 4_000.0), (Fault.STUCK, "4000", 2_000.0)],
)  # fmt: skip
def test_what_a_misbehaving_device_shows_and_what_it_follows(
    fault: Fault, shown: str, followed_w: float
) -> None:
    device, model = _heat_pump()
    device.beat(0.0)
    device.faults.add(fault)
    device.hear(SET, "2000")
    assert device.beat(2.0)[HELD] == shown
    assert model.ceiling_w == followed_w


def test_a_mute_device_obeys_and_publishes_nothing() -> None:
    device, model = _heat_pump()
    device.faults.add(Fault.MUTE)
    device.hear(SET, "2000")
    assert device.beat(0.0) == {}
    assert model.ceiling_w == 2_000.0


def test_a_slow_device_takes_over_and_publishes_at_distant_beats_only() -> None:
    device, _ = _heat_pump()
    device.faults.add(Fault.SLOW)
    assert not device.hear(SET, "2000")
    assert device.pause_s == 8.0


@pytest.mark.parametrize("payload", ["nonsense", "-1", "nan", "inf", ""])
def test_a_command_that_is_no_power_changes_nothing(payload: str) -> None:
    device, model = _heat_pump()
    device.hear(SET, payload)
    assert device.beat(0.0)[HELD] == "4000"
    assert model.ceiling_w == 4_000.0
