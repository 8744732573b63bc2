"""One task per device and one for the meter: connect, read each second, write the newest set-point at once.

All decisions are made in `DeviceCore`; here is only the loop around the port. Nothing in it waits for another
device.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from eebus.clock import Clock
from hems.control.execution import DeviceCore
from hems.devices import (
    Device,
    DeviceError,
    DeviceSample,
    DeviceUnreachable,
    Meter,
    MeterSample,
    NotConnected,
    Setpoint,
    WriteRefused,
)

POLL_S = 1.0
CALL_LIMIT_S = 10.0
"""An adapter call that takes longer counts as no answer, whatever the adapter itself promises."""
LEAST_WAIT_S = 0.001
"""Shorter waits may be lost in the rounding of a clock, and be waited for again and again."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Bell:
    """Wakes a runner early, or for the last time."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.stopping = False

    def ring(self) -> None:
        """There is something new to do."""
        self._event.set()

    def stop(self) -> None:
        """Finish what is due and leave."""
        self.stopping = True
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Sleep so long, or until the bell rings."""
        if seconds > 0.0:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(seconds, LEAST_WAIT_S)):
                    await self._event.wait()
        self._event.clear()


class Link(Protocol):
    """What a device and a meter have in common."""

    @property
    def name(self) -> str:
        """The name from the configuration."""

    async def connect(self) -> None:
        """Identify the other side. Raises DeviceError."""

    async def close(self) -> None:
        """Release sockets; never raises."""


class Session(Protocol):
    """What is done with a link while it lasts."""

    def connected(self) -> None:
        """The link stands."""

    def lost(self, text: str) -> None:
        """The link is gone, or was not made."""

    async def serve(self) -> None:
        """Use the link until the bell stops. Raises DeviceError when it fails."""


async def keep_connected(link: Link, session: Session, bell: Bell) -> None:
    """Connect, serve, and start over after a growing pause; the bell cuts the pause short."""
    pause_s = FIRST_PAUSE_S
    try:
        while not bell.stopping:
            try:
                await answered(link.name, link.connect())
                session.connected()
                pause_s = FIRST_PAUSE_S
                await session.serve()
            except DeviceError as error:
                session.lost(str(error))
                await link.close()
                await bell.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    finally:
        if not bell.stopping:
            session.lost("no task serves it")
        await link.close()


async def answered(name: str, call: Awaitable[_T]) -> _T:
    """The result of a call to an adapter. Raises DeviceUnreachable when there is none in time."""
    try:
        async with asyncio.timeout(CALL_LIMIT_S):
            return await call
    except TimeoutError:
        raise DeviceUnreachable(f"{name} did not answer within {CALL_LIMIT_S:.0f} s") from None


class DeviceEvents(Protocol):
    """Who wants to know what happens to a device."""

    def device_connected(self) -> None:
        """One was identified: what it can do is known exactly now. Called before anything is written."""

    def device_read(self, name: str, sample: DeviceSample) -> None:
        """It was read."""

    def write_started(self, name: str, setpoint: Setpoint) -> None:
        """A set-point leaves for it."""

    def power_freed(self) -> None:
        """A device has provably given up power by its newest set-point."""


class DeviceRunner:
    """Carries out what the core of one device decides: the link to it, and the session while it lasts."""

    def __init__(self, device: Device, core: DeviceCore, clock: Clock, events: DeviceEvents) -> None:
        self._device = device
        self._core = core
        self._clock = clock
        self._events = events
        self.bell = Bell()

    async def run(self) -> None:
        """Serve the device until its bell stops. Raises only what is a mistake of the adapter."""
        await keep_connected(self, self, self.bell)

    @property
    def name(self) -> str:
        return self._device.name

    async def connect(self) -> None:
        await self._noting_silence(self._device.connect())

    async def close(self) -> None:
        await self._device.close()

    async def _noting_silence(self, call: Awaitable[_T]) -> _T:
        """The outcome of a call; without an answer it is noted that the device may have heard us."""
        try:
            return await call
        except NotConnected:
            raise
        except (DeviceUnreachable, asyncio.CancelledError):
            self._core.asked_in_vain(self._clock.monotonic())
            raise

    def connected(self) -> None:
        self._core.connection_made(self._device.capabilities, self._clock.monotonic())
        _log.info("%s is connected", self._device.name)
        self._events.device_connected()

    def lost(self, text: str) -> None:
        if self._core.trouble != text:
            _log.warning("%s is not reachable: %s", self._device.name, text)
        self._core.connection_lost(text)

    async def serve(self) -> None:
        next_read_s = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            setpoint = self._core.next_write(now)
            if setpoint is not None:
                await self._write(setpoint)
            elif self.bell.stopping:
                return
            elif now >= next_read_s:
                await self._read()
                next_read_s = max(next_read_s + POLL_S, self._clock.monotonic())
            else:
                await self.bell.wait(self._rest_s(next_read_s, now))

    def _rest_s(self, next_read_s: float, now: float) -> float:
        next_write_s = self._core.next_write_at(now)
        return (next_read_s if next_write_s is None else min(next_read_s, next_write_s)) - now

    async def _read(self) -> None:
        sample = await answered(self.name, self._noting_silence(self._device.read()))
        self._core.capabilities_measured(self._device.capabilities)
        self._core.sample_taken(sample, self._clock.monotonic())
        self._events.device_read(self._device.name, sample)

    async def _write(self, setpoint: Setpoint) -> None:
        name = self._device.name
        held_w = self._core.held_w(setpoint.direction)
        self._core.write_started(setpoint, self._clock.monotonic())
        self._events.write_started(name, setpoint)
        try:
            readback = await answered(name, self._noting_silence(self._device.write(setpoint)))
        except WriteRefused as refusal:
            _log.warning("%s refuses a set-point: %s", name, refusal)
            self._core.write_refused(setpoint, str(refusal), self._clock.monotonic())
        else:
            self._core.write_done(setpoint, readback, self._clock.monotonic())
        if self._core.held_w(setpoint.direction) < held_w:
            self._events.power_freed()


class MeterRunner:
    """Reads the grid meter each second."""

    def __init__(self, meter: Meter, clock: Clock, on_sample: Callable[[MeterSample], None]) -> None:
        self._meter = meter
        self._clock = clock
        self._on_sample = on_sample
        self.trouble = "not connected yet"
        self.bell = Bell()

    async def run(self) -> None:
        """Serve the meter until its bell stops. Raises only what is a mistake of the adapter."""
        await keep_connected(self._meter, self, self.bell)

    def connected(self) -> None:
        self.trouble = ""
        _log.info("%s is connected", self._meter.name)

    def lost(self, text: str) -> None:
        if self.trouble != text:
            _log.warning("%s is not reachable: %s", self._meter.name, text)
        self.trouble = text

    async def serve(self) -> None:
        next_read_s = self._clock.monotonic()
        while not self.bell.stopping:
            self._on_sample(await answered(self._meter.name, self._meter.read()))
            next_read_s = max(next_read_s + POLL_S, self._clock.monotonic())
            await self.bell.wait(next_read_s - self._clock.monotonic())
