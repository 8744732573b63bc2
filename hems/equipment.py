"""The devices and the meter of a house, made from its configuration. Nothing is connected here."""

from collections.abc import Iterator

from adapters.context import Context
from adapters.registry import Registry
from adapters.settings import AdapterSettings, SettingsError
from eebus.clock import SystemClock
from eebus.ids import Ski
from hems.config import METER_NAME, Configuration, KeyPath
from hems.devices import Device, Meter
from hems.northbound.mqtt.making import make_broker


def make_devices(configuration: Configuration, registry: Registry, context: Context) -> tuple[Device, ...]:
    """The devices in the order of the file. Raises SettingsError for settings that cannot work."""
    return tuple(
        registry.make_device(settings.name, _known(settings.adapter), context)
        for settings in configuration.devices
    )


def make_meter(configuration: Configuration, registry: Registry, context: Context) -> Meter | None:
    """The meter at the grid connection point, if there is one. Raises SettingsError like `make_devices`."""
    settings = configuration.grid_connection_point.meter
    return None if settings is None else registry.make_meter(METER_NAME, _known(settings), context)


def unconnected(configuration: Configuration) -> Context:
    """What devices are lent while they are only looked at: nothing in it is ever connected."""
    clock = SystemClock()
    return Context(clock=clock, broker=make_broker(configuration, Ski("0" * 40), clock))


def settings_that_cannot_work(
    configuration: Configuration, registry: Registry
) -> Iterator[tuple[KeyPath, str]]:
    """Where settings are well formed but cannot work, and why: every such place at once."""
    context = unconnected(configuration)
    for index, settings in enumerate(configuration.devices):
        try:
            registry.make_device(settings.name, _known(settings.adapter), context)
        except SettingsError as error:
            yield ("devices", index, "adapter"), str(error)
    try:
        make_meter(configuration, registry, context)
    except SettingsError as error:
        yield ("grid_connection_point", "meter"), str(error)


def _known(settings: object) -> AdapterSettings:
    assert isinstance(settings, AdapterSettings), "the configuration was loaded with another registry"
    return settings
