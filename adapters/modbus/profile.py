"""Device profiles: a family of Modbus devices as data, in YAML.

A profile says where values are, what is written at every connect, and how the device is limited. It holds
no code and no templates; only whole values may be a parameter, written `"${name}"`.
"""

import itertools
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.modbus.codec import NumberType, WordOrder
from adapters.modbus.requests import MAX_READ_REGISTERS, Table
from adapters.settings import Port, UnitId
from hems.devices import Kind

Address = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Source(_Part):
    """A document that the register numbers come from."""

    document: str
    version: str = ""
    date: str = ""


class Header(_Part):
    """What the profile is and how far it can be trusted."""

    schema_version: Literal[1] = Field(alias="schema")
    id: str
    vendor: str
    family: str
    models: tuple[str, ...] = ()
    kind: Kind
    evidence: Literal["vendor", "multi", "single", "unverified"]
    status: Literal["read_only", "control_experimental", "control_released"]
    sources: tuple[Source, ...]
    notes: str = ""


class Parameter(_Part):
    """A number that the user may set; `default` applies otherwise."""

    default: float
    min: float
    max: float
    unit: str = ""
    help: str


class Framings(StrEnum):
    """How the family can be reached."""

    TCP = "tcp"
    RTU_OVER_TCP = "rtu_tcp"
    SERIAL = "serial"


class Transport(_Part):
    """Defaults of the connection and what the device needs of the bus."""

    framings: tuple[Framings, ...]
    port: Port = 502
    unit: UnitId
    baudrate: int = 19_200
    parity: Literal["N", "E", "O"] = "E"
    stopbits: Literal[1, 2] = 1
    timeout_ms: int = Field(default=1500, gt=0)
    request_gap_ms: int = Field(default=0, ge=0)
    request_gap_of: Literal["line", "unit"] = "line"
    write_gap_ms: int = Field(default=0, ge=0)
    connect_delay_ms: int = Field(default=0, ge=0)
    busy_retries: int = Field(default=3, ge=0)
    max_read_regs: int = Field(default=MAX_READ_REGISTERS, ge=1, le=MAX_READ_REGISTERS)
    single_value_reads: bool = False


class Valid(_Part):
    """Believable values; others count as not measured."""

    min: float
    max: float


class Point(_Part):
    """A value to read, or `count` equal ones `stride` registers apart.

    The type `text` takes `count` registers with two characters each. Coils and discrete inputs hold `bit`.
    `poll: asked` is read only for a control that needs it.
    """

    table: Table
    addr: Address
    type: NumberType | Literal["text"]
    word_order: WordOrder = WordOrder.BIG
    count: int = Field(default=1, ge=1)
    stride: int | None = Field(default=None, ge=1)
    scale: float = 1.0
    sign: Literal[1, -1] = 1
    nan: tuple[int, ...] = ()
    valid: Valid | None = None
    map: dict[int, str] | None = None
    poll: Literal["fast", "slow", "asked"] = "fast"

    @model_validator(mode="after")
    def _bits_where_bits_are(self) -> Self:
        if (self.type is NumberType.BIT) is not self.table.holds_bits:
            raise ValueError("coils and discrete inputs hold the type bit, registers all other types")
        return self

    @property
    def size(self) -> int:
        """Registers of one value."""
        return self.type.size if isinstance(self.type, NumberType) else 1

    @cached_property
    def spans(self) -> tuple[range, ...]:
        """The registers of each value."""
        stride = self.stride or self.size
        firsts = [self.addr + index * stride for index in range(self.count)]
        return tuple(range(first, first + self.size) for first in firsts)

    @property
    def end(self) -> int:
        """The register behind the last one."""
        return self.spans[-1].stop

    @property
    def has_words(self) -> bool:
        """Whether it reads a word instead of numbers."""
        return self.map is not None or self.type == "text"


class Check(_Part):
    """A reading that proves the device to be the expected one."""

    point: str
    min: float
    max: float


class RegisterTarget(_Part):
    """Where and how a number is written; the register gets the number divided by `scale`."""

    fc: Literal[6, 16]
    addr: Address
    type: NumberType
    word_order: WordOrder = WordOrder.BIG
    scale: float = 1.0


class Setup(RegisterTarget):
    """A value that the device must hold: looked at after every connect, and written where it reads otherwise.

    `verify`: the point that shows it, where the written register cannot be read. `optional`: some models of
    the family have no such register.
    """

    name: str
    value: float
    verify: str | None = None
    optional: bool = False


class ControlRange(_Part):
    """`min` to `max`, and the value that means a pause (absent: the device cannot pause).

    `least_point`: where the device shows the least that it can do now; `min` counts until it was read.
    """

    min: float = Field(ge=0.0)
    max: float = Field(gt=0.0)
    pause: float | None = None
    least_point: str | None = None


class Readback(_Part):
    """The point that shows the written value, after `delay_s`, up to `tolerance` away from it."""

    point: str
    tolerance: float = Field(ge=0.0)
    delay_s: Seconds = 0.0
    attempts: int = Field(default=1, ge=1)


class Failsafe(_Part):
    """What the device does by itself: after `after_s` without a request it holds `value`.

    `point`: where the device shows what it really holds then; once read, that counts instead.
    """

    after_s: float = Field(gt=0.0)
    value: float = Field(ge=0.0)
    point: str | None = None


class Mode(_Part):
    """A second register that goes with the value: it makes a limit count, or tells the pause.

    It is written behind the value, and alone for a pause. `paused` absent: the pause is a value like others.
    `verify`: the point that shows it; without one, only measurement can prove a pause.
    """

    write: RegisterTarget
    limited: float
    released: float
    paused: float | None = None
    verify: str | None = None


class _Pace(_Part):
    """How often a control may change, and how long it takes.

    `min_interval_s`: shortest time between two changes, which a lower value may undercut. `persistence`: only
    registers that may be written for ever. `on_shutdown`: what becomes of the set-point when the gateway
    stops and nothing binds the device.
    """

    persistence: Literal["volatile"]
    min_interval_s: Seconds = 0.0
    refresh_s: float | None = Field(default=None, gt=0.0)
    failsafe: Failsafe | None = None
    reaction_s: Seconds = 5.0
    min_off_s: Seconds = 0.0
    min_run_s: Seconds = 0.0
    on_shutdown: Literal["release", "keep"] = "release"

    @property
    def named_points(self) -> Iterator[str]:
        """The points that the control refers to."""
        if self.failsafe is not None and self.failsafe.point is not None:
            yield self.failsafe.point


class Control(_Pace):
    """How the device is limited in watts. `quantize`: the step of its values, always rounded down."""

    write: RegisterTarget
    range: ControlRange
    quantize: float = Field(gt=0.0)
    verify: Readback
    release: float
    mode: Mode | None = None

    @model_validator(mode="after")
    def _failsafe_is_a_value_of_the_control(self) -> Self:
        held = self.failsafe.value if self.failsafe is not None else self.range.min
        if held != self.range.pause and not self.range.min <= held <= self.range.max:
            raise ValueError(f"the failsafe value {held:g} is neither the pause nor within the range")
        return self

    @property
    def named_points(self) -> Iterator[str]:
        yield from super().named_points
        yield self.verify.point
        if self.range.least_point is not None:
            yield self.range.least_point
        if self.mode is not None and self.mode.verify is not None:
            yield self.mode.verify


class PhaseSwitch(_Part):
    """How a wallbox is switched between one phase and all of them.

    `fitted` 0: this one cannot, and nothing here is read or written. `one`, `all`: what the register gets;
    `verify`: the point that shows it. `source`: what must hold so that the register counts. `dwell_s`:
    shortest time between two changes.
    """

    fitted: float
    write: RegisterTarget
    one: float
    all: float
    verify: str
    source: Setup | None = None
    dwell_s: Seconds = 600.0

    @property
    def named_points(self) -> Iterator[str]:
        """The points that it refers to."""
        yield self.verify
        if self.source is not None and self.source.verify is not None:
            yield self.source.verify


class CurrentControl(Control):
    """How the device is limited in amperes per phase."""

    phases: Literal[1, 3]
    assumed_voltage_v: float = Field(ge=180.0, le=280.0)
    switch: PhaseSwitch | None = None

    @property
    def fitted_switch(self) -> PhaseSwitch | None:
        """How it is switched, where it can be."""
        return self.switch if self.switch is not None and self.switch.fitted and self.phases > 1 else None

    @property
    def on_one_phase(self) -> "CurrentControl":
        """The same control while the box is switched to one phase."""
        return self.model_copy(update={"phases": 1})

    @property
    def named_points(self) -> Iterator[str]:
        yield from super().named_points
        if self.switch is not None:
            yield from self.switch.named_points

    @model_validator(mode="after")
    def _switches_while_paused(self) -> Self:
        if self.switch is not None and self.range.pause is None:
            raise ValueError("phases are switched while the box is paused, so that it needs a pause value")
        return self


class StageWrite(_Part):
    """One register or coil of a stage: the point says where it is, `value` what it must hold."""

    point: str
    fc: Literal[5, 6, 16]
    value: float


class Stage(_Part):
    """One of a few states. `power_w`: what the device takes at most in it. Writes are made in this order."""

    name: str
    power_w: float = Field(ge=0.0)
    writes: tuple[StageWrite, ...] = Field(min_length=1)


class StageControl(_Pace):
    """A device that knows a few states only, such as SG Ready contacts; the last one frees it."""

    stages: tuple[Stage, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _stages_grow_and_know_the_failsafe(self) -> Self:
        powers_w = [stage.power_w for stage in self.stages]
        if any(lower >= higher for lower, higher in itertools.pairwise(powers_w)):
            raise ValueError("stages come in order of their power, each above the one before")
        if self.failsafe is not None and self.failsafe.value not in powers_w:
            raise ValueError(f"the failsafe value {self.failsafe.value:g} is the power of no stage")
        return self

    @property
    def named_points(self) -> Iterator[str]:
        yield from super().named_points
        for stage in self.stages:
            yield from (write.point for write in stage.writes)


class Controls(_Part):
    """The controls by name; the names say direction and unit."""

    max_current_a: CurrentControl | None = None
    max_power_w: Control | None = None
    power_stages: StageControl | None = None
    production_limit_w: Control | None = None

    @model_validator(mode="after")
    def _one_per_direction(self) -> Self:
        if len(list(self._of_consumption())) > 1:
            raise ValueError("max_current_a, max_power_w and power_stages all limit consumption; keep one")
        return self

    def _of_consumption(self) -> Iterator[Control | StageControl]:
        for control in (self.max_current_a, self.max_power_w, self.power_stages):
            if control is not None:
                yield control

    @property
    def consumption(self) -> Control | StageControl | None:
        """The one that limits consumption."""
        return next(self._of_consumption(), None)

    @property
    def production(self) -> Control | None:
        """The one that limits production."""
        return self.production_limit_w

    @property
    def all(self) -> tuple[Control | StageControl, ...]:
        """Every control of the profile."""
        return tuple(control for control in (self.consumption, self.production) if control is not None)


SAMPLE_POINTS = (
    "power_w",
    "currents_a",
    "voltages_v",
    "energy_consumed_wh",
    "energy_produced_wh",
    "state",
)
"""The names of points that become part of a device's sample; other points serve checks and read-back."""


class Profile(_Part):
    """A whole profile with its parameters filled in."""

    profile: Header
    requirements: tuple[str, ...] = ()
    params: dict[str, Parameter] = Field(default_factory=dict)
    transport: Transport
    identify: tuple[Check, ...] = ()
    points: dict[str, Point]
    no_demand_states: tuple[str, ...] = ()
    on_connect: tuple[Setup, ...] = ()
    controls: Controls = Controls()

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        named = [check.point for check in self.identify]
        named += [setup.verify for setup in self.on_connect if setup.verify is not None]
        named += [point for control in self.controls.all for point in control.named_points]
        unknown = sorted(set(named) - set(self.points))
        if unknown:
            raise ValueError(f"points that are not declared: {', '.join(unknown)}")
        return self
