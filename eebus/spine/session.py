"""The state of the SPINE node: of each connected peer, and of what all peers share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from eebus.ids import Ski
from eebus.spine.datagram import Command, Header
from eebus.spine.device import EntityPath, LocalDevice, LocalFeature, RemoteDevice
from eebus.spine.events import Request
from eebus.spine.handler import Handler, Peer, WriteRequest
from eebus.spine.model.common import FeatureAddress
from eebus.spine.node_management import RelationTable
from eebus.spine.settings import SpineSettings


class RelationKind(Enum):
    """What a client asks a server feature for."""

    SUBSCRIPTION = "subscription"
    BINDING = "binding"


class RelationState(Enum):
    """How far a subscription or binding of ours has come."""

    REQUESTED = auto()
    WAITING_TO_RETRY = auto()
    ACCEPTED = auto()
    REFUSED = auto()


@dataclass(slots=True)
class OwnRelation:
    """A subscription or binding that we asked a peer for."""

    kind: RelationKind
    source: FeatureAddress
    destination: FeatureAddress
    feature_type: str
    state: RelationState = RelationState.REQUESTED
    attempts: int = 0
    was_unanswered: bool = False
    retry_at: float | None = None


class Purpose(Enum):
    """Why we sent a request, which decides what its answer means."""

    APPLICATION = auto()
    DISCOVERY = auto()
    USE_CASES = auto()
    RELATION = auto()
    REBIND = auto()
    PROBE = auto()
    INTERNAL = auto()
    """The stack's own reads and deletions: nobody waits for the outcome."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A request of ours that waits for its answer until `deadline`.

    `reference` is the number of the first attempt. A write that was refused although we are bound waits in
    `refused_write` while the binding is asked for again.
    """

    request: Request
    purpose: Purpose
    deadline: float
    reference: int
    relation: OwnRelation | None = None
    refused_write: "Pending | None" = None
    is_repetition: bool = False
    repetitions: int = 0
    """How many times the long way of repeating has been gone before (SPINE 2.8)."""


@dataclass(frozen=True, slots=True)
class LaterRead:
    """An unanswered read that is repeated at some time."""

    due_at: float
    unanswered: Pending


@dataclass(frozen=True, slots=True)
class HeldWrite:
    """A write that waits until an earlier one to the same function has been stored."""

    feature: LocalFeature
    header: Header
    command: Command


RelationKey = tuple[RelationKind, EntityPath, int, EntityPath, int]


@dataclass(slots=True)
class Session:
    """One connected peer."""

    peer: Peer
    remote: RemoteDevice = field(default_factory=RemoteDevice)
    sender_device: str | None = None
    """The device that the latest header named; not all devices announce themselves under that name."""

    pending: dict[int, Pending] = field(default_factory=dict)
    own_relations: dict[RelationKey, OwnRelation] = field(default_factory=dict)
    later_reads: list[LaterRead] = field(default_factory=list)
    held_writes: list[HeldWrite] = field(default_factory=list)
    discovered_at: float | None = None
    has_read_our_tree: bool = False
    is_ready: bool = False
    _last_counter: int = 0

    @property
    def ski(self) -> Ski:
        return self.peer.ski

    def next_counter(self) -> int:
        """A new message counter: strictly ascending for each connection, from 1 (SPINE 2.4)."""
        self._last_counter += 1
        return self._last_counter

    def next_deadline(self, settings: SpineSettings) -> float | None:
        """When something of this peer is due."""
        deadlines = [pending.deadline for pending in self.pending.values()]
        deadlines += [later.due_at for later in self.later_reads]
        deadlines += [r.retry_at for r in self.own_relations.values() if r.retry_at is not None]
        if self.discovered_at is not None and not self.is_ready:
            deadlines.append(self.discovered_at + settings.discovery_grace_s)
        return min(deadlines, default=None)


@dataclass(frozen=True, slots=True)
class DeferredWrite:
    """A write whose verdict waits for storage."""

    request: WriteRequest
    header: Header


@dataclass(slots=True)
class NodeState:
    """All state of the SPINE node."""

    device: LocalDevice
    settings: SpineSettings
    utc_now: Callable[[], datetime]
    handlers: list[Handler] = field(default_factory=list)
    sessions: dict[Ski, Session] = field(default_factory=dict)
    subscriptions: RelationTable = field(default_factory=RelationTable)
    bindings: RelationTable = field(default_factory=RelationTable)
    deferred: dict[int, DeferredWrite] = field(default_factory=dict)


def relation_key(kind: RelationKind, source: FeatureAddress, destination: FeatureAddress) -> RelationKey:
    """What identifies a relation of ours with one peer."""
    return (
        kind,
        source.entity or (),
        source.feature or 0,
        destination.entity or (),
        destination.feature or 0,
    )
