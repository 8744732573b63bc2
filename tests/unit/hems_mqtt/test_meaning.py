"""What `hems check` tells of the broker and of Home Assistant."""

import pytest

from hems.config import HomeAssistantSettings, MqttSettings, MqttTlsSettings
from hems.northbound.mqtt.meaning import meaning_of


def test_without_a_broker_it_is_told_what_that_means() -> None:
    assert meaning_of(None) == "no broker is named, so nothing is shown by MQTT or in Home Assistant"


def test_the_usual_settings_are_told_in_one_line() -> None:
    assert meaning_of(MqttSettings(host="broker")) == (
        "broker broker:1883, not encrypted; topics below hems/<first digits of the SKI>; announced to Home "
        "Assistant below homeassistant, names in English; takes no commands"
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (MqttSettings(host="broker", tls=MqttTlsSettings()), "broker broker:8883, encrypted;"),
        (
            MqttSettings(host="broker", tls=MqttTlsSettings(check_certificate=False)),
            "encrypted, but any broker is taken for the right one;",
        ),
        (MqttSettings(host="broker", base_topic="a/b", gateway_id="left"), "topics below a/b/left;"),
        (
            MqttSettings(host="broker", home_assistant=HomeAssistantSettings(prefix="ha", language="de")),
            "announced to Home Assistant below ha, names in German;",
        ),
        (
            MqttSettings(host="broker", home_assistant=HomeAssistantSettings(enabled=False)),
            "; not announced to Home Assistant;",
        ),
        (MqttSettings(host="broker", commands=True), "; takes an own limit"),
    ],
)
def test_every_choice_is_told(settings: MqttSettings, told: str) -> None:
    assert told in meaning_of(settings)
