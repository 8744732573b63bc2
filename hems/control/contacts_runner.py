"""Reads a group of input contacts several times a second and passes on what it means."""

import logging
from collections.abc import Callable

from eebus.clock import Clock
from hems.control.runner import Bell, answered, keep_connected
from hems.devices import Contacts
from hems.limits.ceilings import Ceiling
from hems.limits.sources.relay import RelaySource

POLL_S = 0.1

_log = logging.getLogger(__name__)


class ContactsRunner:
    """Serves one group. While it cannot be read its source grows old by itself; nothing is done here."""

    def __init__(
        self,
        contacts: Contacts,
        source: RelaySource,
        clock: Clock,
        deliver: Callable[[list[Ceiling]], None],
    ) -> None:
        self._contacts = contacts
        self._source = source
        self._clock = clock
        self._deliver = deliver
        self.trouble = "not connected yet"
        self.bell = Bell()

    async def run(self) -> None:
        """Serve the group until its bell stops. Raises only what is a mistake of the adapter."""
        await keep_connected(self._contacts, self, self.bell)

    def connected(self) -> None:
        self.trouble = ""
        _log.info("%s is connected", self._contacts.name)

    def lost(self, text: str) -> None:
        if self.trouble != text:
            _log.warning("%s is not reachable: %s", self._contacts.name, text)
        self.trouble = text

    async def serve(self) -> None:
        while not self.bell.stopping:
            states = await answered(self._contacts.name, self._contacts.read())
            changed = self._source.take(states, self._clock.monotonic())
            if changed:
                self._deliver(changed)
            await self.bell.wait(POLL_S)
