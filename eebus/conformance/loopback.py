"""Our devices behind real sockets: a whole node on loopback with TLS, WebSocket and, when asked for, mDNS.

The clock of the node runs faster than ours, so that the waits of the cases stay short; TLS and TCP do not
know about it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from eebus.conformance.buttons import Action, act_measure, act_order, act_order_failsafe, held, show_limit
from eebus.conformance.device import LimitDisplay, LimitOrder, Link, NotPossible
from eebus.conformance.identities import Identities, largest_of
from eebus.conformance.own import Composition, OwnDevice, Refusal
from eebus.conformance.sockets import SocketLink, TesterListener, dial_device
from eebus.conformance.verdict import Frame, frame_text
from eebus.ids import PeerRole, Ski
from eebus.io.addresses import PeerAddress
from eebus.io.events import PersistTrust
from eebus.io.node import Node, NodeSettings
from eebus.ship.identity import Identity
from eebus.ship.service import ServiceDescription, instance_label
from eebus.ship.trust import TrustEntry, TrustList
from eebus.spine.stack import SpineStack
from eebus.usecases.events import PersistFailsafe, StoredFailsafe
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading

SCALE: Final = 5.0
"""A busy machine must not look like a slow device."""
_HOST: Final = "127.0.0.1"
_TICK_S: Final = 0.005
_QUERY_S: Final = 0.5
_SERVICE: Final = ServiceDescription(
    brand="Acme", model="Gateway", type="EnergyManagementSystem", serial="1", categories=(2,)
)


class ScaledClock:
    """A clock that runs faster than the one of this machine."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._start_s = time.monotonic()
        self._start_utc = datetime.now(UTC)

    def monotonic(self) -> float:
        return 1000.0 + (time.monotonic() - self._start_s) * self._scale

    def utc_now(self) -> datetime:
        return self._start_utc + timedelta(seconds=self.monotonic() - 1000.0)


@cache
def _dut_identity() -> Identity:
    """With a large SKI, so that a smaller one is found quickly (CONN_001)."""
    return largest_of(20)


@cache
def _testers() -> Identities:
    return Identities(_dut_identity().ski)


class LoopbackDevice:
    """One of our devices as a node on loopback. Implements ``DeviceUnderTest``."""

    backend = "loopback TLS"

    def __init__(self, own: OwnDevice, scale: float = SCALE) -> None:
        self.frames: list[Frame] = []
        self._own = own
        self._scale = scale
        self._clock = ScaledClock(scale)
        self._began_at = self._clock.monotonic()
        self._refusal = Refusal()
        self._failsafe = StoredFailsafe()
        self._trust = TrustList()
        self._roles = {"A": own.tester_role}
        self._addresses: dict[Ski, PeerAddress] = {}
        self._listeners: dict[str, TesterListener] = {}
        self._links: list[SocketLink] = []
        self._plugged_in = True
        self._touched = False
        self._announce = False
        self._tasks: list[asyncio.Task[None]] = []
        self._port = 0
        self._remember("A")

    @property
    def node(self) -> Node:
        """The node, as it runs since the last start."""
        return self._node

    @property
    def port(self) -> int:
        """Where it listens; another one after each start."""
        return self._port

    @contextlib.asynccontextmanager
    async def running(self) -> "AsyncIterator[LoopbackDevice]":
        """The device, up."""
        await self._power_on()
        try:
            yield self
        finally:
            await self._power_off()
            for link in self._links:
                await link.close()
            for listener in self._listeners.values():
                await listener.close()
            await asyncio.sleep(0.02)  # transports close their sockets in the next turns of the loop

    async def _power_on(self) -> None:
        self._composition: Composition = self._own.compose(self._failsafe, self._refusal)
        stack = SpineStack(self._composition.device, utc_now=self._clock.utc_now)
        for handler in self._composition.handlers:
            stack.add_handler(handler)
        self._node = Node(
            identity=_dut_identity(),
            ship_id=self._own.ship.local_ship_id,
            ship=self._own.ship,
            stack=stack,
            trust=self._trust,
            settings=NodeSettings(
                host=_HOST,
                port=0,
                service=_SERVICE,
                announce=self._announce,
                discover=False,
                interfaces=("lo",),
                peers=tuple(self._addresses.values()),
            ),
            clock=self._clock,
            on_event=lambda _event: None,
            persist=self._store,
            random=lambda low, _high: low,
        )
        self._node.act(self._composition.start)
        self._tasks = [asyncio.create_task(self._node.run()), asyncio.create_task(self._tick())]
        self._port = await self._node.listening()

    async def _power_off(self) -> None:
        """Without a farewell, as when the power fails."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tick(self) -> None:
        """The node's alarm counts in seconds of this machine; this one does not."""
        while True:
            await asyncio.sleep(_TICK_S)
            self._node.keep_time()

    async def _store(self, record: object) -> None:
        if isinstance(record, PersistFailsafe):
            self._failsafe = record.stored
        elif isinstance(record, PersistTrust):
            self._trust = record.trust

    def _remember(self, tester: str) -> None:
        entry = TrustEntry(
            ski=self.ski_of(tester), role=self._role(tester), accepted_at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        self._trust = self._trust.accept(entry, own_ski=_dut_identity().ski)

    def _role(self, tester: str) -> PeerRole:
        return self._roles.get(tester, PeerRole.DEVICE)

    # The clock

    def now(self) -> float:
        return self._clock.monotonic()

    def utc_now(self) -> datetime:
        return self._clock.utc_now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._scale)

    def serve_with(self, serve: Callable[[float], Awaitable[None]]) -> None:
        """No operator of a device in this process is ever busy."""

    # Connections

    async def dial(self, tester: str = "A") -> Link:
        if not self._plugged_in:
            raise ConnectionRefusedError("the cable is pulled")
        self._touched = True
        link, peer = await dial_device(_testers().get(tester), _dut_identity().ski, _HOST, self._port)
        return self._keep(SocketLink(link, tester, self._record, scale=self._scale, peer=peer))

    async def accept(self, tester: str = "A", within_s: float = 300.0) -> Link:
        self._touched = True
        listener = await self._listener(tester)
        ski = self.ski_of(tester)
        address = PeerAddress(ski, _HOST, listener.port)
        if self._addresses.get(ski) != address:
            self._addresses[ski] = address
            self._node.know(address)
        link, peer = await listener.next(within_s / self._scale)
        return self._keep(SocketLink(link, tester, self._record, scale=self._scale, peer=peer))

    async def _listener(self, tester: str) -> TesterListener:
        """The one listener of a tester's SKI: a node dials first where it was successful last."""
        for other in [name for name in self._listeners if name != tester]:
            if self.ski_of(other) == self.ski_of(tester):
                await self._listeners.pop(other).close()
        if tester not in self._listeners:
            self._listeners[tester] = TesterListener(_testers().get(tester), _HOST)
        self._listeners[tester].forget()
        return self._listeners[tester]

    def _keep(self, link: SocketLink) -> SocketLink:
        self._links.append(link)
        return link

    def ski_of(self, tester: str = "A") -> Ski:
        return _testers().get(tester).ski

    async def announced(self) -> Mapping[bytes, bytes | None]:
        self._announce = True
        await self.restart()
        name = f"{instance_label(_SERVICE, _dut_identity().ski)}._ship._tcp.local."
        info = AsyncServiceInfo("_ship._tcp.local.", name)
        zeroconf = AsyncZeroconf(interfaces=[_HOST])
        try:
            for _attempt in range(10):
                if await info.async_request(zeroconf.zeroconf, _QUERY_S * 1000):
                    break
            else:
                raise NotPossible("the service of the device was not found")
        finally:
            await zeroconf.async_close()
        return info.properties

    async def cut(self) -> None:
        self._plugged_in = False
        for link in self._links:
            await link.close()
        for listener in self._listeners.values():
            await listener.close()
        self._listeners.clear()
        await asyncio.sleep(0.05)

    async def mend(self) -> None:
        self._plugged_in = True

    # Buttons

    async def trust(self, tester: str = "A") -> None:
        if self._node.trust.get(self.ski_of(tester)) is None:
            await self._node.accept(self.ski_of(tester), self._role(tester))

    async def distrust(self, tester: str = "A") -> None:
        await self._node.remove(self.ski_of(tester))

    async def fresh_start(self) -> None:
        if self._touched:
            await self.restart()

    async def restart(self, off_s: float = 0.0) -> None:
        await self._power_off()
        await self.sleep(off_s)
        await self._power_on()

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

    def _act(self, action: Action) -> None:
        self._node.act(action)

    # Displays

    async def limit_display(self, direction: Direction) -> LimitDisplay:
        return show_limit(self._composition, direction, self.now())

    async def measured_power_w(self, direction: Direction) -> float:
        raise NotPossible(f"no meter measures the {direction} of a simulated device")

    async def held_values(self, use_case: str) -> Mapping[Quantity, float]:
        return held(self._composition, use_case, self.ski_of())

    def _record(self, message: bytes, link: str, sent: bool) -> None:
        self.frames.append(Frame(self.now() - self._began_at, sent, link, frame_text(message)))
