"""A node as it stands, for people and tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from eebus.ids import ShipId, Ski
from eebus.io.addresses import Discovered
from eebus.io.interfaces import HostAddresses
from eebus.ship.effects import Direction, Phase
from eebus.ship.trust import PairingRequest, TrustEntry


@dataclass(frozen=True, slots=True)
class ConnectionSnapshot:
    """One open connection."""

    ski: Ski
    trusted: bool
    phase: Phase
    direction: Direction
    address: str
    opened_at: float
    """Seconds of the node's clock."""
    carries_spine: bool


@dataclass(frozen=True, slots=True)
class NodeSnapshot:
    """Everything about a node that can be looked at."""

    ski: Ski
    ship_id: ShipId
    port: int
    """0 while the node does not listen."""
    announced_addresses: tuple[str, ...]
    connections: tuple[ConnectionSnapshot, ...]
    pairing_requests: tuple[PairingRequest, ...]
    trusted: tuple[TrustEntry, ...]
    discovered: tuple[Discovered, ...]
    host: HostAddresses
    """What multicast DNS finds on this host; empty while it is not used."""
    troubles: Mapping[Ski, str] = field(hash=False)
    """Why trusted peers are not connected, as far as known."""
