"""Whole nodes over links in memory: network faults, double connections, a slow disk, hostile frames."""

import asyncio
from collections.abc import Callable

import pytest

from eebus.clock import FakeClock
from eebus.errors import RemoteError
from eebus.ids import PeerRole
from eebus.io.events import ConnectionEnded, PairingRequested, PeerConnected, PeerDisconnected
from eebus.io.link import BinaryMessage, LinkClosed
from eebus.io.memory import MemoryLink
from eebus.ship.connection import ShipConnection, ShipEffect, ShipRole
from eebus.ship.effects import EndCause
from eebus.ship.identity import PeerCertificate
from eebus.usecases.energy_guard import Limit, SystemReady, WriteAnswered
from eebus.usecases.events import OrderReceived, PersistFailsafe, PersistOrder
from eebus.usecases.house import ControlBox
from eebus.usecases.limitation import Direction as Flow
from tests.integration.eebus_io.stations import (
    LIMIT_S,
    SILENT,
    Station,
    control_box,
    gateway,
    joined,
    raw_client,
    until,
)

_HELLO = b'\x01{"connectionHello":[{"phase":"ready"},{"waiting":60000}]}'
_ANNOUNCE = (
    b'\x01{"messageProtocolHandshake":[{"handshakeType":"announceMax"},{"version":[{"major":1},{"minor":0}]},'
    b'{"formats":[{"format":["JSON-UTF8"]}]}]}'
)
_SELECT = _ANNOUNCE.replace(b"announceMax", b"select")
_PIN = b'\x01{"connectionPinState":[{"pinState":"none"}]}'
_DATA = b'\x02{"data":[{"header":[{"protocolId":"ee1.0"}]},{"payload":{"datagram":'
_ASK_ID = b'\x01{"accessMethodsRequest":[]}'


def _paired() -> tuple[Station, Station]:
    house, box = gateway(settings=SILENT), control_box(settings=SILENT)
    house.trusts(box, PeerRole.CONTROL_BOX)
    box.trusts(house, PeerRole.DEVICE)
    return house, box


def _write(box: Station, value_w: float) -> None:
    assert isinstance(box.device, ControlBox)
    guard = box.device.energy_guard
    box.node.act(lambda turn: guard.write_limit(Flow.CONSUMPTION, Limit(True, value_w), turn))


def _phases(station: Station) -> list[str]:
    return [item.phase.name for item in station.node.snapshot().connections]


async def _next(link: MemoryLink, condition: Callable[[bytes], bool] = lambda _data: True) -> bytes:
    async with asyncio.timeout(LIMIT_S):
        while True:
            event = await link.receive()
            assert isinstance(event, BinaryMessage), event
            if condition(event.data):
                return event.data


async def _closed(link: MemoryLink) -> LinkClosed:
    async with asyncio.timeout(LIMIT_S):
        while True:
            event = await link.receive()
            if isinstance(event, LinkClosed):
                return event


async def _to_data_exchange(link: MemoryLink) -> None:
    """Play the client until the server is in data exchange."""
    link.send(b"\x00\x00")
    for message in (_HELLO, _ANNOUNCE, _SELECT, _PIN):
        link.send(message)
    await _next(link, lambda data: b"nodeManagementDetailedDiscoveryData" in data)


async def test_a_limit_travels_over_a_link_in_memory() -> None:
    house, box = _paired()
    async with house.running(), box.running(), joined(box, house):
        await box.event(SystemReady)
        _write(box, 4200.0)
        assert (await box.event(WriteAnswered)).accepted


async def test_a_cut_is_noticed_on_both_sides() -> None:
    house, box = _paired()
    async with house.running(), box.running(), joined(box, house) as (link, _):
        await box.event(SystemReady)
        link.cut()
        assert (await box.event(ConnectionEnded)).cause is EndCause.TRANSPORT_LOST
        assert (await house.event(PeerDisconnected)).ski == box.ski


async def test_held_messages_arrive_in_their_order() -> None:
    house, box = _paired()
    async with house.running(), box.running(), joined(box, house) as (link, _):
        await box.event(SystemReady)
        link.hold()
        for value_w in (1000.0, 2000.0, 3000.0):
            _write(box, value_w)
        assert not any(isinstance(event, OrderReceived) for event in house.events)
        link.release()
        orders = [(await house.event(OrderReceived)).value_w for _ in range(3)]
        assert orders == [1000.0, 2000.0, 3000.0]


async def test_a_dropped_message_costs_its_answer_only() -> None:
    house, box = _paired()
    house.clock = box.clock = clock = FakeClock()
    async with house.running(), box.running(), joined(box, house) as (link, _):
        await box.event(SystemReady)
        link.drop(lambda message: b"loadControlLimitListData" in message)
        _write(box, 1000.0)
        link.drop(lambda _message: False)
        clock.advance(11)
        box.node.keep_time()
        lost = await box.event(WriteAnswered)
        assert not lost.accepted
        assert lost.error_number is None
        _write(box, 2000.0)
        assert (await box.event(WriteAnswered)).accepted


# -- double connections (SHIP 12.4) ------------------------------------------------------------------


async def test_12_4_5_the_session_moves_to_the_survivor_and_begins_anew() -> None:
    house, box = _paired()
    async with house.running(), box.running(), joined(box, house) as (first, _):
        await box.event(SystemReady)
        async with joined(box, house):
            await until(lambda: _phases(house) == ["DATA", "DATA"])
            assert [item.carries_spine for item in house.node.snapshot().connections] == [True, False]
            first.cut()
            moved = await house.event(PeerConnected, lambda event: event.again)
            assert moved.ski == box.ski
            assert not any(isinstance(event, PeerDisconnected) for event in house.events)
            await box.event(SystemReady)
            _write(box, 4200.0)
            assert (await box.event(WriteAnswered)).accepted


async def test_12_4_6_a_survivor_that_went_mute_after_a_loss_is_closed() -> None:
    house, box = _paired()
    house.clock = box.clock = clock = FakeClock()
    async with house.running() as node, box.running():
        async with joined(box, house) as (link, _):
            await box.event(SystemReady)
            link.cut()
        async with joined(box, house) as (link, _):
            await box.event(SystemReady)
            for _ in range(4):  # answered probes harm nothing
                clock.advance(15)
                node.keep_time()
                await asyncio.sleep(0.01)
            assert node.snapshot().connections[0].carries_spine
            link.drop(lambda _message: True)
            for _ in range(4):
                clock.advance(11)
                node.keep_time()
                await asyncio.sleep(0.01)
            assert (await house.event(ConnectionEnded)).cause is EndCause.TRANSPORT_LOST  # the first one
            assert (await house.event(ConnectionEnded)).cause is EndCause.LOCAL_CLOSE


async def test_12_4_6_a_survivor_that_is_mute_from_the_start_is_closed_after_10_s() -> None:
    house, box = _paired()
    house.clock = box.clock = clock = FakeClock()
    async with house.running() as node, box.running(), joined(box, house) as (first, _):
        await box.event(SystemReady)
        async with joined(box, house) as (second, _):
            await until(lambda: _phases(house) == ["DATA", "DATA"])
            second.drop(lambda _message: True)
            first.cut()
            await house.event(PeerConnected, lambda event: event.again)
            clock.advance(11)
            node.keep_time()
            assert (await house.event(PeerDisconnected)).ski == box.ski


async def test_12_4_6_the_session_is_probed_when_a_duplicate_has_gone() -> None:
    house, box = _paired()
    sent: list[bytes] = []

    def watch(message: bytes) -> bool:
        sent.append(message)
        return False

    async with house.running(), box.running(), joined(box, house) as (_, first):
        await box.event(SystemReady)
        async with joined(box, house):
            await until(lambda: _phases(house) == ["DATA", "DATA"])
            await asyncio.sleep(0.05)  # all that the first session had to say is said
            first.drop(watch)
        await until(lambda: any(b"nodeManagementDetailedDiscoveryData" in message for message in sent))


async def test_12_4_4_after_the_settle_time_only_the_newest_connection_is_left() -> None:
    house, box = _paired()
    house.clock = box.clock = clock = FakeClock()
    async with house.running(), box.running(), joined(box, house):
        await box.event(SystemReady)
        clock.advance(1)
        async with joined(box, house):
            await until(lambda: _phases(house) == ["DATA", "DATA"])
            for _ in range(8):
                clock.advance(0.6)
                house.node.keep_time()
                box.node.keep_time()
                await asyncio.sleep(0.02)
            await until(lambda: len(house.node.snapshot().connections) == 1)
            (left,) = house.node.snapshot().connections
            assert left.carries_spine
            assert left.opened_at == 1001.0


# -- the disk ----------------------------------------------------------------------------------------


@pytest.mark.alone
async def test_a_stuck_disk_delays_the_answer_by_the_grace_and_never_the_effect() -> None:
    """Trap SPINE G5: an answer that comes after 10 s is an error at the box."""
    house, box = _paired()
    released = asyncio.Event()

    async def stuck(record: object) -> None:
        if isinstance(record, PersistOrder):
            await released.wait()
        house.stored.append(record)

    house.store = stuck  # type: ignore[method-assign]
    async with house.running(), box.running(), joined(box, house):
        await box.event(SystemReady)
        started = asyncio.get_running_loop().time()
        _write(box, 4200.0)
        await house.event(OrderReceived)
        effective = asyncio.get_running_loop().time() - started
        assert (await box.event(WriteAnswered)).accepted
        answered = asyncio.get_running_loop().time() - started
        assert effective < 0.15
        assert 0.19 < answered < 1.5
        assert not any(isinstance(record, PersistOrder) for record in house.stored)
        released.set()


async def test_a_failsafe_value_that_cannot_be_stored_is_refused() -> None:
    house, box = _paired()

    def full(record: object) -> None:
        if isinstance(record, PersistFailsafe):
            raise OSError("disk full")

    house.storing = full
    async with house.running(), box.running(), joined(box, house):
        await box.event(SystemReady)
        _write(box, 4200.0)  # values are taken only from a guard that is in control
        assert (await box.event(WriteAnswered)).accepted
        assert isinstance(box.device, ControlBox)
        guard = box.device.energy_guard
        box.node.act(lambda turn: guard.write_failsafe(turn, limits_w={Flow.CONSUMPTION: 5000.0}))
        refused = await box.event(WriteAnswered)
        assert not refused.accepted
        assert "stored" in refused.text
        house.storing = lambda _record: None
        box.node.act(lambda turn: guard.write_failsafe(turn, limits_w={Flow.CONSUMPTION: 5000.0}))
        assert (await box.event(WriteAnswered)).accepted


# -- strangers ---------------------------------------------------------------------------------------


async def test_strangers_are_bounded_in_total_per_address_and_per_SKI() -> None:
    house = gateway(settings=SILENT)
    async with house.running() as node:
        tasks = []
        refusals = 0
        for number in range(200):
            peer = PeerCertificate(control_box(settings=SILENT).ski, "") if number == 0 else _made_up(number)
            theirs = MemoryLink()
            task = asyncio.create_task(node.attach(ShipRole.SERVER, theirs, peer, f"10.0.0.{number % 100}"))
            await asyncio.sleep(0)
            if task.done():
                assert isinstance(task.exception(), RemoteError)
                refusals += 1
            else:
                tasks.append((task, theirs))
        assert len(node.snapshot().connections) == len(tasks) == 6
        assert refusals == 194
        assert len(node.snapshot().pairing_requests) <= 16
        for _task, link in tasks:
            link.abort()
        await asyncio.gather(*(task for task, _link in tasks))
        assert node.snapshot().connections == ()


def _made_up(number: int) -> PeerCertificate:
    return PeerCertificate(f"{number:040x}", f"{number:064x}")  # type: ignore[arg-type]


async def test_a_key_that_changed_under_a_trusted_SKI_is_refused() -> None:
    house, box = _paired()
    house.trust = house.trust.learn(box.ski, public_key_sha256=box.identity.public_key_sha256)
    async with house.running() as node:
        with pytest.raises(RemoteError, match="another key"):
            await node.attach(ShipRole.SERVER, MemoryLink(), PeerCertificate(box.ski, "f" * 64), "memory")


async def test_our_own_certificate_is_refused() -> None:
    house = gateway(settings=SILENT)
    async with house.running() as node:
        own = PeerCertificate(house.ski, house.identity.public_key_sha256)
        with pytest.raises(RemoteError, match="own SKI"):
            await node.attach(ShipRole.SERVER, MemoryLink(), own, "memory")


# -- peers that stall or send rubbish ----------------------------------------------------------------


@pytest.mark.parametrize("said", [0, 1, 2, 3, 4])
async def test_a_peer_that_stalls_in_the_handshake_is_dropped(said: int) -> None:
    house, box = _paired()
    house.clock = clock = FakeClock()
    async with house.running() as node, raw_client(house, box) as link:
        for message in (b"\x00\x00", _HELLO, _ANNOUNCE, _SELECT)[:said]:
            link.send(message)
        for _ in range(25):
            await asyncio.sleep(0.002)
            clock.advance(30)
            node.keep_time()
        await _closed(link)
    assert node.snapshot().connections == ()


async def test_an_undecided_peer_is_not_kept_for_ever() -> None:
    house, box = gateway(settings=SILENT), control_box(settings=SILENT)
    house.clock = clock = FakeClock()
    async with house.running() as node, raw_client(house, box) as link:
        link.send(b"\x00\x00")
        link.send(_HELLO)
        await house.event(PairingRequested)
        for _ in range(25):
            await asyncio.sleep(0.002)
            clock.advance(30)
            node.keep_time()
        await _closed(link)
        assert not node.snapshot().pairing_requests[0].connected


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x02",
        b"\xff\x00",
        b"\x01" + b"[" * 100_000,
        b"\x02" + b'{"data":' * 5000 + b"1" + b"}" * 5000,
        b"\x01\xff\xfe\xfd",
        _DATA + b"[]}}]}",
        _DATA + b"42}}]}",
        b'\x02{"data":[{"header":[{"protocolId":"xx9.9"}]},{"payload":{"datagram":[]}}]}',
        b"\x02"
        + b'{"data":[{"header":[{"protocolId":"ee1.0"}]},{"payload":{"datagram":['
        + b"{}," * 60_000
        + b"{}]}}]}",
        b'\x03{"connectionClose":[{"phase":"dance"}]}',
    ],
    ids=lambda message: repr(message[:24]),
)
async def test_rubbish_in_the_data_exchange_hurts_nobody_but_its_connection(
    message: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    house, box = _paired()
    async with house.running() as node, raw_client(house, box) as link:
        await _to_data_exchange(link)
        link.send(message)
        link.send(_ASK_ID)
        async with asyncio.timeout(LIMIT_S):
            while True:
                event = await link.receive()
                if isinstance(event, LinkClosed) or b'"accessMethods":' in event.data:  # type: ignore[union-attr]
                    break
        assert node.snapshot().ski == house.ski
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_mistake_of_ours_in_one_connection_ends_that_connection_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(_self: ShipConnection, _message: bytes, _now: float) -> list[ShipEffect]:
        raise RuntimeError("a mistake of ours")

    house, box = _paired()
    async with house.running() as node, box.running():
        async with raw_client(house, box) as link:
            with monkeypatch.context() as patch:
                patch.setattr(ShipConnection, "receive", break_down)
                link.send(b"\x00\x00")
                await _closed(link)
        assert "a mistake of ours" in caplog.text
        async with joined(box, house):
            await box.event(SystemReady)
        assert node.snapshot().trusted


async def test_a_text_message_closes_with_1003() -> None:
    house, box = _paired()
    async with house.running(), raw_client(house, box) as link:
        await _to_data_exchange(link)
        link.send_text()
        assert (await _closed(link)).code == 1003
