"""Which devices of the house count as controllable (§ 14a EnWG), and the minimum power that follows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from hems.config import Configuration, DeviceSettings
from hems.devices import Capabilities, Device, Kind
from hems.limits.minimum_power import Consumer, ConsumerClass, ControlMode, MinimumPower, minimum_power

MANDATORY_FROM = date(2024, 1, 1)
"""Devices put into operation earlier take part only by choice (BK6-22-300, annex 1, 3.1 and 10.4)."""

_CLASS_OF = {
    Kind.WALLBOX: ConsumerClass.CHARGE_POINT,
    Kind.HEAT_PUMP: ConsumerClass.HEAT_PUMP,
    Kind.COOLING: ConsumerClass.COOLING,
    Kind.BATTERY: ConsumerClass.STORAGE,
}


@dataclass(frozen=True, slots=True)
class HouseCount:
    """`minimum`: what counts by the ruling, and the minimum power. `consumers`: what it was counted from.
    `controllable`: whose draw falls under consumption limits. `direct`: those of them that have a limit of
    their own. `excluded`: why a device of a class that could count was not looked at, by name.
    """

    minimum: MinimumPower
    consumers: tuple[Consumer, ...]
    controllable: frozenset[str]
    direct: frozenset[str]
    excluded: tuple[tuple[str, str], ...]


def count_house(configuration: Configuration, devices: Sequence[Device]) -> HouseCount:
    """Count the devices, made from the configuration in its order; they need not be connected."""
    consumers: list[Consumer] = []
    excluded: list[tuple[str, str]] = []
    by_choice: set[str] = set()
    for settings, device in zip(configuration.devices, devices, strict=True):
        consumer = _consumer(settings, device.capabilities)
        reason = _left_out_by(settings)
        if reason and (consumer is not None or settings.controllable is False):
            excluded.append((settings.name, reason))
        elif consumer is not None:
            consumers.append(consumer)
        if settings.controllable and device.capabilities.kind is not Kind.INVERTER:
            by_choice.add(settings.name)
    minimum = minimum_power(consumers)
    controllable = minimum.counted_names | by_choice
    direct = frozenset(s.name for s in configuration.devices if s.control == "direct")
    return HouseCount(minimum, tuple(consumers), controllable, direct & controllable, tuple(excluded))


def _consumer(settings: DeviceSettings, capabilities: Capabilities) -> Consumer | None:
    if settings.consumer_class is not None:
        consumer_class = ConsumerClass(settings.consumer_class)
    elif capabilities.kind in _CLASS_OF:
        consumer_class = _CLASS_OF[capabilities.kind]
    else:
        return None
    power_w = settings.connection_power_w
    if power_w is None:
        power_w = capabilities.nameplate_w
    return Consumer(settings.name, consumer_class, power_w, ControlMode(settings.control))


def _left_out_by(settings: DeviceSettings) -> str:
    if settings.controllable is False:
        return "left out by the configuration"
    if settings.controllable is None and settings.commissioned and settings.commissioned < MANDATORY_FROM:
        return (
            f"in operation since {settings.commissioned}, before {MANDATORY_FROM}; takes part only by choice"
        )
    return ""
