"""Announcing and finding over multicast DNS on the loopback, and what is chosen of a host's addresses."""

import asyncio
from dataclasses import replace

import ifaddr
import pytest

from eebus.ids import PeerRole, Ski
from eebus.io.addresses import AddressBook, PeerAddress
from eebus.io.dialer import Target
from eebus.io.interfaces import HostAddresses, choose_addresses
from eebus.io.mdns import Announcement, FoundService, Mdns, MdnsSettings
from eebus.ship.service import ServiceDescription, parse_txt
from eebus.usecases.energy_guard import SystemReady
from tests.integration.eebus_io.stations import LIMIT_S, QUICK, control_box, gateway, until

_LOOPBACK = MdnsSettings(interfaces=("lo",), poll_interval_s=0.05)


def _adapter(name: str, index: int, *addresses: str) -> ifaddr.Adapter:
    ips = [
        ifaddr.IP((address, 0, index) if ":" in address else address, 64 if ":" in address else 24, name)
        for address in addresses
    ]
    return ifaddr.Adapter(name, name, ips, index=index)


_ADAPTERS = (
    _adapter("lo", 1, "127.0.0.1", "::1"),
    _adapter("eth0", 2, "192.168.1.7", "fd00::7", "fe80::7"),
    _adapter("wlan0", 3, "169.254.10.1", "fe80::8"),
)


@pytest.mark.parametrize(
    ("selected", "addresses", "multicast"),
    [
        ((), ("192.168.1.7", "169.254.10.1", "fd00::7"), ("192.168.1.7", 2, "169.254.10.1", 3)),
        (("eth0",), ("192.168.1.7", "fd00::7"), ("192.168.1.7", 2)),
        (("169.254.10.1",), ("169.254.10.1",), ("169.254.10.1", 3)),
        (("lo",), ("127.0.0.1",), ("127.0.0.1",)),
        (("gone0",), (), ()),
    ],
)
def test_which_addresses_are_announced(
    selected: tuple[str, ...], addresses: tuple[str, ...], multicast: tuple[str | int, ...]
) -> None:
    """SHIP 14: peers in other networks could not resolve the name."""
    assert choose_addresses(_ADAPTERS, selected) == HostAddresses(addresses, multicast)


def test_link_local_IPv6_is_announced_only_when_there_is_nothing_else() -> None:
    only = (_adapter("eth0", 2, "fe80::7"),)
    assert choose_addresses(only, ()) == HostAddresses(("fe80::7",), (2,))


def test_a_selected_interface_that_is_not_there_is_named_with_those_that_are() -> None:
    found = choose_addresses(_ADAPTERS, ("eth9", "eth0", "192.0.2.1"))
    assert found.missing == ("eth9", "192.0.2.1")
    assert found.present == ("lo", "eth0", "wlan0")
    assert choose_addresses(_ADAPTERS, ()).missing == ()


# -- the address book --------------------------------------------------------------------------------

_SKI, _OTHER = Ski("a" * 40), Ski("b" * 40)


def _found(instance: str, *addresses: str) -> FoundService:
    txt = {"txtvers": "1", "id": "x", "path": "/p/", "ski": _SKI, "register": "false"}
    return FoundService(instance, "box.local", 4711, addresses, txt)


def _targets(book: AddressBook, ski: Ski = _SKI) -> list[str]:
    return [target.host for target in book.targets(ski)]


def test_what_worked_last_is_dialled_first_then_IPv4_then_IPv6() -> None:
    """SHIP 14: at first only an IPv6 address of the link."""
    book = AddressBook(())
    found = _found("box", "fe80::1", "fe80::2%3", "fd00::1", "10.0.0.1")
    book.announced(found, parse_txt(found.txt), frozenset())
    assert _targets(book) == ["10.0.0.1", "fd00::1", "fe80::2%3"]
    book.reached(_SKI, book.targets(_SKI)[1])
    assert _targets(book) == ["fd00::1", "10.0.0.1", "fe80::2%3"]
    assert book.targets(_SKI)[0] == Target("fd00::1", 4711, "/p/", "box.local")


@pytest.mark.parametrize(
    "name", ["a..b", "x" * 64 + ".local", "evil\r\nHost: x", "ümläut.local", "10.0.0.1", ""]
)
def test_what_a_stranger_calls_a_host_name_is_not_sent(name: str) -> None:
    """SHIP 15: what is announced proves nothing."""
    book = AddressBook(())
    found = replace(_found("box", "10.0.0.1"), host=name)
    book.announced(found, parse_txt(found.txt), frozenset())
    assert book.targets(_SKI)[0].server_name == ""


def test_a_fixed_address_outweighs_announcements() -> None:
    book = AddressBook((PeerAddress(_SKI, "box.example", 4712),))
    found = _found("box", "10.0.0.1")
    book.announced(found, parse_txt(found.txt), frozenset())
    assert book.targets(_SKI) == (Target("box.example", 4712, "/ship/", "box.example"),)
    assert book.targets(_OTHER) == ()


def test_a_trusted_peer_whose_announcement_is_gone_is_dialled_at_its_last_address() -> None:
    """SHIP 14: the announcement of Elli vanishes for 20 minutes."""
    book = AddressBook(())
    found = _found("box", "10.0.0.1")
    book.announced(found, parse_txt(found.txt), frozenset({_SKI}))
    book.withdrawn("box", frozenset({_SKI}))
    assert _targets(book) == ["10.0.0.1"]
    assert not book.discovered()[0].visible
    book.withdrawn("box", frozenset())
    assert _targets(book) == []


def test_a_flood_of_announcements_never_pushes_a_trusted_peer_out() -> None:
    book = AddressBook(())
    found = _found("box", "10.0.0.1")
    book.announced(found, parse_txt(found.txt), frozenset({_SKI}))
    for number in range(500):
        flood = _found(f"flood {number}", "10.9.9.9")
        service = parse_txt({**flood.txt, "ski": _OTHER})
        book.announced(flood, service, frozenset({_SKI}))
    assert len(book.discovered()) == 64
    assert _targets(book) == ["10.0.0.1"]


def test_known_addresses_are_those_of_trusted_peers() -> None:
    book = AddressBook(())
    found = _found("box", "10.0.0.1", "fe80::2%3")
    book.announced(found, parse_txt(found.txt), frozenset())
    book.came_from(_OTHER, "10.0.0.2")
    trusted = frozenset({_SKI, _OTHER})
    assert all(book.is_known(address, trusted) for address in ("10.0.0.1", "fe80::2", "10.0.0.2"))
    assert not book.is_known("10.0.0.3", trusted)
    assert not book.is_known("10.0.0.1", frozenset())


# -- on the wire -------------------------------------------------------------------------------------


async def test_TC_SHIP_MDNS_001_a_service_is_found_followed_and_missed_when_it_leaves() -> None:
    found: list[FoundService] = []
    lost: list[str] = []
    current = [HostAddresses((), ())]
    announcement = Announcement("test eebus 1a2b", "eebus-test-1a2b", 4799, {"txtvers": "1", "id": "x"})
    announcing = Mdns(
        _LOOPBACK, announcement, lambda _f: None, lambda _i: None, addresses=lambda _selected: current[0]
    )
    watching = Mdns(
        _LOOPBACK,
        None,
        lambda service: found.append(service) if service.port == 4799 else None,
        lost.append,
    )
    tasks = [asyncio.create_task(announcing.run()), asyncio.create_task(watching.run())]
    try:
        await asyncio.sleep(0.1)
        assert not announcing.announced_addresses  # no network yet
        current[0] = HostAddresses(("127.0.0.1",), ("127.0.0.1",))
        await until(lambda: bool(found))
        assert found[0] == FoundService(
            "test eebus 1a2b", "eebus-test-1a2b.local", 4799, ("127.0.0.1",), {"txtvers": "1", "id": "x"}
        )
        current[0] = HostAddresses(("127.0.0.1", "127.0.0.2"), ("127.0.0.1",))
        await until(lambda: set(found[-1].addresses) == {"127.0.0.1", "127.0.0.2"})
        await until(lambda: announcing.announced_addresses == ("127.0.0.1", "127.0.0.2"))
        tasks[0].cancel()
        await until(lambda: "test eebus 1a2b" in lost)
    finally:
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), LIMIT_S)


async def test_a_missing_interface_is_told_once_and_looked_for_until_it_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    current = [HostAddresses(missing=("eth9",), present=("lo", "eth0"))]
    settings = replace(_LOOPBACK, interfaces=("eth9",), poll_interval_s=0.02)
    mdns = Mdns(settings, None, lambda _f: None, lambda _i: None, addresses=lambda _selected: current[0])
    task = asyncio.create_task(mdns.run())
    try:
        await asyncio.sleep(0.2)
        assert mdns.host.missing == ("eth9",)
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            "no interface with an address for multicast DNS: eth9; there are lo, eth0"
        ]
        current[0] = HostAddresses(present=("lo", "eth0", "eth9"))
        await until(lambda: mdns.host.missing == ())
    finally:
        task.cancel()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), LIMIT_S)


async def test_two_nodes_find_each_other_and_connect_without_any_address() -> None:
    settings = replace(
        QUICK,
        announce=True,
        discover=True,
        interfaces=("lo",),
        service=ServiceDescription(brand="Test", model="M", categories=(2,)),
    )
    house, box = (
        gateway(settings=settings),
        control_box(settings=replace(settings, dial=True, announce=False)),
    )
    house.trusts(box, PeerRole.CONTROL_BOX)
    box.trusts(house, PeerRole.DEVICE)
    async with house.running() as node, box.running():
        await box.event(SystemReady)
        await until(lambda: node.snapshot().announced_addresses == ("127.0.0.1",))
        seen = [item for item in box.node.snapshot().discovered if item.service.ski == house.ski]
        assert seen[0].service.ship_id == "i:1_u:gateway"
        assert seen[0].instance.startswith("Test M")
