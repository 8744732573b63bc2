"""What must hold for every input of a peer, however hostile: one function per surface.

Each raises when a rule is broken.

The bytes of an input are written so that people can read and extend the corpus: SHIP messages, JSON texts and
datagrams as they are on the wire, several steps separated by line ends.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from eebus.errors import DecodeError, RemoteError
from eebus.ids import PeerRole, ShipId, Ski
from eebus.jsonform import Record, from_wire, to_wire
from eebus.ship.connection import (
    CloseTransport,
    Ended,
    Phase,
    PhaseReached,
    SendMessage,
    ShipConnection,
    ShipEffect,
    ShipRole,
    ShipSettings,
    SpineMessage,
    Trust,
)
from eebus.ship.frames import Data, Frame, Ignorable, Init, decode, encode
from eebus.ship.identity import check_certificate
from eebus.ship.service import parse_txt
from eebus.spine.datagram import Datagram, Header, decode_datagram, encode_datagram
from eebus.spine.effects import Persist, SendDatagram, SpineEffect
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import ResultData
from eebus.spine.safety import is_peer_safe
from eebus.spine.stack import Peer, SpineStack
from eebus.usecases.controllable_system import ControllableSystemSettings
from eebus.usecases.events import StoredFailsafe
from eebus.usecases.house import build_gateway, build_stack
from eebus.usecases.monitoring import MonitoringSettings

_SHIP = ShipSettings(local_ship_id=ShipId("i:1_u:fuzzed"))
_BOX = Peer(Ski("a" * 40), PeerRole.CONTROL_BOX)
_UTC = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
_PHASES = list(Phase)
_LONGEST_WAIT_S = 1000.0
_MOST_ANSWERS = 64
"""Effects of one datagram: notifications to every subscriber included."""
_LAST_COUNTER = 4_000_000_000
_INPUTS_PER_NODE = 500
_DISCOVERY_READ: object = [
    {
        "header": [
            {"specificationVersion": "1.3.0"},
            {"addressSource": [{"device": "d:_n:Box"}, {"entity": [0]}, {"feature": 0}]},
            {"addressDestination": [{"entity": [0]}, {"feature": 0}]},
            {"msgCounter": _LAST_COUNTER},
            {"cmdClassifier": "read"},
        ]
    },
    {"payload": [{"cmd": [[{"nodeManagementDetailedDiscoveryData": []}]]}]},
]


def frames(message: bytes) -> None:
    """A SHIP message is read, or refused as unreadable; what was read can be written and read again."""
    try:
        frame = _decode(message)
    except DecodeError:
        return
    if isinstance(frame, (Init, Ignorable)):
        return
    if isinstance(frame, Data):
        assert frame.size <= _SHIP.max_message_bytes
        return
    again = _decode(encode(frame))
    assert not isinstance(again, (Init, Ignorable, Data))
    assert encode(again) == encode(frame)


def _decode(message: bytes) -> Frame:
    return decode(
        message,
        max_bytes=_SHIP.max_message_bytes,
        max_depth=_SHIP.max_depth,
        max_elements=_SHIP.max_elements,
    )


def fold(text: bytes) -> None:
    """``function name, line end, JSON``: a record is read or refused; what was read survives a round trip."""
    name, _, wire_text = text.partition(b"\n")
    spec = FUNCTIONS.get(name.decode(errors="replace"))
    type_: type[Record] = Header if spec is None else spec.data
    try:
        record = from_wire(type_, msgspec.json.decode(wire_text))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, DecodeError):
        return
    again = from_wire(type_, msgspec.json.decode(msgspec.json.encode(to_wire(record))))
    assert to_wire(again) == to_wire(record)


def datagrams(lines: bytes) -> None:
    """One datagram a line from the trusted box: our node stays alive, answers in bounds and in legal form.

    ``@12`` lets 12 s pass. A node serves many inputs, each on a connection of its own, as in real life.
    """
    global _node
    if _node.played >= _INPUTS_PER_NODE:
        _node = _Node()
    _node.play(lines)


class _Node:
    """A gateway and the box that is connected to it."""

    def __init__(self) -> None:
        self._stack = _gateway()
        self._now = 1.0
        self.played = 0

    def play(self, lines: bytes) -> None:
        """A new connection of the box, and everything that it says on it."""
        self.played += 1
        self._carry_out(self._stack.connect(_BOX, self._now))
        for line in lines.split(b"\n")[:32]:
            if line[:1] == b"@":
                self._wait(line[1:])
            else:
                self._take(line)
        answers = self._receive(_DISCOVERY_READ)
        assert any(answer.header.msg_counter_reference == _LAST_COUNTER for answer in answers), "mute"

    def _take(self, line: bytes) -> None:
        try:
            wire = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return
        _check_codec(wire)
        self._receive(wire)

    def _receive(self, wire: object) -> list[Datagram]:
        self._now += 0.01
        return self._carry_out(self._stack.receive(_BOX.ski, wire, self._now))

    def _wait(self, digits: bytes) -> None:
        until = self._now + _seconds(digits)
        while (deadline := self._stack.next_deadline()) is not None and deadline <= until:
            self._now = max(self._now, deadline)
            self._carry_out(self._stack.on_deadline(self._now))
            after = self._stack.next_deadline()
            assert after is None or after > self._now, "a time limit that does not go away"
        self._now = until

    def _carry_out(self, effects: list[SpineEffect]) -> list[Datagram]:
        sent: list[Datagram] = []
        for effect in effects:
            if isinstance(effect, SendDatagram):
                assert effect.ski == _BOX.ski
                sent.append(decode_datagram(msgspec.json.decode(effect.datagram)["datagram"]))
                _check_texts(sent[-1])
            elif isinstance(effect, Persist) and effect.token is not None:
                sent += self._carry_out(self._stack.stored(effect.token, True, self._now))
        assert len(sent) <= _MOST_ANSWERS, "one datagram makes us send far too many"
        return sent


def _gateway() -> SpineStack:
    gateway = build_gateway(
        "d:_n:Fuzzed",
        settings=ControllableSystemSettings(
            failsafe_consumption_w=4200.0,
            failsafe_duration_s=7200.0,
            contractual_consumption_w=11000.0,
            contractual_production_w=10000.0,
        ),
        failsafe=StoredFailsafe(),
        grid=MonitoringSettings(),
    )
    stack = build_stack(gateway, lambda: _UTC)
    stack.run(0.0, gateway.start)
    return stack


def _check_texts(sent: Datagram) -> None:
    """What comes from the peer itself goes back as it came; our own words must survive its JSON reader."""
    assert is_peer_safe(sent.header.address_source)
    if isinstance(sent.command.data, ResultData):
        assert is_peer_safe(sent.command.data), "the peer cannot read this result"


_node = _Node()


def _check_codec(wire: object) -> None:
    try:
        datagram = decode_datagram(wire)
    except DecodeError:
        pass
    else:
        written = msgspec.json.decode(encode_datagram(datagram))
        assert encode_datagram(decode_datagram(written["datagram"])) == encode_datagram(datagram)


def _seconds(digits: bytes) -> float:
    return min(float(digits[:4]) if digits[:4].isdigit() else 1.0, _LONGEST_WAIT_S)


def handshake(script: bytes) -> None:
    """Steps separated by line ends, over one connection whose role and trust the first byte chooses.

    ``@12`` lets 12 s pass, ``!`` is the user's yes, ``?`` the no, ``x`` our close, ``t`` a text message,
    ``e`` the end of the transport; everything else is a message.
    """
    choice, steps = (script[0] if script else 0), script[1:].split(b"\n")[:64]
    role = ShipRole.SERVER if choice & 1 else ShipRole.CLIENT
    watch = _Watch(ShipConnection(role, _SHIP, list(Trust)[choice // 2 % 3], peer_ski=_BOX.ski), choice)
    watch.take(watch.connection.start(0.0))
    for step in steps:
        watch.step(step)


class _Watch:
    """The rules that no order of messages, decisions and pauses may break."""

    def __init__(self, connection: ShipConnection, choice: int) -> None:
        self.connection = connection
        self._now = 0.0
        self._trusted = list(Trust)[choice // 2 % 3] is Trust.TRUSTED
        self._reached = -1
        self._closed = False
        self._ended = False

    def step(self, step: bytes) -> None:
        connection, now = self.connection, self._now
        match step[:1]:
            case b"@":
                self._wait(step[1:])
            case b"!":
                self._trusted = True
                self.take(connection.set_trust(Trust.TRUSTED, now))
            case b"?":
                self.take(connection.set_trust(Trust.REFUSED, now))
            case b"x":
                self.take(connection.close(now))
            case b"t":
                self.take(connection.receive_text(now))
            case b"e":
                self.take(connection.transport_closed(None, "", now))
            case _:
                self.take(connection.receive(step, now))

    def _wait(self, digits: bytes) -> None:
        until = self._now + _seconds(digits)
        while (deadline := self.connection.next_deadline()) is not None and deadline <= until:
            self._now = max(self._now, deadline)
            self.take(self.connection.on_deadline(self._now))
            after = self.connection.next_deadline()
            assert after is None or after > self._now, "a time limit that does not go away"
        self._now = until

    def take(self, effects: list[ShipEffect]) -> None:
        for effect in effects:
            assert not self._ended, "something follows the end"
            match effect:
                case SendMessage(data):
                    assert not self._closed, "a message after the close"
                    assert len(data) < 1024
                case SpineMessage():
                    assert self._trusted, "a datagram of an untrusted peer"
                case PhaseReached(phase):
                    assert _PHASES.index(phase) > self._reached, "a phase that comes back"
                    self._reached = _PHASES.index(phase)
                    assert self._trusted or phase not in (Phase.PROTOCOL, Phase.PIN, Phase.DATA)
                case CloseTransport(reason=reason):
                    self._closed = True
                    assert len(reason.encode()) < 1024
                case Ended():
                    self._ended = True
        if self.connection.phase not in (Phase.DATA, Phase.CLOSED):
            assert self.connection.next_deadline() is not None, "a peer may hold this phase for ever"


def certificates(der: bytes) -> None:
    """A certificate shown before any trust proves a key, or is refused."""
    try:
        shown = check_certificate(der)
    except RemoteError:
        return
    assert len(shown.ski) == 40
    assert len(shown.public_key_sha256) == 64


def announcements(text: bytes) -> None:
    """``key=value`` lines of a TXT record, which anybody in the network can send."""
    record: dict[str, str | None] = {}
    for line in text.decode(errors="surrogateescape").split("\n"):
        key, equals, value = line.partition("=")
        record[key] = value if equals else None
    try:
        service = parse_txt(record)
    except DecodeError:
        return
    assert len(service.ski) == 40
    for shown in (service.ship_id, service.description.brand, service.description.model):
        assert shown.isprintable(), "a log line could be forged"


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (frames, fold, datagrams, handshake, certificates, announcements)
}
"""The surfaces, by name."""
