"""What a node tells its application about connections and trust, and what it wants stored."""

from dataclasses import dataclass

from eebus.ids import PeerRole, Ski
from eebus.ship.effects import Direction, EndCause, PinState
from eebus.ship.pairing_service import PairingMemory
from eebus.ship.trust import TrustList


@dataclass(frozen=True, slots=True)
class PersistTrust:
    """Store this list before it counts; it replaces the stored one as a whole."""

    trust: TrustList


@dataclass(frozen=True, slots=True)
class PersistPairing:
    """Store what the pairing service has to remember, before it counts."""

    memory: PairingMemory


@dataclass(frozen=True, slots=True)
class ControlUnitAnnounced:
    """Somebody who knows our pairing secret announced a control unit; it is trusted when it connects."""

    ship_id: str


@dataclass(frozen=True, slots=True)
class NodeListening:
    """The node is up and, unless the port is 0, can be dialled."""

    port: int


@dataclass(frozen=True, slots=True)
class PairingRequested:
    """An unknown peer proved its key and waits for a person's decision; told once, the snapshot shows all."""

    ski: Ski
    address: str


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """SPINE runs with a peer. ``again``: on another connection than before; the use cases saw no gap."""

    ski: Ski
    role: PeerRole
    direction: Direction
    address: str
    again: bool


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """SPINE with a peer is over for now."""

    ski: Ski


@dataclass(frozen=True, slots=True)
class PeerNotReached:
    """A trusted peer is not connected, and why; each cause is told once until there is a connection."""

    ski: Ski
    text: str


@dataclass(frozen=True, slots=True)
class ConnectionEnded:
    """One connection ended, at whatever phase; ``silent`` when that needs nobody's attention."""

    ski: Ski
    cause: EndCause
    text: str
    silent: bool


@dataclass(frozen=True, slots=True)
class PeerAwaitsAcceptance:
    """A person has to accept our SKI at the peer."""

    ski: Ski


@dataclass(frozen=True, slots=True)
class PeerRemovedPairing:
    """The peer ended the pairing; our trust stays, but we no longer dial it by ourselves."""

    ski: Ski


@dataclass(frozen=True, slots=True)
class PinDemanded:
    """The peer wants a PIN: a person has to enter it (``Node.enter_pin``)."""

    ski: Ski
    state: PinState


@dataclass(frozen=True, slots=True)
class PinAnswer:
    """The peer took the PIN that a person entered, or says that it is wrong."""

    ski: Ski
    accepted: bool


@dataclass(frozen=True, slots=True)
class PinGiven:
    """The peer has given our own PIN."""

    ski: Ski


@dataclass(frozen=True, slots=True)
class ShipIdLearned:
    """A trusted peer told its SHIP ID for the first time."""

    ski: Ski
    ship_id: str


@dataclass(frozen=True, slots=True)
class ShipIdChanged:
    """A trusted peer told another SHIP ID than the stored one, which is kept."""

    ski: Ski
    stored: str
    told: str


@dataclass(frozen=True, slots=True)
class TrustChanged:
    """A peer is trusted now (with its role) or no longer (None)."""

    ski: Ski
    role: PeerRole | None
