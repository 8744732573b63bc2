"""Why a trusted peer is not connected: known in plain words, and told once for each cause."""

import asyncio
import socket
from dataclasses import replace

from eebus.ids import PeerRole
from eebus.io.addresses import PeerAddress
from eebus.io.events import PeerNotReached
from eebus.io.trouble import PeerTrouble
from eebus.usecases.energy_guard import SystemReady
from tests.integration.eebus_io.stations import Station, control_box, gateway, until


def _house_that_dials(box: Station, port: int) -> Station:
    house = gateway()
    house.trusts(box, PeerRole.CONTROL_BOX)
    house.settings = replace(house.settings, peers=(PeerAddress(box.ski, "127.0.0.1", port),))
    return house


def _told(house: Station) -> list[str]:
    return [event.text for event in house.events if isinstance(event, PeerNotReached)]


async def test_a_dead_host_is_told_once_however_often_it_is_dialled() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        box = control_box()
        house = _house_that_dials(box, port)
        async with house.running() as node:
            await until(lambda: bool(_told(house)))
            await asyncio.sleep(0.5)  # three more dials
            assert _told(house) == [f"connection refused at 127.0.0.1:{port}"]
            assert node.snapshot().troubles == {box.ski: f"connection refused at 127.0.0.1:{port}"}


async def test_another_SKI_at_the_address_is_named() -> None:
    meant, there = control_box("meant"), control_box("there")
    async with there.running() as node:
        house = _house_that_dials(meant, port := node.snapshot().port)
        async with house.running():
            told = await house.event(PeerNotReached)
    assert told.ski == meant.ski
    assert told.text == f"the certificate belongs to SKI {there.ski}, not to {meant.ski}, at 127.0.0.1:{port}"


async def test_a_peer_that_has_not_accepted_us_is_waited_for_and_then_all_is_well() -> None:
    box = control_box()
    async with box.running() as other:
        house = _house_that_dials(box, other.snapshot().port)
        async with house.running() as node:
            told = await house.event(PeerNotReached)
            assert told.text == "it waits until our SKI is accepted there"
            assert node.snapshot().troubles == {box.ski: told.text}
            await other.accept(house.ski, PeerRole.DEVICE)
            await box.event(SystemReady)
            assert node.snapshot().troubles == {}


async def test_nobody_is_told_of_a_peer_that_is_not_trusted() -> None:
    box, house = control_box(), gateway()
    house.settings = replace(house.settings, peers=(PeerAddress(box.ski, "127.0.0.1", 1),))
    async with house.running() as node:
        await asyncio.sleep(0.3)
        assert _told(house) == []
        assert node.snapshot().troubles == {}


def test_a_cause_is_news_again_only_after_data_was_exchanged() -> None:
    trouble = PeerTrouble()
    assert trouble.dial_failed("refused")
    assert not trouble.dial_failed("refused")
    assert trouble.ended(1, "the peer refuses us")
    assert not trouble.dial_failed("refused")
    trouble.data_exchange(2)
    assert trouble.text == ""
    assert not trouble.ended(2, "the transport was lost")
    assert trouble.text == ""
    assert trouble.dial_failed("refused")


def test_a_peer_that_gives_up_waiting_still_waits_for_its_acceptance() -> None:
    trouble = PeerTrouble()
    assert trouble.awaits_acceptance(1)
    assert not trouble.ended(1, "the peer was not ready in time")
    assert trouble.text == "it waits until our SKI is accepted there"
