"""One SHIP connection as a pure machine: messages and the time go in, ordered effects come out."""

from eebus.errors import DecodeError, LocalError
from eebus.ids import Ski
from eebus.ship import closing, cmi, exchange, hello, pin, protocol
from eebus.ship.closing import CloseRequest, TransportEnd
from eebus.ship.effects import (
    CloseTransport,
    EndCause,
    Ended,
    PeerPending,
    PeerShipId,
    PeerVerified,
    Phase,
    PhaseReached,
    PinAnswered,
    PinRequired,
    PinState,
    SendMessage,
    ShipEffect,
    ShipRole,
    SpineMessage,
    Trust,
    WaitingForUser,
)
from eebus.ship.events import EXCESSIVE, UNPARSABLE, events_of
from eebus.ship.frames import ExcessiveError, decode, encode_data
from eebus.ship.machine import PHASES, Context, Event, Machine, State
from eebus.ship.pin_guard import PinGuard, check_pin
from eebus.ship.settings import ShipSettings

__all__ = [
    "CloseTransport",
    "EndCause",
    "Ended",
    "PeerPending",
    "PeerShipId",
    "PeerVerified",
    "Phase",
    "PhaseReached",
    "PinAnswered",
    "PinGuard",
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


_MACHINE = Machine((*closing.ROWS, *cmi.ROWS, *hello.ROWS, *protocol.ROWS, *exchange.ROWS, *pin.ROWS))


class ShipConnection:
    """The SHIP state machine of one WebSocket connection.

    Every method returns the effects in the order in which they must be carried out. After ``Ended`` all
    further calls return nothing.
    """

    def __init__(
        self,
        role: ShipRole,
        settings: ShipSettings,
        trust: Trust,
        *,
        peer_ski: Ski,
        pins: PinGuard | None = None,
    ) -> None:
        """``pins`` is the PIN of our node, shared by all its connections; without it we demand none."""
        self.role = role
        self.peer_ski = peer_ski
        self._settings = settings
        self._context = Context(role, settings, trust, peer_ski, pins or PinGuard())

    @property
    def phase(self) -> Phase:
        """The phase the connection is in."""
        return PHASES[self._context.state]

    def start(self, now: float) -> list[ShipEffect]:
        """The WebSocket is up."""
        return self._happen((Event.START,), None, now)

    def receive(self, message: bytes, now: float) -> list[ShipEffect]:
        """One whole binary WebSocket message arrived."""
        if self._context.state is State.CLOSED:
            return []
        settings = self._settings
        try:
            frame = decode(
                message,
                max_bytes=settings.max_message_bytes,
                max_depth=settings.max_depth,
                max_elements=settings.max_elements,
            )
        except ExcessiveError as error:
            return self._happen(EXCESSIVE, error, now)
        except DecodeError as error:
            return self._happen(UNPARSABLE, error, now)
        return self._happen(events_of(frame), frame, now)

    def receive_text(self, now: float) -> list[ShipEffect]:
        """A text message arrived: the connection closes with 1003 (SHIP 10.3)."""
        return self._happen((Event.TEXT_MESSAGE,), None, now)

    def on_deadline(self, now: float) -> list[ShipEffect]:
        """Time passed; whatever is due by ``now`` happens, earliest first."""
        effects: list[ShipEffect] = []
        timers = self._context.timers
        while timers and timers[event := min(timers, key=timers.__getitem__)] <= now:
            del timers[event]
            effects += self._happen((event,), None, now)
            timers = self._context.timers
        return effects

    def next_deadline(self) -> float | None:
        """When ``on_deadline`` has to be called next; None: not before another event."""
        return min(self._context.timers.values(), default=None)

    def set_trust(self, trust: Trust, now: float) -> list[ShipEffect]:
        """A person accepted or refused the peer, or withdrew the trust.

        A refusal ends the connection in any phase: aborted, closed with 4452, or announced as removed.
        """
        self._context.trust = trust
        match trust:
            case Trust.TRUSTED:
                return self._happen((Event.USER_ACCEPTS,), None, now)
            case Trust.REFUSED:
                return self._happen((Event.USER_REFUSES,), None, now)
            case Trust.UNDECIDED:
                return []

    def enter_pin(self, pin: str, now: float) -> list[ShipEffect]:
        """A person entered the PIN that the peer demands; it is sent as soon as the peer takes one.

        Raises LocalError unless it is 8 to 16 hexadecimal digits.
        """
        return self._happen((Event.USER_ENTERS_PIN,), check_pin(pin), now)

    def send_spine(self, datagram: bytes, now: float) -> list[ShipEffect]:  # noqa: ARG002 - like its siblings
        """Send the JSON text of ``{"datagram": […]}``. Raises LocalError outside the data exchange."""
        if self._context.state is not State.DATA_EXCHANGE:
            raise LocalError(f"no SPINE data can be sent in the phase {self.phase.value}")
        return [SendMessage(encode_data(datagram))]

    def close(self, now: float, *, removed: bool = False, text: str = "close") -> list[ShipEffect]:
        """End the connection in the way of its phase.

        Data exchange: announce, wait for the confirmation, close. Earlier: close with ``text`` as reason,
        e.g. "double connection". ``removed`` says that the pairing ended: the same as withdrawn trust.
        """
        if removed:
            return self.set_trust(Trust.REFUSED, now)
        return self._happen((Event.CLOSE_REQUESTED,), CloseRequest(text), now)

    def transport_closed(self, code: int | None, reason: str, now: float) -> list[ShipEffect]:
        """The WebSocket is gone. ``code`` is None when no close frame came."""
        return self._happen((Event.TRANSPORT_CLOSED,), TransportEnd(code, reason), now)

    def _happen(self, events: tuple[Event, ...], message: object, now: float) -> list[ShipEffect]:
        context = self._context
        context.effects = []
        _MACHINE.dispatch(context, events, message, now)
        return context.effects
