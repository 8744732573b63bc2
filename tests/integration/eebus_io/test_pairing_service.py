"""The SHIP Pairing Service in a running node: announced, connected, trusted, replaced; and PINs over TLS."""

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from eebus.clock import FakeClock
from eebus.errors import LocalError
from eebus.ids import PeerRole, ShipId
from eebus.io.events import (
    ConnectionEnded,
    ControlUnitAnnounced,
    PairingRequested,
    PeerConnected,
    PersistPairing,
    PinAnswer,
    PinDemanded,
    PinGiven,
    TrustChanged,
)
from eebus.io.pairing_host import BoxPresence, PairingHost
from eebus.ship.effects import Direction
from eebus.ship.identity import fingerprint
from eebus.ship.pairing_service import ABSENCE_S, PairingListener, PairingMemory, build_announcement
from eebus.ship.pin_guard import PinGuard
from tests.integration.eebus_io.stations import QUICK, Station, certificate, control_box, gateway, until

SECRET = b"\x5a" * 16
ON_LOOPBACK = replace(QUICK, discover=True, interfaces=("lo",), address_poll_s=0.05)
NOBODY = BoxPresence(None, connected=False)


def listener_of(house: Station) -> PairingListener:
    return PairingListener(ShipId(f"i:1_u:{house.name}"), fingerprint(house.identity), SECRET)


def announcement(
    house: Station, box: Station, nonce: bytes = b"n" * 16, secret: bytes = SECRET
) -> dict[str, str]:
    return build_announcement(
        secret,
        for_id=ShipId(f"i:1_u:{house.name}"),
        for_fingerprint=fingerprint(house.identity),
        trust_id=ShipId(f"i:1_u:{box.name}"),
        trust_fingerprint=fingerprint(box.identity),
        nonce=nonce,
    )


@contextlib.asynccontextmanager
async def announced(txt: dict[str, str], service: str = "_shippairing._tcp") -> AsyncIterator[None]:
    """What a control unit does in the network. Other tests may do so at the same time."""
    name = f"unit-{secrets.token_hex(4)}"
    info = AsyncServiceInfo(
        f"{service}.local.",
        f"{name}.{service}.local.",
        port=4711,
        properties=txt,
        server=f"{name}.local.",
        addresses=[socket.inet_aton("127.0.0.1")],
    )
    zeroconf = AsyncZeroconf(interfaces=["127.0.0.1"])
    await zeroconf.async_register_service(info)
    try:
        yield
    finally:
        await zeroconf.async_unregister_all_services()
        await zeroconf.async_close()


@pytest.mark.parametrize("service", ["_shippairing._tcp", "_shipPairing._tcp"])
async def test_SHIP_PS_an_announced_control_unit_is_trusted_when_it_connects(service: str) -> None:
    """SHIP 14: the module of Theben writes its service in camel case."""
    house = gateway(settings=ON_LOOPBACK)
    house.pairing = listener_of(house)
    box = control_box()
    box.trusts(house, PeerRole.DEVICE)
    async with house.running() as node, announced(announcement(house, box), service):
        told = await house.event(ControlUnitAnnounced)
        assert told.ship_id == "i:1_u:box"
        box.dials(house)
        async with box.running():
            connected = await house.event(PeerConnected)
            assert (connected.ski, connected.role) == (box.ski, PeerRole.CONTROL_BOX)
            unit = node.announced_unit
            assert unit is not None
            await until(lambda: node.announced_unit is not None and node.announced_unit.ski == box.ski)
    assert house.trust.control_box() is not None
    assert house.pairing_memory.unit is not None
    assert house.pairing_memory.unit.ski == box.ski
    stored = [type(record).__name__ for record in house.stored]
    assert stored.index("PersistPairing") < stored.index("PersistTrust")


WAITING = replace(ON_LOOPBACK, announce=True, discover=False, dial=False)
"""A unit that announces its service and waits to be dialled."""


@pytest.mark.parametrize("seen_first", ["the service", "the announcement"])
async def test_SHIP_PS_an_announced_control_unit_is_dialled_when_it_does_not_dial(seen_first: str) -> None:
    house, box = gateway(settings=ON_LOOPBACK), control_box(settings=WAITING)
    house.pairing = listener_of(house)
    box.trusts(house, PeerRole.DEVICE)
    async with house.running() as node, box.running(), contextlib.AsyncExitStack() as network:
        if seen_first == "the service":
            await until(lambda: any(item.service.ski == box.ski for item in node.snapshot().discovered))
        await network.enter_async_context(announced(announcement(house, box)))
        connected = await house.event(PeerConnected)
        assert (connected.ski, connected.role) == (box.ski, PeerRole.CONTROL_BOX)
        assert connected.direction is Direction.OUTGOING
        await until(lambda: node.announced_unit is not None and node.announced_unit.ski == box.ski)


async def test_SHIP_PS_who_only_borrows_the_name_of_the_unit_is_refused_inside_the_handshake(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    house, box = gateway(settings=ON_LOOPBACK), control_box()
    house.pairing = listener_of(house)
    impostor = control_box("impostor", settings=WAITING)
    impostor.trusts(house, PeerRole.DEVICE)
    impostor.ship_name = box.name
    async with house.running() as node, announced(announcement(house, box)), impostor.running():
        await house.event(ControlUnitAnnounced)
        await until(lambda: "its certificate is not the announced one" in caplog.text)
        assert node.trust.get(impostor.ski) is None
        assert node.snapshot().pairing_requests == ()
        assert node.announced_unit is not None
        assert node.announced_unit.ski is None


async def test_SHIP_PS_a_stranger_stays_one_while_a_unit_is_expected() -> None:
    house = gateway(settings=ON_LOOPBACK)
    house.pairing = listener_of(house)
    box, stranger = control_box(), control_box("stranger")
    stranger.trusts(house, PeerRole.DEVICE)
    async with house.running() as node, announced(announcement(house, box)):
        await house.event(ControlUnitAnnounced)
        stranger.dials(house)
        async with stranger.running():
            assert (await house.event(PairingRequested)).ski == stranger.ski
            assert node.trust.get(stranger.ski) is None


async def test_SHIP_PS_nothing_is_looked_for_while_the_service_is_off() -> None:
    house, box = gateway(settings=ON_LOOPBACK), control_box()
    async with house.running() as node, announced(announcement(house, box)):
        await asyncio.sleep(0.4)
        assert node.announced_unit is None
        node.listen_for_pairing(listener_of(house))
        await house.event(ControlUnitAnnounced)
        node.listen_for_pairing(None)
        assert node.announced_unit is not None


async def test_SHIP_PS_a_persons_refusal_outweighs_an_announcement() -> None:
    house, box = gateway(settings=ON_LOOPBACK), control_box()
    box.trusts(house, PeerRole.DEVICE)
    async with house.running() as node:
        box.dials(house)
        async with box.running():
            await house.event(PairingRequested)
            node.refuse(box.ski)
            node.listen_for_pairing(listener_of(house))
            async with announced(announcement(house, box)):
                await house.event(ControlUnitAnnounced)
                box.events.clear()
                for _ in range(2):  # it dials again, and again
                    await box.event(ConnectionEnded)
        assert node.trust.get(box.ski) is None


async def test_SHIP_PS_withdrawn_trust_frees_the_place_and_the_old_announcement_does_not_bring_it_back() -> (
    None
):
    house, box = gateway(settings=ON_LOOPBACK), control_box()
    house.pairing = listener_of(house)
    box.trusts(house, PeerRole.DEVICE)
    async with house.running() as node, announced(announcement(house, box)):
        await house.event(ControlUnitAnnounced)
        box.dials(house)
        async with box.running():
            await house.event(PeerConnected)
            await until(lambda: house.pairing_memory.unit is not None and bool(house.pairing_memory.unit.ski))
            await node.remove(box.ski)
            assert node.announced_unit is None
            assert len(house.pairing_memory.used_digests) == 1
            await asyncio.sleep(0.3)
            assert node.trust.get(box.ski) is None


# --- the host by itself ---


class Bench:
    """A pairing host with a clock and a memory of what it stored."""

    def __init__(self) -> None:
        self.house, self.box, self.other = gateway(), control_box(), control_box("other")
        self.clock = FakeClock()
        self.stored: list[PairingMemory] = []
        self.disk_works = True
        self.start(PairingMemory())

    def start(self, memory: PairingMemory) -> None:
        self.host = PairingHost(listener_of(self.house), memory, self.clock, self.persist)

    async def persist(self, record: object) -> None:
        assert isinstance(record, PersistPairing)
        if not self.disk_works:
            raise OSError("full")
        self.stored.append(record.memory)

    def announce(self, box: Station, nonce: bytes = b"n" * 16, instance: str = "unit") -> None:
        self.host.announced(instance, announcement(self.house, box, nonce))


async def test_SHIP_PS_another_unit_waits_until_the_first_is_gone_for_15_minutes() -> None:
    bench = Bench()
    bench.announce(bench.box)
    assert await bench.host.consider(NOBODY) is not None
    await bench.host.arrived(bench.box.ski)
    bench.announce(bench.other, b"o" * 16, "other")
    present, absent = BoxPresence(bench.box.ski, connected=True), BoxPresence(bench.box.ski, connected=False)
    bench.clock.advance(2 * ABSENCE_S)
    assert await bench.host.consider(present) is None
    bench.clock.advance(ABSENCE_S - 1)
    assert await bench.host.consider(absent) is None
    assert not bench.host.expects(certificate(bench.other), absent)
    bench.clock.advance(1.5)
    unit = await bench.host.consider(absent)
    assert unit is not None
    assert unit.ship_id == "i:1_u:other"
    assert bench.host.expects(certificate(bench.other), absent)
    assert not bench.host.expects(certificate(bench.other), present)


async def test_SHIP_PS_a_box_that_a_person_accepted_is_never_replaced_by_an_announcement() -> None:
    bench = Bench()
    bench.announce(bench.box)
    by_hand = BoxPresence(bench.other.ski, connected=False)
    bench.clock.advance(10 * ABSENCE_S)
    assert await bench.host.consider(by_hand) is None
    assert await bench.host.consider(NOBODY) is not None
    assert not bench.host.expects(certificate(bench.box), by_hand)


async def test_SHIP_PS_a_used_announcement_does_not_count_again_after_a_restart() -> None:
    bench = Bench()
    bench.announce(bench.box)
    await bench.host.consider(NOBODY)
    await bench.host.arrived(bench.box.ski)
    await bench.host.distrusted(bench.box.ski)
    bench.start(bench.stored[-1])
    bench.announce(bench.box)
    bench.clock.advance(10 * ABSENCE_S)
    assert await bench.host.consider(NOBODY) is None
    assert not bench.host.expects(certificate(bench.box), NOBODY)


async def test_what_could_not_be_stored_does_not_count_and_is_tried_again() -> None:
    bench = Bench()
    bench.announce(bench.box)
    bench.disk_works = False
    with pytest.raises(OSError, match="full"):
        await bench.host.consider(NOBODY)
    assert not bench.host.expects(certificate(bench.box), NOBODY)
    bench.disk_works = True
    assert await bench.host.consider(NOBODY) is not None


async def test_a_withdrawn_announcement_is_forgotten() -> None:
    bench = Bench()
    bench.announce(bench.box)
    bench.host.withdrawn("unit")
    assert await bench.host.consider(NOBODY) is None


async def test_a_flood_of_announcements_is_bounded() -> None:
    bench = Bench()
    for number in range(1000):
        bench.announce(bench.other, bytes([number % 256]) * 16, f"flood {number}")
    assert len(bench.host._announcements) == 8


@pytest.mark.parametrize("whose", ["neighbour", "forger"])
async def test_announcements_that_are_not_for_us_take_no_place(whose: str) -> None:
    bench = Bench()
    neighbour = control_box("neighbour")
    for number in range(20):
        nonce = bytes([number]) * 16
        record = announcement(neighbour if whose == "neighbour" else bench.house, bench.other, nonce)
        if whose == "forger":
            record["digest"] = "0" * 64
        bench.host.announced(f"stranger {number}", record)
    bench.announce(bench.box)
    unit = await bench.host.consider(NOBODY)
    assert unit is not None
    assert unit.ship_id == f"i:1_u:{bench.box.name}"


async def test_copies_of_an_announcement_under_other_names_take_no_place() -> None:
    bench = Bench()
    for number in range(20):
        bench.announce(bench.other, instance=f"copy {number}")
    bench.announce(bench.box, b"o" * 16)
    assert len(bench.host._announcements) == 2


async def test_unusable_announcements_are_skipped() -> None:
    bench = Bench()
    bench.host.announced("unit", {"txtvers": "1"})
    assert await bench.host.consider(NOBODY) is None


# --- PINs over TLS ---


async def test_SHIP_12_5_a_demanded_pin_is_entered_by_a_person_and_opens_the_session() -> None:
    house, box = gateway(), control_box()
    house.pins = PinGuard("1234ABCD")
    house.trusts(box, PeerRole.CONTROL_BOX)
    box.trusts(house, PeerRole.DEVICE)
    async with house.running() as node:
        box.dials(house)
        async with box.running():
            await box.event(PinDemanded)
            assert not [event for event in house.events if isinstance(event, PeerConnected)]
            box.node.enter_pin(house.ski, "00000000")
            assert not (await box.event(PinAnswer)).accepted
            box.node.enter_pin(house.ski, "1234abcd")
            assert (await box.event(PinAnswer)).accepted
            assert (await house.event(PinGiven)).ski == box.ski
            await house.event(PeerConnected)
            with pytest.raises(LocalError):
                node.enter_pin(box.ski, "no pin")
            await node.remove(box.ski)
            await house.event(TrustChanged)
    with pytest.raises(LocalError):
        house.node.enter_pin(box.ski, "1234ABCD")
    assert house.pins.verified == set()
