"""The loop around the contacts: what it passes on, in which order, and what it tells of unknown inputs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import pytest

from eebus.clock import FakeClock
from hems.control.contacts_runner import ContactsRunner
from hems.devices import ContactState
from hems.limits.ceilings import Ceiling
from hems.limits.sources.relay import RelaySettings, RelaySource, dim_and_release, single_contact
from hems.limits.sources.relay_inputs import InputSettings, Signal, Standin

KEPT = InputSettings(signal=Signal.PULSE, debounce_s=0.0, at_start=Standin.KEEP)


class ScriptedContacts:
    """Contacts that show one state after the other, and stop their runner after the last."""

    name = "box"

    def __init__(self, clock: FakeClock, *script: Mapping[str, bool | None], why: str = "") -> None:
        self._clock = clock
        self._script = list(script)
        self._why = why
        self.at_end: Callable[[], None] = lambda: None

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self._script[0])

    async def connect(self) -> None:
        pass

    async def read(self) -> dict[str, ContactState]:
        closed = self._script.pop(0)
        if not self._script:
            self.at_end()
        now = self._clock.monotonic()
        return {
            name: ContactState(state, now, self._why if state is None else "")
            for name, state in closed.items()
        }

    async def close(self) -> None:
        pass


async def run(
    contacts: ScriptedContacts,
    source: RelaySource,
    clock: FakeClock,
    heard: list[object],
    keep_pulse: Callable[[str, str], Awaitable[None]],
) -> ContactsRunner:
    def deliver(ceilings: list[Ceiling]) -> None:
        heard.extend(ceiling.value_w for ceiling in ceilings)

    runner = ContactsRunner(contacts, source, clock, deliver, keep_pulse)
    contacts.at_end = runner.bell.stop
    await asyncio.wait_for(runner.run(), 10.0)
    return runner


async def test_a_pulse_is_stored_before_it_counts() -> None:
    clock, heard = FakeClock(), list[object]()

    async def keep_pulse(group: str, name: str) -> None:
        heard.append(f"{group}: {name} stored")

    rest, dim = {"dim": False, "release": False}, {"dim": True, "release": False}
    source = RelaySource(
        RelaySettings("box", dim_and_release(4200.0), 0.0, {"dim": KEPT, "release": KEPT}), "release"
    )
    await run(ScriptedContacts(clock, rest, dim, rest), source, clock, heard, keep_pulse)
    assert heard == [None, "box: dim stored", 4200.0]


async def test_an_unknown_input_is_named_once_and_again_when_it_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, heard = FakeClock(), list[object]()

    async def keep_pulse(_group: str, _name: str) -> None:
        raise AssertionError("there are no pulses")

    source = RelaySource(RelaySettings("box", single_contact(4200.0), 0.0))
    unknown, known = {"dim": None}, {"dim": False}
    contacts = ScriptedContacts(clock, unknown, unknown, known, why="nothing was heard on io/dim")
    with caplog.at_level(logging.INFO):
        runner = await run(contacts, source, clock, heard, keep_pulse)
    assert [record.getMessage() for record in caplog.records] == [
        "box is connected",
        "box cannot be read completely: nothing was heard on io/dim",
        "box can be read completely again",
    ]
    assert runner.trouble == ""
