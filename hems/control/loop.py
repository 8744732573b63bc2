"""Control of the house: ceilings in, set-points out, every second checked against measurement."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from eebus.clock import Clock
from hems.control.allocation import Strategy
from hems.control.budget import Convention
from hems.control.execution import DeviceCore
from hems.control.progress import Milestone, Progress
from hems.control.rules import HouseRules, Traits
from hems.control.runner import Bell, DeviceRunner, MeterRunner
from hems.control.side import Side
from hems.control.status import ControlStatus, DeviceStatus, LaneStatus
from hems.devices import Device, DeviceSample, Direction, Meter, MeterSample, Setpoint
from hems.limits.arbiter import Arbiter
from hems.limits.ceilings import Ceiling, CeilingKind
from hems.metering.energies import Energies
from hems.metering.measurements import Measurements

CYCLE_S = 1.0
SECOND_LOOK_S = 0.05
SHUTDOWN_S = 5.0
"""Longest time for the last writes; after that the devices' own fallbacks must do."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Controlled:
    """A device under control, and what the rules know of it."""

    device: Device
    traits: Traits = field(default_factory=Traits)


class ControlLoop:
    """Owns the ceilings in force, the cores and runners of all devices, and the cycle.

    The caller runs `jobs()`, each in a task that it supervises; `new_ceilings` may be called before that.
    `devices` come in priority order. `on_cycle` is called after every completed cycle and feeds the
    watchdogs. `on_progress` hears how far an order has come.
    """

    def __init__(
        self,
        *,
        devices: Sequence[Controlled],
        meter: Meter | None,
        clock: Clock,
        measurements: Measurements,
        energies: Energies,
        on_cycle: Callable[[], None],
        on_progress: Callable[[Progress], None],
        strategy: Strategy = Strategy.PRIORITY,
        convention: Convention = Convention.HOUSE_FIRST,
        offer_to_batteries: bool = False,
    ) -> None:
        now = clock.monotonic()
        self._clock = clock
        self._measurements = measurements
        self._energies = energies
        self._on_cycle = on_cycle
        self._on_progress = on_progress
        self._arbiter = Arbiter()
        self._cores = {c.device.name: DeviceCore(c.device.name, c.device.capabilities, now) for c in devices}
        self._runners = {
            c.device.name: DeviceRunner(c.device, self._cores[c.device.name], clock, self) for c in devices
        }
        self._meter = None if meter is None else MeterRunner(meter, clock, self._meter_read)
        self._meter_name = "" if meter is None else meter.name
        traits = {c.device.name: c.traits for c in devices}
        rules = HouseRules(strategy, convention, traits, offer_to_batteries)
        self._consumption = Side(Direction.CONSUMPTION, self._cores, rules)
        self._sides = (self._consumption, Side(Direction.PRODUCTION, self._cores, rules))
        self._running = 0
        self._idle = asyncio.Event()
        self._bell = Bell()
        self._second_look: asyncio.TimerHandle | None = None
        self._unexplained: dict[Side, set[str]] = {}
        self._cycles = 0
        self._last_cycle_s: float | None = None

    # --- the caller's side ---------------------------------------------------------------------------------

    def new_ceilings(self, ceilings: Iterable[Ceiling]) -> None:
        """Take ceilings and tell the devices at once; returns before anything is written."""
        for ceiling in ceilings:
            self._arbiter.put(ceiling)
        self._decide()

    def promise(self, promised_w: Mapping[str, float]) -> None:
        """From the next division on, these devices get so much first where it fits, by name."""
        self._consumption.promise(promised_w)

    def jobs(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What is to be run, by name. Each ends after `shutdown`; restarting one that failed is safe."""
        jobs: dict[str, Callable[[], Awaitable[None]]] = {"control": self.run}
        for name, runner in self._runners.items():
            jobs[f"device {name}"] = self._counted(runner.run)
        if self._meter is not None:
            jobs[f"meter {self._meter_name}"] = self._meter.run
        return jobs

    async def run(self) -> None:
        """A cycle each second. Any error in it is a broken core and reaches the caller."""
        while not self._bell.stopping:
            self.cycle()
            await self._bell.wait(CYCLE_S)

    def cycle(self) -> None:
        """Look at the measurements, divide anew, check what the devices do."""
        now = self._clock.monotonic()
        in_force = self._arbiter.in_force(now)
        for side in self._sides:
            side.measure(self._measurements, in_force, now)
        self._decide()
        for side in self._sides:
            self._report(side.observe(now))
        self._cycles += 1
        self._last_cycle_s = now
        self._on_cycle()

    async def shutdown(self) -> None:
        """Stop, leaving the devices safe; returns after the last writes or when their time is over.

        Devices that a ceiling binds beyond the stop keep their set-point, and their own fallback takes over
        when they miss us. From the others set-points that still stand are lifted.
        """
        now = self._clock.monotonic()
        self._bell.stop()
        for side in self._sides:
            for name, ceiling in side.leave(self._arbiter.in_force(now), now).items():
                _log.info("%s %s: kept at the stop: %s", name, side.direction, ceiling.reason.text)
        for runner in self._runners.values():
            runner.bell.stop()
        if self._meter is not None:
            self._meter.bell.stop()
        if self._running:
            with suppress(TimeoutError):
                async with asyncio.timeout(SHUTDOWN_S):
                    await self._idle.wait()

    def status(self) -> ControlStatus:
        """Everything as it stands now, with reasons."""
        now = self._clock.monotonic()
        meter = self._measurements.meter()
        return ControlStatus(
            at_s=now,
            cycles=self._cycles,
            last_cycle_age_s=None if self._last_cycle_s is None else now - self._last_cycle_s,
            ceilings=self._arbiter.ceilings(now),
            sides=tuple(side.status() for side in self._sides),
            devices=tuple(self._device_statuses(now)),
            grid_power_w=None if meter is None else meter.power_w,
            grid_quality=self._measurements.meter_quality(now),
            grid_age_s=None if meter is None else now - meter.at_s,
            grid_trouble="there is no grid meter" if self._meter is None else self._meter.trouble,
        )

    # --- the runners' side ---------------------------------------------------------------------------------

    def device_connected(self) -> None:
        """A device says more exactly what it can do; it must not be told what was decided without that."""
        self._decide()

    def device_read(self, name: str, sample: DeviceSample) -> None:
        """A device was read."""
        self._measurements.put_device(name, sample)
        self._energies.put_device(name, sample, self._unix_s())

    def write_started(self, name: str, setpoint: Setpoint) -> None:
        """A set-point leaves for a device."""
        now = self._clock.monotonic()
        for side in self._sides:
            if side.direction is setpoint.direction:
                self._report(side.progress.write_started(name, setpoint.power_w, now))

    def power_freed(self) -> None:
        """A device has given up power; others hear of it a moment later, after the writes of a reduction."""
        if self._second_look is None:
            self._second_look = asyncio.get_running_loop().call_later(SECOND_LOOK_S, self._look_again)

    def _look_again(self) -> None:
        self._second_look = None
        self._decide()

    def _meter_read(self, sample: MeterSample) -> None:
        self._measurements.put_meter(sample)
        self._energies.put_meter(sample, self._unix_s())

    # --- inside --------------------------------------------------------------------------------------------

    def _decide(self) -> None:
        if self._bell.stopping:
            return
        now = self._clock.monotonic()
        in_force = self._arbiter.in_force(now)
        for side in self._sides:
            for name in side.decide(in_force, now):
                self._runners[name].bell.ring()
                self._explain_later(side, name)
            self._report(side.note_decision(in_force, now))

    def _explain_later(self, side: Side, name: str) -> None:
        """Log why a device is told something else, once the writes are on their way."""
        if not self._unexplained:
            asyncio.get_running_loop().call_later(SECOND_LOOK_S, self._explain)
        self._unexplained.setdefault(side, set()).add(name)

    def _explain(self) -> None:
        now = self._clock.monotonic()
        for side, names in self._unexplained.items():
            told = [name for name in side.members if name in names]
            for name, lane in side.lane_statuses(told, now).items():
                if (why := lane.why) is not None:
                    _log.info("%s %s: %s", name, side.direction, why.text, extra={"data": dict(why.values)})
        self._unexplained.clear()

    def _report(self, steps: Iterable[Progress]) -> None:
        for step in steps:
            level = logging.DEBUG if step.kind is CeilingKind.PROTECTION else logging.INFO
            level = logging.WARNING if step.milestone is Milestone.MEASURED_ABOVE else level
            data = {"milestone": step.milestone.value, **step.reason.values}
            _log.log(level, "%s: %s", step.source, step.reason.text, extra={"data": data})
            self._on_progress(step)

    def _counted(self, run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def counted() -> None:
            self._running += 1
            self._idle.clear()
            try:
                await run()
            finally:
                self._running -= 1
                if not self._running:
                    self._idle.set()

        return counted

    def _device_statuses(self, now: float) -> Iterator[DeviceStatus]:
        sides = [side.lane_statuses(self._cores, now) for side in self._sides]
        for name, core in self._cores.items():
            lanes = tuple(lanes[name] for lanes in sides if name in lanes)
            yield self._device_status(core, lanes, now)

    def _device_status(self, core: DeviceCore, lanes: tuple[LaneStatus, ...], now: float) -> DeviceStatus:
        sample = core.sample
        return DeviceStatus(
            name=core.name,
            kind=core.capabilities.kind,
            connected=core.connected,
            trouble=core.trouble,
            power_w=None if sample is None else sample.power_w,
            sample_age_s=None if sample is None else now - sample.at_s,
            state="" if sample is None else sample.state,
            lanes=lanes,
        )

    def _unix_s(self) -> float:
        return self._clock.utc_now().timestamp()
