"""What the rules are told of a device, from its configuration and from what it is. Pure."""

from hems.config import DeviceSettings
from hems.control.rules import Traits, spread_over
from hems.counting import HouseCount
from hems.devices import Capabilities
from hems.wiring import phases_of


def traits_of(settings: DeviceSettings, capabilities: Capabilities, count: HouseCount) -> Traits:
    """The traits of one device of a counted house."""
    phases = phases_of(settings, capabilities)
    return Traits(
        controllable=settings.name in count.controllable,
        direct=settings.name in count.direct,
        need=settings.need,
        rank=settings.priority,
        spread=spread_over(phases),
        line=phases[0],
    )
