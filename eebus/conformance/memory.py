"""Our devices in memory: the SHIP machine, the SPINE node and the use cases on a fake clock, no sockets."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from eebus.clock import FakeClock
from eebus.conformance.buttons import act_measure, act_order, act_order_failsafe, held, show_limit
from eebus.conformance.device import LimitDisplay, LimitOrder, Link, NotPossible
from eebus.conformance.own import Composition, OwnDevice, Refusal
from eebus.conformance.verdict import Frame, frame_text
from eebus.ids import Ski
from eebus.ship.connection import (
    CloseTransport,
    Ended,
    Phase,
    PhaseReached,
    SendMessage,
    ShipConnection,
    ShipEffect,
    ShipRole,
    SpineMessage,
    Trust,
)
from eebus.spine.handler import Peer
from eebus.spine.stack import ClosePeer, Emit, Persist, SendDatagram, SpineEffect, SpineStack, Turn
from eebus.usecases.events import PersistFailsafe, StoredFailsafe
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading

_TESTERS: Final = {"A": Ski("a" * 40), "B": Ski("b" * 40)}


Tamper = Callable[[bytes, bool], bytes | None]
"""Changes a message on its way (True: to the device) or loses it, to show that a broken device fails."""


def intact(message: bytes, _to_device: bool) -> bytes:
    """Every message arrives as it was sent."""
    return message


class MemoryDevice:
    """One of our devices on a fake clock. Implements ``DeviceUnderTest``."""

    backend = "memory"

    def __init__(self, own: OwnDevice, tamper: Tamper = intact) -> None:
        self.frames: list[Frame] = []
        self._own = own
        self.tamper = tamper
        self._clock = FakeClock()
        self._began_at = self._clock.monotonic()
        self._failsafe = StoredFailsafe()
        self._refusal = Refusal()
        self._trusted = {"A", "B"}
        self._links: list[MemoryDeviceLink] = []
        self._touched = False
        self._plugged_in = True
        self._power_on()

    def _power_on(self) -> None:
        self._composition: Composition = self._own.compose(self._failsafe, self._refusal)
        self._stack = SpineStack(self._composition.device, utc_now=self._clock.utc_now)
        for handler in self._composition.handlers:
            self._stack.add_handler(handler)
        self._do(self._stack.run(self.now(), self._composition.start))

    # The clock

    def now(self) -> float:
        return self._clock.monotonic()

    def utc_now(self) -> datetime:
        return self._clock.utc_now()

    async def sleep(self, seconds: float) -> None:
        end = self.now() + seconds
        while not self.step_until(end):
            pass

    def serve_with(self, serve: Callable[[float], Awaitable[None]]) -> None:
        """No operator of a device in memory is ever busy."""

    def step_until(self, end: float) -> bool:
        """Let time pass to the next deadline of the device, at most to ``end``; True when that is reached."""
        deadlines = [self._stack.next_deadline(), *(link.ship.next_deadline() for link in self._links)]
        due = min((deadline for deadline in deadlines if deadline is not None), default=None)
        if due is None or due > end:
            self._clock.advance(end - self.now())
            return True
        self._clock.advance(max(0.0, due - self.now()))
        wish = self._stack.next_deadline()
        if wish is not None and wish <= self.now():
            self._do(self._stack.on_deadline(self.now()))
        for link in tuple(self._links):
            wish = link.ship.next_deadline()
            if wish is not None and wish <= self.now():
                self.perform(link, link.ship.on_deadline(self.now()))
        return False

    # Connections

    async def dial(self, tester: str = "A") -> Link:
        return self._connect(ShipRole.SERVER, tester)

    async def accept(self, tester: str = "A", within_s: float = 300.0) -> Link:
        if not self._plugged_in:
            await self.sleep(within_s)
            raise TimeoutError
        return self._connect(ShipRole.CLIENT, tester)

    def _connect(self, role: ShipRole, tester: str) -> "MemoryDeviceLink":
        if not self._plugged_in:
            raise ConnectionRefusedError("the cable is pulled")
        self._touched = True
        trust = Trust.TRUSTED if tester in self._trusted else Trust.UNDECIDED
        ship = ShipConnection(role, self._own.ship, trust, peer_ski=self.ski_of(tester))
        link = MemoryDeviceLink(self, ship, tester)
        self._links.append(link)
        self.perform(link, ship.start(self.now()))
        return link

    def ski_of(self, tester: str = "A") -> Ski:
        if tester not in _TESTERS:
            raise NotPossible("certificates exist only where there is TLS")
        return _TESTERS[tester]

    async def announced(self) -> Mapping[bytes, bytes | None]:
        raise NotPossible("nothing is announced in memory")

    async def cut(self) -> None:
        self._plugged_in = False
        self._drop_links()

    async def mend(self) -> None:
        self._plugged_in = True

    def _drop_links(self) -> None:
        for link in tuple(self._links):
            link.lose()

    # Buttons

    async def trust(self, tester: str = "A") -> None:
        self._trusted.add(tester)
        self._set_trust(tester, Trust.TRUSTED)

    async def distrust(self, tester: str = "A") -> None:
        self._trusted.discard(tester)
        self._set_trust(tester, Trust.REFUSED)

    def _set_trust(self, tester: str, trust: Trust) -> None:
        for link in tuple(self._links):
            if link.tester == tester:
                self.perform(link, link.ship.set_trust(trust, self.now()))

    async def fresh_start(self) -> None:
        if self._touched:
            await self.restart()

    async def restart(self, off_s: float = 0.0) -> None:
        self._drop_links()
        self._clock.advance(off_s)
        self._power_on()

    async def factory_reset(self) -> None:
        self._failsafe = StoredFailsafe()
        await self.restart()

    async def refuse_limits(self, refuse: bool) -> None:
        self._refusal.pressed = refuse

    async def measure(self, use_case: str, sample: Mapping[Quantity, Reading]) -> None:
        self._act(act_measure(self._composition, use_case, sample))

    async def order(self, order: LimitOrder) -> None:
        self._act(act_order(self._composition, order))

    async def order_failsafe(
        self, direction: Direction, limit_w: float | None = None, duration_s: float | None = None
    ) -> None:
        self._act(act_order_failsafe(self._composition, direction, limit_w, duration_s))

    def _act(self, action: Callable[[Turn], object]) -> None:
        self._do(self._stack.run(self.now(), action))

    # Displays

    async def limit_display(self, direction: Direction) -> LimitDisplay:
        return show_limit(self._composition, direction, self.now())

    async def measured_power_w(self, direction: Direction) -> float:
        raise NotPossible(f"no meter measures the {direction} of a device in memory")

    async def held_values(self, use_case: str) -> Mapping[Quantity, float]:
        return held(self._composition, use_case, self.ski_of())

    # The glue between the machines

    def perform(self, link: "MemoryDeviceLink", effects: list[ShipEffect]) -> None:
        """Carry out what the SHIP machine of a link asks for."""
        for effect in effects:
            match effect:
                case SendMessage(data):
                    link.deliver(data)
                case CloseTransport(code):
                    link.end()
                    self.perform(link, link.ship.transport_closed(code, "", self.now()))
                case PhaseReached(Phase.DATA):
                    peer = Peer(link.ship.peer_ski, self._own.tester_role)
                    self._do(self._stack.connect(peer, self.now()))
                case SpineMessage(datagram):
                    self._do(self._stack.receive(link.ship.peer_ski, datagram, self.now()))
                case Ended():
                    if link in self._links:
                        self._links.remove(link)
                        self._do(self._stack.disconnect(link.ship.peer_ski, self.now()))
                case _:
                    pass

    def _do(self, effects: list[SpineEffect]) -> None:
        for effect in effects:
            match effect:
                case SendDatagram(ski, datagram):
                    for link in self._links:
                        if link.ship.peer_ski == ski and link.ship.phase is Phase.DATA:
                            self.perform(link, link.ship.send_spine(datagram, self.now()))
                            break
                case Persist(record, _, token):
                    if isinstance(record, PersistFailsafe):
                        self._failsafe = record.stored
                    if token is not None:
                        self._do(self._stack.stored(token, True, self.now()))
                case ClosePeer(ski, text):
                    for link in tuple(self._links):
                        if link.ship.peer_ski == ski:
                            self.perform(link, link.ship.close(self.now(), text=text))
                case Emit():
                    pass

    def record(self, message: bytes, link: str, *, sent: bool) -> None:
        """Keep a message for the report."""
        self.frames.append(Frame(self.now() - self._began_at, sent, link, frame_text(message)))


class MemoryDeviceLink:
    """The tester's end of a link to a device in memory."""

    def __init__(self, device: MemoryDevice, ship: ShipConnection, tester: str) -> None:
        self.ship = ship
        self.tester = tester
        self._device = device
        self._inbox: deque[bytes] = deque()
        self._closed = False

    async def send(self, message: bytes) -> None:
        if self._closed:
            return
        self._device.record(message, self.tester, sent=True)
        arriving = self._device.tamper(message, True)
        if arriving is not None:
            self._device.perform(self, self.ship.receive(arriving, self._device.now()))

    async def receive(self, within_s: float) -> bytes | None:
        end = self._device.now() + within_s
        while not self._inbox:
            if self._closed or self._device.step_until(end):
                return self._inbox.popleft() if self._inbox else None
        return self._inbox.popleft()

    @property
    def closed(self) -> bool:
        return self._closed and not self._inbox

    async def close(self) -> None:
        self.lose()

    def lose(self) -> None:
        """The transport is gone."""
        if not self._closed:
            self._closed = True
            self._device.perform(self, self.ship.transport_closed(None, "", self._device.now()))

    def deliver(self, message: bytes) -> None:
        """A message of the device."""
        arriving = None if self._closed else self._device.tamper(message, False)
        if arriving is not None:
            self._device.record(arriving, self.tester, sent=False)
            self._inbox.append(arriving)

    def end(self) -> None:
        """The device closed."""
        self._closed = True
