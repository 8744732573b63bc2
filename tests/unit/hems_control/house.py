"""A small simulated house: devices behind the device port, a meter that may lag, and control around them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from hems.control.allocation import Strategy
from hems.control.budget import Convention
from hems.control.loop import Controlled, ControlLoop
from hems.control.progress import Progress
from hems.control.rules import Traits
from hems.control.status import DeviceStatus, LaneStatus
from hems.devices import (
    Capabilities,
    DeviceSample,
    DeviceUnreachable,
    Direction,
    Fallback,
    FeasiblePowers,
    Kind,
    MeterSample,
    NotConnected,
    PowerRange,
    Readback,
    Setpoint,
    WriteRefused,
)
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason
from hems.metering.energies import Energies
from hems.metering.measurements import Measurements
from tests.unit.hems_control.virtual_time import LoopClock

WALLBOX = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(4140.0, 11040.0, 230.0)))
HEAT_PUMP = FeasiblePowers((PowerRange(0.0, 8000.0),))
CONSUMPTION, PRODUCTION = Direction.CONSUMPTION, Direction.PRODUCTION


def wallbox(
    *,
    reaction_s: float = 1.0,
    fallback: Fallback | None = None,
    refresh_s: float | None = None,
    write_gap_s: float = 0.0,
    measures_power: bool = True,
) -> Capabilities:
    """A three-phase 11 kW wallbox that may pause."""
    return Capabilities(
        kind=Kind.WALLBOX,
        nameplate_w=11040.0,
        consumption=WALLBOX,
        consumption_fallback=fallback,
        reaction_s=reaction_s,
        refresh_s=refresh_s,
        write_gap_s=write_gap_s,
        measures_power=measures_power,
    )


def heat_pump(*, reaction_s: float = 1.0) -> Capabilities:
    """An 8 kW heat pump that takes any value."""
    return Capabilities(Kind.HEAT_PUMP, 8000.0, consumption=HEAT_PUMP, reaction_s=reaction_s)


def inverter(nameplate_w: float = 10000.0) -> Capabilities:
    """An inverter that can be bounded at any power."""
    powers = FeasiblePowers((PowerRange(0.0, nameplate_w),))
    return Capabilities(Kind.INVERTER, nameplate_w, production=powers, reaction_s=1.0)


@dataclass
class SimulatedDevice:
    """A device with a mind of its own. `wanted_w`: what it would draw (or produce, negative) when free."""

    name: str
    capabilities: Capabilities
    wanted_w: float
    clock: LoopClock = field(default_factory=LoopClock)
    reachable: bool = True
    mute: bool = False
    deaf: bool = False
    refuses: bool = False
    tells_what_it_holds: bool = True
    answers_after_s: float = 0.0
    demand_w: float | None = None
    held: dict[Direction, float | None] = field(default_factory=dict)
    writes: list[tuple[float, Setpoint]] = field(default_factory=list)
    connects: int = 0
    closed: bool = False

    async def connect(self) -> None:
        self.connects += 1
        await self._answer()

    async def read(self) -> DeviceSample:
        await self._answer()
        return DeviceSample(
            at_s=self.clock.monotonic(),
            power_w=self.power_w() if self.capabilities.measures_power else None,
            ceilings_w=dict(self.held) if self.tells_what_it_holds else {},
            demand_w=self.demand_w,
        )

    async def write(self, setpoint: Setpoint) -> Readback:
        await self._answer()
        self.writes.append((self.clock.monotonic(), setpoint))
        if self.refuses:
            raise WriteRefused(f"{self.name} says no")
        self.held[setpoint.direction] = setpoint.power_w
        if not self.tells_what_it_holds:
            return Readback(setpoint.power_w, None, confirmed=False)
        return Readback(setpoint.power_w, setpoint.power_w, confirmed=True)

    async def close(self) -> None:
        self.closed = True

    def reboot(self) -> None:
        """Forget every set-point."""
        self.held.clear()

    def power_w(self) -> float:
        """Signed power that flows now."""
        if self.deaf:
            return self.wanted_w
        direction = CONSUMPTION if self.wanted_w >= 0.0 else PRODUCTION
        ceiling_w = self.held.get(direction)
        magnitude_w = abs(self.wanted_w) if ceiling_w is None else min(abs(self.wanted_w), ceiling_w)
        return magnitude_w if direction is CONSUMPTION else -magnitude_w

    def values(self, direction: Direction = CONSUMPTION) -> list[float | None]:
        """The set-points written so far."""
        return [s.power_w for _, s in self.writes if s.direction is direction]

    async def _answer(self) -> None:
        if self.answers_after_s:
            await asyncio.sleep(self.answers_after_s)
        if self.mute:
            raise DeviceUnreachable(f"{self.name} does not answer")
        if not self.reachable:
            raise NotConnected(f"{self.name} is unplugged")


@dataclass
class SimulatedMeter:
    """The grid meter; shows what flowed `lag_s` ago, by `shows` with more than the power."""

    power_w: Callable[[], float]
    lag_s: float = 0.0
    shows: Callable[[MeterSample], MeterSample] = lambda sample: sample
    reachable: bool = True
    name: str = "meter"
    clock: LoopClock = field(default_factory=LoopClock)
    _history: list[tuple[float, float]] = field(default_factory=list)

    async def connect(self) -> None:
        pass

    async def read(self) -> MeterSample:
        if not self.reachable:
            raise DeviceUnreachable("the meter is unplugged")
        now = self.clock.monotonic()
        shown_w = next((w for at, w in reversed(self._history) if at <= now - self.lag_s), self.power_w())
        return self.shows(MeterSample(at_s=now, power_w=shown_w))

    async def close(self) -> None:
        pass

    async def remember(self) -> None:
        """Note what flows, ten times a second."""
        while True:
            self._history.append((self.clock.monotonic(), self.power_w()))
            await asyncio.sleep(0.1)


class House:
    """Devices, meter, house load and PV, with control running."""

    def __init__(
        self,
        devices: Sequence[SimulatedDevice],
        *,
        house_w: float = 0.0,
        pv_w: float = 0.0,
        lag_s: float = 0.0,
        strategy: Strategy = Strategy.PRIORITY,
        convention: Convention = Convention.HOUSE_FIRST,
        traits: Traits | None = None,
        ranks: Mapping[str, int] | None = None,
        offer_to_batteries: bool = False,
        meter_shows: Callable[[MeterSample], MeterSample] = lambda sample: sample,
    ) -> None:
        self.devices = {d.name: d for d in devices}
        self.house_w = house_w
        self.pv_w = pv_w
        self.meter = SimulatedMeter(self.grid_w, lag_s, meter_shows)
        self.progress: list[Progress] = []
        self.cycles = 0
        self.most_drawn_w = 0.0
        self.control = ControlLoop(
            devices=[Controlled(d, _ranked(traits or Traits(), ranks, d.name)) for d in devices],
            meter=self.meter,
            clock=LoopClock(),
            measurements=Measurements(),
            energies=Energies(),
            on_cycle=self._cycle,
            on_progress=self.progress.append,
            strategy=strategy,
            convention=convention,
            offer_to_batteries=offer_to_batteries,
        )

    def drawn_w(self) -> float:
        """True draw of all devices."""
        return sum(max(0.0, d.power_w()) for d in self.devices.values())

    def grid_w(self) -> float:
        """True power at the grid connection, import positive."""
        return self.house_w - self.pv_w + sum(d.power_w() for d in self.devices.values())

    def limit(self, value_w: float | None, basis: Basis = Basis.CONTROLLABLE) -> None:
        """An order of the grid operator arrives."""
        self.control.new_ceilings([order(value_w, asyncio.get_running_loop().time(), basis)])

    def device(self, name: str) -> DeviceStatus:
        """What control shows of a device."""
        return next(d for d in self.control.status().devices if d.name == name)

    def lane(self, name: str) -> LaneStatus:
        """What control shows of a device's first direction."""
        return self.device(name).lanes[0]

    async def watch(self, seconds: float) -> None:
        """Let time pass and keep the highest draw in `most_drawn_w`."""
        self.most_drawn_w = 0.0
        for _ in range(round(seconds * 10)):
            await asyncio.sleep(0.1)
            self.most_drawn_w = max(self.most_drawn_w, self.drawn_w())

    def _cycle(self) -> None:
        self.cycles += 1


def _ranked(traits: Traits, ranks: Mapping[str, int] | None, name: str) -> Traits:
    return traits if ranks is None else replace(traits, rank=ranks[name])


@asynccontextmanager
async def running(house: House) -> AsyncIterator[House]:
    """Run control with all its jobs."""
    tasks = [asyncio.ensure_future(job()) for job in house.control.jobs().values()]
    tasks.append(asyncio.ensure_future(house.meter.remember()))
    try:
        yield house
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def order(value_w: float | None, now: float, basis: Basis = Basis.CONTROLLABLE) -> Ceiling:
    """A grid operator's ceiling."""
    source = "eebus/lpc" if basis is Basis.CONTROLLABLE else "eebus/lpp"
    reason = Reason("order", "the grid operator limits")
    return Ceiling(source, value_w, basis, CeilingKind.GRID_OPERATOR, reason, since_s=now)
