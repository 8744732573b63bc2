"""Everything that the gateway keeps on disk, and what the EEBUS node asks to be kept there."""

import logging
from pathlib import Path

from eebus.io.events import PersistPairing, PersistTrust
from eebus.usecases.events import PersistFailsafe, PersistOrder
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
        self._disk = disk
        self._journal = journal
        self._reader = JournalReader(directory)
        self.state = state

    @classmethod
    async def open(cls, directory: Path, device: str, disk: Disk, state: StateStore) -> "Records":
        """Open journal.db of the gateway `device` beside state.db. Raises StoreError."""
        return cls(directory, disk, state, await Journal.open(directory, disk, device))

    def append(self, entry: Entry) -> None:
        """Add to the journal; never waits."""
        self._journal.append(entry)

    async def open_events(self) -> list[Event]:
        """What a gateway that was killed has left open. Raises StoreError."""
        return await self._disk.call(self._reader.open_events)

    async def newest_events(self, count: int) -> list[Event]:
        """The newest orders and self-imposed phases, the newest first. Raises StoreError."""
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
        if not health.good:
            found.append(f"the disk: {health.trouble or f'{health.waiting} changes wait to be written'}")
        if self._journal.lost:
            found.append(f"{self._journal.lost} journal entries are lost")
        return found

    async def close(self) -> None:
        """Bring the journal to disk, within a few seconds, and close it."""
        await self._journal.flush(_LAST_WAIT_S)
        await self._journal.close()

    async def _flush(self, grace_s: float) -> None:
        if not (await self._journal.flush(grace_s) and await self._disk.flush(grace_s)):
            raise StoreError(f"the disk did not finish within {grace_s:g} s")
