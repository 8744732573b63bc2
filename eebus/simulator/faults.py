"""What a Steuerbox can do wrong, by name: faults of the line, of the clock, and habits of real products.

Lasting faults change what the box sends until they are switched off; momentary ones happen once.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from eebus.errors import LocalError
from eebus.ids import Ski
from eebus.io.link import Link, LinkEvent
from eebus.simulator import habits

_REORDER_WAIT_S = 0.3
"""A held datagram goes out by then when no other one overtakes it."""
_DATA = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the menu."""

    name: str
    text: str
    """What the box does, as one line."""
    lasting: bool = True
    takes_seconds: bool = False


LOST_HEARTBEAT = Fault("lost-heartbeat", "sends no heartbeat any more, everything else goes on")
CLOCK_JUMP = Fault("clock-jump", "has a wrong date and time", takes_seconds=True)
HALF_OPEN = Fault(
    "half-open", "neither reads nor answers, not even pings; the TCP connection stays up", lasting=False
)
VANISH = Fault("vanish", "drops its TCP connections without a word", lasting=False)
CUT_IN_FRAME = Fault(
    "cut-in-frame", "drops the connection in the middle of its next SPINE message", lasting=False
)
MUTE = Fault("mute", "sends no SPINE messages any more, while pings are answered")
NO_RESULTS = Fault("no-results", "never answers whether a request was accepted")
DUPLICATE = Fault("duplicate", "sends every SPINE message twice")
REORDER = Fault("reorder", "swaps each two SPINE messages that follow each other")

LINE_FAULTS = (
    LOST_HEARTBEAT, HALF_OPEN, VANISH, CUT_IN_FRAME, MUTE, NO_RESULTS, DUPLICATE, REORDER, CLOCK_JUMP,
)  # fmt: skip
FAULTS: Mapping[str, Fault] = {
    fault.name: fault for fault in (*LINE_FAULTS, *(Fault(habit.name, habit.text) for habit in habits.HABITS))
}
"""The whole menu."""


@runtime_checkable
class Breakable(Protocol):
    """A link that can be broken in the middle."""

    def freeze(self) -> None:
        """From now on neither read nor write."""

    def cut_inside(self, message: bytes) -> None:
        """Send the first half of a message and drop the connection."""


class FaultyLine:
    """The line between a box and its partners. ``wrap`` is a ``LinkWrapper`` for the node of the box."""

    def __init__(self, inner: Callable[[Link, Ski], Link]) -> None:
        """``inner`` wraps what is really sent, for example with a recorder."""
        self._inner = inner
        self._active: set[str] = set()
        self._links: set[_FaultyLink] = set()

    @property
    def active(self) -> frozenset[str]:
        """The lasting faults that are switched on."""
        return frozenset(self._active)

    def switch(self, fault: Fault, on: bool) -> None:
        """Begin or end a lasting fault."""
        if on:
            self._active.add(fault.name)
        else:
            self._active.discard(fault.name)

    def break_now(self, fault: Fault) -> None:
        """Let a momentary fault happen on every open connection. Raises LocalError when there is none."""
        if not self._links:
            raise LocalError("there is no connection that could break")
        for link in tuple(self._links):
            if fault is VANISH:
                link.abort()
            elif fault is HALF_OPEN:
                link.freeze()
            else:
                link.cut_at_next_datagram = True

    def wrap(self, link: Link, peer: Ski) -> Link:
        """The link of a new connection, as broken as the menu says."""
        made = _FaultyLink(link, self._inner(link, peer), self)
        self._links.add(made)
        return made

    def gone(self, link: "_FaultyLink") -> None:
        """A connection is over."""
        self._links.discard(link)

    def sent_as(self, message: bytes) -> list[bytes]:
        """What is sent in place of a message, for all faults but those of order."""
        for habit in habits.HABITS:
            if habit.name in self._active:
                message = habit.change(message)
        if message[0] != _DATA:
            return [message]
        if MUTE.name in self._active or (NO_RESULTS.name in self._active and habits.is_result(message)):
            return []
        return [message, message] if DUPLICATE.name in self._active else [message]


class _FaultyLink:
    """One connection over a faulty line."""

    def __init__(self, bare: Link, recorded: Link, line: FaultyLine) -> None:
        self._bare = bare
        self._link = recorded
        self._line = line
        self._held: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self.cut_at_next_datagram = False

    async def receive(self) -> LinkEvent:
        return await self._link.receive()

    def send(self, message: bytes) -> None:
        is_data = message[0] == _DATA
        if is_data and self.cut_at_next_datagram and isinstance(self._bare, Breakable):
            self._bare.cut_inside(message)
            return
        for changed in self._line.sent_as(message):
            if is_data and REORDER.name in self._line.active:
                self._swap(changed)
            else:
                self._link.send(changed)

    def freeze(self) -> None:
        """Stop everything but the TCP connection."""
        if isinstance(self._bare, Breakable):
            self._bare.freeze()

    def close(self, code: int | None, reason: str) -> None:
        self._release()
        self._link.close(code, reason)

    def abort(self) -> None:
        self._line.gone(self)
        if self._timer is not None:
            self._timer.cancel()
        self._link.abort()

    def full_pace(self) -> None:
        self._link.full_pace()

    @property
    def ping_overdue(self) -> bool:
        return self._link.ping_overdue

    @property
    def local_address(self) -> str | None:
        return self._link.local_address

    def _swap(self, message: bytes) -> None:
        if self._held:
            self._link.send(message)
            self._release()
        else:
            self._held.append(message)
            self._timer = asyncio.get_running_loop().call_later(_REORDER_WAIT_S, self._release)

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._held:
            self._link.send(self._held.pop())
