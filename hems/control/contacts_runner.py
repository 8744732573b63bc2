"""Reads a group of input contacts several times a second and passes on what it means."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from eebus.clock import Clock
from hems.control.runner import Bell, answered, keep_connected
from hems.devices import Contacts, ContactState
from hems.limits.ceilings import Ceiling
from hems.limits.sources.relay import RelaySource

POLL_S = 0.1

_log = logging.getLogger(__name__)


class ContactsRunner:
    """Serves one group. While it cannot be read its source grows old by itself; nothing is done here.

    `keep_pulse` brings to disk which input of the group was pulsed; it returns within 0.2 s and never raises.
    """

    def __init__(
        self,
        contacts: Contacts,
        source: RelaySource,
        clock: Clock,
        deliver: Callable[[list[Ceiling]], None],
        keep_pulse: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._contacts = contacts
        self._source = source
        self._clock = clock
        self._deliver = deliver
        self._keep_pulse = keep_pulse
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
            self._note_unknown(states)
            self._pass_on(self._source.take(states, self._clock.monotonic()))
            if self._source.unstored_pulse is not None:
                await self._keep_pulse(self._contacts.name, self._source.unstored_pulse)
                self._pass_on(self._source.pulse_stored(self._clock.monotonic()))
            await self.bell.wait(POLL_S)

    def _note_unknown(self, states: Mapping[str, ContactState]) -> None:
        text = "; ".join(dict.fromkeys(state.why for state in states.values() if state.why))
        if text == self.trouble:
            return
        if text:
            _log.warning("%s cannot be read completely: %s", self._contacts.name, text)
        else:
            _log.info("%s can be read completely again", self._contacts.name)
        self.trouble = text

    def _pass_on(self, changed: list[Ceiling]) -> None:
        if changed:
            self._deliver(changed)
