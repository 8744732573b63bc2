"""A Steuerbox: sends limits and failsafe values over real TLS, as the box of a metering operator does.

Unlike a real one it does nothing by itself beyond its heartbeat: whoever drives it decides what is written.
"""

import asyncio
import contextlib
import random as randomness
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, replace

from eebus.clock import Clock, SystemClock
from eebus.errors import LocalError, RemoteError
from eebus.ids import PeerRole, Ski, parse_ship_id
from eebus.io.addresses import PeerAddress
from eebus.io.link import unchanged
from eebus.io.node import Node, NodeSettings
from eebus.io.recorder import FrameRecorder
from eebus.ship.identity import Identity
from eebus.ship.service import ServiceDescription
from eebus.ship.trust import TrustList
from eebus.simulator.faults import CLOCK_JUMP, FAULTS, LOST_HEARTBEAT, Fault, FaultyLine
from eebus.simulator.wrong_clock import WrongClock
from eebus.spine.device import EntityPath
from eebus.spine.events import PeerGone
from eebus.spine.stack import Turn
from eebus.usecases.controllable_view import ControllableSystemView
from eebus.usecases.energy_guard import (
    EnergyGuard,
    EnergyGuardSettings,
    Limit,
    SystemChanged,
    SystemReady,
    WriteAnswered,
)
from eebus.usecases.house import build_control_box, build_stack, device_address
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity

ANSWER_WAIT_S = 15.0
"""The stack gives a request up after 10 s and tells so; this is only the net below."""
LOOPBACK = NodeSettings(host="127.0.0.1", port=0, announce=False, discover=False)
"""For a box and a gateway on the same machine that know each other's address."""
_TELL_WAIT_S = 5.0
_BRAND, _MODEL = "eebus-hems", "Steuerbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSettings:
    """How the box is reached and how it behaves."""

    serial: str = "1"
    node: NodeSettings = LOOPBACK
    heartbeat_interval_s: float = 25.0
    opening_write: bool = False
    """True: after each connection the box states its limit anew, as the specification asks for."""


class ControlBoxSimulator:
    """One box. Use it as ``async with box.running(): …``."""

    def __init__(
        self,
        identity: Identity,
        settings: BoxSettings,
        *,
        clock: Clock | None = None,
        on_event: Callable[[object], None] = lambda _event: None,
        trust: TrustList | None = None,
        recorder: FrameRecorder | None = None,
        random: Callable[[float, float], float] = randomness.uniform,
    ) -> None:
        clock = WrongClock(clock or SystemClock())
        self._settings = settings
        self._on_event = on_event
        self._clock = clock
        self._line = FaultyLine(recorder.link if recorder else unchanged)
        guard = EnergyGuardSettings(
            heartbeat_interval_s=settings.heartbeat_interval_s, opening_write=settings.opening_write
        )
        self._box = build_control_box(device_address(_BRAND, _MODEL, settings.serial), settings=guard)
        service = ServiceDescription(
            brand=_BRAND, model=_MODEL, type="ControlBox", serial=settings.serial, categories=(1,)
        )
        self.node = Node(
            identity=identity,
            ship_id=parse_ship_id(f"{_BRAND}-{_MODEL}-{settings.serial}"),
            stack=build_stack(self._box, clock.utc_now),
            trust=trust or TrustList(),
            settings=replace(settings.node, service=service),
            clock=clock,
            on_event=self._take,
            persist=_keep_nothing,
            wrap_link=self._line.wrap,
            random=random,
        )
        self._answers: dict[tuple[Ski, int], asyncio.Future[WriteAnswered]] = {}
        self._ready: set[Ski] = set()
        self._changes = 0
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """The box, up; yields the port it listens on. Ends with an announced close."""
        self.node.act(self._box.start)
        async with self.node.running() as port:
            yield port

    # -- partners ------------------------------------------------------------------------------------

    async def pair(self, ski: Ski, host: str = "", port: int = 0) -> None:
        """Trust a controllable system, and dial it when its address is given."""
        if host:
            self.node.know(PeerAddress(ski, host, port))
        await self.node.accept(ski, PeerRole.DEVICE)

    async def unpair(self, ski: Ski) -> None:
        """Withdraw the trust; the partner is told. Raises LocalError when there is none."""
        await self.node.remove(ski)

    def disconnect(self, ski: Ski) -> None:
        """Close in an orderly way; the box dials again by itself."""
        self.node.disconnect(ski)

    async def ready(self, ski: Ski | None = None, wait_s: float = 60.0) -> Ski:
        """Wait until a partner can be written. Raises TimeoutError."""
        async with asyncio.timeout(wait_s):
            while not (found := self._ready if ski is None else self._ready & {ski}):
                self._news.clear()
                await self._news.wait()
        return next(iter(found))

    # -- writes --------------------------------------------------------------------------------------

    async def limit(
        self,
        value_w: float,
        *,
        direction: Direction = Direction.CONSUMPTION,
        duration_s: float | None = None,
        active: bool = True,
        ski: Ski | None = None,
    ) -> WriteAnswered:
        """Write a limit (magnitude in watts; without duration: no end) and wait for the answer.

        Raises LocalError when no partner, or more than one possible, is ready, and RemoteError when the
        connection ends before the answer.
        """
        limit = Limit(active, value_w, duration_s)
        return await self._write(
            ski, lambda turn, partner: self._guard.write_limit(direction, limit, turn, ski=partner)
        )

    async def deactivate(
        self, *, direction: Direction = Direction.CONSUMPTION, ski: Ski | None = None
    ) -> WriteAnswered:
        """Take the limit back and wait for the answer. Raises as :meth:`limit`."""
        return await self._write(
            ski, lambda turn, partner: self._guard.deactivate(direction, turn, ski=partner)
        )

    async def failsafe(
        self,
        *,
        consumption_w: float | None = None,
        production_w: float | None = None,
        duration_s: float | None = None,
        ski: Ski | None = None,
    ) -> WriteAnswered:
        """Write failsafe values in one message and wait for the answer. Raises as :meth:`limit`.

        A partner can be ready for limits before it has told its failsafe values; that is waited for.
        """
        partner = ski or self._only_ready()
        await self._until(lambda: self._shows_failsafe(partner))
        given = {Direction.CONSUMPTION: consumption_w, Direction.PRODUCTION: production_w}
        limits_w = {direction: value_w for direction, value_w in given.items() if value_w is not None}
        return await self._write(
            partner,
            lambda turn, ski: self._guard.write_failsafe(
                turn, limits_w=limits_w, duration_s=duration_s, ski=ski
            ),
        )

    def heartbeat(self, on: bool) -> None:
        """Stop the heartbeat, to play a box that has died, or send it again."""
        self.node.act(lambda turn: self._guard.set_heartbeat(on, turn))

    # -- what the box knows --------------------------------------------------------------------------

    async def read_back(self, ski: Ski | None = None, *, refresh: bool = True) -> ControllableSystemView:
        """What a partner shows; read anew with *refresh*. Raises LocalError when no such partner is known."""
        if refresh:
            before = self._changes
            self.node.act(lambda turn: self._guard.read_back(turn, ski=ski))
            # Limits and failsafe values; answers to the first reads may still be among the changes.
            await self._until(lambda: self._changes >= before + 2 and self._shows_failsafe(ski))
        for view in self.node.act(self._guard.views):
            if ski in (None, view.ski):
                return view
        raise LocalError("no controllable system is known")

    async def _until(self, told: Callable[[], bool]) -> None:
        """Give a partner time to tell something; one that never does is taken as it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TELL_WAIT_S):
                while not told():
                    self._news.clear()
                    await self._news.wait()

    def _shows_failsafe(self, ski: Ski | None) -> bool:
        views = self.node.act(self._guard.views)
        return any(view.failsafe_w for view in views if ski in (None, view.ski))

    def heartbeat_age_s(self, ski: Ski) -> float | None:
        """How long ago a partner's heartbeat was heard."""
        return self._guard.heartbeat_age_s(ski, self._clock.monotonic())

    def grid_values(self, ski: Ski) -> dict[Quantity, float]:
        """What a partner reports of its grid connection point; without values that are disturbed now."""
        reader = self._box.grid_reader
        return _undisturbed(reader.values(ski), reader.disturbed_since(ski))

    def grid_disturbed_s(self, ski: Ski) -> dict[Quantity, float]:
        """For how long a partner has flagged values of its grid connection point as disturbed."""
        return self._lengths(self._box.grid_reader.disturbed_since(ski))

    def units(self, ski: Ski) -> dict[EntityPath, dict[Quantity, float]]:
        """What the monitored units of a partner report, by entity; without values that are disturbed now."""
        reader = self._box.unit_reader
        return {
            entity: _undisturbed(reader.values(ski, entity), reader.disturbed_since(ski, entity))
            for entity in reader.entities(ski)
        }

    def units_disturbed_s(self, ski: Ski) -> dict[EntityPath, dict[Quantity, float]]:
        """For how long a partner has flagged values of its units as disturbed, by entity."""
        reader = self._box.unit_reader
        return {entity: self._lengths(reader.disturbed_since(ski, entity)) for entity in reader.entities(ski)}

    def _lengths(self, since: Mapping[Quantity, float]) -> dict[Quantity, float]:
        return {quantity: self._clock.monotonic() - at for quantity, at in since.items()}

    # -- faults --------------------------------------------------------------------------------------

    @property
    def faults(self) -> frozenset[str]:
        """The names of the lasting faults that are switched on."""
        return self._line.active

    def fault(self, name: str, *, on: bool = True, seconds: float = 0.0) -> Fault:
        """Let a fault of the menu begin or end, or happen once; `seconds` is how far the clock jumps.

        Raises LocalError for an unknown fault, and for a momentary one without an open connection.
        """
        fault = FAULTS.get(name)
        if fault is None:
            raise LocalError(f"there is no fault '{name}'; there are {', '.join(FAULTS)}")
        if not fault.lasting:
            self._line.break_now(fault)
            return fault
        self._line.switch(fault, on)
        if fault is LOST_HEARTBEAT:
            self.heartbeat(not on)
        elif fault is CLOCK_JUMP:
            self._clock.wrong_by_s = seconds if on else 0.0
        return fault

    # -- inside --------------------------------------------------------------------------------------

    @property
    def _guard(self) -> EnergyGuard:
        return self._box.energy_guard

    async def _write(self, ski: Ski | None, write: Callable[[Turn, Ski], int]) -> WriteAnswered:
        """Raises RemoteError when the connection ends before the answer."""
        partner = ski or self._only_ready()
        counter = self.node.act(lambda turn: write(turn, partner))
        answer: asyncio.Future[WriteAnswered] = asyncio.get_running_loop().create_future()
        self._answers[partner, counter] = answer
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                return await answer
        finally:
            del self._answers[partner, counter]

    def _only_ready(self) -> Ski:
        if len(self._ready) != 1:
            raise LocalError(f"{len(self._ready)} partners are ready to be written, one is needed")
        return next(iter(self._ready))

    def _take(self, event: object) -> None:
        match event:
            case SystemReady(ski):
                self._ready.add(ski)
            case PeerGone(ski):
                self._ready.discard(ski)
                self._give_up(ski)
            case WriteAnswered():
                answer = self._answers.get((event.ski, event.msg_counter))
                if answer is not None and not answer.done():
                    answer.set_result(event)
            case SystemChanged():
                self._changes += 1
        self._news.set()
        self._on_event(event)

    def _give_up(self, ski: Ski) -> None:
        for (partner, _counter), answer in self._answers.items():
            if partner == ski and not answer.done():
                answer.set_exception(RemoteError("the connection ended before the answer"))


def _undisturbed(values: Mapping[Quantity, float], disturbed: Collection[Quantity]) -> dict[Quantity, float]:
    return {quantity: value for quantity, value in values.items() if quantity not in disturbed}


async def _keep_nothing(_record: object) -> None:
    """A simulated box forgets its partners when it ends; whoever drives it names them again."""
