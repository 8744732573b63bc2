"""How much a device takes at most: what the configuration says, and what its adapter can tell it. Pure."""

from adapters.settings import AdapterSettings
from hems.config import DeviceSettings
from hems.devices import Capabilities
from hems.limits.reason import watts

_FAR_ABOVE = 1.25


def size_setting(settings: DeviceSettings) -> str:
    """The setting of its adapter that says how large the device is; empty where there is none."""
    adapter = settings.adapter
    name = adapter.size_setting() if isinstance(adapter, AdapterSettings) else ""
    return f"adapter.{name}" if name else ""


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
