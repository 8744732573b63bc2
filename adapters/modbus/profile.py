"""Device profiles: a family of Modbus devices as data, in YAML.

A profile says where values are, what is written at every connect, and how the device is limited. It holds
no code and no templates; only whole values may be a parameter, written `"${name}"`.
"""

import functools
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from adapters.modbus.codec import NumberType, WordOrder
from adapters.modbus.requests import MAX_READ_REGISTERS, Table
from adapters.settings import Port, SettingsError, UnitId
from hems.devices import Kind

Address = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    write_gap_ms: int = Field(default=0, ge=0)
    connect_delay_ms: int = Field(default=0, ge=0)
    busy_retries: int = Field(default=3, ge=0)
    max_read_regs: int = Field(default=MAX_READ_REGISTERS, ge=1, le=MAX_READ_REGISTERS)


class Valid(_Part):
    """Believable values; others count as not measured."""

    min: float
    max: float


class Point(_Part):
    """A value to read, or `count` equal ones `stride` registers apart."""

    table: Table
    addr: Address
    type: NumberType
    word_order: WordOrder = WordOrder.BIG
    count: int = Field(default=1, ge=1)
    stride: int | None = Field(default=None, ge=1)
    scale: float = 1.0
    sign: Literal[1, -1] = 1
    nan: tuple[int, ...] = ()
    valid: Valid | None = None
    map: dict[int, str] | None = None
    poll: Literal["fast", "slow"] = "fast"

    @property
    def addresses(self) -> tuple[int, ...]:
        """The first register of each value."""
        stride = self.stride or self.type.size
        return tuple(self.addr + index * stride for index in range(self.count))

    @property
    def end(self) -> int:
        """The register behind the last one."""
        return self.addresses[-1] + self.type.size


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
    """A value that is written at every connect and must then be read back from the same register.

    `optional`: some models of the family have no such register.
    """

    name: str
    value: float
    optional: bool = False


class ControlRange(_Part):
    """`min` to `max`, and the value that means a pause (absent: the device cannot pause)."""

    min: float = Field(ge=0.0)
    max: float = Field(gt=0.0)
    pause: float | None = None


class Readback(_Part):
    """The point that shows the written value, after `delay_s`, up to `tolerance` away from it."""

    point: str
    tolerance: float = Field(ge=0.0)
    delay_s: Seconds = 0.0
    attempts: int = Field(default=1, ge=1)


class Failsafe(_Part):
    """What the device does by itself: after `after_s` without a request it holds `value`."""

    after_s: float = Field(gt=0.0)
    value: float = Field(ge=0.0)


class Control(_Part):
    """How the device is limited in watts.

    `quantize`: the step of its values, always rounded down. `min_interval_s`: shortest time between two
    changes, which a lower value may undercut. `persistence`: only registers that may be written for ever.
    """

    write: RegisterTarget
    range: ControlRange
    quantize: float = Field(gt=0.0)
    verify: Readback
    release: float
    persistence: Literal["volatile"]
    min_interval_s: Seconds = 0.0
    refresh_s: float | None = Field(default=None, gt=0.0)
    failsafe: Failsafe | None = None
    reaction_s: Seconds = 5.0
    min_off_s: Seconds = 0.0

    @model_validator(mode="after")
    def _failsafe_is_a_value_of_the_control(self) -> Self:
        held = self.failsafe.value if self.failsafe is not None else self.range.min
        if held != self.range.pause and not self.range.min <= held <= self.range.max:
            raise ValueError(f"the failsafe value {held:g} is neither the pause nor within the range")
        return self


class CurrentControl(Control):
    """How the device is limited in amperes per phase."""

    phases: Literal[1, 3]
    assumed_voltage_v: float = Field(ge=180.0, le=280.0)


class Controls(_Part):
    """The controls by name; the names say direction and unit."""

    max_current_a: CurrentControl | None = None
    max_power_w: Control | None = None
    production_limit_w: Control | None = None

    @model_validator(mode="after")
    def _one_per_direction(self) -> Self:
        if self.max_current_a is not None and self.max_power_w is not None:
            raise ValueError("max_current_a and max_power_w both limit consumption; keep one")
        return self


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
        controls = self.controls.max_current_a, self.controls.max_power_w, self.controls.production_limit_w
        named = [check.point for check in self.identify]
        named += [control.verify.point for control in controls if control is not None]
        unknown = sorted(set(named) - set(self.points))
        if unknown:
            raise ValueError(f"points that are not declared: {', '.join(unknown)}")
        return self


def load_profile(profile_id: str, params: Mapping[str, float], user_folders: Sequence[Path] = ()) -> Profile:
    """Find `<profile_id>.yaml` in the user's folders, then in the package, and fill in the parameters.

    Raises SettingsError with what is wrong and where to look.
    """
    text, origin = _find(profile_id, user_folders)
    return parse_profile(text, params, origin)


def parse_profile(text: str, params: Mapping[str, float], origin: str) -> Profile:
    """Read a profile from YAML text; `origin` names it in errors. Raises SettingsError."""
    try:
        raw = _parse_yaml(text)
    except YAMLError as error:
        raise SettingsError(f"{origin}: not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise SettingsError(f"{origin}: a profile is a map of blocks")
    try:
        return Profile.model_validate(_fill_in(raw, _values(raw, params, origin), origin))
    except ValidationError as error:
        raise SettingsError(f"{origin}: {_explain(error)}") from error


@functools.cache
def _parse_yaml(text: str) -> Any:
    """Parsing takes 20 ms, and a house may have many devices of one family. The result is never changed."""
    return YAML(typ="safe", pure=True).load(text)


def profile_ids(user_folders: Sequence[Path] = ()) -> tuple[str, ...]:
    """The ids of all profiles that can be found, sorted."""
    names = {entry.name for folder in _folders(user_folders) if folder.is_dir() for entry in folder.iterdir()}
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def _folders(user_folders: Sequence[Path]) -> list[Path | Traversable]:
    return [*user_folders, importlib.resources.files("adapters") / "profiles"]


def _find(profile_id: str, user_folders: Sequence[Path]) -> tuple[str, str]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", profile_id):
        raise SettingsError(f"'{profile_id}' is not a profile id: lower case letters, digits and dashes")
    for folder in _folders(user_folders):
        candidate = folder / f"{profile_id}.yaml"
        if candidate.is_file():
            return candidate.read_text(encoding="utf-8"), f"profile {profile_id}"
    known = ", ".join(profile_ids(user_folders))
    raise SettingsError(f"there is no profile '{profile_id}'; known are: {known}")


_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def _values(raw: dict[str, Any], given: Mapping[str, float], origin: str) -> dict[str, float]:
    """The value of each declared parameter; refuses unknown ones and those out of range."""
    declared = {
        name: Parameter.model_validate(parameter) for name, parameter in (raw.get("params") or {}).items()
    }
    for name, value in given.items():
        if name not in declared:
            raise SettingsError(f"{origin}: no parameter '{name}'; it has: {', '.join(sorted(declared))}")
        low, high = declared[name].min, declared[name].max
        if not low <= value <= high:
            raise SettingsError(f"{origin}: parameter {name} = {value:g} is outside {low:g} to {high:g}")
    return {name: given.get(name, parameter.default) for name, parameter in declared.items()}


def _fill_in(node: Any, values: Mapping[str, float], origin: str) -> Any:
    if isinstance(node, dict):
        return {key: _fill_in(member, values, origin) for key, member in node.items()}
    if isinstance(node, list):
        return [_fill_in(member, values, origin) for member in node]
    if not isinstance(node, str) or "${" not in node:
        return node
    match = _PLACEHOLDER.fullmatch(node)
    if match is None or match[1] not in values:
        raise SettingsError(f"{origin}: '{node}' is not a declared parameter")
    value = values[match[1]]
    return int(value) if value == int(value) else value


def _explain(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(step) for step in fault['loc']) or 'profile'}: {fault['msg']}"
        for fault in error.errors()
    )
