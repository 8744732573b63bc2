"""The order in which the effects of the SPINE node are carried out, with a disk that takes its time."""

import asyncio
import io
import json
from dataclasses import dataclass, field

import pytest

from eebus.clock import FakeClock
from eebus.ids import Ski
from eebus.io.recorder import FrameRecorder
from eebus.io.turns import TurnRunner
from eebus.spine.effects import ClosePeer, Emit, Persist, SendDatagram

_SKI = Ski("a" * 40)


@dataclass
class _Owner:
    """Writes down what happens, in order."""

    happened: list[object] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    disk: asyncio.Event = field(default_factory=asyncio.Event)
    full: bool = False

    def emit(self, event: object) -> None:
        self.happened.append(event)

    def send_datagram(self, ski: Ski, datagram: bytes) -> None:
        if datagram == b"broken":
            raise RuntimeError("broken")
        self.happened.append(datagram)

    def close_peer(self, ski: Ski, text: str) -> None:
        self.happened.append(text)

    def stored(self, token: int, ok: bool) -> None:
        self.happened.append((token, ok))

    def fail(self, error: BaseException) -> None:
        self.failures.append(error)

    async def persist(self, record: object) -> None:
        await self.disk.wait()
        if self.full:
            raise OSError("disk full")
        self.happened.append(record)


def _runner() -> tuple[_Owner, TurnRunner]:
    owner = _Owner()
    return owner, TurnRunner(owner, owner.persist)


async def test_without_a_record_everything_happens_at_once() -> None:
    owner, runner = _runner()
    runner.submit([Emit("event"), SendDatagram(_SKI, b"one"), ClosePeer(_SKI, "bye")])
    assert owner.happened == ["event", b"one", "bye"]
    await asyncio.wait_for(runner.settled(), 1)


async def test_the_acknowledgement_follows_the_record() -> None:
    owner, runner = _runner()
    runner.submit([Emit("event"), Persist("record", 5.0, None), SendDatagram(_SKI, b"ack")])
    assert owner.happened == ["event"]
    owner.disk.set()
    await asyncio.wait_for(runner.settled(), 1)
    assert owner.happened == ["event", "record", b"ack"]


async def test_after_the_grace_the_acknowledgement_goes_out_and_the_record_is_still_stored() -> None:
    owner, runner = _runner()
    runner.submit([Persist("record", 0.02, None), SendDatagram(_SKI, b"ack")])
    await asyncio.wait_for(runner.settled(), 1)
    assert owner.happened == [b"ack"]
    owner.disk.set()
    await runner.close(1.0)
    assert owner.happened == [b"ack", "record"]


async def test_a_later_turn_queues_behind_the_record_but_its_event_does_not_wait() -> None:
    owner, runner = _runner()
    runner.submit([Persist("first", 5.0, None), SendDatagram(_SKI, b"ack 1")])
    runner.submit([Emit("event 2"), Persist("second", 5.0, None), Emit("late"), SendDatagram(_SKI, b"ack 2")])
    assert owner.happened == ["event 2"]
    owner.disk.set()
    await asyncio.wait_for(runner.settled(), 1)
    assert owner.happened == ["event 2", "first", b"ack 1", "second", "late", b"ack 2"]


async def test_a_record_that_cannot_be_stored_holds_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    owner, runner = _runner()
    owner.full = True
    owner.disk.set()
    runner.submit([Persist("record", 5.0, None), SendDatagram(_SKI, b"ack")])
    await asyncio.wait_for(runner.settled(), 1)
    assert owner.happened == [b"ack"]
    assert "could not store" in caplog.text


@pytest.mark.parametrize("full", [False, True])
async def test_the_outcome_of_a_record_with_a_token_is_reported_and_holds_nothing_back(full: bool) -> None:
    owner, runner = _runner()
    owner.full = full
    runner.submit([Persist("record", None, 7), SendDatagram(_SKI, b"other")])
    assert owner.happened == [b"other"]
    owner.disk.set()
    await runner.close(1.0)
    assert owner.happened[-1] == (7, not full)


async def test_what_breaks_is_reported_and_blocks_nobody() -> None:
    owner, runner = _runner()
    runner.submit([SendDatagram(_SKI, b"broken"), SendDatagram(_SKI, b"never")])
    assert [str(error) for error in owner.failures] == ["broken"]
    await asyncio.wait_for(runner.settled(), 1)
    assert owner.happened == []


def test_messages_are_recorded_as_lines() -> None:
    file = io.StringIO()
    clock = FakeClock()
    recorder = FrameRecorder(file, "house", clock)
    recorder.record("box", b"\x00\x00", sent=False)
    clock.advance(0.25)
    recorder.record("box", b'\x01{"a":"\xc3\xa4"}', sent=True)
    recorder.record("box", b"", sent=False)
    first, second, empty = map(json.loads, file.getvalue().splitlines())
    assert first == {"t": 0.0, "from": "box", "to": "house", "layer": "ship-init", "type": 0, "text": "\x00"}
    assert (second["t"], second["from"], second["layer"], second["text"]) == (
        0.25,
        "house",
        "ship-control",
        '{"a":"ä"}',
    )
    assert (empty["type"], empty["layer"]) == (-1, "unknown")


def test_a_full_disk_ends_the_record_only(caplog: pytest.LogCaptureFixture) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError("disk full")

    recorder = FrameRecorder(Full(), "house", FakeClock())
    for _ in range(3):
        recorder.record("box", b"\x00\x00", sent=False)
    assert caplog.text.count("no longer recorded") == 1
