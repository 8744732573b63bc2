"""Moves messages between one link and one SHIP machine, and carries out what the machine asks for."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from eebus.clock import Clock
from eebus.ids import Ski
from eebus.io.link import BinaryMessage, Link, LinkClosed, LinkEvent, TextMessage
from eebus.ship.connection import (
    CloseTransport,
    Phase,
    PhaseReached,
    SendMessage,
    ShipConnection,
    ShipEffect,
    ShipRole,
    SpineMessage,
    Trust,
)
from eebus.ship.pin_guard import check_pin

_log = logging.getLogger(__name__)


class PumpOwner(Protocol):
    """The node, as seen from one of its connections."""

    def spine_message(self, pump: "Pump", datagram: object) -> None:
        """A datagram arrived."""

    def ship_effect(self, pump: "Pump", effect: ShipEffect) -> None:
        """Something about the connection that the node wants to know; not messages, not datagrams."""

    async def settled(self) -> None:
        """Returns when the node has taken in what came so far; a slow disk slows the peer, not us."""


class Pump:
    """One connection. The node calls it from its own tasks; everything happens in one event loop."""

    def __init__(
        self,
        link: Link,
        machine: ShipConnection,
        owner: PumpOwner,
        clock: Clock,
        *,
        number: int,
        address: str,
    ) -> None:
        self.number = number
        self.address = address
        self.opened_at = clock.monotonic()
        self._link = link
        self._machine = machine
        self._owner = owner
        self._clock = clock

    @property
    def ski(self) -> Ski:
        """The peer."""
        return self._machine.peer_ski

    @property
    def role(self) -> ShipRole:
        """CLIENT when we dialled."""
        return self._machine.role

    @property
    def phase(self) -> Phase:
        """How far the SHIP handshake is."""
        return self._machine.phase

    @property
    def ping_overdue(self) -> bool:
        """The peer does not answer our last ping."""
        return self._link.ping_overdue

    def drop_unless_on(self, addresses: frozenset[str]) -> bool:
        """Drop the link at once when our end of it is none of these addresses; says whether it was."""
        gone = self._link.local_address not in (None, *addresses)
        if gone:
            self._link.abort()
        return gone

    async def run(self) -> None:
        """From the open WebSocket to its end. Cancelling drops the link."""
        try:
            self._ask(self._machine.start)
            while True:
                event = await self._link.receive()
                self._take(event)
                if isinstance(event, LinkClosed):
                    return
                await self._owner.settled()
        finally:
            self._link.abort()

    def _take(self, event: LinkEvent) -> None:
        match event:
            case BinaryMessage(data):
                self._ask(lambda now: self._machine.receive(data, now))
            case TextMessage():
                self._ask(self._machine.receive_text)
            case LinkClosed(code, reason):
                self._ask(lambda now: self._machine.transport_closed(code, reason, now))

    def send_spine(self, datagram: bytes) -> None:
        """Send a datagram. Outside the data exchange it is dropped: the session that wanted it is over."""
        if self._machine.phase is Phase.DATA:
            self._ask(lambda now: self._machine.send_spine(datagram, now))

    def set_trust(self, trust: Trust) -> None:
        """Tell the peer what a person decided."""
        self._ask(lambda now: self._machine.set_trust(trust, now))

    def enter_pin(self, pin: str) -> None:
        """Give the peer the PIN that a person entered. Raises LocalError for an unusable one."""
        checked = check_pin(pin)
        self._ask(lambda now: self._machine.enter_pin(checked, now))

    def close(self, text: str = "close") -> None:
        """End in the way of the phase."""
        self._ask(lambda now: self._machine.close(now, text=text))

    def next_deadline(self) -> float | None:
        """When :meth:`on_deadline` is due."""
        return self._machine.next_deadline()

    def on_deadline(self) -> None:
        """Let the time limits of the handshake act."""
        self._ask(self._machine.on_deadline)

    def _ask(self, question: Callable[[float], Sequence[ShipEffect]]) -> None:
        """Let the machine decide and do what it says. A mistake in it ends this connection and no other."""
        try:
            effects = question(self._clock.monotonic())
        except Exception:
            _log.exception("connection to %s dropped by a mistake of ours", short(self.ski))
            self._link.abort()
        else:
            self._perform(effects)

    def _perform(self, effects: Sequence[ShipEffect]) -> None:
        for effect in effects:
            match effect:
                case SendMessage(data):
                    self._link.send(data)
                case CloseTransport(code, reason):
                    self._link.close(code, reason)
                case SpineMessage(datagram):
                    self._owner.spine_message(self, datagram)
                case _:
                    if effect == PhaseReached(Phase.DATA):
                        self._link.full_pace()
                    self._owner.ship_effect(self, effect)


def short(ski: Ski) -> str:
    """An SKI as log lines show it: enough to tell peers apart, not enough to identify a household."""
    return ski[:8]
