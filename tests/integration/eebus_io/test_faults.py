"""The fault menu of the simulated Steuerbox, against our gateway on loopback."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from eebus.clock import SystemClock
from eebus.errors import LocalError
from eebus.ids import PeerRole
from eebus.io.events import ConnectionEnded, PeerDisconnected
from eebus.io.recorder import FrameRecorder
from eebus.io.websocket import WebSocketLimits
from eebus.ship.effects import EndCause
from eebus.simulator.control_box import LOOPBACK, BoxSettings, ControlBoxSimulator
from eebus.simulator.faults import FAULTS, LINE_FAULTS
from eebus.simulator.habits import HABITS
from eebus.usecases.events import HeartbeatReceived, OrderReceived
from eebus.usecases.limitation import Direction
from tests.integration.eebus_io.certificates import identity
from tests.integration.eebus_io.stations import LIMIT_S, QUICK, Station, gateway, until

_REFUSED = {"wrong-signs": set(Direction), "positive-production": {Direction.PRODUCTION}}
"""What our gateway must not take; every other habit it must understand."""


@contextlib.asynccontextmanager
async def _pair(
    house: Station | None = None, *, heartbeat_s: float = 25.0, recorder: FrameRecorder | None = None
) -> AsyncIterator[tuple[Station, ControlBoxSimulator]]:
    house = house or gateway()
    settings = BoxSettings(
        heartbeat_interval_s=heartbeat_s, node=replace(LOOPBACK, websocket=QUICK.websocket, dial_wait_s=2.0)
    )
    box = ControlBoxSimulator(
        identity("box"), settings, recorder=recorder, random=lambda low, _high: low / 20
    )
    async with house.running() as node, box.running():
        await node.accept(box.node.snapshot().ski, PeerRole.CONTROL_BOX)
        await box.pair(house.ski, "127.0.0.1", node.snapshot().port)
        await box.ready(wait_s=LIMIT_S)
        yield house, box


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("name", [habit.name for habit in HABITS])
async def test_habits_of_real_boxes_are_understood_or_refused(name: str, direction: Direction) -> None:
    async with _pair() as (house, box):
        box.fault(name)
        answered = await box.limit(4200.0, direction=direction, duration_s=600)
        expected = direction not in _REFUSED.get(name, set())
        assert answered.accepted is expected, answered.text
        if expected:
            order = await house.event(OrderReceived, lambda event: event.direction is direction)
            assert (order.value_w, order.active, order.accepted) == (4200.0, True, True)
            assert (await box.deactivate(direction=direction)).accepted
            assert not (await box.read_back()).limits[direction].active
        box.fault(name, on=False)
        assert (await box.limit(4100.0, direction=direction)).accepted


@pytest.mark.parametrize("name", ["white-space", "trailing-zero", "plain-objects", "unknown-elements"])
async def test_a_whole_handshake_in_a_strange_form_succeeds(name: str) -> None:
    house = gateway()
    box = ControlBoxSimulator(identity("box"), BoxSettings())
    box.fault(name)
    async with house.running() as node, box.running():
        await node.accept(box.node.snapshot().ski, PeerRole.CONTROL_BOX)
        await box.pair(house.ski, "127.0.0.1", node.snapshot().port)
        await box.ready(wait_s=LIMIT_S)
        assert (await box.limit(4200.0)).accepted


@pytest.mark.parametrize("name", ["vanish", "cut-in-frame"])
async def test_a_broken_connection_is_noticed_and_made_again(name: str) -> None:
    async with _pair() as (house, box):
        box.fault(name)
        if name == "cut-in-frame":
            box.heartbeat(True)  # the message to cut
        ended = await house.event(ConnectionEnded)
        assert ended.cause is EndCause.TRANSPORT_LOST
        await house.event(PeerDisconnected)
        await until(lambda: len(house.node.snapshot().connections) == 1)
        await box.ready(wait_s=LIMIT_S)
        assert (await box.limit(4200.0)).accepted


async def test_a_half_open_connection_ends_with_the_ping() -> None:
    limits = WebSocketLimits(ping_interval_s=0.2, pong_wait_s=0.2, close_wait_s=0.1)
    house = gateway(settings=replace(QUICK, websocket=limits))
    async with _pair(house) as (house, box):
        box.fault("half-open")
        assert (await house.event(ConnectionEnded)).cause is EndCause.TRANSPORT_LOST


async def test_a_mute_box_is_heard_no_more_but_stays_connected() -> None:
    async with _pair(heartbeat_s=0.1) as (house, box):
        await house.event(HeartbeatReceived)
        box.fault("mute")
        await asyncio.sleep(0.1)  # one may still be under way
        house.events.clear()
        await asyncio.sleep(0.3)
        assert not any(isinstance(event, HeartbeatReceived) for event in house.events)
        assert len(house.node.snapshot().connections) == 1
        box.fault("mute", on=False)
        await house.event(HeartbeatReceived)


async def test_duplicates_and_swapped_datagrams_end_in_the_same_state() -> None:
    async with _pair() as (house, box):
        box.fault("duplicate")
        assert (await box.limit(4200.0)).accepted
        orders = [(await house.event(OrderReceived)).value_w for _ in range(2)]
        assert orders == [4200.0, 4200.0]
        box.fault("duplicate", on=False)
        box.fault("reorder")
        answers = await asyncio.gather(box.limit(3000.0), box.limit(2000.0))
        assert all(answer.accepted for answer in answers)
        orders = [(await house.event(OrderReceived)).value_w for _ in range(2)]
        assert orders == [2000.0, 3000.0]
        assert (await box.limit(1000.0)).accepted  # one alone is not lost either
        assert box.faults == {"reorder"}


async def test_a_box_that_never_confirms_can_still_limit() -> None:
    async with _pair() as (_, box):
        box.fault("no-results")
        assert (await box.limit(4200.0)).accepted


async def test_a_wrong_date_of_the_box_does_not_devalue_its_heartbeats() -> None:
    async with _pair(heartbeat_s=0.1) as (house, box):
        box.fault("clock-jump", seconds=86400.0)
        await asyncio.sleep(0.1)
        house.events.clear()
        await house.event(HeartbeatReceived)
        assert (await box.limit(4200.0)).accepted


async def test_the_lost_heartbeat_of_the_menu_is_that_of_the_box() -> None:
    async with _pair(heartbeat_s=0.1) as (house, box):
        box.fault("lost-heartbeat")
        await asyncio.sleep(0.15)
        house.events.clear()
        await asyncio.sleep(0.3)
        assert not any(isinstance(event, HeartbeatReceived) for event in house.events)


async def test_unknown_faults_and_breaks_without_connection_are_refused() -> None:
    box = ControlBoxSimulator(identity("box"), BoxSettings())
    with pytest.raises(LocalError, match="there is no fault 'rain'"):
        box.fault("rain")
    with pytest.raises(LocalError, match="no connection"):
        box.fault("vanish")


async def test_a_recording_holds_what_was_really_sent() -> None:
    file = io.StringIO()
    recorder = FrameRecorder(file, "steuerbox", SystemClock())
    recorder.header(what="a test", at=datetime(2026, 1, 31, tzinfo=UTC).isoformat())
    async with _pair(recorder=recorder) as (_, box):
        box.fault("wrong-signs")
        await box.limit(4200.0)
    header, *frames = [json.loads(line) for line in file.getvalue().splitlines()]
    assert header["header"]["what"] == "a test"
    assert [frame["type"] for frame in frames[:2]] == [0, 0]
    assert any('"number":-4200' in frame["text"] for frame in frames if frame["from"] == "steuerbox")
    assert [frame["t"] for frame in frames] == sorted(frame["t"] for frame in frames)


def test_every_fault_has_a_name_of_its_own_and_a_text() -> None:
    assert len(FAULTS) == len(LINE_FAULTS) + len(HABITS)
    assert all(fault.text and not fault.text.endswith(".") for fault in FAULTS.values())
