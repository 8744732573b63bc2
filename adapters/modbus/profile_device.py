"""A device that a profile describes, behind the ports of the gateway."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.context import Sleep
from adapters.modbus.blocks import Block, plan_blocks
from adapters.modbus.bus import Priority, Unit
from adapters.modbus.codec import decode, encode
from adapters.modbus.conversion import RecentHighest, Steps, line_voltage
from adapters.modbus.errors import ILLEGAL_ADDRESS, ReadRefused, RegisterWriteRefused
from adapters.modbus.profile import Control, CurrentControl, Point, Profile, Setup
from adapters.modbus.requests import Table
from eebus.clock import Clock
from hems.devices import (
    Capabilities,
    DeviceError,
    DeviceSample,
    DeviceUnreachable,
    Direction,
    Fallback,
    Readback,
    Setpoint,
    WriteRefused,
)

_LOG = logging.getLogger(__name__)
_SLOW_POLL_S = 10.0
_VOLTAGE_SPAN_S = 150.0
_SETUP_TOLERANCE = 1e-6

Reading = tuple[float | None, ...] | str
"""What a point read: numbers, None where the device has none, or the word of its map."""


@dataclass(slots=True)
class _Written:
    """The last value that was written to a control, and when."""

    value: float
    at_s: float


class ProfileDevice:
    """A :class:`hems.devices.Device` of one unit on a bus.

    It writes its setup (failsafe, watchdog) after every loss of contact and whenever slow polling finds it
    gone: devices that lost their power forget it without the connection breaking.
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
        self._sleep = sleep
        self._nameplate_w = nameplate_w
        self._controls = _controls_of(profile)
        self._fast_blocks = _blocks(profile, "fast")
        self._slow_blocks = _blocks(profile, "slow")
        self._readings: dict[str, Reading] = {}
        self._highest_v = tuple(RecentHighest(_VOLTAGE_SPAN_S) for _ in range(3))
        self._written: dict[Direction, _Written] = {}
        self._programmed: list[Setup] = []
        self._is_set_up = False
        self._slow_poll_due_s = 0.0

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        consumption = self._controls.get(Direction.CONSUMPTION)
        production = self._controls.get(Direction.PRODUCTION)
        control = consumption or production
        return Capabilities(
            kind=self._profile.profile.kind,
            nameplate_w=self._nameplate_w or self._largest_power(control),
            consumption=self._steps(consumption).feasible() if consumption else None,
            production=self._steps(production).feasible() if production else None,
            consumption_fallback=self._fallback(consumption),
            production_fallback=self._fallback(production),
            reaction_s=control.reaction_s if control else 5.0,
            refresh_s=control.refresh_s if control else None,
            write_gap_s=control.min_interval_s if control else 0.0,
            accepted_rise_s=control.min_off_s if control else 0.0,
            measures_power="power_w" in self._profile.points,
        )

    # The port.

    async def connect(self) -> None:
        self._is_set_up = False
        await self._set_up(Priority.FAST)
        # Voltages make the capabilities exact; without them the highest are assumed.
        await self._read_blocks(self._fast_blocks, Priority.FAST)

    async def read(self) -> DeviceSample:
        try:
            if not self._is_set_up:
                await self._set_up(Priority.FAST)
            await self._read_blocks(self._fast_blocks, Priority.FAST)
            await self._poll_slowly()
        except DeviceUnreachable:
            self._is_set_up = False
            raise
        return self._sample()

    async def write(self, setpoint: Setpoint) -> Readback:
        control = self._controls.get(setpoint.direction)
        if control is None:
            raise WriteRefused(
                f"{self._name}: its profile has no control that limits {setpoint.direction.value}; choose "
                "another profile or leave this direction to another device"
            )
        try:
            await self._set_up_before_limit()
            return await self._write_control(control, setpoint)
        except DeviceUnreachable:
            self._is_set_up = False
            raise

    async def close(self) -> None:
        await self._unit.close()

    # Setting up: identify, then program what the device does without us.

    async def _set_up_before_limit(self) -> None:
        """A refused setup is a fault to report, but no reason to withhold a limit."""
        if self._is_set_up:
            return
        try:
            await self._set_up(Priority.LIMIT)
        except DeviceUnreachable:
            raise
        except DeviceError as error:
            _LOG.warning("%s: the limit is written although setting up failed: %s", self._name, error)

    async def _set_up(self, priority: Priority) -> None:
        await self._read_blocks(self._slow_blocks, priority)
        for check in self._profile.identify:
            value = _first_number(self._readings.get(check.point, ()))
            if value is None or not check.min <= value <= check.max:
                raise DeviceError(
                    f"{self._name}: this is no {self._profile.profile.family}: {check.point} reads {value} "
                    f"instead of {check.min:g} to {check.max:g}; check profile, host and unit"
                )
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
        self._slow_poll_due_s = self._clock.monotonic() + _SLOW_POLL_S

    async def _program(self, setup: Setup, priority: Priority) -> None:
        raw = encode(round(setup.value / setup.scale, 6), setup.type, setup.word_order)
        await self._unit.write(setup.addr, raw, function=setup.fc, priority=priority)
        held = await self._setup_value(setup, priority)
        if abs(held - setup.value) > _SETUP_TOLERANCE:
            raise WriteRefused(
                f"{self._name}: {setup.name} was set to {setup.value:g} but reads {held:g} "
                f"(register {setup.addr}); the device may need other settings"
            )

    async def _setup_value(self, setup: Setup, priority: Priority) -> float:
        registers = await self._unit.read(Table.HOLDING, setup.addr, setup.type.size, priority)
        return decode(registers, setup.type, setup.word_order) * setup.scale

    async def _poll_slowly(self) -> None:
        now_s = self._clock.monotonic()
        if now_s < self._slow_poll_due_s:
            return
        self._slow_poll_due_s = now_s + _SLOW_POLL_S
        await self._read_blocks(self._slow_blocks, Priority.SLOW)
        for setup in self._programmed:
            held = await self._setup_value(setup, Priority.SLOW)
            if abs(held - setup.value) > _SETUP_TOLERANCE:
                _LOG.warning("%s: %s reads %g, it is set up again", self._name, setup.name, held)
                await self._set_up(Priority.FAST)
                return

    # Reading.

    async def _read_blocks(self, blocks: Sequence[Block], priority: Priority) -> None:
        for block in blocks:
            registers = await self._unit.read(block.table, block.address, block.count, priority)
            for name in block.points:
                point = self._profile.points[name]
                self._readings[name] = reading_of(point, registers, block.address)
        self._remember_voltages()

    def _remember_voltages(self) -> None:
        now_s = self._clock.monotonic()
        reading = self._readings.get("voltages_v", ())
        for highest, voltage_v in zip(
            self._highest_v, () if isinstance(reading, str) else reading, strict=False
        ):
            if voltage_v is not None:
                highest.add(voltage_v, now_s)

    def _sample(self) -> DeviceSample:
        state = self._readings.get("state", "")
        return DeviceSample(
            at_s=self._clock.monotonic(),
            power_w=self._number("power_w"),
            ceilings_w={direction: self._held_w(control) for direction, control in self._controls.items()},
            energy_consumed_wh=self._number("energy_consumed_wh"),
            energy_produced_wh=self._number("energy_produced_wh"),
            currents_a=_all_numbers(self._readings.get("currents_a", ())),
            voltages_v=_all_numbers(self._readings.get("voltages_v", ())),
            demand_w=0.0 if state in self._profile.no_demand_states else None,
            state=state if isinstance(state, str) else "",
        )

    def _number(self, point: str) -> float | None:
        return _first_number(self._readings.get(point, ()))

    def _held_w(self, control: Control) -> float | None:
        """The ceiling that the device shows, None when it is released."""
        value = self._number(control.verify.point)
        if value is None or value >= control.release - control.verify.tolerance:
            return None
        return self._steps(control).power_of(value)

    # Limiting.

    async def _write_control(self, control: Control, setpoint: Setpoint) -> Readback:
        value = self._value_for(control, setpoint)
        written = self._written.get(setpoint.direction)
        now_s = self._clock.monotonic()
        if written and value > written.value and now_s < written.at_s + control.min_interval_s:
            # A rise has to wait for the device's interval; a reduction never does.
            held_w = self._steps(control).power_of(written.value)
            return Readback(written_w=held_w, held_w=held_w, confirmed=False)
        target = control.write
        raw = encode(round(value / target.scale, 6), target.type, target.word_order)
        await self._unit.write(target.addr, raw, function=target.fc)
        if written is None or written.value != value:
            self._written[setpoint.direction] = _Written(value, now_s)
        return await self._read_back(control, setpoint, value)

    def _value_for(self, control: Control, setpoint: Setpoint) -> float:
        if setpoint.power_w is None:
            return control.release
        value = self._steps(control).value_at_most(setpoint.power_w)
        if value is None:
            least_w = self._steps(control).power_of(control.range.min)
            raise WriteRefused(
                f"{self._name}: it can neither pause nor go below {least_w:.0f} W, {setpoint.power_w:.0f} W "
                "was asked for; give it a contactor or another place in the order"
            )
        return value

    async def _read_back(self, control: Control, setpoint: Setpoint, value: float) -> Readback:
        verify, point = control.verify, self._profile.points[control.verify.point]
        for _ in range(verify.attempts):
            if verify.delay_s:
                await self._sleep(verify.delay_s)
            registers = await self._unit.read(point.table, point.addr, point.end - point.addr, Priority.LIMIT)
            held = _first_number(reading_of(point, registers, point.addr))
            self._readings[verify.point] = (held,)
            if held is not None and abs(held - value) <= verify.tolerance:
                return Readback(
                    written_w=self._written_w(control, setpoint, value),
                    held_w=self._held_w(control),
                    confirmed=True,
                )
        raise WriteRefused(
            f"{self._name}: {value:g} was written to register {control.write.addr}, but it holds {held}; "
            "look for another controller or a lock in the device"
        )

    def _written_w(self, control: Control, setpoint: Setpoint, value: float) -> float | None:
        return None if setpoint.power_w is None else self._steps(control).power_of(value)

    def _steps(self, control: Control) -> Steps:
        return _steps(control, self._watts_per_unit(control))

    def _watts_per_unit(self, control: Control) -> float:
        if not isinstance(control, CurrentControl):
            return 1.0
        volts = tuple(highest.value for highest in self._highest_v)
        return line_voltage(volts, control.phases, control.assumed_voltage_v)

    def _largest_power(self, control: Control | None) -> float:
        if control is None:
            return 0.0
        return control.range.max * (control.phases * 230.0 if isinstance(control, CurrentControl) else 1.0)

    def _fallback(self, control: Control | None) -> Fallback | None:
        """What it holds without us, at the highest voltage that the grid may have."""
        if control is None or control.failsafe is None:
            return None
        highest = control.phases * control.assumed_voltage_v if isinstance(control, CurrentControl) else 1.0
        return Fallback(control.failsafe.after_s, control.failsafe.value * highest)


def _controls_of(profile: Profile) -> dict[Direction, Control]:
    controls = profile.controls
    if profile.profile.status == "read_only":
        return {}
    consumption = controls.max_current_a or controls.max_power_w
    pairs = {Direction.CONSUMPTION: consumption, Direction.PRODUCTION: controls.production_limit_w}
    return {direction: control for direction, control in pairs.items() if control is not None}


def _blocks(profile: Profile, poll: str) -> tuple[Block, ...]:
    points = [(name, point) for name, point in profile.points.items() if point.poll == poll]
    return plan_blocks(points, profile.transport.max_read_regs)


def _steps(control: Control, watts_per_unit: float) -> Steps:
    bounds = control.range
    return Steps(bounds.min, bounds.max, control.quantize, bounds.pause, watts_per_unit)


def reading_of(point: Point, registers: Sequence[int], start: int) -> Reading:
    """What a point reads in a block of registers that begins at address `start`."""
    numbers = [
        decode(
            tuple(registers[address - start : address - start + point.type.size]),
            point.type,
            point.word_order,
        )
        for address in point.addresses
    ]
    if point.map is not None:
        return point.map.get(int(numbers[0]), f"unknown ({int(numbers[0])})")
    return tuple(_scaled(point, number) for number in numbers)


def _scaled(point: Point, number: float) -> float | None:
    if number != number or number in point.nan:
        return None
    value = round(number * point.scale, 9) * point.sign
    if point.valid is not None and not point.valid.min <= value <= point.valid.max:
        return None
    return value


def _first_number(reading: Reading) -> float | None:
    return None if isinstance(reading, str) or not reading else reading[0]


def _all_numbers(reading: Reading) -> tuple[float, ...]:
    """The numbers, or nothing when one is missing: a list with holes would shift the phases."""
    if isinstance(reading, str):
        return ()
    numbers = tuple(number for number in reading if number is not None)
    return numbers if len(numbers) == len(reading) else ()
