"""How use cases take part: a handler is asked for verdicts and told of events."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eebus.ids import PeerRole, Ski
from eebus.jsonform import Record
from eebus.spine.datagram import Command
from eebus.spine.device import LocalFeature
from eebus.spine.model.common import FeatureAddress

if TYPE_CHECKING:
    from eebus.spine.turn import Turn


@dataclass(frozen=True, slots=True)
class Peer:
    """A connected peer and what it may do."""

    ski: Ski
    role: PeerRole


@dataclass(frozen=True, slots=True)
class ItemChange:
    """One item that a write addresses, as stored and as it would be afterwards. It may be unchanged."""

    before: Record
    after: Record


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """A write that passed all checks of the protocol: bound, changeable, complete identifiers.

    `before` and `candidate` are the whole data of the function, `changes` the addressed items (for a function
    without a list: the one pair). Decide on the merged result, not on the message alone (SPINE 6.4).
    """

    peer: Peer
    source: FeatureAddress
    destination: LocalFeature
    function: str
    before: Record
    candidate: Record
    changes: tuple[ItemChange, ...]
    command: Command
    msg_counter: int


@dataclass(frozen=True, slots=True)
class BindRequest:
    """A binding that passed the checks of the protocol and is asked for by the feature `client`."""

    peer: Peer
    client: FeatureAddress
    server: LocalFeature


@dataclass(frozen=True, slots=True)
class Accept:
    """Yes. For a write, `data` replaces the candidate when given."""

    data: Record | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """No, with an error number (SPINE 2.7) and a text that the peer will see."""

    error_number: int
    text: str


@dataclass(frozen=True, slots=True)
class Defer:
    """Answer later: the shell calls :meth:`eebus.spine.stack.SpineStack.stored` with this token.

    The handler must have asked for that with :meth:`eebus.spine.stack.Turn.persist`.
    """

    token: int


Verdict = Accept | Refuse | Defer


class Handler:
    """Base of all handlers: nothing is its business. Override what is."""

    def next_deadline(self) -> float | None:
        """When :meth:`on_deadline` is due (monotonic seconds)."""

    def on_deadline(self, turn: "Turn") -> None:
        """Time has come; also called when only another handler was due."""

    def on_read(self, feature: LocalFeature, function: str, turn: "Turn") -> Record | None:
        """The data to answer a read with, when the stored data is not the right answer; None: it is."""

    def on_write(self, request: WriteRequest, turn: "Turn") -> Verdict | None:
        """Decide on a write; None: not mine. A write that nobody decides on is refused."""

    def on_bind(self, request: BindRequest, turn: "Turn") -> Accept | Refuse | None:
        """Decide on a binding; None: not mine. A binding that nobody decides on is accepted."""

    def on_stored(self, token: int, ok: bool, turn: "Turn") -> Accept | Refuse | None:
        """Decide on a deferred write now that its record is stored (or not); None: not mine."""

    def on_event(self, event: object, turn: "Turn") -> None:
        """Something of :mod:`eebus.spine.events` happened."""
