"""What discovery documents are made from: the shape of one gateway, without any value."""

from dataclasses import dataclass

from hems.devices import Direction, Kind
from hems.northbound.mqtt.topics import Topics


@dataclass(frozen=True, slots=True)
class Appliance:
    """One device. `directions`: those in which it can be told something or is counted."""

    name: str
    kind: Kind
    directions: tuple[Direction, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """One gateway. `directions`: the limits that it offers. `own_limit_most_w`: None without commands."""

    name: str
    version: str
    serial: str
    topics: Topics
    directions: tuple[Direction, ...]
    has_meter: bool
    appliances: tuple[Appliance, ...]
    own_limit_most_w: int | None = None
