"""Two links joined in memory, with the faults of a network, for tests and rehearsals."""

import asyncio
from collections import deque
from collections.abc import Callable

from eebus.io.link import BinaryMessage, LinkClosed, LinkEvent, TextMessage


class MemoryLink:
    """One end of a pair; what it sends arrives at the other end."""

    def __init__(self) -> None:
        self._other: MemoryLink | None = None
        self._events: deque[LinkEvent] = deque()
        self._arrived = asyncio.Event()
        self._held: deque[LinkEvent] | None = None
        self._drops: Callable[[bytes], bool] = lambda _message: False
        self._closed = False

    async def receive(self) -> LinkEvent:
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()

    def send(self, message: bytes) -> None:
        if not self._closed and not self._drops(message):
            self._to_other(BinaryMessage(message))

    def send_text(self) -> None:
        """Send a text message, as no SHIP node may."""
        self._to_other(TextMessage())

    def close(self, code: int | None, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._to_other(LinkClosed(code, reason))
        self._put(LinkClosed(code, reason))

    def abort(self) -> None:
        self.close(None, "aborted")

    def full_pace(self) -> None:
        """Nothing limits the pace in memory."""

    @property
    def ping_overdue(self) -> bool:
        return False

    @property
    def local_address(self) -> None:
        return None

    # -- faults --------------------------------------------------------------------------------------

    def hold(self) -> None:
        """From now on what this end sends is delayed until :meth:`release`."""
        if self._held is None:
            self._held = deque()

    def release(self) -> None:
        """Deliver what was delayed, in its order."""
        held, self._held = self._held or deque(), None
        for event in held:
            self._to_other(event)

    def drop(self, condition: Callable[[bytes], bool]) -> None:
        """Lose the messages of this end for which *condition* holds."""
        self._drops = condition

    def cut(self) -> None:
        """The cable is pulled and both ends notice: no close frame arrives anywhere."""
        self._held = None
        self.abort()

    def _to_other(self, event: LinkEvent) -> None:
        if self._held is not None:
            self._held.append(event)
        elif self._other is not None:
            self._other._put(event)

    def _put(self, event: LinkEvent) -> None:
        if isinstance(event, LinkClosed):
            if self._closed and any(isinstance(waiting, LinkClosed) for waiting in self._events):
                return
            self._closed = True
        self._events.append(event)
        self._arrived.set()


def memory_pair() -> tuple[MemoryLink, MemoryLink]:
    """Two joined ends."""
    one, other = MemoryLink(), MemoryLink()
    one._other, other._other = other, one
    return one, other
