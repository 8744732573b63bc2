"""What the SPINE node asks its shell to do, in this order."""

from dataclasses import dataclass

from eebus.ids import Ski


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """Send this JSON text to a peer."""

    ski: Ski
    datagram: bytes


@dataclass(frozen=True, slots=True)
class Emit:
    """Give an event to the application, at once."""

    event: object


@dataclass(frozen=True, slots=True)
class Persist:
    """Store a record. `grace_s`: wait at most that long (None: until stored) before the next effect.

    With a token the shell calls :meth:`eebus.spine.stack.SpineStack.stored` when it knows the outcome.
    """

    record: object
    grace_s: float | None
    token: int | None


@dataclass(frozen=True, slots=True)
class ClosePeer:
    """Close the connection to a peer; the text says why."""

    ski: Ski
    text: str


SpineEffect = SendDatagram | Emit | Persist | ClosePeer
