"""Unknown peers: what a thousand of them cost, and that nothing they say reaches SPINE."""

import asyncio
import contextlib
import gc
import json
import logging
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import psutil  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eebus.ids import PeerRole, Ski
from eebus.io.admission import AdmissionLimits
from eebus.io.events import PeerConnected
from eebus.io.memory import memory_pair
from eebus.ship.connection import ShipRole
from eebus.spine.stack import SpineStack
from eebus.usecases.energy_guard import SystemReady
from tests.integration.eebus_io.intruders import SCRIPT
from tests.integration.eebus_io.stations import (
    SILENT,
    Station,
    certificate,
    control_box,
    gateway,
    raw_client,
    until,
)
from tests.integration.eebus_io.test_hostile import limit, paired

_COUNT = 1000
_MOST_GROWTH_BYTES = 20 * 1024 * 1024
_OPEN_DOOR = AdmissionLimits(
    total=5000,
    per_address=5000,
    address_burst=5000,
    strangers_burst=5000,
    strangers_refill_per_s=5000.0,
    remembered_addresses=256,
)
"""So that everybody gets as far as the TLS handshake, as many at a time as our own limits would let."""


@contextlib.asynccontextmanager
async def _attack(house: Station, count: int, parallel: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.eebus_io.intruders",
        *(str(house.node.snapshot().port), house.ski, str(count), str(parallel)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined] # else its pipes outlive the loop


@dataclass
class _Memory:
    """How far the resident memory of this process rose above its beginning."""

    start: int = field(default_factory=lambda: psutil.Process().memory_info().rss)
    most: int = 0

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, psutil.Process().memory_info().rss - self.start)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("admission", "parallel"),
    [
        pytest.param(AdmissionLimits(), 50, id="as shipped"),
        pytest.param(_OPEN_DOOR, 16, id="all of them through TLS", marks=pytest.mark.slow),
    ],
)
async def test_1000_unknown_SKIs_cost_at_most_20_MB_and_the_trusted_box_is_served(
    admission: AdmissionLimits, parallel: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house, box = paired()
    house.settings = replace(house.settings, admission=admission)
    async with house.running() as node:
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)
            assert (await limit(box, 4000.0)).accepted
            gc.collect()
            memory = _Memory()
            watching = asyncio.create_task(memory.watch())
            async with _attack(house, _COUNT, parallel) as attackers:
                assert attackers.stdout is not None
                answer = asyncio.create_task(attackers.stdout.readline())
                served = 0
                while not answer.done():
                    assert (await limit(box, 4000.0 + served % 100)).accepted
                    served += 1
                    await asyncio.sleep(0.05)
                outcomes = json.loads(answer.result())
                shown = node.snapshot()
            watching.cancel()
            assert served >= 3
            assert sum(outcomes.values()) == _COUNT
            assert 0 < outcomes["WebSocket"] <= _COUNT // 4  # their places are free again after the abort
            assert len([item for item in shown.connections if not item.trusted]) <= 6
            assert len(shown.pairing_requests) <= 16
            print(f"{memory.most / 2**20:.1f} MiB, {served} limits served, {outcomes}")
            assert memory.most <= _MOST_GROWTH_BYTES, f"{memory.most / 2**20:.1f} MiB"
            await until(lambda: len(node.snapshot().connections) == 1)
            told = [record for record in caplog.records if "ended" in record.getMessage()]
            assert not told, "strangers can fill the log"
            box.node.disconnect(house.ski)
            await house.event(PeerConnected)
            await house.event(PeerConnected)


# -- nothing reaches SPINE ---------------------------------------------------------------------------


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Ski]]:
    """Everything that any SPINE stack is given from outside."""
    seen: list[tuple[str, Ski]] = []
    receive, connect = SpineStack.receive, SpineStack.connect

    def watched_receive(self: SpineStack, ski: Ski, datagram: object, now: float) -> object:
        seen.append(("receive", ski))
        return receive(self, ski, datagram, now)

    def watched_connect(self: SpineStack, peer: object, now: float) -> object:
        seen.append(("connect", peer.ski))  # type: ignore[attr-defined]
        return connect(self, peer, now)  # type: ignore[arg-type]

    monkeypatch.setattr(SpineStack, "receive", watched_receive)
    monkeypatch.setattr(SpineStack, "connect", watched_connect)
    return seen


async def test_the_watch_sees_what_a_trusted_peer_says(reached: list[tuple[str, Ski]]) -> None:
    house, box = gateway(settings=SILENT), control_box(settings=SILENT)
    house.trusts(box, PeerRole.CONTROL_BOX)
    async with house.running(), raw_client(house, box) as link:
        for message in SCRIPT:
            link.send(message)
        await until(lambda: ("receive", box.ski) in reached)
    assert ("connect", box.ski) in reached


_READ = SCRIPT[-1]


@pytest.mark.parametrize("at", range(len(SCRIPT)))
async def test_no_byte_of_an_untrusted_peer_reaches_SPINE(at: int, reached: list[tuple[str, Ski]]) -> None:
    """A datagram at each step of the handshake, then the rest of it."""
    house, stranger = gateway(settings=SILENT), control_box(settings=SILENT)
    async with house.running() as node, raw_client(house, stranger) as link:
        for message in (*SCRIPT[:at], _READ, *SCRIPT[at:], _READ):
            link.send(message)
        await asyncio.sleep(0.02)
        assert all(item.phase.name != "DATA" for item in node.snapshot().connections)
    assert reached == []


async def test_no_byte_of_a_refused_or_removed_peer_reaches_SPINE(reached: list[tuple[str, Ski]]) -> None:
    house, box = gateway(settings=SILENT), control_box(settings=SILENT)
    house.trusts(box, PeerRole.CONTROL_BOX)
    async with house.running() as node, raw_client(house, box) as link:
        for message in SCRIPT:
            link.send(message)
        await until(lambda: ("receive", box.ski) in reached)
        await node.remove(box.ski)
        reached.clear()
        link.send(_READ)
        await asyncio.sleep(0.02)
    assert reached == []


@given(
    st.lists(
        st.sampled_from((*SCRIPT, b"\xff\x00", b"\x01{", b"\x02", b'\x01{"connectionHello":[]}')), max_size=12
    )
)
@settings(max_examples=25)
def test_no_order_of_messages_carries_a_stranger_to_SPINE(messages: list[bytes]) -> None:
    reached: list[Ski] = []

    class Watched(SpineStack):
        def receive(self, ski: Ski, datagram: object, now: float) -> list[object]:  # type: ignore[override]
            reached.append(ski)
            return []

    async def play() -> None:
        house, stranger = gateway(settings=SILENT), control_box(settings=SILENT)
        async with house.running() as node:
            node._stack.__class__ = Watched
            async with raw_client(house, stranger) as link:
                for message in messages:
                    link.send(message)
                await asyncio.sleep(0.005)

    asyncio.run(play())
    assert reached == []


async def test_a_dialled_peer_that_is_not_trusted_any_more_reaches_nothing(
    reached: list[tuple[str, Ski]],
) -> None:
    """The other direction: our own connection, whose peer lost its trust on the way."""
    house, box = gateway(settings=SILENT), control_box(settings=SILENT)
    async with house.running() as node:
        ours, theirs = memory_pair()
        task = asyncio.create_task(node.attach(ShipRole.CLIENT, ours, certificate(box), "memory"))
        for message in (SCRIPT[0], SCRIPT[1], SCRIPT[3], SCRIPT[4], _READ):
            theirs.send(message)
        await asyncio.sleep(0.02)
        theirs.cut()
        await task
    assert reached == []
