"""What a SHIP connection asks its shell to do, and the words it uses for roles, trust, phases and ends."""

from dataclasses import dataclass
from enum import Enum, StrEnum


class ShipRole(Enum):
    """Who opened the transport. The client starts the mode initialisation and the protocol handshake."""

    CLIENT = "client"
    SERVER = "server"


class Direction(Enum):
    """Who dialled."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


class Trust(Enum):
    """What we think of the peer."""

    TRUSTED = "trusted"
    UNDECIDED = "undecided"
    REFUSED = "refused"


class Phase(Enum):
    """The phases of one connection, in their order (SHIP 13.4)."""

    CMI = "connection mode initialisation"
    HELLO = "hello"
    PROTOCOL = "protocol handshake"
    PIN = "pin verification"
    DATA = "data exchange"
    CLOSING = "closing"
    CLOSED = "closed"


class PinState(StrEnum):
    """The PIN states of SHIP 13.4.4.3 in their wire form."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    PIN_OK = "pinOk"
    NONE = "none"


class EndCause(Enum):
    """Why a connection ended. Dialling and the user interface decide by this, never by the text."""

    LOCAL_CLOSE = "closed by us"
    LOCAL_REFUSAL = "we do not trust the peer"
    REMOTE_CLOSE = "closed by the peer"
    REMOTE_REMOVAL = "the peer removed the pairing"
    REMOTE_REFUSAL = "the peer refuses us"
    REMOTE_UNDECIDED = "the peer does not trust us yet"
    DOUBLE_CONNECTION = "given up in favour of another connection to the same peer"
    CLOSED_AT_UPGRADE = "closed by the peer before any message"
    SHIP_ID_MISMATCH = "the peer knows us under another SHIP ID"
    PIN_REQUIRED = "the peer demands a PIN"
    TIMEOUT = "the peer did not answer in time"
    PROTOCOL_VIOLATION = "the rules of the protocol were broken"
    TRANSPORT_LOST = "the transport was lost"


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send one binary WebSocket message: the type byte and the value."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CloseTransport:
    """Close the WebSocket after everything queued has been sent; without code: no close frame is needed."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class PhaseReached:
    """The connection entered a phase."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class PeerPending:
    """The peer has to be told first that it may trust us: somebody must accept our SKI there."""


@dataclass(frozen=True, slots=True)
class WaitingForUser:
    """We are pending: the peer is a pairing request that a person decides with ``set_trust``."""


@dataclass(frozen=True, slots=True)
class PeerShipId:
    """The peer told its SHIP ID (cleaned of control characters, at most 63 bytes)."""

    ship_id: str


@dataclass(frozen=True, slots=True)
class SpineMessage:
    """A SPINE datagram arrived: the decoded JSON value of the member ``datagram``, still in wire form."""

    datagram: object


@dataclass(frozen=True, slots=True)
class PinRequired:
    """The peer wants a PIN; ``optional`` restricts the data exchange, ``required`` prevents it."""

    state: PinState


@dataclass(frozen=True, slots=True)
class PinAnswered:
    """The peer took the PIN that a person entered, or says that it is wrong."""

    accepted: bool


@dataclass(frozen=True, slots=True)
class PeerVerified:
    """The peer has given our own PIN."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over. Comes exactly once, as the last effect of a connection."""

    cause: EndCause
    text: str


ShipEffect = (
    SendMessage
    | CloseTransport
    | PhaseReached
    | PeerPending
    | WaitingForUser
    | PeerShipId
    | SpineMessage
    | PinRequired
    | PinAnswered
    | PeerVerified
    | Ended
)
