"""Keeping the parts of the gateway alive, and telling the service manager that it is.

A part at the edge (one device, the local API) restarts alone, later each time. A part of the core that fails
stops the process: the service manager then restarts all of it, and the devices are safe meanwhile.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from eebus.clock import Clock

_logger = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BackOff:
    """Delays between restarts: doubled each time up to `most_s`; a run of `calm_s` starts anew."""

    first_s: float = 1.0
    most_s: float = 60.0
    calm_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        """The delay before the restart that follows the `failures`-th failure in a row (1 is the first)."""
        return min(self.first_s * 2.0 ** min(failures - 1, 30), self.most_s)


async def keep_running(
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    clock: Clock,
    back_off: BackOff | None = None,
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Run `work` until it returns; whenever it fails it starts again after a pause."""
    pauses = back_off or BackOff()
    failures = 0
    while True:
        started_at = clock.monotonic()
        try:
            await work()
            return
        except Exception as error:
            cause = str(error) or type(error).__name__
            _logger.debug("%s failed", name, exc_info=True)
        if clock.monotonic() - started_at >= pauses.calm_s:
            failures = 0
        failures += 1
        delay_s = pauses.delay_s(failures)
        _logger.warning("%s stopped (%s) and starts again in %.0f s", name, cause, delay_s)
        await sleep(delay_s)


class ServiceManager:
    """The service manager (systemd, or a container's), by its notification socket; silent without one."""

    def __init__(self, address: str | None = None) -> None:
        chosen = os.environ.get("NOTIFY_SOCKET") if address is None else address
        self._address = f"\0{chosen[1:]}" if chosen and chosen.startswith("@") else chosen

    def ready(self) -> None:
        """The gateway listens."""
        self._send("READY=1")

    def alive(self) -> None:
        """A control cycle was completed; call nothing else a sign of life."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The orderly stop has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto(message.encode(), self._address)
        except OSError as error:
            _logger.warning("the service manager cannot be told '%s': %s", message, error)
