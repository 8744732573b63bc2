"""What waits to be published: the newest state of each topic, and events in their order. Pure, bounded."""

from collections import OrderedDict
from dataclasses import dataclass

MOST_EVENTS = 256
"""So many events are kept while the broker is away; then the oldest give way, refused commands first."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message. `payload` empty and `retain`: the broker forgets the topic.

    `yields`: an event that gives way before any other when too many wait.
    """

    topic: str
    payload: str
    qos: int = 1
    retain: bool = True
    yields: bool = False


class Outbox:
    """First in, first out; a newer state takes the place of an older one of its topic.

    Memory is bounded by the number of topics plus `MOST_EVENTS`.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[object, Outgoing] = OrderedDict()
        self._events = 0
        self._numbered = 0
        self.lost_events = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Outgoing) -> None:
        """Let a message wait. What is not retained is an event and waits for itself."""
        if message.retain:
            self._waiting[message.topic] = message
            return
        if self._events >= MOST_EVENTS and not self._has_made_room(message):
            return
        self._numbered += 1
        self._events += 1
        self._waiting[self._numbered] = message

    def first(self) -> Outgoing | None:
        """The next message; it stays until `done`."""
        return next(iter(self._waiting.values()), None)

    def done(self, message: Outgoing) -> None:
        """The first message was published; if a newer state took its place meanwhile, that one stays."""
        key, waiting = next(iter(self._waiting.items()))
        if waiting is message:
            del self._waiting[key]
            self._events -= not message.retain

    def forget_states(self) -> None:
        """A new connection: states are told anew, only events still count."""
        for key in [key for key, message in self._waiting.items() if message.retain]:
            del self._waiting[key]

    def _has_made_room(self, message: Outgoing) -> bool:
        """Drop the oldest event that yields, else the oldest of all; nothing gives way to one that yields."""
        self.lost_events += 1
        events = [(key, each) for key, each in self._waiting.items() if not each.retain]
        dropped = next((key for key, each in events if each.yields), None)
        if dropped is None and message.yields:
            return False
        del self._waiting[events[0][0] if dropped is None else dropped]
        self._events -= 1
        return True
