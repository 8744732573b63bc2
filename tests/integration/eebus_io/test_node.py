"""Node against node over TLS on loopback: pairing, restarts, trust, limits, and the end of connections."""

import asyncio
from dataclasses import replace

import pytest

from eebus.errors import LocalError
from eebus.ids import PeerRole, ShipId
from eebus.io.events import (
    ConnectionEnded,
    PairingRequested,
    PeerConnected,
    PeerDisconnected,
    PeerRemovedPairing,
    PersistTrust,
    ShipIdChanged,
    ShipIdLearned,
    TrustChanged,
)
from eebus.ship.connection import Phase
from eebus.ship.effects import Direction, EndCause
from eebus.usecases.energy_guard import Limit, SystemReady, WriteAnswered
from eebus.usecases.events import OrderReceived, PersistOrder
from eebus.usecases.house import ControlBox
from eebus.usecases.limitation import Direction as Flow
from tests.integration.eebus_io.stations import Station, control_box, gateway, until


def _guard(box: Station) -> ControlBox:
    assert isinstance(box.device, ControlBox)
    return box.device


async def _limit(box: Station, value_w: float) -> WriteAnswered:
    guard = _guard(box).energy_guard
    box.node.act(lambda turn: guard.write_limit(Flow.CONSUMPTION, Limit(True, value_w), turn))
    return await box.event(WriteAnswered)


def _is_ready(box: Station) -> bool:
    try:
        box.node.act(_guard(box).energy_guard.read_back)
    except LocalError:
        return False
    return True


def _paired() -> tuple[Station, Station]:
    house, box = gateway(), control_box()
    house.trusts(box, PeerRole.CONTROL_BOX)
    box.trusts(house, PeerRole.DEVICE)
    return house, box


async def test_a_trusted_box_dials_limits_and_gets_its_answer() -> None:
    house, box = _paired()
    async with house.running():
        box.dials(house)
        async with box.running():
            connected = await house.event(PeerConnected)
            assert connected.ski == box.ski
            assert connected.role is PeerRole.CONTROL_BOX
            assert connected.direction is Direction.INCOMING
            await box.event(SystemReady)
            answer = await _limit(box, 4200.0)
            assert answer.accepted
            order = await house.event(OrderReceived)
            assert (order.peer_ski, order.value_w) == (box.ski, 4200.0)
            assert any(isinstance(record, PersistOrder) for record in house.stored)


async def test_an_unknown_box_waits_is_shown_and_works_after_accept() -> None:
    house, box = gateway(), control_box()
    box.trusts(house, PeerRole.DEVICE)
    async with house.running() as node:
        box.dials(house)
        async with box.running():
            request = await house.event(PairingRequested)
            assert request.ski == box.ski
            shown = node.snapshot()
            assert [entry.ski for entry in shown.pairing_requests] == [box.ski]
            assert shown.pairing_requests[0].connected
            assert [item.phase for item in shown.connections] == [Phase.HELLO]
            assert not any(isinstance(event, PeerConnected) for event in box.events)
            await node.accept(box.ski, PeerRole.CONTROL_BOX)
            await house.event(PeerConnected)
            await box.event(SystemReady)
            assert (await _limit(box, 5000.0)).accepted
            assert node.snapshot().pairing_requests == ()
            entry = house.trust.get(box.ski)
            assert entry is not None
            assert entry.public_key_sha256 == box.identity.public_key_sha256


async def test_a_refused_request_stays_refused() -> None:
    house, box = gateway(), control_box()
    box.trusts(house, PeerRole.DEVICE)
    async with house.running() as node:
        box.dials(house)
        async with box.running():
            await house.event(PairingRequested)
            node.refuse(box.ski)
            assert (await box.event(ConnectionEnded)).cause is EndCause.REMOTE_REFUSAL
            # it dials again and is aborted without a new request
            assert (await box.event(ConnectionEnded)).cause is EndCause.REMOTE_REFUSAL
            assert not any(isinstance(event, PairingRequested) for event in house.events)


async def test_pairing_survives_restarts_of_either_side_and_the_SHIP_ID_is_learned() -> None:
    house, box = _paired()
    async with house.running():
        box.dials(house)
        house.settings = replace(house.settings, port=house.node.snapshot().port)
        async with box.running():
            assert (await house.event(ShipIdLearned)).ship_id == "i:1_u:box"
            assert (await box.event(ShipIdLearned)).ship_id == "i:1_u:gateway"
            await box.event(SystemReady)
        async with box.running():
            await box.event(SystemReady)
            box.events.clear()
            assert (await _limit(box, 3000.0)).accepted
            keeper = asyncio.create_task(box.event(PeerDisconnected))
            await asyncio.sleep(0)
            house.node.stop()
            await keeper
            async with house.running():
                await box.event(SystemReady)
                assert (await _limit(box, 2000.0)).accepted
                assert not any(isinstance(event, ShipIdLearned) for event in house.events)
    entry = house.trust.get(box.ski)
    assert entry is not None
    assert entry.ship_id == "i:1_u:box"


async def test_stopping_announces_the_end_to_the_peer() -> None:
    """SHIP 14: Elli keeps a dead session else."""
    house, box = _paired()
    async with house.running():
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)
        assert (await house.event(ConnectionEnded)).cause is EndCause.REMOTE_CLOSE
        assert (await house.event(PeerDisconnected)).ski == box.ski


async def test_TC_SHIP_TERM_001_removing_the_trust_ends_the_connection_and_the_peer_stops_dialling() -> None:
    house, box = _paired()
    async with house.running() as node:
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)
            await node.remove(box.ski)
            assert (await box.event(ConnectionEnded)).cause is EndCause.REMOTE_REMOVAL
            await box.event(PeerRemovedPairing)
            assert house.trust.get(box.ski) is None
            assert box.trust.get(house.ski) is not None  # our user decides about our trust
            await asyncio.sleep(0.3)  # longer than the first redial would take
            assert node.snapshot().connections == ()
            assert not any(isinstance(event, PairingRequested) for event in house.events)


async def test_trust_that_cannot_be_stored_changes_nothing() -> None:
    house, box = gateway(), control_box()
    box.trusts(house, PeerRole.DEVICE)

    def full(_record: object) -> None:
        raise OSError("disk full")

    async with house.running() as node:
        box.dials(house)
        async with box.running():
            await house.event(PairingRequested)
            house.storing = full
            with pytest.raises(OSError, match="disk full"):
                await node.accept(box.ski, PeerRole.CONTROL_BOX)
            assert node.snapshot().trusted == ()
            assert node.snapshot().connections[0].phase is Phase.HELLO
            house.storing = lambda _record: None
            await node.accept(box.ski, PeerRole.CONTROL_BOX)
            await house.event(PeerConnected)
            house.storing = full
            with pytest.raises(OSError, match="disk full"):
                await node.remove(box.ski)
            assert node.snapshot().connections[0].carries_spine


async def test_one_control_box_at_a_time_and_a_swap_must_be_asked_for() -> None:
    house, old = _paired()
    new = control_box("new")
    async with house.running() as node:
        old.dials(house)
        async with old.running():
            await old.event(SystemReady)
            with pytest.raises(LocalError, match="control box"):
                await node.accept(new.ski, PeerRole.CONTROL_BOX)
            await node.accept(new.ski, PeerRole.CONTROL_BOX, replace=True)
            assert (await old.event(ConnectionEnded)).cause is EndCause.REMOTE_REMOVAL
            assert [entry.ski for entry in house.trust] == [new.ski]
            changes = [event for event in house.events if isinstance(event, TrustChanged)]
            assert {(change.ski, change.role) for change in changes} == {
                (old.ski, None),
                (new.ski, PeerRole.CONTROL_BOX),
            }


async def test_our_own_SKI_is_never_trusted() -> None:
    house = gateway()
    async with house.running() as node:
        with pytest.raises(LocalError, match="own SKI"):
            await node.accept(house.ski, PeerRole.DEVICE)


async def test_a_peer_with_another_SHIP_ID_is_reported_and_the_stored_one_kept() -> None:
    house, box = _paired()
    house.trust = house.trust.learn(box.ski, ship_id="i:1_u:former")
    async with house.running():
        box.dials(house)
        async with box.running():
            changed = await house.event(ShipIdChanged)
            assert (changed.stored, changed.told) == ("i:1_u:former", "i:1_u:box")
    entry = house.trust.get(box.ski)
    assert entry is not None
    assert entry.ship_id == ShipId("i:1_u:former")


async def test_both_sides_dial_and_exactly_one_session_remains() -> None:
    house, box = _paired()
    async with house.running():
        box.dials(house)
        port = house.node.snapshot().port
        async with box.running():
            await box.event(SystemReady)
            house.dials(box)
        house.settings = replace(house.settings, port=port)
        house.node.stop()
        box.settings = replace(box.settings, port=box.node.snapshot().port)
    async with house.running(), box.running():
        await box.event(SystemReady)
        # the settle time of 1.5 s or 3.5 s runs in real time here
        await until(lambda: {len(station.node.snapshot().connections) for station in (house, box)} == {1})
        assert house.node.snapshot().connections[0].carries_spine
        assert box.node.snapshot().connections[0].carries_spine
        await until(
            lambda: _is_ready(box)
        )  # the session may have moved to the survivor, and begins anew there
        assert (await _limit(box, 4000.0)).accepted


async def test_a_lost_connection_is_dialled_again() -> None:
    house, box = _paired()
    async with house.running() as node:
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)
            node.disconnect(box.ski)
            await box.event(PeerDisconnected)
            await box.event(SystemReady)
            assert (await _limit(box, 4100.0)).accepted


class _BrokenApplicationError(Exception):
    pass


async def test_a_mistake_of_the_application_in_its_own_turn_comes_back_to_it() -> None:
    def break_down(_turn: object) -> None:
        raise _BrokenApplicationError

    async with gateway().running() as node:
        with pytest.raises(_BrokenApplicationError):
            node.act(break_down)


async def test_an_application_that_breaks_at_an_event_ends_the_node_with_its_error() -> None:
    house, box = _paired()

    def break_at_orders(event: object) -> None:
        if isinstance(event, OrderReceived):
            raise _BrokenApplicationError

    async def run_into_it() -> None:
        async with house.running():
            box.dials(house)
            async with box.running():
                await box.event(SystemReady)
                house.taking = break_at_orders
                guard = _guard(box).energy_guard
                box.node.act(lambda turn: guard.write_limit(Flow.CONSUMPTION, Limit(True, 1.0), turn))
                await box.event(PeerDisconnected)

    with pytest.raises(_BrokenApplicationError):
        await run_into_it()


async def test_trust_is_stored_before_it_counts() -> None:
    house, box = gateway(), control_box()
    seen: list[int] = []
    async with house.running() as node:
        house.storing = lambda _record: seen.append(len(node.trust))
        await node.accept(box.ski, PeerRole.CONTROL_BOX)
        await node.remove(box.ski)
    assert seen == [0, 1]
    assert [len(record.trust) for record in house.stored if isinstance(record, PersistTrust)] == [1, 0]
