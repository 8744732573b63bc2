"""How fast a peer may talk, before and after it is trusted."""

import asyncio
from dataclasses import replace

from eebus.ids import ShipId
from eebus.io.pace import DATA_PACE, HANDSHAKE_PACE, Pace, PaceLimits
from eebus.io.websocket import WebSocketLimits, WebSocketLink
from eebus.ship.settings import ShipSettings
from eebus.usecases.energy_guard import SystemReady
from tests.integration.eebus_io.certificates import identity
from tests.integration.eebus_io.stations import QUICK, gateway, until
from tests.integration.eebus_io.test_hostile import intrude, limit, paired

_LIMITS = PaceLimits(frames_burst=10, frames_per_s=5, bytes_burst=1000, bytes_per_s=100)


def test_a_burst_is_free_and_then_frames_cost_time() -> None:
    pace = Pace(_LIMITS, 0.0)
    assert pace.pause_s(10, 0, 0.0) == 0.0
    assert pace.pause_s(1, 0, 0.0) == 0.2
    assert pace.pause_s(1, 0, 0.2) == 0.2
    assert pace.pause_s(0, 0, 100.0) == 0.0


def test_bytes_cost_time_of_their_own() -> None:
    pace = Pace(_LIMITS, 0.0)
    assert pace.pause_s(1, 1500, 0.0) == 5.0
    assert pace.pause_s(0, 0, 5.0) == 0.0


def test_a_long_silence_saves_no_more_than_a_burst() -> None:
    pace = Pace(_LIMITS, 0.0)
    assert pace.pause_s(11, 0, 1e6) == 0.2
    assert pace.pause_s(1, 0, 0.0) > 0.0  # a clock that steps back gives nothing


def test_a_trusted_peer_gets_a_full_burst() -> None:
    pace = Pace(HANDSHAKE_PACE, 0.0)
    assert pace.pause_s(1000, 0, 0.0) > 60.0
    pace.widen(DATA_PACE)
    assert pace.pause_s(1000, 0, 0.0) == 0.0


async def _flood(link: WebSocketLink, message: bytes, count: int) -> None:
    for _ in range(count):
        link.send(message)
        await asyncio.sleep(0)


async def test_a_stranger_that_floods_is_read_at_the_pace_of_a_handshake() -> None:
    house, box = paired()
    pace = PaceLimits(frames_burst=20, frames_per_s=5, bytes_burst=1e6, bytes_per_s=1e6)
    house.settings = replace(QUICK, websocket=WebSocketLimits(close_wait_s=0.1, handshake_pace=pace))
    async with house.running() as node:
        link = await intrude(identity("stranger"), house, "127.0.0.9")
        assert link is not None
        await until(lambda: len(node.snapshot().connections) == 1)
        await _flood(link, b'\x01{"futureMessage":[]}', 2000)
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)
            assert (await limit(box, 4200.0)).accepted
        link.abort()


async def test_a_ping_flood_is_slowed_down_too() -> None:
    house = gateway()
    pace = PaceLimits(frames_burst=20, frames_per_s=5, bytes_burst=1e6, bytes_per_s=1e6)
    house.settings = replace(QUICK, websocket=WebSocketLimits(close_wait_s=0.1, handshake_pace=pace))
    async with house.running():
        link = await intrude(identity("stranger"), house, "127.0.0.9")
        assert link is not None
        for _ in range(3000):
            link._protocol.send_ping(b"")
        link._flush()
        link.send(b"\x00\x00")
        await asyncio.sleep(0.3)
        assert not link._events  # the answer to our message waits behind the flood
        link.abort()


async def test_a_trusted_peer_may_write_a_hundred_limits_in_a_row() -> None:
    """At the pace of this handshake they would take minutes."""
    house, box = paired()
    pace = PaceLimits(frames_burst=50, frames_per_s=0.5, bytes_burst=1e6, bytes_per_s=1e6)
    house.settings = replace(QUICK, websocket=WebSocketLimits(close_wait_s=0.1, handshake_pace=pace))
    async with house.running():
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)
            for number in range(100):
                assert (await limit(box, 4000.0 + number)).accepted


def test_early_datagrams_and_a_handshake_fit_into_the_burst() -> None:
    settings = ShipSettings(local_ship_id=ShipId("x"))
    assert HANDSHAKE_PACE.frames_burst >= settings.max_early_messages + 20
    assert HANDSHAKE_PACE.bytes_burst >= settings.max_early_bytes + settings.max_message_bytes
