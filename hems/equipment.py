"""The devices and the meter of a house, made from its configuration. Nothing is connected here."""

from collections.abc import Hashable, Iterator
from dataclasses import replace

from adapters.context import Context
from adapters.registry import Registry
from adapters.settings import AdapterSettings, SettingsError
from eebus.clock import SystemClock
from eebus.ids import Ski
from hems.config import METER_NAME, Configuration, DeviceSettings, Finding, KeyPath, nearest
from hems.contradictions import contradictions
from hems.devices import (
    Capabilities,
    Contacts,
    Device,
    DeviceError,
    DeviceSample,
    Kind,
    Meter,
    Readback,
    Setpoint,
)
from hems.limit_sources import wiring_of
from hems.northbound.mqtt.making import make_broker


class RatedDevice:
    """A device of which the configuration knows that it can draw more than its adapter assumes.

    Adapters assume a type plate where they cannot read one; the worst case is the larger of both.
    """

    def __init__(self, device: Device, connection_power_w: float) -> None:
        self._device = device
        self._connection_power_w = connection_power_w

    @property
    def name(self) -> str:
        return self._device.name

    @property
    def capabilities(self) -> Capabilities:
        known = self._device.capabilities
        return replace(known, nameplate_w=max(known.nameplate_w, self._connection_power_w))

    async def connect(self) -> None:
        await self._device.connect()

    async def read(self) -> DeviceSample:
        return await self._device.read()

    async def write(self, setpoint: Setpoint) -> Readback:
        return await self._device.write(setpoint)

    async def close(self) -> None:
        await self._device.close()


def make_devices(configuration: Configuration, registry: Registry, context: Context) -> tuple[Device, ...]:
    """The devices in the order of the file. Raises SettingsError for settings that cannot work."""
    return tuple(_make_device(settings, registry, context) for settings in configuration.devices)


def _make_device(settings: DeviceSettings, registry: Registry, context: Context) -> Device:
    device = registry.make_device(settings.name, _known(settings.adapter), context)
    power_w = settings.connection_power_w
    if power_w is None or device.capabilities.kind is Kind.INVERTER:
        return device
    return RatedDevice(device, power_w)


def make_meter(configuration: Configuration, registry: Registry, context: Context) -> Meter | None:
    """The meter at the grid connection point, if there is one. Raises SettingsError like `make_devices`."""
    settings = configuration.grid_connection_point.meter
    return None if settings is None else registry.make_meter(METER_NAME, _known(settings), context)


def make_contacts(configuration: Configuration, registry: Registry, context: Context) -> tuple[Contacts, ...]:
    """The contacts of each group of relays. Raises SettingsError like `make_devices`."""
    return tuple(
        registry.make_contacts(settings.name, _known(settings.adapter), context)
        for settings in configuration.relays
    )


def unconnected(configuration: Configuration) -> Context:
    """What devices are lent while they are only looked at: nothing in it is ever connected."""
    clock = SystemClock()
    broker = make_broker(configuration, Ski("0" * 40), clock)
    return Context(clock=clock, broker=broker, profile_folders=configuration.profile_folders)


def settings_that_cannot_work(configuration: Configuration, registry: Registry) -> Iterator[Finding]:
    """Where settings are well formed but cannot work, and why: every such place at once."""
    context = unconnected(configuration)
    known: dict[str, Capabilities] = {}
    places: dict[Hashable, str] = {}
    for index, settings in enumerate(configuration.devices):
        path: KeyPath = ("devices", index, "adapter")
        try:
            known[settings.name] = _make_device(settings, registry, context).capabilities
            place = _known(settings.adapter).place(context.profile_folders)
        except (SettingsError, DeviceError) as error:
            yield path, str(error), ""
            continue
        if place is not None and places.setdefault(place, settings.name) != settings.name:
            problem = f"leads to the same device as that of '{places[place]}'"
            yield path, problem, "Give every device its own address or unit"
    try:
        make_meter(configuration, registry, context)
    except SettingsError as error:
        yield ("grid_connection_point", "meter"), str(error), ""
    yield from contradictions(configuration, known)
    yield from _relays_that_cannot_work(configuration, registry, context)


def _relays_that_cannot_work(
    configuration: Configuration, registry: Registry, context: Context
) -> Iterator[Finding]:
    for index, settings in enumerate(configuration.relays):
        path: KeyPath = ("relays", index)
        try:
            contacts = registry.make_contacts(settings.name, _known(settings.adapter), context)
        except SettingsError as error:
            yield (*path, "adapter"), str(error), ""
            continue
        needed = wiring_of(settings, 0.0).inputs
        missing = [name for name in needed if name not in contacts.inputs]
        if missing:
            yield (
                (*path, "adapter"),
                f"the wiring '{settings.wiring}' needs the inputs {', '.join(needed)}; "
                f"missing: {', '.join(missing)}",
                "",
            )
        unknown = [name for name in settings.inputs if name not in needed]
        if unknown:
            problem = f"the wiring '{settings.wiring}' has no such input"
            yield (*path, "inputs", unknown[0]), problem, nearest(unknown[0], needed)


def _known(settings: object) -> AdapterSettings:
    assert isinstance(settings, AdapterSettings), "the configuration was loaded with another registry"
    return settings
