"""What `hems check` tells: the meaning of a configuration and the proof for a dead gateway."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pytest

from adapters.relay.mqtt_contacts import MqttContactsSettings, MqttInputSettings
from eebus.usecases.events import StoredFailsafe
from hems.config import (
    Configuration,
    DeviceSettings,
    EebusSettings,
    FailsafeSettings,
    GenerationSettings,
    GridConnectionPointSettings,
    MqttSettings,
    ProgrammeSettings,
    ProtectionSettings,
    RelaySettings,
    WindowSettings,
    WishSettings,
)
from hems.counting import count_house
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
from hems.explanation import NOTHING_WRITTEN, Explanation, counting_lines
from hems.explanation import explain as explain_on

TODAY = date(2026, 11, 25)
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


def explain(
    configuration: Configuration,
    devices: Sequence[OfflineDevice],
    written: StoredFailsafe = NOTHING_WRITTEN,
) -> Explanation:
    return explain_on(configuration, devices, written, today=TODAY)


def wallbox(fallback_w: float | None) -> Capabilities:
    fallback = None if fallback_w is None else Fallback(after_s=30.0, power_w=fallback_w)
    return Capabilities(Kind.WALLBOX, 11_040.0, consumption=WALLBOX_POWERS, consumption_fallback=fallback)


def inverter(fallback_w: float | None) -> Capabilities:
    powers = FeasiblePowers((PowerRange(0.0, 10_000.0),))
    fallback = None if fallback_w is None else Fallback(after_s=120.0, power_w=fallback_w)
    return Capabilities(Kind.INVERTER, 10_000.0, production=powers, production_fallback=fallback)


def house(
    *capabilities: Capabilities, controllable: bool | None = None, production_w: float | None = None
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


def test_mqtt_and_home_assistant_are_told_also_when_there_is_no_broker() -> None:
    configuration, devices = house(wallbox(0.0))
    assert "no broker is named" in dict(explain(configuration, devices).lines)["MQTT"]
    shown = configuration.model_copy(update={"mqtt": MqttSettings(host="192.0.2.1")})
    assert "broker 192.0.2.1:1883" in dict(explain(shown, devices).lines)["MQTT"]


def test_devices_are_told_in_order_of_priority() -> None:
    labels = [label for label, _ in explain(*house(wallbox(0.0), wallbox(0.0))).lines]
    assert labels.index("device1") < labels.index("device0")


def test_a_house_without_devices_or_meter_is_warned() -> None:
    warnings = " ".join(explain(*house()).warnings)
    assert "No device is configured" in warnings
    assert "No meter is configured" in warnings


def test_a_house_that_cannot_be_told_to_feed_in_less_is_warned_while_that_may_be_ordered() -> None:
    def warned(configuration: Configuration, devices: list[OfflineDevice]) -> bool:
        warnings = explain(configuration, devices).warnings
        return any("no device can be told to feed in less" in each for each in warnings)

    configuration, devices = house(wallbox(0.0))
    assert warned(configuration, devices)
    switches = configuration.eebus.switches.model_copy(update={"production_limits": False})
    eebus = configuration.eebus.model_copy(update={"switches": switches})
    consuming = configuration.model_copy(update={"eebus": eebus})
    assert not warned(consuming, devices)
    plant = GenerationSettings(installed_power_w=9900.0)
    assert warned(consuming.model_copy(update={"generation": plant}), devices)
    assert not warned(*house(wallbox(0.0), inverter(0.0)))


def test_counting_and_the_minimum_power_are_explained_with_formula_and_clause() -> None:
    explanation = explain(*house(wallbox(0.0), wallbox(0.0), inverter(None)))
    told = dict(explanation.lines)
    assert told["n"] == "2 behind the energy management, simultaneity factor 0.80"
    assert told["Minimum"] == "4.2 + (2 − 1) · 0.80 · 4.2 = 7.56 kW (4.5.2)"
    assert any("below the minimum power of 7.56 kW" in warning for warning in explanation.warnings)


def with_settings(name: str, **update: object) -> tuple[Configuration, list[OfflineDevice]]:
    configuration, devices = house(wallbox(0.0), wallbox(0.0))
    changed = tuple(
        settings.model_copy(update=update) if settings.name == name else settings
        for settings in configuration.devices
    )
    return configuration.model_copy(update={"devices": changed}), devices


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"controllable": False}, "left out by the configuration"),
        ({"connection_power_w": 3700.0}, "3.70 kW is not above 4.20 kW (2.4.1)"),
        ({"commissioned": date(2023, 12, 31)}, "in operation since 2023-12-31, before 2024-01-01"),
    ],
)
def test_a_device_that_does_not_count_is_named_with_the_reason(
    update: dict[str, object], reason: str
) -> None:
    configuration, devices = with_settings("device1", **update)
    count = count_house(configuration, devices)
    assert count.controllable == {"device0"}
    assert any(
        label == "Counts not" and text.startswith(f"device1: {reason}")
        for label, text in counting_lines(count)
    )


def test_an_old_or_small_device_takes_part_by_choice() -> None:
    old = count_house(*with_settings("device1", commissioned=date(2020, 1, 1), controllable=True))
    assert old.minimum.consumers == 2
    assert old.controllable == {"device0", "device1"}
    small = count_house(*with_settings("device1", connection_power_w=3700.0, controllable=True))
    assert small.minimum.consumers == 1
    assert small.controllable == {"device0", "device1"}
    assert "By choice" in dict(counting_lines(small))


def test_a_device_under_direct_control_has_its_own_minimum() -> None:
    count = count_house(*with_settings("device1", control="direct"))
    assert count.direct == {"device1"}
    assert [each.power_w for each in count.minimum.direct] == [4200.0]
    assert count.minimum.consumers == 1


def test_the_class_can_be_named_where_the_adapter_cannot_know_it() -> None:
    configuration, _ = with_settings("device1", consumer_class="heat_pump", connection_power_w=20_000.0)
    other = Capabilities(Kind.OTHER, 20_000.0, consumption=WALLBOX_POWERS)
    count = count_house(configuration, [OfflineDevice("device0", other), OfflineDevice("device1", other)])
    assert count.controllable == {"device1"}
    assert count.minimum.ems is not None
    assert count.minimum.ems.power_w == 8000.0


def test_sources_of_limits_are_told_with_the_watts_they_mean() -> None:
    configuration, devices = house(wallbox(0.0), wallbox(0.0))
    window = WindowSettings.model_validate({"from": "17:00", "until": "20:00"})
    configuration = configuration.model_copy(
        update={
            "generation": GenerationSettings(installed_power_w=9900.0),
            "grid_connection_point": GridConnectionPointSettings(protection=ProtectionSettings(fuse_a=35.0)),
            "relays": (
                RelaySettings(name="box", wiring="four_contacts", adapter=DeviceSettings.model_construct()),
            ),
            "programmes": (ProgrammeSettings(name="evening", windows=(window,), consumption_w=5000.0),),
            "wishes": (WishSettings(device="device0", at_least_w=4140.0, windows=(window,)),),
        }
    )
    told = [f"{label}: {text}" for label, text in explain(configuration, devices).lines]
    for line in (
        "Rules: scarce power goes one device after the other; own generation serves the house first",
        "Fuse: 3 x 35 A; 21.73 kW while the meter shows no voltage; single-phase devices at most 4.60 kW",
        "Relays: box, wiring four_contacts",
        ": w4 active: draw at most 7.56 kW",
        ": s2 active: feed-in at most 2.97 kW",
        "Programme: evening: draw at most 5.00 kW, 17:00 to 20:00",
        "Wish: device0 gets 4.14 kW first, 17:00 to 20:00",
    ):
        assert line in told
    assert any("60 % of 9.90 kW installed = 5.94 kW" in line for line in told)


@pytest.mark.parametrize(
    ("pumps_w", "named", "dimmed"),
    [
        ((3000.0, 9000.0), ("device0", "device1"), "4.80 kW"),
        ((20_000.0,), ("device0",), "8.00 kW"),
        ((3000.0, 3000.0), ("device0",), "4.20 kW"),
        ((3700.0,), ("device0",), "4.20 kW"),
    ],
    ids=["grouped (2.4.2)", "large (4.5.1)", "counts as part of a group", "does not count"],
)
def test_relays_for_named_devices_leave_them_the_minimum_of_the_ruling(
    pumps_w: Sequence[float], named: tuple[str, ...], dimmed: str
) -> None:
    configuration, devices = house(*(Capabilities(Kind.HEAT_PUMP, each) for each in pumps_w))
    relays = RelaySettings(
        name="box", wiring="single_contact", devices=named, adapter=DeviceSettings.model_construct()
    )
    explanation = explain(configuration.model_copy(update={"relays": (relays,)}), devices)
    assert ("", f"dim active: draw at most {dimmed}") in explanation.lines


def test_relays_by_mqtt_tell_when_a_state_is_known_and_what_a_restart_means() -> None:
    configuration, devices = house(wallbox(0.0), wallbox(0.0))
    relays = RelaySettings.model_validate(
        {
            "name": "box",
            "wiring": "dim_and_release",
            "inputs": {"dim": {"signal": "pulse", "at_start": "keep"}},
            "adapter": MqttContactsSettings(
                type="mqtt-contacts",
                inputs={
                    "dim": MqttInputSettings(topic="io/dim"),
                    "release": MqttInputSettings(topic="io/release"),
                },
                availability_topic="io/up",
                silent_after_s=9.0,
            ),
        }
    )
    told = {
        text for _, text in explain(configuration.model_copy(update={"relays": (relays,)}), devices).lines
    }
    assert {
        "dim count as before the start until one gets a pulse, as active when they fall silent",
        "release count as active until they were read, as active when they fall silent",
        "states by MQTT are known while io/up says that the module is there and for 9 s after each message",
        "what the broker retains does not count: nothing is known before the module publishes",
    } <= told


def direct_house(*relay_devices: str) -> tuple[Configuration, list[OfflineDevice]]:
    configuration, devices = house(wallbox(0.0), wallbox(0.0))
    direct = configuration.devices[0].model_copy(update={"control": "direct"})
    relays = RelaySettings(
        name="box",
        wiring="single_contact",
        devices=relay_devices,
        adapter=MqttContactsSettings(
            type="mqtt-contacts", inputs={"dim": MqttInputSettings(topic="io/0")}, silent_after_s=60.0
        ),
    )
    update = {"devices": (direct, configuration.devices[1]), "relays": (relays,)}
    return configuration.model_copy(update=update), devices


@pytest.mark.parametrize("relay_devices", [(), ("device1",)])
def test_a_device_under_direct_control_that_no_relays_name_is_told_of(relay_devices: tuple[str, ...]) -> None:
    warnings = explain(*direct_house(*relay_devices)).warnings
    assert [text for text in warnings if text.startswith("device0 is under direct control, but no relays")]


def test_a_device_under_direct_control_that_relays_name_needs_no_word() -> None:
    assert not [text for text in explain(*direct_house("device0")).warnings if "direct control" in text]
