"""Limiting a device as its profile says: by a value, or by one of a few states."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from adapters.context import Sleep
from adapters.modbus.bus import Priority
from adapters.modbus.conversion import Steps
from adapters.modbus.phases import Move, PhaseChange, wants_all_phases
from adapters.modbus.profile import Control, CurrentControl, Mode, PhaseSwitch, Stage, StageControl
from adapters.modbus.registers import Registers
from eebus.clock import Clock
from hems.devices import Fallback, FeasiblePowers, PowerRange, Readback, WriteRefused

_STAGE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Held:
    """What a device shows to hold; `power_w` None: it is released."""

    power_w: float | None


@dataclass(frozen=True, slots=True)
class Tools:
    """What limiting needs of its device. `watts_per_ampere`: the voltage of all phases to count with."""

    name: str
    registers: Registers
    clock: Clock
    sleep: Sleep
    watts_per_ampere: Callable[[CurrentControl], float]


class Limiter(ABC):
    """One control of a device."""

    @abstractmethod
    def feasible(self) -> FeasiblePowers:
        """The powers that it can be told."""

    @abstractmethod
    def largest_power_w(self) -> float:
        """The nameplate, as far as the control tells."""

    @abstractmethod
    def fallback(self) -> Fallback | None:
        """What the device holds without us, at the highest voltage that the grid may have."""

    @abstractmethod
    def held(self) -> Held | None:
        """What the last readings show it to hold; None when they cannot tell."""

    @property
    def all_phases_from_w(self) -> float | None:
        """From which power on it uses all phases, where it switches them; see `Capabilities`."""
        return None

    async def look(self, _priority: Priority) -> None:
        """Read what the control must know before it can tell what the device holds. Raises DeviceError."""
        return

    @abstractmethod
    async def write(self, power_w: float | None) -> Readback:
        """Limit to a power, None releases. Raises DeviceError."""

    @abstractmethod
    def forget(self) -> None:
        """The device may have lost what it was told."""


class _ChangeInterval:
    """The shortest time between two changes, which a reduction need not keep."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._changed_at_s: float | None = None

    def forbids_rise(self) -> bool:
        if self._changed_at_s is None:
            return False
        return self._clock.monotonic() < self._changed_at_s + self._seconds

    def note_change(self) -> None:
        self._changed_at_s = self._clock.monotonic()


class ValueLimiter(Limiter):
    """A control that takes a value in amperes or watts."""

    def __init__(self, control: Control, tools: Tools) -> None:
        self._control = control
        self._tools = tools
        self._registers = tools.registers
        self._interval = _ChangeInterval(tools.clock, control.min_interval_s)
        self._told: float | None = None
        self._mode_told: float | None = None
        self._switch = control.fitted_switch if isinstance(control, CurrentControl) else None
        dwell_s = 0.0 if self._switch is None else self._switch.dwell_s
        self._change = PhaseChange(control.min_off_s, dwell_s)

    def feasible(self) -> FeasiblePowers:
        on_all = self._steps_on_all().feasible()
        if self._switch is None:
            return on_all
        on_one = self._steps_on_one().feasible()
        return FeasiblePowers((*on_one.ranges, *on_all.ranges[1:]))

    @property
    def all_phases_from_w(self) -> float | None:
        return None if self._switch is None else self._steps_on_all().power_of(self._control.range.min)

    async def look(self, _priority: Priority) -> None:
        if self._switch is not None:
            await self._registers.refresh_points([self._switch.verify], _priority)

    def largest_power_w(self) -> float:
        control = self._control
        return control.range.max * (control.phases * 230.0 if isinstance(control, CurrentControl) else 1.0)

    def fallback(self) -> Fallback | None:
        control = self._control
        if control.failsafe is None:
            return None
        shown = self._registers.number(control.failsafe.point) if control.failsafe.point else None
        value = control.failsafe.value if shown is None else shown
        highest = control.phases * control.assumed_voltage_v if isinstance(control, CurrentControl) else 1.0
        return Fallback(control.failsafe.after_s, value * highest)

    def held(self) -> Held | None:
        mode = self._control.mode
        if mode is not None:
            now = self._mode_now(mode)
            if now is not None and now == mode.paused:
                return Held(0.0) if mode.verify is not None else None
            if now == mode.released and mode.released != mode.limited:
                return Held(None)
        value = self._registers.number(self._control.verify.point)
        if value is None:
            return None
        is_free = value >= self._control.release - self._control.verify.tolerance and self._on_all
        return Held(None if is_free else self._steps().power_of(value))

    async def write(self, power_w: float | None) -> Readback:
        if self._switch is not None and await self._pauses_for_phases(self._switch, power_w):
            return await self._read_back(self._pause, 0.0)
        value = self._value_for(power_w)
        if self._told is not None and value > self._told and self._interval.forbids_rise():
            held_w = self._steps().power_of(self._told)
            return Readback(written_w=held_w, held_w=held_w, confirmed=False)
        await self._tell(value, released=power_w is None)
        written_w = None if power_w is None else self._steps().power_of(value)
        return await self._read_back(value, written_w)

    async def _tell(self, value: float, released: bool) -> None:
        await self._put(value, released)
        self._change.note_pause(value == self._control.range.pause, self._tools.clock.monotonic())
        if value != self._told:
            self._told = value
            self._interval.note_change()

    async def _pauses_for_phases(self, switch: PhaseSwitch, power_w: float | None) -> bool:
        """See to it that the box runs on as many phases as the power needs; whether it pauses meanwhile."""
        await self.look(Priority.LIMIT)
        least_on_one_w = self._steps_on_one().power_of(self._control.range.min)
        wants_all = wants_all_phases(power_w, self._on_all, least_on_one_w, self.all_phases_from_w or 0.0)
        move = self._change.next_move(wants_all, self._on_all, self._tools.clock.monotonic())
        if move is Move.RUN:
            return False
        if move is Move.SWITCH:
            await self._switch_to(switch, switch.all if wants_all else switch.one)
        else:
            await self._tell(self._pause, released=False)
        return True

    @property
    def _pause(self) -> float:
        pause = self._control.range.pause
        assert pause is not None, "the profile refuses a switch without a pause"
        return pause

    async def _switch_to(self, switch: PhaseSwitch, wanted: float) -> None:
        """What makes the register count comes first, alone: some boxes take a write in five seconds only."""
        source = switch.source
        if source is not None and source.verify is not None:
            await self._registers.refresh_points([source.verify], Priority.LIMIT)
            if self._registers.number(source.verify) != source.value:
                await self._registers.write(source, source.value, Priority.LIMIT)
                return
        await self._registers.write(switch.write, wanted, Priority.LIMIT)
        self._change.note_change(self._tools.clock.monotonic())
        await self.look(Priority.LIMIT)
        shown = self._registers.number(switch.verify)
        if shown != wanted:
            raise WriteRefused(
                f"{self._tools.name}: it was switched to {wanted:g} (phases), but it shows {shown}; look "
                "whether the box is wired and set for switching phases"
            )

    def forget(self) -> None:
        self._mode_told = None

    def _value_for(self, power_w: float | None) -> float:
        if power_w is None:
            return self._control.release
        value = self._steps().value_at_most(power_w)
        if value is None:
            least_w = self._steps().power_of(self._least)
            raise WriteRefused(
                f"{self._tools.name}: it can neither pause nor go below {least_w:.0f} W, {power_w:.0f} W was "
                "asked for; give it a contactor or another place in the order"
            )
        return value

    async def _put(self, value: float, released: bool) -> None:
        """The value first: a mode that makes it count must not make an old one count."""
        mode = self._control.mode
        if not self._pauses_by_mode(value):
            await self._registers.write(self._control.write, value, Priority.LIMIT)
        if mode is None:
            return
        wanted = mode.released if released else mode.limited
        if self._pauses_by_mode(value):
            assert mode.paused is not None
            wanted = mode.paused
        if self._mode_now(mode) != wanted:
            await self._registers.write(mode.write, wanted, Priority.LIMIT)
        self._mode_told = wanted

    def _pauses_by_mode(self, value: float) -> bool:
        mode = self._control.mode
        return mode is not None and mode.paused is not None and value == self._control.range.pause

    def _mode_now(self, mode: Mode) -> float | None:
        return self._mode_told if mode.verify is None else self._registers.number(mode.verify)

    async def _read_back(self, value: float, written_w: float | None) -> Readback:
        verify = self._control.verify
        for _ in range(verify.attempts):
            if verify.delay_s:
                await self._tools.sleep(verify.delay_s)
            await self._registers.refresh_points(self._proofs(value), Priority.LIMIT)
            if self._shows(value):
                held = self.held()
                held_w = None if held is None else held.power_w
                return Readback(written_w=written_w, held_w=held_w, confirmed=held is not None)
        raise WriteRefused(
            f"{self._tools.name}: {self._difference(value)}; look for another controller or a lock in the "
            "device"
        )

    def _difference(self, value: float) -> str:
        mode = self._control.mode
        if mode is not None and self._mode_now(mode) != self._mode_told:
            told, shown = self._mode_told, self._mode_now(mode)
            return f"{told:g} was written to register {mode.write.addr}, but it holds {shown}"
        shown = self._registers.number(self._control.verify.point)
        return f"{value:g} was written to register {self._control.write.addr}, but it holds {shown}"

    def _proofs(self, value: float) -> list[str]:
        mode = self._control.mode
        proofs = [] if self._pauses_by_mode(value) else [self._control.verify.point]
        return proofs if mode is None or mode.verify is None else [*proofs, mode.verify]

    def _shows(self, value: float) -> bool:
        mode = self._control.mode
        if mode is not None and self._mode_now(mode) != self._mode_told:
            return False
        if self._pauses_by_mode(value):
            return True
        shown = self._registers.number(self._control.verify.point)
        return shown is not None and abs(shown - value) <= self._control.verify.tolerance

    @property
    def _on_all(self) -> bool:
        """On all phases, as far as it was read."""
        return self._switch is None or self._registers.number(self._switch.verify) != self._switch.one

    def _steps(self) -> Steps:
        return self._steps_on_all() if self._on_all else self._steps_on_one()

    def _steps_on_all(self) -> Steps:
        return self._steps_with(self._watts(self._control), self._control.range.max)

    def _steps_on_one(self) -> Steps:
        """Below the least that it takes on all phases, so that a power says how many are meant."""
        control, bounds = self._control, self._control.range
        assert isinstance(control, CurrentControl), "only currents have phases"
        watts = self._watts(control.on_one_phase)
        below = bounds.min * self._watts(control) / watts - control.quantize
        steps = math.floor((min(bounds.max, below) - bounds.min) / control.quantize)
        return self._steps_with(watts, round(bounds.min + steps * control.quantize, 6))

    def _steps_with(self, watts: float, most: float) -> Steps:
        bounds = self._control.range
        return Steps(min(self._least, most), most, self._control.quantize, bounds.pause, watts)

    @property
    def _least(self) -> float:
        bounds = self._control.range
        shown = None if bounds.least_point is None else self._registers.number(bounds.least_point)
        return bounds.min if shown is None else shown

    def _watts(self, control: Control) -> float:
        return self._tools.watts_per_ampere(control) if isinstance(control, CurrentControl) else 1.0


class StageLimiter(Limiter):
    """A control that knows a few states only."""

    def __init__(self, control: StageControl, tools: Tools) -> None:
        self._control = control
        self._tools = tools
        self._registers = tools.registers
        self._interval = _ChangeInterval(tools.clock, control.min_interval_s)
        self._told: Stage | None = None

    def feasible(self) -> FeasiblePowers:
        return FeasiblePowers(
            tuple(PowerRange(stage.power_w, stage.power_w) for stage in self._control.stages)
        )

    def largest_power_w(self) -> float:
        return self._free.power_w

    def fallback(self) -> Fallback | None:
        failsafe = self._control.failsafe
        return None if failsafe is None else Fallback(failsafe.after_s, failsafe.value)

    def held(self) -> Held | None:
        """A combination that is no stage is somebody else's: as far as we know it frees the device."""
        shown = {point: self._registers.number(point) for point in self._control.named_points}
        if None in shown.values():
            return None
        stage = next((stage for stage in self._control.stages if self._shows(stage)), self._free)
        return self._held_in(stage)

    async def write(self, power_w: float | None) -> Readback:
        stage = self._stage_for(power_w)
        told = self._told
        if told is not None and stage.power_w > told.power_w and self._interval.forbids_rise():
            return Readback(written_w=told.power_w, held_w=told.power_w, confirmed=False)
        for write in stage.writes:
            await self._registers.write_point(write.point, write.value, write.fc)
        if stage is not told:
            self._told = stage
            self._interval.note_change()
        return await self._read_back(stage, None if power_w is None else stage.power_w)

    def forget(self) -> None:
        """Contacts are always written as a whole; there is nothing to forget."""

    @property
    def _free(self) -> Stage:
        return self._control.stages[-1]

    def _held_in(self, stage: Stage) -> Held:
        return Held(None if stage is self._free else stage.power_w)

    def _stage_for(self, power_w: float | None) -> Stage:
        if power_w is None:
            return self._free
        fitting = [stage for stage in self._control.stages if stage.power_w <= power_w]
        if not fitting:
            least = self._control.stages[0]
            raise WriteRefused(
                f"{self._tools.name}: its lowest state '{least.name}' still allows {least.power_w:.0f} W, "
                f"{power_w:.0f} W was asked for; give it a contactor or another place in the order"
            )
        return fitting[-1]

    async def _read_back(self, stage: Stage, written_w: float | None) -> Readback:
        points = [write.point for write in stage.writes]
        await self._registers.refresh_points(points, Priority.LIMIT)
        if not self._shows(stage):
            shown = ", ".join(f"{point} {self._registers.number(point)}" for point in points)
            raise WriteRefused(
                f"{self._tools.name}: '{stage.name}' was written, but it shows {shown}; look for another "
                "controller"
            )
        return Readback(written_w=written_w, held_w=self._held_in(stage).power_w, confirmed=True)

    def _shows(self, stage: Stage) -> bool:
        for write in stage.writes:
            shown = self._registers.number(write.point)
            if shown is None or abs(shown - write.value) > _STAGE_TOLERANCE:
                return False
        return True


def limiter_for(control: Control | StageControl, tools: Tools) -> Limiter:
    """The limiter of a control."""
    return StageLimiter(control, tools) if isinstance(control, StageControl) else ValueLimiter(control, tools)
