"""What the section `mqtt` of a configuration means, in plain words. Pure."""

from hems.config import HomeAssistantSettings, MqttSettings, MqttTlsSettings
from hems.northbound.mqtt.address import address_of

_LANGUAGES = {"de": "German", "en": "English"}


def meaning_of(settings: MqttSettings | None) -> str:
    """Broker, encryption, topics, Home Assistant and commands, in one line."""
    if settings is None:
        return "no broker is named, so nothing is shown by MQTT or in Home Assistant"
    gateway = settings.gateway_id or "<first digits of the SKI>"
    commands = "takes an own limit" if settings.commands else "takes no commands"
    return (
        f"broker {address_of(settings)}, {_encryption(settings.tls)}; topics below "
        f"{settings.base_topic}/{gateway}; {_shown(settings.home_assistant)}; {commands}"
    )


def _encryption(tls: MqttTlsSettings | None) -> str:
    if tls is None:
        return "not encrypted"
    return "encrypted" if tls.check_certificate else "encrypted, but any broker is taken for the right one"


def _shown(home_assistant: HomeAssistantSettings) -> str:
    if not home_assistant.enabled:
        return "not announced to Home Assistant"
    language = _LANGUAGES[home_assistant.language]
    return f"announced to Home Assistant below {home_assistant.prefix}, names in {language}"
