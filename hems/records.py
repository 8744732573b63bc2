"""Everything that the gateway keeps on disk, and what the EEBUS node asks to be kept there."""

import asyncio
import logging
from pathlib import Path

from eebus.io.events import PersistPairing, PersistTrust
from eebus.usecases.events import PersistFailsafe, PersistOrder
from hems.journal.file import files_set_aside
from hems.journal.journal import Journal
from hems.journal.reading import Event, JournalReader
from hems.journal.record import Entry
from hems.store.disk import Disk
from hems.store.errors import StoreError
from hems.store.state import StateStore

_logger = logging.getLogger(__name__)

_ORDER_WAIT_S = 5.0
_PULSE_WAIT_S = 0.2
_LAST_WAIT_S = 5.0


class Records:
    """state.db and journal.db behind one disk thread."""

    def __init__(self, directory: Path, disk: Disk, state: StateStore, journal: Journal) -> None:
        self._directory = directory
        self._disk = disk
        self._journal = journal
        self._set_aside: tuple[str, ...] = ()
        self._looking: asyncio.Task[None] | None = None
        self._reader = JournalReader(directory)
        self.state = state

    @classmethod
    async def open(cls, directory: Path, device: str, disk: Disk, state: StateStore) -> "Records":
        """Open journal.db of the gateway `device` beside state.db. Raises StoreError."""
        records = cls(directory, disk, state, await Journal.open(directory, disk, device))
        await records._look_for_damaged()
        return records

    def append(self, entry: Entry) -> None:
        """Add to the journal; never waits."""
        self._journal.append(entry)

    async def open_events(self) -> list[Event]:
        """What a gateway that was killed has left open; nothing where the journal cannot tell it now."""
        try:
            return await self._disk.call(self._reader.open_events)
        except StoreError as error:  # limits come first
            _logger.error("Which orders were open is not known: %s", error)
            return []

    async def newest_events(self, count: int) -> list[Event]:
        """The newest orders and self-imposed phases, the newest first. Raises StoreError."""
        if not self._journal.trouble:
            await self._journal.flush(_ORDER_WAIT_S)
        return await self._disk.call(lambda: self._reader.events(count))

    async def persist(self, record: object) -> None:
        """Store what the EEBUS node asks for; returns after it is on disk. Raises StoreError."""
        match record:
            case PersistOrder(order):
                self.state.note_order(order)
                await self._flush(_ORDER_WAIT_S)
            case PersistFailsafe():
                await self.state.put_failsafe(record)
            case PersistTrust(trust):
                await self.state.put_trust(trust)
            case PersistPairing(memory):
                await self.state.put_pairing_memory(memory)
            case _:
                raise StoreError(f"{type(record).__name__} is nothing that can be stored")

    async def keep_relay_pulse(self, relays: str, name: str) -> None:
        """Store which input of a group of relays was pulsed before it counts; a stuck disk delays an order
        by the same grace as one of the Steuerbox, and no longer.
        """
        try:
            stored = await self.state.keep_relay_pulse(relays, name, _PULSE_WAIT_S)
        except StoreError as error:
            _logger.error("relays %s: the pulse of %s cannot be stored: %s", relays, name, error)
            return
        if not stored:
            _logger.error("relays %s: the pulse of %s counts, but is not on disk yet", relays, name)

    def troubles(self) -> list[str]:
        """What is wrong with the disk, in plain words."""
        health, found = self._disk.health(), []
        if not health.good and (not health.trouble or health.trouble != self.state.trouble):
            found.append(f"the disk: {health.trouble or f'{health.waiting} changes wait to be written'}")
        if self.state.trouble:
            found.append(f"nothing can be stored: {self.state.trouble}")
        if self._journal.trouble:
            waiting = (
                f"{self._journal.waiting} entries wait" if self._journal.waiting else "nothing waits yet"
            )
            found.append(f"the journal cannot be written: {self._journal.trouble}; {waiting}")
        if self._journal.lost_file:
            found.append(f"what is recorded is lost: {self._journal.lost_file}")
        found += [
            f"the journal was damaged and began anew: keep a copy of {name} elsewhere, then delete it in "
            f"{self._directory}"
            for name in self._set_aside
        ]
        if self._journal.lost:
            found.append(f"{self._journal.lost} journal entries are lost")
        return found

    def look_again(self) -> None:
        """Look, without waiting, whether somebody has taken care of damaged files, or taken ours away."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        await self._look_for_damaged()
        await self.state.look()
        await self._journal.look()

    async def _look_for_damaged(self) -> None:
        self._set_aside = await self._disk.call(lambda: files_set_aside(self._directory))

    async def close(self) -> None:
        """Bring the journal to disk, within a few seconds, and close it."""
        if self._looking is not None:
            self._looking.cancel()
        if not self._journal.trouble:
            await self._journal.flush(_LAST_WAIT_S)
        if self._journal.waiting:
            _logger.error("%d journal entries could not be written and are lost", self._journal.waiting)
        await self._journal.close()

    async def _flush(self, grace_s: float) -> None:
        if self._journal.trouble:
            raise StoreError(f"the journal cannot be written: {self._journal.trouble}")
        if not (await self._journal.flush(grace_s) and await self._disk.flush(grace_s)):
            raise StoreError(f"the disk did not finish within {grace_s:g} s")
