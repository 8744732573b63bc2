"""The device under test as the cases see it: its connections, its clock, its buttons and its displays.

Cases are written once against this interface. In memory the clock is a fake one that moves only while a case
waits; over sockets it is the real one, and the buttons are pressed by a person or by the local interface of
our own gateway. All times are seconds, all powers watts; limits and counters are magnitudes.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from eebus.conformance.verdict import Frame
from eebus.errors import EebusError
from eebus.ids import Ski
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading


class RefusedInTls(EebusError):
    """The device ended the TLS handshake, or no WebSocket came of it."""


class NotPossible(EebusError):
    """This backend has no such button or display."""


class Link(Protocol):
    """One open SHIP transport between tester and device."""

    async def send(self, message: bytes) -> None:
        """Send one binary message; nothing happens on a closed link."""

    async def receive(self, within_s: float) -> bytes | None:
        """The next message of the device; None when none came in time, or the link is closed."""

    @property
    def closed(self) -> bool:
        """The device, or the tester, has closed."""

    async def close(self) -> None:
        """End the link without a SHIP farewell."""


@dataclass(frozen=True, slots=True)
class LimitDisplay:
    """What the inspection interface shows of one direction."""

    state: LimitState
    effective_limit_w: float | None
    """None: nothing restricts."""


@dataclass(frozen=True, slots=True)
class LimitOrder:
    """What a trigger outside EEBUS asks an energy guard to write."""

    direction: Direction
    value_w: float
    active: bool = True
    duration_s: float | None = None


class DeviceUnderTest(Protocol):
    """One device. ``tester`` names the identity that the tester shows: ``A``, ``B``, or ``spoofed``."""

    backend: str
    frames: list[Frame]

    # The clock

    def now(self) -> float:
        """Seconds of the device's clock."""

    def utc_now(self) -> datetime:
        """The date for time stamps."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass without looking at any link."""

    def serve_with(self, serve: Callable[[float], Awaitable[None]]) -> None:
        """What keeps the conversation on a link going for some seconds while an operator is busy."""

    # Connections

    async def dial(self, tester: str = "A") -> Link:
        """Connect to the device. Raises RefusedInTls, and OSError when nothing listens."""

    async def accept(self, tester: str = "A", within_s: float = 300.0) -> Link:
        """Let the device dial the tester. Raises RefusedInTls when it ended the TLS handshake, and
        TimeoutError when it did not come.
        """

    def ski_of(self, tester: str = "A") -> Ski:
        """The SKI that a tester identity claims."""

    async def announced(self) -> Mapping[bytes, bytes | None]:
        """The TXT record of the device's mDNS service, as it came."""

    async def cut(self) -> None:
        """Pull the cable: every link is gone and the device cannot be reached until :meth:`mend`."""

    async def mend(self) -> None:
        """Plug the cable in again."""

    # Buttons

    async def trust(self, tester: str = "A") -> None:
        """Trust a tester's SKI, in the role that the cases need."""

    async def distrust(self, tester: str = "A") -> None:
        """Withdraw the trust."""

    async def fresh_start(self) -> None:
        """See to it that the device has just started; nothing happens when it has."""

    async def restart(self, off_s: float = 0.0) -> None:
        """Power off, wait, power on. Links are lost."""

    async def factory_reset(self) -> None:
        """Forget what was written, keep the trust, restart."""

    async def refuse_limits(self, refuse: bool) -> None:
        """Create, or end, a permitted reason to refuse activated limits."""

    async def measure(self, use_case: str, sample: Mapping[Quantity, Reading]) -> None:
        """Make the device's meter show these values (produced energy counts upwards from 0)."""

    async def order(self, order: LimitOrder) -> None:
        """Trigger a limit write of the device's energy guard."""

    async def order_failsafe(
        self, direction: Direction, limit_w: float | None = None, duration_s: float | None = None
    ) -> None:
        """Trigger a failsafe write of the device's energy guard."""

    # Displays

    async def limit_display(self, direction: Direction) -> LimitDisplay:
        """State and effective limit of the device's controllable system."""

    async def measured_power_w(self, direction: Direction) -> float:
        """What an independent meter shows. Raises NotPossible where there is none."""

    async def held_values(self, use_case: str) -> Mapping[Quantity, float]:
        """What the device's monitoring appliance holds of the tester's values."""
