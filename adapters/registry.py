"""Which adapter types exist: type name → settings model and factory. An explicit table, no import magic.

`hems.config` asks for the unions of settings, `hems.app` makes devices and meters; neither knows a concrete
adapter.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from adapters.context import Context
from adapters.modbus.settings import MODBUS_TYPE, ModbusSettings, make_profile_device
from adapters.mqtt.settings import (
    MQTT_METER_TYPE,
    MQTT_TYPE,
    MqttDeviceSettings,
    MqttMeterSettings,
    make_mqtt_device,
    make_mqtt_meter,
)
from adapters.relay.modbus_contacts import (
    MODBUS_CONTACTS_TYPE,
    ModbusContactsSettings,
    make_modbus_contacts,
)
from adapters.relay.mqtt_contacts import MQTT_CONTACTS_TYPE, MqttContactsSettings, make_mqtt_contacts
from adapters.settings import AdapterSettings, SettingsError
from adapters.simulated.battery_device import SIMULATED_BATTERY_TYPE, SimulatedBatterySettings, make_battery
from adapters.sunspec.settings import (
    SUNSPEC_BATTERY_TYPE,
    SUNSPEC_METER_TYPE,
    SUNSPEC_TYPE,
    SunSpecBatterySettings,
    SunSpecInverterSettings,
    SunSpecMeterSettings,
    make_inverter,
    make_meter,
    make_sunspec_battery,
)
from hems.devices import Contacts, Device, Meter

__all__ = [
    "DEFAULT_REGISTRY",
    "AdapterSettings",
    "ContactsType",
    "Context",
    "DeviceType",
    "MeterType",
    "Registry",
    "SettingsError",
]

S = TypeVar("S", bound=AdapterSettings)


@dataclass(frozen=True, slots=True)
class DeviceType(Generic[S]):
    """One kind of `adapter:` block under `devices`. `make` takes the device's name, settings and context."""

    name: str
    settings: type[S]
    make: Callable[[str, S, Context], Device]


@dataclass(frozen=True, slots=True)
class MeterType(Generic[S]):
    """One kind of `meter:` block. `make` takes the meter's name, settings and context."""

    name: str
    settings: type[S]
    make: Callable[[str, S, Context], Meter]


@dataclass(frozen=True, slots=True)
class ContactsType(Generic[S]):
    """One kind of input contacts. `make` takes the group's name, settings and context."""

    name: str
    settings: type[S]
    make: Callable[[str, S, Context], Contacts]


@dataclass(frozen=True, slots=True)
class Registry:
    """The adapter types that a gateway knows."""

    device_types: tuple[DeviceType[Any], ...]
    meter_types: tuple[MeterType[Any], ...]
    contacts_types: tuple[ContactsType[Any], ...] = ()

    def device_settings(self) -> Any:
        """The type of a device's `adapter:` block, for a pydantic annotation."""
        return _union([device_type.settings for device_type in self.device_types])

    def meter_settings(self) -> Any:
        """The type of the `meter:` block, for a pydantic annotation."""
        return _union([meter_type.settings for meter_type in self.meter_types])

    def contacts_settings(self) -> Any:
        """The type of the `adapter:` block of input contacts, for a pydantic annotation."""
        return _union([contacts_type.settings for contacts_type in self.contacts_types])

    def make_device(self, name: str, settings: AdapterSettings, context: Context) -> Device:
        """Make the device that `settings` describe. It does no I/O before `connect`.

        Raises SettingsError when well-formed settings cannot work together.
        """
        return _named(self.device_types, settings.type).make(name, settings, context)

    def make_meter(self, name: str, settings: AdapterSettings, context: Context) -> Meter:
        """Make the meter that `settings` describe. It does no I/O before `connect`.

        Raises SettingsError when well-formed settings cannot work together.
        """
        return _named(self.meter_types, settings.type).make(name, settings, context)

    def make_contacts(self, name: str, settings: AdapterSettings, context: Context) -> Contacts:
        """Make the input contacts that `settings` describe. It does no I/O before `connect`.

        Raises SettingsError when well-formed settings cannot work together.
        """
        return _named(self.contacts_types, settings.type).make(name, settings, context)


T = TypeVar("T", DeviceType[Any], MeterType[Any], ContactsType[Any])


def _named(types: Sequence[T], name: str) -> T:
    return next(entry for entry in types if entry.name == name)


def _union(models: Sequence[type[AdapterSettings]]) -> Any:
    if len(models) < 2:
        return models[0] if models else AdapterSettings
    return Annotated[functools.reduce(operator.or_, models), Field(discriminator="type")]


DEFAULT_REGISTRY = Registry(
    device_types=(
        DeviceType(MODBUS_TYPE, ModbusSettings, make_profile_device),
        DeviceType(SUNSPEC_TYPE, SunSpecInverterSettings, make_inverter),
        DeviceType(MQTT_TYPE, MqttDeviceSettings, make_mqtt_device),
        DeviceType(SUNSPEC_BATTERY_TYPE, SunSpecBatterySettings, make_sunspec_battery),
        DeviceType(SIMULATED_BATTERY_TYPE, SimulatedBatterySettings, make_battery),
    ),
    meter_types=(
        MeterType(SUNSPEC_METER_TYPE, SunSpecMeterSettings, make_meter),
        MeterType(MQTT_METER_TYPE, MqttMeterSettings, make_mqtt_meter),
    ),
    contacts_types=(
        ContactsType(MODBUS_CONTACTS_TYPE, ModbusContactsSettings, make_modbus_contacts),
        ContactsType(MQTT_CONTACTS_TYPE, MqttContactsSettings, make_mqtt_contacts),
    ),
)
"""The types that come with the gateway."""
