"""The SHIP Pairing Service at work in a node: announcements that are up, and what was decided about them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from eebus.clock import Clock
from eebus.errors import DecodeError
from eebus.ids import Ski
from eebus.io.events import PersistPairing
from eebus.ship.identity import PeerCertificate
from eebus.ship.pairing_service import (
    Announcement,
    ControlUnit,
    PairingListener,
    PairingMemory,
    Verdict,
    arrived,
    expects,
    is_occupied,
    may_replace,
    parse_announcement,
    without_unit,
)

_log = logging.getLogger(__name__)
_MAX_ANNOUNCEMENTS = 8


@dataclass(frozen=True, slots=True)
class BoxPresence:
    """The trusted control box, if there is one, and whether it is connected now."""

    ski: Ski | None
    connected: bool


@dataclass(frozen=True, slots=True)
class _Raised:
    """An announcement that is up, and its name in DNS; a copy under another name is none of its own."""

    instance: str
    announcement: Announcement


class PairingHost:
    """Listens while it has a listener; every change of its memory is stored before it counts."""

    def __init__(
        self,
        listener: PairingListener | None,
        memory: PairingMemory,
        clock: Clock,
        persist: Callable[[object], Awaitable[None]],
    ) -> None:
        self._listener = listener
        self._memory = memory
        self._clock = clock
        self._persist = persist
        self._announcements: dict[str, _Raised] = {}
        self._judged: set[tuple[str, bool]] = set()
        self._left_at = clock.monotonic()
        self._lock = asyncio.Lock()

    @property
    def is_on(self) -> bool:
        """Whether announcements are heard."""
        return self._listener is not None

    @property
    def unit(self) -> ControlUnit | None:
        """The control unit that came, or is to come, by an announcement."""
        return self._memory.unit

    def switch(self, listener: PairingListener | None) -> None:
        """Listen from now on, or no longer. A unit that is trusted stays so."""
        self._listener = listener
        self._judged.clear()
        if listener is None:
            self._announcements.clear()

    def announced(self, instance: str, txt: Mapping[str, str]) -> None:
        """An announcement is up. Only what proves our secret takes a place: no stranger can fill them."""
        if self._listener is None:
            return
        try:
            announcement = parse_announcement(txt)
        except DecodeError as error:
            _log.debug("pairing announcement '%s' not usable: %s", instance, error)
            return
        objection = self._listener.objection(announcement)
        if objection is not None:
            self._report(announcement, objection)
            return
        self.withdrawn(instance)
        if announcement.digest not in self._announcements and len(self._announcements) < _MAX_ANNOUNCEMENTS:
            self._announcements[announcement.digest] = _Raised(instance, announcement)

    def withdrawn(self, instance: str) -> None:
        """An announcement is gone."""
        for digest, raised in list(self._announcements.items()):
            if raised.instance == instance:
                del self._announcements[digest]

    async def consider(self, box: BoxPresence) -> ControlUnit | None:
        """Judge the announcements that are up. Returns the unit that is expected now, if it is a new one."""
        if box.connected:
            self._left_at = self._clock.monotonic()
        if self._listener is None or not self._announcements:
            return None
        async with self._lock:
            for raised in list(self._announcements.values()):
                if await self._judge(raised.announcement, box):
                    return self._memory.unit
        return None

    async def _judge(self, announcement: Announcement, box: BoxPresence) -> bool:
        assert self._listener is not None
        occupied = is_occupied(
            self._memory,
            box.ski,
            connected=box.connected,
            absent_s=self._clock.monotonic() - self._left_at,
        )
        heard = self._listener.hear(announcement, self._memory, self._clock.utc_now(), occupied=occupied)
        self._report(announcement, heard.verdict)
        if heard.verdict is not Verdict.ACCEPTED:
            return False
        await self._keep(heard.memory)
        self._left_at = self._clock.monotonic()
        return True

    def _report(self, announcement: Announcement, verdict: Verdict) -> None:
        """Once for each announcement and verdict: it stays up for minutes, and is judged again and again."""
        key = (announcement.digest, verdict is Verdict.OCCUPIED)
        if key in self._judged or verdict in (Verdict.NOT_FOR_US, Verdict.REPLAYED):
            return
        if len(self._judged) > 4 * _MAX_ANNOUNCEMENTS:
            self._judged.clear()
        self._judged.add(key)
        _log.info("control unit '%s' is announced: %s", announcement.trust_id, verdict.value)

    def expects(self, peer: PeerCertificate, box: BoxPresence) -> bool:
        """Whether this is the announced unit and may have the place of the control box now."""
        if self._listener is None or not expects(self._memory, peer):
            return False
        return box.ski is None or (may_replace(self._memory, box.ski) and not box.connected)

    def awaits(self, ship_id: str) -> bool:
        """Whether a service that calls itself so may be the announced unit, whose SKI is not known yet."""
        unit = self._memory.unit
        return (
            self._listener is not None and unit is not None and unit.ski is None and unit.ship_id == ship_id
        )

    async def arrived(self, ski: Ski) -> None:
        """The announced unit is trusted now."""
        async with self._lock:
            await self._keep(arrived(self._memory, ski))

    async def distrusted(self, ski: Ski) -> None:
        """The trust in a peer has ended; its announcement cannot bring it back."""
        async with self._lock:
            changed = without_unit(self._memory, ski)
            if changed != self._memory:
                await self._keep(changed)

    async def _keep(self, memory: PairingMemory) -> None:
        await self._persist(PersistPairing(memory))
        self._memory = memory
