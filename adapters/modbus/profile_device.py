"""A device that a profile describes, behind the ports of the gateway."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Iterable

from adapters.context import Sleep
from adapters.modbus.blocks import Block
from adapters.modbus.bus import Priority, Unit
from adapters.modbus.conversion import LineVoltages
from adapters.modbus.errors import ILLEGAL_ADDRESS, ReadRefused, RegisterWriteRefused
from adapters.modbus.limiting import Limiter, Tools, limiter_for
from adapters.modbus.profile import CurrentControl, Profile, Setup
from adapters.modbus.registers import Registers
from eebus.clock import Clock
from hems.devices import (
    Capabilities,
    DeviceError,
    DeviceSample,
    DeviceUnreachable,
    Direction,
    Fallback,
    FeasiblePowers,
    Readback,
    Setpoint,
    WriteRefused,
    WrongDevice,
)

_LOG = logging.getLogger(__name__)
_SLOW_POLL_S = 10.0
_CHORES_S = 0.3
_SETUP_TOLERANCE = 1e-6
_VOLTAGES = "voltages_v"


class ProfileDevice:
    """A :class:`hems.devices.Device` of one unit on a bus.

    It checks its setup (failsafe, watchdog) after every loss of contact and while polling slowly: devices
    that lost their power forget it without the connection breaking.
    """

    def __init__(
        self,
        name: str,
        profile: Profile,
        unit: Unit,
        clock: Clock,
        sleep: Sleep,
        nameplate_w: float | None = None,
    ) -> None:
        self._name = name
        self._profile = profile
        self._unit = unit
        self._clock = clock
        self._nameplate_w = nameplate_w
        self._registers = Registers(unit, profile.points, profile.transport)
        self._voltages = LineVoltages()
        tools = Tools(name, self._registers, clock, sleep, self._watts_per_ampere)
        self._limiters = _limiters(profile, tools)
        self._words = [name for name, point in profile.points.items() if point.has_words]
        self._fast_blocks = self._blocks(poll="fast")
        self._slow_blocks = self._blocks(poll="slow")
        self._programmed: list[Setup] = []
        self._chores: deque[Block | Setup] = deque()
        self._is_set_up = False
        self._slow_poll_due_s = 0.0

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        controls = self._profile.controls
        control = controls.consumption or controls.production
        limiter = next(iter(self._limiters.values()), None)
        return Capabilities(
            kind=self._profile.profile.kind,
            nameplate_w=self._nameplate_w or (limiter.largest_power_w() if limiter else 0.0),
            consumption=self._feasible(Direction.CONSUMPTION),
            production=self._feasible(Direction.PRODUCTION),
            consumption_fallback=self._fallback(Direction.CONSUMPTION),
            production_fallback=self._fallback(Direction.PRODUCTION),
            reaction_s=control.reaction_s if control else 5.0,
            refresh_s=control.refresh_s if control else None,
            write_gap_s=self._unit.pacing.write_gap_s,
            accepted_rise_s=control.min_off_s if control else 0.0,
            min_run_s=control.min_run_s if control else 0.0,
            measures_power="power_w" in self._profile.points,
            freed_at_stop=control is None or control.on_shutdown == "release",
            all_phases_from_w=self._all_phases_from_w(),
            phases=control.phases if isinstance(control, CurrentControl) else None,
        )

    def _all_phases_from_w(self) -> float | None:
        limiter = self._limiters.get(Direction.CONSUMPTION)
        return None if limiter is None else limiter.all_phases_from_w

    def _feasible(self, direction: Direction) -> FeasiblePowers | None:
        return self._limiters[direction].feasible() if direction in self._limiters else None

    def _fallback(self, direction: Direction) -> Fallback | None:
        return self._limiters[direction].fallback() if direction in self._limiters else None

    # The port.

    async def connect(self) -> None:
        self._is_set_up = False
        # Setting up and reading at once: slow devices need pauses between writes that reads can use. The
        # voltages make the capabilities exact; without them the highest are assumed.
        await _both(self._set_up(Priority.FAST), self._refresh(self._first_blocks(), Priority.FAST))

    async def read(self) -> DeviceSample:
        try:
            if not self._is_set_up:
                await self._set_up(Priority.FAST)
            await self._refresh(self._fast_blocks, Priority.FAST)
            await self._poll_slowly()
        except DeviceUnreachable:
            self._is_set_up = False
            raise
        return self._sample()

    async def write(self, setpoint: Setpoint) -> Readback:
        limiter = self._limiters.get(setpoint.direction)
        if limiter is None:
            raise WriteRefused(
                f"{self._name}: its profile has no control that limits {setpoint.direction.value}; choose "
                "another profile or leave this direction to another device"
            )
        try:
            await self._set_up_before_limit()
            return await limiter.write(setpoint.power_w)
        except DeviceUnreachable:
            self._is_set_up = False
            raise

    async def close(self) -> None:
        await self._unit.close()

    # Setting up: identify, then see to what the device does without us.

    async def _set_up_before_limit(self) -> None:
        """A refused setup is a fault to report, but no reason to withhold a limit."""
        if self._is_set_up:
            return
        try:
            await self._set_up(Priority.LIMIT)
        except (DeviceUnreachable, WrongDevice):
            raise
        except DeviceError as error:
            _LOG.warning("%s: the limit is written although setting up failed: %s", self._name, error)

    async def _set_up(self, priority: Priority) -> None:
        for limiter in self._limiters.values():
            limiter.forget()
        await self._identify(priority)
        await self._learn_failsafes(priority)
        for limiter in self._limiters.values():
            await limiter.look(priority)
        self._programmed.clear()
        for setup in self._profile.on_connect:
            try:
                await self._program(setup, priority)
            except (RegisterWriteRefused, ReadRefused) as error:
                if not (setup.optional and error.code == ILLEGAL_ADDRESS):
                    raise
            else:
                self._programmed.append(setup)
        self._is_set_up = True
        self._chores.clear()
        self._slow_poll_due_s = self._clock.monotonic() + _SLOW_POLL_S

    async def _identify(self, priority: Priority) -> None:
        await self._registers.refresh_points({check.point for check in self._profile.identify}, priority)
        for check in self._profile.identify:
            value = self._registers.number(check.point)
            if value is None or not check.min <= value <= check.max:
                raise WrongDevice(
                    f"{self._name}: this is no {self._profile.profile.family}: {check.point} reads {value} "
                    f"instead of {check.min:g} to {check.max:g}; check profile, host and unit"
                )

    async def _learn_failsafes(self, priority: Priority) -> None:
        """A failsafe that the device only shows counts as it is, with a word when it is another."""
        for control in self._profile.controls.all:
            failsafe = control.failsafe
            if failsafe is None or failsafe.point is None:
                continue
            await self._registers.refresh_points([failsafe.point], priority)
            shown = self._registers.number(failsafe.point)
            if shown is not None and shown > failsafe.value:
                _LOG.warning(
                    "%s: without the gateway it holds %g, the settings say %g; set it in the device",
                    self._name,
                    shown,
                    failsafe.value,
                )

    async def _program(self, setup: Setup, priority: Priority) -> None:
        """Write it where it is another: some devices need long pauses between writes, some wear out."""
        if await self._holds(setup, priority):
            return
        await self._registers.write(setup, setup.value, priority)
        if not await self._holds(setup, priority):
            shown = await self._setup_value(setup, priority)
            raise WriteRefused(
                f"{self._name}: {setup.name} was set to {setup.value:g} but reads {shown} "
                f"(register {setup.addr}); the device may need other settings"
            )

    async def _holds(self, setup: Setup, priority: Priority) -> bool:
        held = await self._setup_value(setup, priority)
        return held is not None and abs(held - setup.value) <= _SETUP_TOLERANCE

    async def _setup_value(self, setup: Setup, priority: Priority) -> float | None:
        if setup.verify is None:
            return await self._registers.held(setup, priority)
        await self._registers.refresh_points([setup.verify], priority)
        return self._registers.number(setup.verify)

    # Reading.

    def _blocks(self, poll: str) -> tuple[Block, ...]:
        return self._registers.blocks(
            name for name, point in self._profile.points.items() if point.poll == poll
        )

    def _first_blocks(self) -> tuple[Block, ...]:
        voltages = [block for block in self._slow_blocks if _VOLTAGES in block.points]
        return (*self._fast_blocks, *voltages)

    async def _refresh(self, blocks: Iterable[Block], priority: Priority) -> None:
        await self._registers.refresh(blocks, priority)
        self._remember_voltages()

    async def _poll_slowly(self) -> None:
        """A part of the slow points and of the setup: no reading may hold up a limit for long."""
        begin_s = self._clock.monotonic()
        if begin_s >= self._slow_poll_due_s and not self._chores:
            self._slow_poll_due_s = begin_s + _SLOW_POLL_S
            self._chores.extend((*self._slow_blocks, *self._programmed))
        while self._chores and self._clock.monotonic() - begin_s <= _CHORES_S:
            chore = self._chores.popleft()
            if isinstance(chore, Block):
                await self._refresh((chore,), Priority.SLOW)
            elif not await self._holds(chore, Priority.SLOW):
                _LOG.warning("%s: %s is lost, it is set up again", self._name, chore.name)
                await self._set_up(Priority.FAST)

    def _remember_voltages(self) -> None:
        now_s = self._clock.monotonic()
        reading = self._registers.reading(_VOLTAGES)
        self._voltages.add(() if isinstance(reading, str) else reading, now_s)

    def _watts_per_ampere(self, control: CurrentControl) -> float:
        return self._voltages.together(control.phases, control.assumed_voltage_v)

    def _sample(self) -> DeviceSample:
        registers = self._registers
        held = {direction: limiter.held() for direction, limiter in self._limiters.items()}
        return DeviceSample(
            at_s=self._clock.monotonic(),
            power_w=registers.number("power_w"),
            ceilings_w={direction: ceiling.power_w for direction, ceiling in held.items() if ceiling},
            energy_consumed_wh=registers.number("energy_consumed_wh"),
            energy_produced_wh=registers.number("energy_produced_wh"),
            currents_a=registers.numbers("currents_a"),
            voltages_v=registers.numbers(_VOLTAGES),
            demand_w=0.0 if self._wants_nothing() else None,
            state=registers.word("state"),
        )

    def _wants_nothing(self) -> bool:
        return any(self._registers.word(name) in self._profile.no_demand_states for name in self._words)


def _limiters(profile: Profile, tools: Tools) -> dict[Direction, Limiter]:
    if profile.profile.status == "read_only":
        return {}
    controls = {
        Direction.CONSUMPTION: profile.controls.consumption,
        Direction.PRODUCTION: profile.controls.production,
    }
    return {
        direction: limiter_for(control, tools)
        for direction, control in controls.items()
        if control is not None
    }


async def _both(first: Awaitable[None], second: Awaitable[None]) -> None:
    """Wait for both; the first error ends the other one. Raises that error."""
    failed: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_complete(first))
            tasks.create_task(_complete(second))
    except* DeviceError as errors:
        # Raised in here, Python 3.11.2 would put it into a group again.
        failed = errors.exceptions[0]
    if failed is not None:
        raise failed


async def _complete(awaitable: Awaitable[None]) -> None:
    await awaitable
