"""The MQTT broker as devices need it. The gateway has one connection; whoever holds it implements this."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class BrokerUnavailable(Exception):
    """There is no connection, or the broker did not acknowledge in time; the text is for people."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that arrived. `retained`: it was stored at the broker, so its age is unknown."""

    topic: str
    payload: bytes
    retained: bool


Listener = Callable[[Message], None]
"""Takes a message; it must be quick and must not raise."""


class Broker(Protocol):
    """The one connection of the gateway to the broker of the house."""

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty while there is one."""

    @property
    def sessions(self) -> int:
        """How many connections there have been. What was heard in an earlier one may have changed unheard."""

    def listen(self, topic_filter: str, listener: Listener) -> None:
        """Let `listener` hear what matches, now and after every new connection. Call it before the start."""

    async def send(self, topic: str, payload: str) -> None:
        """Send a command once, acknowledged and not retained. Never queued: it is sent now or not at all.

        Raises BrokerUnavailable.
        """
