"""The SPINE node of one identity and all its peers: pure, messages and time in, ordered effects out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from eebus.errors import DecodeError
from eebus.ids import Ski
from eebus.spine import client, server
from eebus.spine.datagram import Datagram, Header, PayloadError, decode_datagram
from eebus.spine.device import (
    NODE_MANAGEMENT_ENTITY,
    NODE_MANAGEMENT_FEATURE,
    LocalDevice,
    LocalFeature,
    RemoteDevice,
)
from eebus.spine.effects import ClosePeer, Emit, Persist, SendDatagram, SpineEffect
from eebus.spine.events import DatagramDropped, PeerGone, Request
from eebus.spine.handler import (
    Accept,
    BindRequest,
    Defer,
    Handler,
    ItemChange,
    Peer,
    Refuse,
    Verdict,
    WriteRequest,
)
from eebus.spine.model.common import Classifier, ErrorNumber, FeatureAddress
from eebus.spine.node_management import PeerRelation
from eebus.spine.session import NodeState, RelationKind, RelationState, Session
from eebus.spine.settings import DEFAULT_SETTINGS, SpineSettings
from eebus.spine.turn import Turn

__all__ = [
    "Accept",
    "BindRequest",
    "ClosePeer",
    "Defer",
    "Emit",
    "Handler",
    "ItemChange",
    "Peer",
    "PeerSnapshot",
    "Persist",
    "Refuse",
    "Relation",
    "SendDatagram",
    "SpineEffect",
    "SpineSettings",
    "SpineStack",
    "Turn",
    "Verdict",
    "WriteRequest",
]

_REQUESTS = frozenset({Classifier.READ, Classifier.WRITE, Classifier.CALL})
_ANSWERS = frozenset({Classifier.REPLY, Classifier.RESULT})
_CLASSIFIERS = frozenset(Classifier)

_SUPPORTED_VERSION = re.compile(r"1\.\d{1,9}(\.\d{1,9})?", re.ASCII)
"""Every 1.x.y is processed like ours; other majors and other spellings are refused (SPINE 2.9, COMP_006)."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A subscription or binding between a client and a server feature."""

    client: FeatureAddress
    server: FeatureAddress


@dataclass(frozen=True, slots=True)
class PeerSnapshot:
    """A peer as it stands, for inspection; the remote tree is the live one and must not be changed.

    `subscriptions` and `bindings` are the peer's at our features, the own ones ours at its features.
    """

    peer: Peer
    remote: RemoteDevice
    discovered: bool
    subscriptions: tuple[Relation, ...]
    bindings: tuple[Relation, ...]
    own_subscriptions: tuple[Relation, ...]
    own_bindings: tuple[Relation, ...]
    pending: tuple[Request, ...]


class SpineStack:
    """The SPINE node. `utc_now` gives the date for time stamps; intervals come with each call as `now`."""

    def __init__(
        self,
        device: LocalDevice,
        *,
        utc_now: Callable[[], datetime],
        settings: SpineSettings = DEFAULT_SETTINGS,
    ) -> None:
        self.device = device
        self._state = NodeState(device, settings, utc_now)

    def add_handler(self, handler: Handler) -> None:
        """Let a use case take part; asked in the order of adding."""
        self._state.handlers.append(handler)

    def connect(self, peer: Peer, now: float) -> list[SpineEffect]:
        """The connection to a peer is ready for data; an earlier one of the same peer counts as ended."""
        turn = Turn(self._state, now)
        self._end_session(turn, peer.ski)
        turn.settle()
        session = Session(peer)
        self._state.sessions[peer.ski] = session
        client.start(turn, session)
        return turn.finish()

    def disconnect(self, ski: Ski, now: float) -> list[SpineEffect]:
        """The connection to a peer has ended. Our own data stays (SPINE 5.9)."""
        turn = Turn(self._state, now)
        self._end_session(turn, ski)
        return turn.finish()

    def receive(self, ski: Ski, datagram: object, now: float) -> list[SpineEffect]:
        """A datagram came in: the decoded JSON value of the member `datagram`."""
        turn = Turn(self._state, now)
        session = self._state.sessions.get(ski)
        if session is not None:
            _receive(turn, session, datagram)
            client.become_ready_if_possible(turn, session)
        return turn.finish()

    def probe(self, ski: Ski, now: float) -> list[SpineEffect]:
        """Ask a peer for a sign of life; without one it is closed (the mute watch of SHIP 12.4)."""
        turn = Turn(self._state, now)
        session = self._state.sessions.get(ski)
        if session is not None:
            client.probe(turn, session)
        return turn.finish()

    def on_deadline(self, now: float) -> list[SpineEffect]:
        """Do what is due."""
        turn = Turn(self._state, now)
        for session in self._state.sessions.values():
            client.on_deadline(turn, session)
        for handler in self._state.handlers:
            handler.on_deadline(turn)
        return turn.finish()

    def next_deadline(self) -> float | None:
        """When :meth:`on_deadline` is due next."""
        state = self._state
        deadlines = [session.next_deadline(state.settings) for session in state.sessions.values()]
        deadlines += [handler.next_deadline() for handler in state.handlers]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def stored(self, token: int, ok: bool, now: float) -> list[SpineEffect]:
        """The outcome of a :class:`Persist` with a token."""
        turn = Turn(self._state, now)
        server.on_stored(turn, token, ok)
        return turn.finish()

    def run(self, now: float, action: Callable[[Turn], object]) -> list[SpineEffect]:
        """Let the application act on the node."""
        turn = Turn(self._state, now)
        action(turn)
        return turn.finish()

    def peers(self) -> Mapping[Ski, PeerSnapshot]:
        """All connected peers as they stand."""
        return {ski: self._snapshot(session) for ski, session in self._state.sessions.items()}

    def _end_session(self, turn: Turn, ski: Ski) -> None:
        session = self._state.sessions.pop(ski, None)
        if session is not None:
            server.drop_relations(turn, session)
            turn.tell(PeerGone(ski), emit=True)

    def _snapshot(self, session: Session) -> PeerSnapshot:
        return PeerSnapshot(
            peer=session.peer,
            remote=session.remote,
            discovered=session.discovered_at is not None,
            subscriptions=_peer_relations(self._state.subscriptions.of_peer(session.ski)),
            bindings=_peer_relations(self._state.bindings.of_peer(session.ski)),
            own_subscriptions=_own_relations(session, RelationKind.SUBSCRIPTION),
            own_bindings=_own_relations(session, RelationKind.BINDING),
            pending=tuple(pending.request for pending in session.pending.values()),
        )


def _peer_relations(relations: list[PeerRelation]) -> tuple[Relation, ...]:
    return tuple(Relation(relation.client, relation.server.address) for relation in relations)


def _own_relations(session: Session, kind: RelationKind) -> tuple[Relation, ...]:
    return tuple(
        Relation(relation.source, relation.destination)
        for relation in session.own_relations.values()
        if relation.kind is kind and relation.state is RelationState.ACCEPTED
    )


# --- the checks for every incoming datagram (SPINE 2.10) ---


def _receive(turn: Turn, session: Session, wire: object) -> None:
    try:
        datagram = decode_datagram(wire)
    except PayloadError as error:
        if _is_for_us(turn, session, error.header) and error.header.cmd_classifier in _REQUESTS:
            _refuse_unreadable(turn, session, error)
        else:
            turn.emit(DatagramDropped(session.ski, str(error)))
        return
    except DecodeError as error:
        turn.emit(DatagramDropped(session.ski, str(error)))
        return
    if _is_for_us(turn, session, datagram.header):
        session.sender_device = (datagram.header.address_source or FeatureAddress()).device
        _dispatch(turn, session, datagram)


def _refuse_unreadable(turn: Turn, session: Session, error: PayloadError) -> None:
    feature = _destination(turn, error.header)
    if feature is None:
        server.answer(turn, session, error.header, ErrorNumber.GENERAL, str(error))
    else:
        server.refuse(turn, session, feature, error.header, ErrorNumber.GENERAL, str(error))


def _destination(turn: Turn, header: Header) -> LocalFeature | None:
    address = header.address_destination or FeatureAddress()
    return turn.state.device.feature(address.entity or (), address.feature or 0)


def _is_for_us(turn: Turn, session: Session, header: Header) -> bool:
    """Whether the header is complete, of a version that we speak, and addressed to us."""
    problem = _header_problem(turn, session, header)
    if problem is not None:
        turn.emit(DatagramDropped(session.ski, problem))
        return False
    if header.specification_version and not _SUPPORTED_VERSION.fullmatch(header.specification_version):
        if header.cmd_classifier in _REQUESTS:
            server.answer(turn, session, header, ErrorNumber.GENERAL, "only versions 1.x.y are spoken here")
        turn.emit(DatagramDropped(session.ski, f"version '{header.specification_version[:40]}'"))
        return False
    return True


def _header_problem(turn: Turn, session: Session, header: Header) -> str | None:
    """Why a datagram cannot be answered or is not ours; dropped silently (SPINE 2.3)."""
    source, destination = header.address_source, header.address_destination
    if source is None or not source.entity or source.feature is None:
        return "the source address is incomplete"
    if header.msg_counter is None:
        return "the message counter is missing"
    if header.cmd_classifier not in _CLASSIFIERS:
        return f"unknown classifier '{(header.cmd_classifier or '')[:40]}'"
    if destination is None or not destination.entity or destination.feature is None:
        return "the destination address is incomplete"
    if destination.device in (None, "", turn.state.device.address):
        return None
    if _is_node_management(destination):
        return None
    if header.cmd_classifier in _ANSWERS and header.msg_counter_reference in session.pending:
        return None
    return f"addressed to device '{(destination.device or '')[:80]}'"


def _is_node_management(address: FeatureAddress) -> bool:
    return address.entity == NODE_MANAGEMENT_ENTITY and address.feature == NODE_MANAGEMENT_FEATURE


def _dispatch(turn: Turn, session: Session, datagram: Datagram) -> None:
    header = datagram.header
    if header.cmd_classifier == Classifier.RESULT:
        client.on_result(turn, session, datagram)
        return
    feature = _destination(turn, header)
    if header.cmd_classifier in _REQUESTS:
        if feature is None:
            server.answer(turn, session, header, ErrorNumber.DESTINATION_UNKNOWN, "no such feature")
        else:
            server.on_request(turn, session, feature, datagram)
        return
    if header.cmd_classifier == Classifier.REPLY:
        client.on_reply(turn, session, datagram)
    else:
        client.on_notify(turn, session, datagram)
    if header.ack_request:
        # The transmission is acknowledged, whatever became of the content (SPINE 2.6).
        server.answer(turn, session, header, ErrorNumber.NONE)
