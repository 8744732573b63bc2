"""The configuration file: read, checked as a whole, and explained when something is wrong."""

from hems.config.loading import SOCKET_NAME, Examine, load
from hems.config.mistakes import ConfigError, KeyPath, Mistake
from hems.config.models import (
    METER_NAME,
    Configuration,
    DeviceSettings,
    EebusSettings,
    FailsafeSettings,
    GridConnectionPointSettings,
    HomeAssistantSettings,
    LogSettings,
    MqttSettings,
    MqttTlsSettings,
    PeerSettings,
    SiteSettings,
    SwitchSettings,
)
from hems.config.schema import AdapterRegistry, configuration_model, schema_text

__all__ = [
    "METER_NAME",
    "SOCKET_NAME",
    "AdapterRegistry",
    "ConfigError",
    "Configuration",
    "DeviceSettings",
    "EebusSettings",
    "Examine",
    "FailsafeSettings",
    "GridConnectionPointSettings",
    "HomeAssistantSettings",
    "KeyPath",
    "LogSettings",
    "Mistake",
    "MqttSettings",
    "MqttTlsSettings",
    "PeerSettings",
    "SiteSettings",
    "SwitchSettings",
    "configuration_model",
    "load",
    "schema_text",
]
