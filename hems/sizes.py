"""How much a device takes at most: what the configuration says, and what its adapter can tell it. Pure."""

from adapters.settings import AdapterSettings, Figures
from hems.config import DeviceSettings
from hems.devices import Capabilities
from hems.limits.reason import watts

_FAR_ABOVE = 1.25


def figures_of(settings: DeviceSettings) -> Figures:
    """Where its adapter is told how large the device is and what it does alone."""
    if not isinstance(settings.adapter, AdapterSettings):
        return Figures()
    return settings.adapter.figures(settings.profile_folders)


def size_setting(settings: DeviceSettings) -> str:
    """The setting of its adapter that says how large the device is; empty where there is none."""
    name = figures_of(settings).size
    return f"adapter.{name}" if name else ""


def type_plate_setting(settings: DeviceSettings, capabilities: Capabilities) -> str:
    """The setting that its type plate is taken from; empty where there is none."""
    if settings.connection_power_w is not None and settings.connection_power_w >= capabilities.nameplate_w:
        return "connection_power_w"
    if getattr(settings.adapter, "nameplate_w", None) is not None:
        return "adapter.nameplate_w"
    return size_setting(settings)


def out_of_reach(settings: DeviceSettings, capabilities: Capabilities) -> str:
    """Why the device can never be told to take what it is connected for, and what to change; else empty."""
    power_w, feasible = settings.connection_power_w, capabilities.consumption
    if power_w is None or feasible is None or not 0.0 < feasible.most_w * _FAR_ABOVE < power_w:
        return ""
    setting = size_setting(settings)
    larger = f"raise {setting}, or " if setting else ""
    return (
        f"{settings.name} is connected for {watts(power_w)}, but its adapter tells it at most "
        f"{watts(feasible.most_w)}: while anything is limited it never gets more. Right: {larger}"
        "lower connection_power_w to what it can take."
    )
