"""What happens at the SPINE node: handlers learn of it, and the application of what is marked so.

Addresses are complete: they carry the device of the side that they belong to.
"""

from dataclasses import dataclass

from eebus.ids import Ski
from eebus.jsonform import Record
from eebus.spine.datagram import Command
from eebus.spine.device import EntityPath, LocalFeature
from eebus.spine.model.common import FeatureAddress


@dataclass(frozen=True, slots=True)
class Request:
    """A request of ours that waits for its answer."""

    msg_counter: int
    classifier: str
    source: FeatureAddress
    destination: FeatureAddress
    command: Command

    @property
    def function(self) -> str:
        return self.command.function


@dataclass(frozen=True, slots=True)
class PeerDiscovered:
    """The tree of a peer is known and it knows ours: requests can be sent. Also emitted."""

    ski: Ski


@dataclass(frozen=True, slots=True)
class PeerUseCases:
    """The use cases of a peer are known or have changed; also sent when it tells none. Also emitted."""

    ski: Ski


@dataclass(frozen=True, slots=True)
class PeerTopologyChanged:
    """Entities of a discovered peer came or went; a changed entity is in both. Also emitted."""

    ski: Ski
    added: tuple[EntityPath, ...]
    removed: tuple[EntityPath, ...]


@dataclass(frozen=True, slots=True)
class PeerGone:
    """The connection of a peer ended; nothing that was agreed with it holds any more. Also emitted."""

    ski: Ski


@dataclass(frozen=True, slots=True)
class RemoteData:
    """Data of a peer arrived; `data` is what we now know of the whole function."""

    ski: Ski
    source: FeatureAddress
    function: str
    data: Record
    is_reply: bool


@dataclass(frozen=True, slots=True)
class ResultReceived:
    """The final answer to a write or call of ours, or the refusal of a read.

    Sent after the stack's own repetition (see :class:`eebus.spine.settings.SpineSettings`), if any.
    `reference` is the number that the first attempt had.
    """

    ski: Ski
    reference: int
    error_number: int
    description: str
    request: Request


@dataclass(frozen=True, slots=True)
class RequestTimedOut:
    """No answer within the response delay; a late one is still applied as data."""

    ski: Ski
    reference: int
    request: Request


@dataclass(frozen=True, slots=True)
class WriteRefused:
    """A peer's write was refused before any use case saw it: unreadable, without binding, to nowhere."""

    ski: Ski
    server: LocalFeature
    error_number: int
    text: str
    msg_counter: int


@dataclass(frozen=True, slots=True)
class SubscriptionAdded:
    """A peer subscribed to a feature of ours."""

    ski: Ski
    client: FeatureAddress
    server: LocalFeature


@dataclass(frozen=True, slots=True)
class SubscriptionRemoved:
    """A peer's subscription ended: deleted, its entity removed, or the connection gone."""

    ski: Ski
    client: FeatureAddress
    server: LocalFeature


@dataclass(frozen=True, slots=True)
class BindingAdded:
    """A peer bound a feature of ours."""

    ski: Ski
    client: FeatureAddress
    server: LocalFeature


@dataclass(frozen=True, slots=True)
class BindingRemoved:
    """A peer's binding ended: deleted, its entity removed, or the connection gone."""

    ski: Ski
    client: FeatureAddress
    server: LocalFeature


@dataclass(frozen=True, slots=True)
class BindingRefused:
    """A peer wanted to bind and may not. Also emitted, so that people can see it."""

    ski: Ski
    client: FeatureAddress
    server: FeatureAddress
    error_number: int
    text: str


@dataclass(frozen=True, slots=True)
class SubscriptionConfirmed:
    """A peer accepted our subscription; its data must be read once, nothing comes by itself (SPINE 5.6)."""

    ski: Ski
    source: FeatureAddress
    destination: FeatureAddress


@dataclass(frozen=True, slots=True)
class BindingConfirmed:
    """A peer accepted our binding."""

    ski: Ski
    source: FeatureAddress
    destination: FeatureAddress


@dataclass(frozen=True, slots=True)
class DatagramDropped:
    """A datagram could not be used and earned no answer. Emitted only, for the log."""

    ski: Ski
    text: str
