"""The MQTT side of the gateway, made from its configuration. The client is imported only where it is used."""

from typing import TYPE_CHECKING

from eebus.clock import Clock
from eebus.ids import Ski
from hems import __version__
from hems.config import Configuration
from hems.control.status import ControlStatus
from hems.devices import Capabilities, Direction, Kind
from hems.northbound.home_assistant.site import Appliance, Site
from hems.northbound.mqtt.topics import Topics, gateway_id
from hems.vault import serial_of

if TYPE_CHECKING:
    from hems.northbound.mqtt.connection import BrokerConnection


def topics_of(configuration: Configuration, ski: Ski) -> Topics:
    """The topics of the gateway with this SKI; the configuration must name a broker."""
    assert configuration.mqtt is not None
    return Topics(configuration.mqtt.base_topic, gateway_id(configuration.mqtt.gateway_id, ski))


def make_broker(configuration: Configuration, ski: Ski, clock: Clock) -> "BrokerConnection | None":
    """The connection to the broker that the configuration names; nothing is connected before it runs."""
    if configuration.mqtt is None:
        return None
    from hems.northbound.mqtt.connection import BrokerConnection

    topics = topics_of(configuration, ski)
    return BrokerConnection(configuration.mqtt, f"eebus-hems-{topics.gateway}", topics.status, clock)


def appliance_of(name: str, capabilities: Capabilities) -> Appliance:
    """A device by what it can be told; inverters also count while they cannot be told anything."""
    consumption = capabilities.consumption is not None or capabilities.kind is not Kind.INVERTER
    production = capabilities.production is not None or capabilities.kind is Kind.INVERTER
    sides = ((Direction.CONSUMPTION, consumption), (Direction.PRODUCTION, production))
    return Appliance(name, capabilities.kind, tuple(direction for direction, counts in sides if counts))


def appliances_of(control: ControlStatus) -> tuple[Appliance, ...]:
    """The devices as control sees them now."""
    return tuple(
        Appliance(device.name, device.kind, tuple(lane.direction for lane in device.lanes))
        for device in control.devices
    )


def site_of(configuration: Configuration, ski: Ski, appliances: tuple[Appliance, ...]) -> Site:
    """The shape of the gateway."""
    switches = configuration.eebus.switches
    served = (
        (Direction.CONSUMPTION, switches.consumption_limits),
        (Direction.PRODUCTION, switches.production_limits),
    )
    return Site(
        name=configuration.site.name,
        version=__version__,
        serial=serial_of(ski, configuration),
        topics=topics_of(configuration, ski),
        directions=tuple(direction for direction, is_served in served if is_served),
        has_meter=configuration.grid_connection_point.meter is not None,
        appliances=appliances,
        own_limit_most_w=most_own_limit_w(configuration) if takes_own_limit(configuration) else None,
    )


def takes_own_limit(configuration: Configuration) -> bool:
    """Whether commands by MQTT are switched on."""
    return configuration.mqtt is not None and configuration.mqtt.commands


def most_own_limit_w(configuration: Configuration) -> int:
    """The largest own limit that means anything: what the grid connection is made for. There it is lifted."""
    return round(configuration.grid_connection_point.contractual_consumption_w)
