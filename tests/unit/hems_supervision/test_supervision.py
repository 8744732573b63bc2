"""Restarts with back-off, and the signs of life to the service manager."""

import asyncio
import logging
import socket
from pathlib import Path

import pytest

from eebus.clock import FakeClock
from hems.supervision import BackOff, ServiceManager, keep_running


class Enough(BaseException):
    """Ends the endless work of a test."""


def test_delays_double_up_to_the_most() -> None:
    back_off = BackOff(first_s=1.0, most_s=60.0)
    assert [back_off.delay_s(n) for n in (1, 2, 3, 7, 100_000)] == [1.0, 2.0, 4.0, 60.0, 60.0]


async def test_work_that_fails_starts_again_later_each_time(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)
        if len(slept) == 4:
            raise Enough

    async def work() -> None:
        raise OSError("no route to host")

    with caplog.at_level(logging.WARNING), pytest.raises(Enough):
        await keep_running("wallbox", work, clock=clock, sleep=sleep)
    assert slept == [1.0, 2.0, 4.0, 8.0]
    assert caplog.messages[0] == "wallbox stopped (no route to host) and starts again in 1 s"


async def test_a_calm_run_starts_the_delays_anew() -> None:
    clock = FakeClock()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            raise Enough

    async def work() -> None:
        if len(slept) == 2:
            clock.advance(61.0)
        raise OSError("connection lost")

    with pytest.raises(Enough):
        await keep_running("wallbox", work, clock=clock, sleep=sleep)
    assert slept == [1.0, 2.0, 1.0, 2.0]


async def test_work_that_returns_is_done() -> None:
    async def work() -> None:
        return None

    await keep_running("local API", work, clock=FakeClock())


async def test_cancelling_ends_it() -> None:
    task = asyncio.create_task(keep_running("wallbox", lambda: asyncio.sleep(3600.0), clock=FakeClock()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_service_manager_hears_ready_alive_and_stopping(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        channel = ServiceManager(address)
        channel.ready()
        channel.alive()
        channel.stopping()
        assert [manager.recv(64) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ServiceManager().ready()


def test_a_service_manager_that_is_gone_does_not_stop_the_gateway(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ServiceManager(str(tmp_path / "gone")).alive()
    assert "cannot be told 'WATCHDOG=1'" in caplog.text
