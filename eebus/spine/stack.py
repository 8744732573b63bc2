"""The SPINE node of one identity and all its peers: pure, messages and time in, ordered effects out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from eebus.ids import Ski
from eebus.jsonform import Record
from eebus.spine.datagram import Filter
from eebus.spine.device import LocalDevice, LocalFeature, RemoteDevice
from eebus.spine.effects import ClosePeer, Emit, Persist, SendDatagram, SpineEffect
from eebus.spine.events import Request
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
from eebus.spine.model.common import FeatureAddress
from eebus.spine.settings import DEFAULT_SETTINGS, SpineSettings

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


@dataclass(frozen=True, slots=True)
class Relation:
    """A subscription or binding between a client and a server feature."""

    client: FeatureAddress
    server: FeatureAddress


@dataclass(frozen=True, slots=True)
class PeerSnapshot:
    """A peer as it stands, for inspection; the remote tree is the live one and must not be changed."""

    peer: Peer
    remote: RemoteDevice
    discovered: bool
    subscriptions: tuple[Relation, ...]
    bindings: tuple[Relation, ...]
    own_subscriptions: tuple[Relation, ...]
    own_bindings: tuple[Relation, ...]
    pending: tuple[Request, ...]


class Turn:
    """One turn of the node: collects ordered effects; what handlers and the application act with."""

    now: float

    @property
    def utc_now(self) -> datetime:
        """The date and time, for messages and records."""
        raise NotImplementedError

    def emit(self, event: object) -> None:
        """Give an event to the application."""
        raise NotImplementedError

    def persist(self, record: object, *, grace_s: float | None, token: int | None = None) -> None:
        """Ask the shell to store a record (see :class:`Persist`)."""
        raise NotImplementedError

    def set_data(self, feature: LocalFeature, function: str, data: Record, *, force: bool = False) -> None:
        """Set function data and notify all subscribers with the complete data.

        Unchanged data is not notified (SPINE 5.6) unless forced.
        """
        raise NotImplementedError

    def read(self, ski: Ski, source: LocalFeature, destination: FeatureAddress, function: str) -> int:
        """Read a function of a peer. Returns the message counter."""
        raise NotImplementedError

    def write(
        self,
        ski: Ski,
        source: LocalFeature,
        destination: FeatureAddress,
        function: str,
        data: Record,
        *,
        filters: tuple[Filter, ...] = (),
    ) -> int:
        """Write a function of a peer. Returns the message counter."""
        raise NotImplementedError

    def subscribe(
        self, ski: Ski, source: LocalFeature, destination: FeatureAddress, feature_type: str
    ) -> None:
        """Subscribe to a server feature of a peer; does nothing when that is asked for or agreed already."""
        raise NotImplementedError

    def bind(self, ski: Ski, source: LocalFeature, destination: FeatureAddress, feature_type: str) -> None:
        """Bind a server feature of a peer; does nothing when that is asked for or agreed already."""
        raise NotImplementedError

    def unsubscribe(self, ski: Ski, source: LocalFeature, destination: FeatureAddress) -> None:
        """End a subscription of ours."""
        raise NotImplementedError

    def unbind(self, ski: Ski, source: LocalFeature, destination: FeatureAddress) -> None:
        """End a binding of ours."""
        raise NotImplementedError

    def remote(self, ski: Ski) -> RemoteDevice | None:
        """What a peer told about itself; None when it is not connected."""
        raise NotImplementedError

    def peer(self, ski: Ski) -> Peer | None:
        """A connected peer."""
        raise NotImplementedError


class SpineStack:
    """The SPINE node. `utc_now` gives the date for time stamps; intervals come with each call as `now`."""

    def __init__(
        self,
        device: LocalDevice,
        *,
        utc_now: Callable[[], datetime],
        settings: SpineSettings = DEFAULT_SETTINGS,
    ) -> None:
        self.device, self._utc_now, self._settings = device, utc_now, settings

    def add_handler(self, handler: Handler) -> None:
        """Let a use case take part; asked in the order of adding."""
        raise NotImplementedError

    def connect(self, peer: Peer, now: float) -> list[SpineEffect]:
        """The connection to a peer is ready for data."""
        raise NotImplementedError

    def disconnect(self, ski: Ski, now: float) -> list[SpineEffect]:
        """The connection to a peer has ended."""
        raise NotImplementedError

    def receive(self, ski: Ski, datagram: object, now: float) -> list[SpineEffect]:
        """A datagram came in: the decoded JSON value of the member `datagram`."""
        raise NotImplementedError

    def probe(self, ski: Ski, now: float) -> list[SpineEffect]:
        """Ask a peer for a sign of life; without one it is closed (the mute watch of SHIP 12.4)."""
        raise NotImplementedError

    def on_deadline(self, now: float) -> list[SpineEffect]:
        """Do what is due."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """When :meth:`on_deadline` is due next."""
        raise NotImplementedError

    def stored(self, token: int, ok: bool, now: float) -> list[SpineEffect]:
        """The outcome of a :class:`Persist` with a token."""
        raise NotImplementedError

    def run(self, now: float, action: Callable[[Turn], object]) -> list[SpineEffect]:
        """Let the application act on the node."""
        raise NotImplementedError

    def peers(self) -> Mapping[Ski, PeerSnapshot]:
        """All connected peers as they stand."""
        raise NotImplementedError
