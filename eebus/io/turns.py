"""Carries out what the SPINE node asks for, in exactly its order, without ever making it wait.

Events reach the application at once. A record that must be on disk first holds back what comes after it, but
only as long as its grace allows; the next turn of the node may come in the meantime and queues behind.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from eebus.ids import Ski
from eebus.spine.effects import ClosePeer, Emit, Persist, SendDatagram, SpineEffect

_log = logging.getLogger(__name__)


class TurnOwner(Protocol):
    """The node, as seen from its effects."""

    def emit(self, event: object) -> None:
        """Give an event to the application."""

    def send_datagram(self, ski: Ski, datagram: bytes) -> None:
        """Send to the peer's connection, if it still has one."""

    def close_peer(self, ski: Ski, text: str) -> None:
        """End the peer's connections."""

    def stored(self, token: int, ok: bool) -> None:
        """A record with a token is on disk, or could not be brought there."""

    def fail(self, error: BaseException) -> None:
        """The core or the application broke: end the node."""


class TurnRunner:
    """Executes effects in order."""

    def __init__(self, owner: TurnOwner, persist: Callable[[object], Awaitable[None]]) -> None:
        self._owner = owner
        self._persist = persist
        self._queue: deque[SpineEffect] = deque()
        self._holding: asyncio.Task[bool] | None = None
        self._stores: set[asyncio.Task[bool]] = set()
        self._settled = asyncio.Event()
        self._settled.set()

    def submit(self, effects: Sequence[SpineEffect]) -> None:
        """Carry out one turn; returns when everything is done or waits its turn behind a record."""
        urgent = 0
        if self._queue or self._holding is not None:
            while urgent < len(effects) and isinstance(effects[urgent], Emit):
                self._perform(effects[urgent])
                urgent += 1
        self._queue.extend(effects[urgent:])
        self._advance()

    async def settled(self) -> None:
        """Wait until nothing is held back any more."""
        await self._settled.wait()

    async def close(self, wait_s: float) -> None:
        """Give records that are under way the time to reach the disk."""
        if self._stores:
            await asyncio.wait(self._stores, timeout=wait_s)
        for task in self._stores:
            task.cancel()

    def _advance(self) -> None:
        try:
            while self._queue and self._holding is None:
                self._perform(self._queue.popleft())
        except Exception as error:  # whatever broke, the owner has to know
            self._queue.clear()
            self._owner.fail(error)
        if self._queue or self._holding is not None:
            self._settled.clear()
        else:
            self._settled.set()

    def _perform(self, effect: SpineEffect) -> None:
        match effect:
            case Emit(event):
                self._owner.emit(event)
            case SendDatagram(ski, datagram):
                self._owner.send_datagram(ski, datagram)
            case ClosePeer(ski, text):
                self._owner.close_peer(ski, text)
            case Persist():
                self._store(effect)

    def _store(self, effect: Persist) -> None:
        task = asyncio.get_running_loop().create_task(self._try_to_store(effect.record))
        self._stores.add(task)
        task.add_done_callback(self._stores.discard)
        if (token := effect.token) is not None:
            task.add_done_callback(lambda done: self._report(token, done))
            return
        self._holding = task
        task.add_done_callback(self._let_go)
        if effect.grace_s is not None:
            timer = asyncio.get_running_loop().call_later(effect.grace_s, self._run_out, task, effect.record)
            task.add_done_callback(lambda _done: timer.cancel())

    async def _try_to_store(self, record: object) -> bool:
        try:
            await self._persist(record)
        except Exception as error:  # a full or broken disk must not stop the node
            _log.error("could not store %s: %s", type(record).__name__, error or type(error).__name__)
            return False
        return True

    def _report(self, token: int, done: asyncio.Task[bool]) -> None:
        if not done.cancelled():
            self._owner.stored(token, done.result())

    def _run_out(self, task: asyncio.Task[bool], record: object) -> None:
        _log.warning("the disk is slow: %s is acknowledged before it is stored", type(record).__name__)
        self._let_go(task)

    def _let_go(self, task: asyncio.Task[bool]) -> None:
        if self._holding is task:
            self._holding = None
            self._advance()
