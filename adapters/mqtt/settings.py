"""The device type `mqtt` and the meter type `mqtt-meter`: settings, and how they are made."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from adapters.context import Context
from adapters.mqtt.device import MqttDevice
from adapters.mqtt.link import MqttLink
from adapters.mqtt.meter import MqttMeter
from adapters.mqtt.profile import MqttProfile, load_mqtt_profile
from adapters.settings import AdapterSettings, Figures, SettingsError, figures_among
from hems.devices import Kind

MQTT_TYPE = "mqtt"
MQTT_METER_TYPE = "mqtt-meter"

Params = dict[str, float | str]


class MqttDeviceSettings(AdapterSettings):
    """`adapter: {type: mqtt, profile: …, params: {…}}`: a device at the broker of the section `mqtt`."""

    type: Literal["mqtt"] = Field(description="A device behind the MQTT broker that a profile describes")
    profile: str = Field(default="generic-device", description="Id of the MQTT profile, e.g. openwb")
    kind: Kind | None = Field(
        default=None, description="What the device is, where the profile does not know it"
    )
    nameplate_w: float | None = Field(
        default=None,
        gt=0.0,
        description="Largest power in W by the type plate, where it is not the control's",
    )
    params: Params = Field(
        default_factory=dict, description="Parameters of the profile, e.g. topic, chargepoint, phases"
    )

    def place(self, profile_folders: Sequence[Path] = (), /) -> Hashable:
        return MQTT_TYPE, load_mqtt_profile(self.profile, self.params, profile_folders).topics

    def figures(self, profile_folders: Sequence[Path] = (), /) -> Figures:
        return figures_among(load_mqtt_profile(self.profile, self.params, profile_folders).params)


class MqttMeterSettings(AdapterSettings):
    """`meter: {type: mqtt-meter, profile: …, params: {…}}`: a grid meter at the broker."""

    type: Literal["mqtt-meter"] = Field(description="A grid meter behind the MQTT broker")
    profile: str = Field(default="generic-meter", description="Id of the MQTT profile, e.g. json-meter")
    params: Params = Field(default_factory=dict, description="Parameters of the profile, e.g. topic, sign")


def make_mqtt_device(name: str, settings: MqttDeviceSettings, context: Context) -> MqttDevice:
    """The factory for the registry. Raises SettingsError."""
    profile = load_mqtt_profile(settings.profile, settings.params, context.profile_folders)
    if profile.profile.kind == "meter":
        raise SettingsError(f"{name}: the profile {settings.profile} describes a meter, not a device")
    return MqttDevice(_link(name, _of_kind(profile, settings.kind), context), settings.nameplate_w)


def make_mqtt_meter(name: str, settings: MqttMeterSettings, context: Context) -> MqttMeter:
    """The factory for the registry. Raises SettingsError."""
    profile = load_mqtt_profile(settings.profile, settings.params, context.profile_folders)
    if profile.profile.kind != "meter":
        raise SettingsError(f"{name}: the profile {settings.profile} describes a device, not a meter")
    return MqttMeter(_link(name, profile, context))


def _of_kind(profile: MqttProfile, kind: Kind | None) -> MqttProfile:
    if kind is None:
        return profile
    return profile.model_copy(update={"profile": profile.profile.model_copy(update={"kind": kind})})


def _link(name: str, profile: MqttProfile, context: Context) -> MqttLink:
    if context.broker is None:
        raise SettingsError(f"{name}: a device by MQTT needs a section 'mqtt' with the broker")
    return MqttLink(name, profile, context.broker, context.clock, context.sleep)
