"""A node over real TLS among peers that mean no good: floods, spoofed certificates, leaks."""

import asyncio
import contextlib
import gc
import socket
import ssl
from dataclasses import replace

import psutil  # type: ignore[import-untyped]
import pytest

from eebus.ids import PeerRole
from eebus.io.admission import AdmissionLimits
from eebus.io.events import PeerConnected
from eebus.io.tls import NodeTls
from eebus.io.websocket import WebSocketLink
from eebus.ship.identity import Identity
from eebus.usecases.energy_guard import Limit, SystemReady, WriteAnswered
from eebus.usecases.house import ControlBox
from eebus.usecases.limitation import Direction as Flow
from tests.integration.eebus_io.certificates import identity, spoofing_identity
from tests.integration.eebus_io.stations import QUICK, Station, control_box, gateway, until

_STRANGERS = 200


def paired() -> tuple[Station, Station]:
    house, box = gateway(), control_box()
    house.trusts(box, PeerRole.CONTROL_BOX)
    box.trusts(house, PeerRole.DEVICE)
    return house, box


async def intrude(node: Identity, house: Station, source: str) -> WebSocketLink | None:
    """Connect from a loopback address as far as the house lets us."""
    loop = asyncio.get_running_loop()
    dialled = socket.socket()
    dialled.setblocking(False)
    dialled.bind((source, 0))
    port = house.node.snapshot().port
    try:
        await loop.sock_connect(dialled, ("127.0.0.1", port))
        context = NodeTls(node).dialling(house.ski, lambda _peer: None, dialled.send)
        _transport, link = await loop.create_connection(
            lambda: WebSocketLink.client("127.0.0.1", port, "/", QUICK.websocket),
            sock=dialled,
            ssl=context,
            server_hostname="",
            ssl_shutdown_timeout=0.3,
        )
    except OSError:
        dialled.close()
        return None
    try:
        link.request_upgrade()
        async with asyncio.timeout(5):
            await link.opened()
    except Exception:
        link.abort()
        return None
    return link


async def limit(box: Station, value_w: float) -> WriteAnswered:
    assert isinstance(box.device, ControlBox)
    guard = box.device.energy_guard
    box.node.act(lambda turn: guard.write_limit(Flow.CONSUMPTION, Limit(True, value_w), turn))
    return await box.event(WriteAnswered)


async def test_200_strangers_cost_little_and_the_trusted_box_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house, box = paired()
    strangers = [identity(f"stranger {number}") for number in range(10)]
    async with house.running() as node:
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)
            tries = [
                intrude(strangers[number % 10], house, f"127.0.0.{number % 50 + 2}")
                for number in range(_STRANGERS)
            ]
            attack = asyncio.gather(*tries)
            assert (await limit(box, 4200.0)).accepted  # in the middle of it
            links = [link for link in await attack if link is not None]
            shown = node.snapshot()
            assert 0 < len([item for item in shown.connections if not item.trusted]) <= 6
            assert len(shown.pairing_requests) <= 16
            box.node.disconnect(house.ski)  # and a reconnect still finds its place
            await house.event(PeerConnected)
            await house.event(PeerConnected)
            await box.event(SystemReady)
            assert (await limit(box, 4100.0)).accepted
            for link in links:
                link.abort()
            await until(lambda: len(node.snapshot().connections) == 1)
    refusals = [record for record in caplog.records if "not taken" in record.getMessage()]
    assert len(refusals) <= 60  # once a minute and address
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_spoofed_certificate_of_the_trusted_box_never_gets_in() -> None:
    house, box = paired()
    async with house.running() as node:
        assert await intrude(spoofing_identity(box.ski), house, "127.0.0.1") is None
        assert node.snapshot().connections == ()
        assert node.snapshot().pairing_requests == ()
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)


async def test_connections_that_say_nothing_are_bounded_and_dropped() -> None:
    """SHIP 15: slowloris."""
    limits = AdmissionLimits(total=10, reserved=4, per_address=3)
    house, box = paired()
    house.settings = replace(QUICK, tls_wait_s=0.2, admission=limits)
    async with house.running():
        port = house.node.snapshot().port
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        with contextlib.ExitStack() as stack:
            for connection in silent:
                stack.enter_context(connection)
            await asyncio.sleep(
                0.4
            )  # three were let in and have run out of time, the others were refused at once
            for connection in silent:
                connection.setblocking(False)
                with contextlib.suppress(ConnectionError):
                    assert connection.recv(10) == b""
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)


async def test_plain_HTTP_and_a_client_without_certificate_leave_no_trace() -> None:
    house = gateway()
    async with house.running() as node:
        port = node.snapshot().port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.read()
        writer.transport.abort()
        await asyncio.sleep(0.01)
        assert node.snapshot().connections == ()
        assert node.snapshot().pairing_requests == ()


async def test_a_stop_does_not_wait_for_those_who_say_nothing() -> None:
    house = gateway()
    started = asyncio.get_running_loop().time()
    with contextlib.ExitStack() as stack:
        async with house.running() as node:
            for _ in range(3):
                stack.enter_context(socket.create_connection(("127.0.0.1", node.snapshot().port)))
            await asyncio.sleep(0.02)
        assert asyncio.get_running_loop().time() - started < 3  # the TLS limit is 10 s


async def test_nothing_is_left_after_a_stop() -> None:
    process = psutil.Process()
    house, box = paired()
    tasks, descriptors = len(asyncio.all_tasks()), process.num_fds()
    for _ in range(3):
        async with house.running():
            box.dials(house)
            async with box.running():
                await box.event(SystemReady)
    gc.collect()
    assert len(asyncio.all_tasks()) == tasks
    assert process.num_fds() == descriptors


async def test_a_node_that_is_cancelled_leaves_nothing_either() -> None:
    process = psutil.Process()
    house, box = paired()
    async with house.running():
        box.dials(house)
        tasks, descriptors = len(asyncio.all_tasks()), process.num_fds()
        box.prepare()
        running = asyncio.create_task(box.node.run())
        await box.event(SystemReady)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: house.node.snapshot().connections == ())
        await asyncio.sleep(0.02)
        assert len(asyncio.all_tasks()) == tasks
        assert process.num_fds() == descriptors
