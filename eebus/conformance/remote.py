"""Any device behind a real socket, in real time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from zeroconf import ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from eebus.clock import SystemClock
from eebus.conformance.device import LimitDisplay, LimitOrder, Link, NotPossible, RefusedInTls
from eebus.conformance.identities import Identities
from eebus.conformance.operator import Operator
from eebus.conformance.sockets import SocketLink, TesterListener, dial_device
from eebus.conformance.tester.ship import SHIP_ID
from eebus.conformance.verdict import Frame, frame_text
from eebus.ids import Ski, parse_ship_id
from eebus.io.mdns import Announcement, Mdns, MdnsSettings
from eebus.io.websocket import WebSocketLink
from eebus.ship.identity import PeerCertificate
from eebus.ship.service import ServiceDescription, build_txt, host_label, instance_label
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading

T = TypeVar("T")
_SERVICE_TYPE = "_ship._tcp.local."
_BROWSE_S = 10.0
_PATIENCE_S = 20.0
_PAUSE_S = 2.0
_SLICE_S = 0.05
_DESCRIPTION = ServiceDescription(
    brand="eebus-hems", model="Conformance", type="Generic", serial="1", categories=(1,)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """Where the device is, and where the tester may be reached by it."""

    host: str
    port: int
    path: str = "/ship/"
    ski: Ski | None = None
    """None: whoever answers at the address."""
    listen_host: str = "0.0.0.0"
    listen_port: int = 0
    interfaces: tuple[str, ...] = ()
    """For multicast DNS, by name or address; empty: all but the loopback."""
    tester_is_control_box: bool = True


@dataclass(slots=True)
class _Listening:
    """One identity of the tester that can be dialled, and its announcement."""

    listener: TesterListener
    announcing: asyncio.Task[None] = field(repr=False)


class RemoteDevice:
    """A device at an address. Implements ``DeviceUnderTest``; one object for a whole session."""

    backend = "remote"

    def __init__(self, settings: RemoteSettings, operator: Operator, identities: Identities) -> None:
        self.frames: list[Frame] = []
        self.port = settings.port
        self._settings = settings
        self._operator = operator
        self._identities = identities
        self._clock = SystemClock()
        self._began_at = self.now()
        self._trusted: set[str] = set()
        self._links: list[SocketLink] = []
        self._listening: dict[str, _Listening] = {}
        self._dialled_at = self._began_at - _PAUSE_S
        self._plugged_in = True
        self._touched = True
        self._serve: Callable[[float], Awaitable[None]] = self.sleep

    @contextlib.asynccontextmanager
    async def case(self) -> "AsyncIterator[RemoteDevice]":
        """One run: its own frames; no link of it is left over."""
        self.frames, self._began_at, self._plugged_in = [], self.now(), True
        self._serve = self.sleep
        try:
            if "A" not in self._trusted:
                await self.trust("A")
            yield self
        finally:
            await self._drop_links()

    async def close(self) -> None:
        """Listen no more."""
        await self._drop_links()

    # The clock

    def now(self) -> float:
        return self._clock.monotonic()

    def utc_now(self) -> datetime:
        return self._clock.utc_now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def serve_with(self, serve: Callable[[float], Awaitable[None]]) -> None:
        self._serve = serve

    async def _operate(self, action: Coroutine[object, object, T]) -> T:
        """Let the operator act; meanwhile the device must get its answers, however long a person takes."""
        task = asyncio.create_task(action)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_SLICE_S)
                await self._serve(_SLICE_S)
            return task.result()
        finally:
            task.cancel()

    # Connections

    async def dial(self, tester: str = "A") -> Link:
        if not self._plugged_in:
            raise ConnectionRefusedError("the cable is pulled")
        self._touched = True
        link, peer = await self._reach_device(tester)
        if self._identities.dut_ski is None:
            self._identities.dut_ski = peer.ski
        return self._keep(SocketLink(link, tester, self._record, scale=1.0, peer=peer))

    async def _reach_device(self, tester: str) -> tuple[WebSocketLink, PeerCertificate]:
        """Connect; devices that bound how often an address may come need a pause now and then.

        Where a refusal is what the case looks for, the pause comes before: that the address came too often
        must not look like a judgement on the certificate.
        """
        settings, until = self._settings, self.now() + _PATIENCE_S
        identity = self._identities.get(tester)
        if tester == "spoofed":
            await asyncio.sleep(max(0.0, self._dialled_at + _PAUSE_S - self.now()))
        while True:
            self._dialled_at = self.now()
            try:
                return await dial_device(identity, settings.ski, settings.host, self.port, settings.path)
            except (RefusedInTls, ConnectionError):
                if tester == "spoofed" or self.now() >= until:
                    raise
                await asyncio.sleep(_PAUSE_S)

    async def accept(self, tester: str = "A", within_s: float = 300.0) -> Link:
        self._touched = True
        listener = await self._listen(tester)
        await self._operate(self._operator.let_it_dial(self.ski_of(tester), listener.port))
        link, peer = await listener.next(within_s)
        return self._keep(SocketLink(link, tester, self._record, scale=1.0, peer=peer))

    async def _listen(self, tester: str) -> TesterListener:
        """Listen with one identity only: a device dials every tester that it trusts and sees."""
        for other in [name for name in self._listening if self.ski_of(name) == self.ski_of(tester)]:
            if other != tester:
                await self._stop_listening(other)
        if tester not in self._listening:
            settings = self._settings
            listener = TesterListener(
                self._identities.get(tester), settings.listen_host, settings.listen_port
            )
            announcing = asyncio.create_task(self._announce(tester, listener.port))
            self._listening[tester] = _Listening(listener, announcing)
        listener = self._listening[tester].listener
        listener.forget()
        return listener

    async def _announce(self, tester: str, port: int) -> None:
        ski = self.ski_of(tester)
        announcement = Announcement(
            instance_label(_DESCRIPTION, ski),
            host_label(ski),
            port,
            build_txt(parse_ship_id(f"{SHIP_ID}-{tester}"), ski, _DESCRIPTION),
        )
        settings = MdnsSettings(interfaces=self._settings.interfaces)
        await Mdns(settings, announcement, lambda _found: None, lambda _lost: None).run()

    async def _stop_listening(self, tester: str) -> None:
        listening = self._listening.pop(tester)
        listening.announcing.cancel()
        await asyncio.gather(listening.announcing, return_exceptions=True)
        await listening.listener.close()

    def _keep(self, link: SocketLink) -> SocketLink:
        self._links.append(link)
        return link

    def ski_of(self, tester: str = "A") -> Ski:
        return self._identities.get(tester).ski

    async def announced(self) -> Mapping[bytes, bytes | None]:
        """Browse for the service that names the SKI of the device, or its port while that is unknown."""
        found: asyncio.Queue[str] = asyncio.Queue()

        def notice(name: str, state_change: ServiceStateChange, **_other: object) -> None:
            if state_change is not ServiceStateChange.Removed:
                found.put_nowait(name)

        interfaces = list(self._settings.interfaces)
        zeroconf = AsyncZeroconf(interfaces=interfaces) if interfaces else AsyncZeroconf()
        browser = AsyncServiceBrowser(zeroconf.zeroconf, _SERVICE_TYPE, handlers=[notice])
        try:
            async with asyncio.timeout(_BROWSE_S):
                while True:
                    info = AsyncServiceInfo(_SERVICE_TYPE, await found.get())
                    if await info.async_request(zeroconf.zeroconf, 3000) and self._is_device(info):
                        return info.properties
        except TimeoutError:
            raise NotPossible("the device is not announced on this network") from None
        finally:
            await browser.async_cancel()
            await zeroconf.async_close()

    def _is_device(self, info: AsyncServiceInfo) -> bool:
        ski = (info.properties.get(b"ski") or b"").decode(errors="replace").lower()
        known = self._identities.dut_ski
        return ski == known if known is not None else info.port == self.port

    async def cut(self) -> None:
        self._plugged_in = False
        await self._drop_links()

    async def mend(self) -> None:
        self._plugged_in = True

    async def _drop_links(self) -> None:
        for tester in list(self._listening):
            await self._stop_listening(tester)
        for link in self._links:
            await link.close()
        self._links.clear()
        await asyncio.sleep(0.1)

    # Buttons

    async def trust(self, tester: str = "A") -> None:
        if tester not in self._trusted:
            as_box = tester == "A" and self._settings.tester_is_control_box
            await self._operate(self._operator.trust(self.ski_of(tester), as_control_box=as_box))
            self._trusted.add(tester)

    async def distrust(self, tester: str = "A") -> None:
        await self._operate(self._operator.distrust(self.ski_of(tester)))
        self._trusted.discard(tester)

    async def fresh_start(self) -> None:
        if self._touched:
            await self.restart()

    async def restart(self, off_s: float = 0.0) -> None:
        await self._drop_links()
        await self._operate(self._operator.restart(off_s))
        self._touched = False

    async def factory_reset(self) -> None:
        await self._drop_links()
        await self._operate(self._operator.factory_reset())
        self._touched = False

    async def refuse_limits(self, refuse: bool) -> None:
        await self._operate(self._operator.refuse_limits(refuse))

    async def measure(self, use_case: str, sample: Mapping[Quantity, Reading]) -> None:
        await self._operate(self._operator.measure(use_case, sample))

    async def order(self, order: LimitOrder) -> None:
        await self._operate(self._operator.order(order))

    async def order_failsafe(
        self, direction: Direction, limit_w: float | None = None, duration_s: float | None = None
    ) -> None:
        await self._operate(self._operator.order_failsafe(direction, limit_w, duration_s))

    # Displays

    async def limit_display(self, direction: Direction) -> LimitDisplay:
        return await self._operate(self._operator.limit_display(direction))

    async def measured_power_w(self, direction: Direction) -> float:
        return await self._operate(self._operator.measured_power_w(direction))

    async def held_values(self, use_case: str) -> Mapping[Quantity, float]:
        return await self._operate(self._operator.held_values(use_case))

    def _record(self, message: bytes, link: str, sent: bool) -> None:
        self.frames.append(Frame(self.now() - self._began_at, sent, link, frame_text(message)))
