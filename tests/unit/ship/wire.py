"""Messages and helpers for the tests of the SHIP layer."""

from collections.abc import Iterable
from typing import Any

from eebus.ids import ShipId, Ski
from eebus.ship.connection import (
    CloseTransport,
    Ended,
    PhaseReached,
    SendMessage,
    ShipConnection,
    ShipEffect,
    ShipRole,
    ShipSettings,
    SpineMessage,
    Trust,
)

SHIP_ID = ShipId("i:54321_u:server-0002")
PEER_SKI = Ski("b467a3999eb5efa671de0032f08a9c9e5efda0e1")

CMI = b"\x00\x00"
READY = b'\x01{"connectionHello":[{"phase":"ready"},{"waiting":60000}]}'
READY_BARE = b'\x01{"connectionHello":[{"phase":"ready"}]}'
OUR_READY = b'\x01{"connectionHello":[{"phase":"ready"},{"waiting":120000}]}'
PENDING = b'\x01{"connectionHello":[{"phase":"pending"},{"waiting":60000}]}'
OUR_PENDING = b'\x01{"connectionHello":[{"phase":"pending"},{"waiting":120000}]}'
PROLONG = b'\x01{"connectionHello":[{"phase":"pending"},{"prolongationRequest":true}]}'
ABORTED = b'\x01{"connectionHello":[{"phase":"aborted"}]}'
PIN_NONE = b'\x01{"connectionPinState":[{"pinState":"none"}]}'
ACCESS_REQUEST = b'\x01{"accessMethodsRequest":[]}'
ACCESS = b'\x01{"accessMethods":[{"id":"i:12345_u:client-0001"}]}'
OUR_ACCESS = b'\x01{"accessMethods":[{"id":"i:54321_u:server-0002"}]}'
CLOSE = b'\x03{"connectionClose":[{"phase":"announce"},{"maxTime":500},{"reason":"unspecific"}]}'
CONFIRM = b'\x03{"connectionClose":[{"phase":"confirm"}]}'
REMOVED = b'\x03{"connectionClose":[{"phase":"announce"},{"maxTime":2000},{"reason":"removedConnection"}]}'


def handshake(type_: str, major: int = 1, minor: int = 0, formats: str = '"JSON-UTF8"') -> bytes:
    """A protocol handshake message."""
    return (
        f'\x01{{"messageProtocolHandshake":[{{"handshakeType":"{type_}"}},'
        f'{{"version":[{{"major":{major}}},{{"minor":{minor}}}]}},{{"formats":[{{"format":[{formats}]}}]}}]}}'
    ).encode()


ANNOUNCE = handshake("announceMax")
SELECT = handshake("select")


def protocol_error(number: int) -> bytes:
    """A protocol handshake error in its correct form."""
    return f'\x01{{"messageProtocolHandshakeError":[{{"error":{number}}}]}}'.encode()


def data(datagram: str = "[]", protocol: str = "ee1.0") -> bytes:
    """A data message."""
    text = (
        f'{{"data":[{{"header":[{{"protocolId":"{protocol}"}}]}},{{"payload":{{"datagram":{datagram}}}}}]}}'
    )
    return b"\x02" + text.encode()


class Dut:
    """A connection under test with its own clock; keeps every effect."""

    def __init__(
        self, role: ShipRole = ShipRole.SERVER, trust: Trust = Trust.TRUSTED, **settings: Any
    ) -> None:
        self.role = role
        self.connection = ShipConnection(
            role, ShipSettings(local_ship_id=SHIP_ID, **settings), trust, peer_ski=PEER_SKI
        )
        self.now = 1000.0
        self.effects: list[ShipEffect] = []
        self.keep(self.connection.start(self.now))

    def keep(self, effects: Iterable[ShipEffect]) -> list[ShipEffect]:
        new = list(effects)
        self.effects += new
        return new

    def get(self, *messages: bytes) -> list[bytes]:
        """The peer sends messages; returns what is sent in answer."""
        answers: list[bytes] = []
        for message in messages:
            answers += sent(self.keep(self.connection.receive(message, self.now)))
        return answers

    def wait(self, seconds: float) -> list[bytes]:
        """Let time pass; returns what is sent meanwhile."""
        answers: list[bytes] = []
        until = self.now + seconds
        while (deadline := self.connection.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            answers += sent(self.keep(self.connection.on_deadline(self.now)))
        self.now = until
        return answers

    def trust(self, trust: Trust) -> list[bytes]:
        return sent(self.keep(self.connection.set_trust(trust, self.now)))

    def close(self, **arguments: Any) -> list[bytes]:
        return sent(self.keep(self.connection.close(self.now, **arguments)))

    def lose(self, code: int | None = None, reason: str = "") -> None:
        self.keep(self.connection.transport_closed(code, reason, self.now))

    @property
    def closed(self) -> CloseTransport | None:
        return next((e for e in self.effects if isinstance(e, CloseTransport)), None)

    @property
    def end(self) -> Ended | None:
        return next((e for e in self.effects if isinstance(e, Ended)), None)

    @property
    def datagrams(self) -> list[object]:
        return [e.datagram for e in self.effects if isinstance(e, SpineMessage)]


def sent(effects: Iterable[ShipEffect]) -> list[bytes]:
    """The messages among effects."""
    return [effect.data for effect in effects if isinstance(effect, SendMessage)]


def phases(effects: Iterable[ShipEffect]) -> list[str]:
    """The names of the phases reached."""
    return [effect.phase.name for effect in effects if isinstance(effect, PhaseReached)]


def in_hello(role: ShipRole = ShipRole.SERVER, trust: Trust = Trust.TRUSTED, **settings: Any) -> Dut:
    """A connection after the mode initialisation."""
    dut = Dut(role, trust, **settings)
    dut.get(CMI)
    return dut


def in_protocol(role: ShipRole = ShipRole.SERVER, **settings: Any) -> Dut:
    """A connection after hello."""
    dut = in_hello(role, **settings)
    dut.get(READY)
    return dut


def in_pin(role: ShipRole = ShipRole.SERVER, **settings: Any) -> Dut:
    """A connection after the protocol handshake."""
    dut = in_protocol(role, **settings)
    if role is ShipRole.SERVER:
        dut.get(ANNOUNCE)
    dut.get(SELECT)
    return dut


def in_data(role: ShipRole = ShipRole.SERVER, **settings: Any) -> Dut:
    """A connection in data exchange."""
    dut = in_pin(role, **settings)
    dut.get(PIN_NONE)
    return dut
