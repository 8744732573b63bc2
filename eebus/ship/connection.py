"""One SHIP connection as a pure machine: messages and the time go in, ordered effects come out."""

from eebus.ids import Ski
from eebus.ship.effects import (
    CloseTransport,
    EndCause,
    Ended,
    PeerPending,
    PeerShipId,
    Phase,
    PhaseReached,
    PinRequired,
    PinState,
    SendMessage,
    ShipEffect,
    ShipRole,
    SpineMessage,
    Trust,
    WaitingForUser,
)
from eebus.ship.settings import ShipSettings

__all__ = [
    "CloseTransport",
    "EndCause",
    "Ended",
    "PeerPending",
    "PeerShipId",
    "Phase",
    "PhaseReached",
    "PinRequired",
    "PinState",
    "SendMessage",
    "ShipConnection",
    "ShipEffect",
    "ShipRole",
    "ShipSettings",
    "SpineMessage",
    "Trust",
    "WaitingForUser",
]


class ShipConnection:
    """The SHIP state machine of one WebSocket connection.

    Every method returns the effects in the order in which they must be carried out. After ``Ended`` all
    further calls return nothing.
    """

    def __init__(self, role: ShipRole, settings: ShipSettings, trust: Trust, *, peer_ski: Ski) -> None:
        self.role = role
        self.peer_ski = peer_ski

    @property
    def phase(self) -> Phase:
        """The phase the connection is in."""
        raise NotImplementedError

    def start(self, now: float) -> list[ShipEffect]:
        """The WebSocket is up."""
        raise NotImplementedError

    def receive(self, message: bytes, now: float) -> list[ShipEffect]:
        """One whole binary WebSocket message arrived."""
        raise NotImplementedError

    def receive_text(self, now: float) -> list[ShipEffect]:
        """A text message arrived: the connection closes with 1003 (SHIP 10.3)."""
        raise NotImplementedError

    def on_deadline(self, now: float) -> list[ShipEffect]:
        """Time passed; whatever is due by ``now`` happens."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """When ``on_deadline`` has to be called next; None: not before another event."""
        raise NotImplementedError

    def set_trust(self, trust: Trust, now: float) -> list[ShipEffect]:
        """A person accepted or refused the peer, or withdrew the trust."""
        raise NotImplementedError

    def send_spine(self, datagram: bytes, now: float) -> list[ShipEffect]:
        """Send the JSON text of ``{"datagram": […]}``. Raises LocalError outside the data exchange."""
        raise NotImplementedError

    def close(self, now: float, *, removed: bool = False, text: str = "close") -> list[ShipEffect]:
        """End the connection in the way of its phase.

        Data exchange: announce, wait for the confirmation, close. ``removed`` says that the pairing ended:
        then the hello phase is left with ``aborted``. ``text`` is the reason of a close before the data
        exchange, e.g. "double connection".
        """
        raise NotImplementedError

    def transport_closed(self, code: int | None, reason: str, now: float) -> list[ShipEffect]:
        """The WebSocket is gone. ``code`` is None when no close frame came."""
        raise NotImplementedError
