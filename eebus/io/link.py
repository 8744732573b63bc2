"""What carries SHIP messages: a WebSocket over TLS, or two ends in memory for tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from eebus.ids import Ski


@dataclass(frozen=True, slots=True)
class BinaryMessage:
    """One whole binary message arrived."""

    data: bytes


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message arrived, which SHIP forbids; its content does not matter."""


@dataclass(frozen=True, slots=True)
class LinkClosed:
    """The link is gone; always the last event. ``code`` is None when the peer sent no close frame."""

    code: int | None
    reason: str


LinkEvent = BinaryMessage | TextMessage | LinkClosed


class Link(Protocol):
    """One open transport to a peer."""

    async def receive(self) -> LinkEvent:
        """The next event; after LinkClosed nothing comes any more. One reader at a time."""

    def send(self, message: bytes) -> None:
        """Queue one binary message. Does nothing on a link that is closing."""

    def close(self, code: int | None, reason: str) -> None:
        """Begin to close; LinkClosed follows within a bounded time. Without code no close frame is sent."""

    def abort(self) -> None:
        """Drop the link at once."""

    def full_pace(self) -> None:
        """The peer is trusted and in data exchange: it may talk faster than a stranger."""

    @property
    def ping_overdue(self) -> bool:
        """The last ping waits for its answer for longer than a living peer needs."""

    @property
    def local_address(self) -> str | None:
        """Our end, without scope; None when the link uses no network."""


LinkWrapper = Callable[[Link, Ski], Link]
"""Puts something between a connection and its link: a recorder, or the faults of a simulated peer."""


def unchanged(link: Link, _peer: Ski) -> Link:
    """The link as it is."""
    return link
