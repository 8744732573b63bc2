"""Many handshakes and a simulated day: nothing piles up."""

import asyncio
from dataclasses import replace

import pytest

from eebus.clock import FakeClock
from eebus.ids import PeerRole
from eebus.io.events import PeerDisconnected
from eebus.usecases.controllable_system import ControllableSystemStatus
from eebus.usecases.energy_guard import EnergyGuardSettings, Limit, SystemReady, WriteAnswered
from eebus.usecases.events import HeartbeatReceived, LimitStateChanged
from eebus.usecases.house import ControlBox, Gateway, build_control_box
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from tests.integration.eebus_io.stations import SILENT, Station, control_box, gateway, joined
from tests.integration.eebus_io.test_hostile import limit, paired
from tests.soak_eebus.rounds import FULL, Footprint, rounds

_WARM_UP = 3
_DAY_S = 86400.0
_STEP_S = 5.0


@pytest.mark.slow
async def test_handshakes_in_a_row_leave_nothing_behind() -> None:
    house, box = paired()
    async with house.running():
        box.dials(house)
        async with box.running():
            await box.event(SystemReady)
            for number in range(_WARM_UP + rounds(500)):
                if number == _WARM_UP:
                    before = await _quiet(house, box)
                assert (await limit(box, 4000.0 + number)).accepted
                box.node.disconnect(house.ski)
                await house.event(PeerDisconnected)
                await box.event(SystemReady)
            (await _quiet(house, box)).assert_like(before)


async def _quiet(*stations: Station) -> Footprint:
    for station in stations:
        station.events.clear()
        station.stored.clear()
    await asyncio.sleep(0.7)  # closed transports have let go of their sockets
    return Footprint.now()


def _box_with_heartbeat(clock: FakeClock) -> Station:
    box = control_box(settings=SILENT, clock=clock)
    settings = EnergyGuardSettings(opening_write=False, heartbeat_interval_s=60.0)
    return replace(box, compose=lambda: build_control_box("d:_n:Test_box", settings=settings))


@pytest.mark.slow
async def test_a_simulated_day_with_a_heartbeat_a_minute() -> None:
    """Ten minutes of it in the normal tests."""
    clock = FakeClock()
    house, box = gateway(settings=SILENT, clock=clock), _box_with_heartbeat(clock)
    house.trusts(box, PeerRole.CONTROL_BOX)
    box.trusts(house, PeerRole.DEVICE)
    async with house.running(), box.running(), joined(box, house):
        await box.event(SystemReady)
        _order(box)
        assert (await box.event(WriteAnswered)).accepted
        heartbeats = await _pass_time(house, box, clock, 300.0)
        before = Footprint.now()
        duration_s = _DAY_S if FULL else 600.0
        heartbeats = await _pass_time(house, box, clock, duration_s)
        assert abs(heartbeats - duration_s / 60.0) <= 1
        Footprint.now().assert_like(before)
        assert isinstance(house.device, Gateway)
        status: ControllableSystemStatus = house.device.controllable_system.status(clock.monotonic())
        assert status.consumption is not None
        assert status.consumption.state is LimitState.LIMITED  # a day later it is still in control


def _order(box: Station) -> None:
    assert isinstance(box.device, ControlBox)
    guard = box.device.energy_guard
    box.node.act(lambda turn: guard.write_limit(Direction.CONSUMPTION, Limit(True, 4200.0), turn))


async def _pass_time(house: Station, box: Station, clock: FakeClock, seconds: float) -> int:
    """Let time pass in small steps; returns how many heartbeats of the box were heard."""
    heard = 0
    for _ in range(int(seconds / _STEP_S)):
        clock.advance(_STEP_S)
        for station in (house, box):
            station.node.keep_time()
        for _turn in range(4):
            await asyncio.sleep(0)
        heard += sum(isinstance(event, HeartbeatReceived) for event in house.events)
        assert not any(isinstance(event, LimitStateChanged) for event in house.events if _is_late(event))
        for station in (house, box):
            station.events.clear()
            station.stored.clear()
    return heard


def _is_late(event: object) -> bool:
    return isinstance(event, LimitStateChanged) and event.after is LimitState.FAILSAFE
