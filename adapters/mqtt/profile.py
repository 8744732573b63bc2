"""MQTT profiles: where a family of devices publishes its values and takes its limits, as data in YAML.

Like the Modbus profiles they hold no code. A parameter stands as a whole value, or as a part of a topic or a
path: `"${name}"`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.profile_text import ProfileText, chosen, find_profile, shipped_profiles
from adapters.settings import SettingsError
from hems.devices import Kind

Topic = Annotated[str, Field(pattern=r"^[^+#]+$", max_length=256)]
Seconds = Annotated[float, Field(gt=0.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Source(_Part):
    """Where the topics are described."""

    document: str
    version: str = ""


class Header(_Part):
    """What the profile is and how far it can be trusted. `kind` is that of a device, or a meter."""

    schema_version: Literal[1] = Field(alias="schema")
    id: str
    vendor: str
    family: str
    kind: Kind | Literal["meter"]
    evidence: Literal["vendor", "multi", "single", "unverified"]
    status: Literal["read_only", "control_experimental", "control_released"]
    sources: tuple[Source, ...] = ()
    notes: str = ""


class Parameter(_Part):
    """A number (with `min` and `max`) or a text that the user may set."""

    default: float | str
    min: float | None = None
    max: float | None = None
    unit: str = ""
    help: str


class Point(_Part):
    """A value: the number or text in the payload, or in the member `path` of a JSON payload.

    Several `topics` make a list, e.g. one a phase. `path`: members joined by dots. A `map` translates words.
    """

    topics: tuple[Topic, ...] = Field(min_length=1, max_length=3)
    path: str = ""
    scale: float = 1.0
    min: float | None = None
    max: float | None = None
    map: dict[str, str] | None = None


class Freshness(_Part):
    """When the device counts as present. Retained messages never do: their age is unknown.

    `by`: `values` are published regularly, so the newest power must not be older than `max_age_s`; or they
    are published on `change` only, so any message of the device counts, and those on `topics`.
    """

    by: Literal["values", "change"]
    max_age_s: Seconds
    topics: tuple[Topic, ...] = ()


class Pause(_Part):
    """A topic that pauses the device and lets it go on."""

    topic: Topic
    pause: str
    resume: str


class Write(_Part):
    """Where a number is written. With `member` the payload is JSON with that one member."""

    topic: Topic
    member: str = ""
    scale: float = 1.0
    pause: Pause | None = None


class Reply(_Part):
    """The point that shows what the device took: within `within_s`, at most `tolerance` above the value."""

    point: str
    tolerance: float = Field(ge=0.0)
    within_s: Seconds


class ControlRange(_Part):
    """`min` to `max`, and the value that means a pause (absent: the device cannot pause)."""

    min: float = Field(ge=0.0)
    max: float = Field(gt=0.0)
    pause: float | None = None


class Failsafe(_Part):
    """What the device does by itself: after `after_s` without a message it holds `value`."""

    after_s: Seconds
    value: float = Field(ge=0.0)


class Control(_Part):
    """How the device is limited in watts. `refresh_s`: it wants to be told again at least this often.

    `on_shutdown`: what becomes of the set-point when the gateway stops and nothing binds the device.
    """

    write: Write
    range: ControlRange
    quantize: float = Field(gt=0.0)
    release: float
    reply: Reply | None = None
    refresh_s: Seconds | None = None
    failsafe: Failsafe | None = None
    reaction_s: float = Field(default=5.0, ge=0.0)
    min_interval_s: float = Field(default=0.0, ge=0.0)
    min_run_s: float = Field(default=0.0, ge=0.0)
    on_shutdown: Literal["release", "keep"] = "release"
    min_off_s: float = Field(default=0.0, ge=0.0)


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


DEVICE_POINTS = (
    "power_w",
    "energy_consumed_wh",
    "energy_produced_wh",
    "currents_a",
    "voltages_v",
    "state",
)
"""Points that become part of a device's sample; others serve as replies."""
METER_POINTS = ("power_w", "energy_consumed_wh", "energy_fed_in_wh", "powers_w", "currents_a", "voltages_v")
"""Points that become part of a meter's sample: import positive."""


class MqttProfile(_Part):
    """A whole profile with its parameters filled in."""

    profile: Header
    requirements: tuple[str, ...] = ()
    params: dict[str, Parameter] = Field(default_factory=dict)
    freshness: Freshness
    points: dict[str, Point]
    no_demand_states: tuple[str, ...] = ()
    controls: Controls = Controls()

    @property
    def topics(self) -> frozenset[str]:
        """Everything to listen to."""
        values = {topic for point in self.points.values() for topic in point.topics}
        return frozenset(values | set(self.freshness.topics))

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        controls = self.controls.max_current_a, self.controls.max_power_w, self.controls.production_limit_w
        replies = {control.reply.point for control in controls if control is not None and control.reply}
        unknown = sorted(replies - set(self.points))
        if unknown:
            raise ValueError(f"points that are not declared: {', '.join(unknown)}")
        if self.profile.kind == "meter" and "power_w" not in self.points:
            raise ValueError("a meter needs the point power_w")
        return self


def load_mqtt_profile(
    profile_id: str, params: Mapping[str, float | str], user_folders: Sequence[Path] = ()
) -> MqttProfile:
    """Find `<profile_id>.yaml` in the user's folders, then in the package, and fill in the parameters.

    Raises SettingsError with what is wrong and where to look.
    """
    return _made(find_profile(profile_id, user_folders, shipped_profiles("mqtt"), "MQTT profile"), params)


def parse_mqtt_profile(text: str, params: Mapping[str, float | str], origin: str) -> MqttProfile:
    """Read a profile from YAML text; `origin` names it in errors. Raises SettingsError."""
    return _made(ProfileText(text, origin), params)


_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def _made(source: ProfileText, params: Mapping[str, float | str]) -> MqttProfile:
    declared = source.parameters(Parameter)
    values = chosen(params, declared, source.origin)
    for name, value in params.items():
        _check(name, value, declared[name], source.origin)
    try:
        return MqttProfile.model_validate(_fill_in(source.blocks(), values, source))
    except ValidationError as error:
        raise source.refused(error) from error


def _check(name: str, value: float | str, parameter: Parameter, origin: str) -> None:
    wants_text = isinstance(parameter.default, str)
    if wants_text is not isinstance(value, str):
        raise SettingsError(f"{origin}: parameter {name} is a {'text' if wants_text else 'number'}")
    if isinstance(value, str):
        return
    low, high = parameter.min, parameter.max
    if (low is not None and value < low) or (high is not None and value > high):
        raise SettingsError(f"{origin}: parameter {name} = {value:g} is outside {low:g} to {high:g}")


def _fill_in(node: Any, values: Mapping[str, float | str], source: ProfileText) -> Any:
    if isinstance(node, dict):
        return {key: _fill_in(member, values, source) for key, member in node.items()}
    if isinstance(node, list):
        return [_fill_in(member, values, source) for member in node]
    if not isinstance(node, str) or "${" not in node:
        return node
    whole = _PLACEHOLDER.fullmatch(node)
    unknown = [name for name in _PLACEHOLDER.findall(node) if name not in values]
    if unknown:
        raise source.undeclared(f"${{{unknown[0]}}}")
    if whole is not None:
        return _plain(values[whole[1]])
    return _PLACEHOLDER.sub(lambda match: str(_plain(values[match[1]])), node)


def _plain(value: float | str) -> float | str:
    return int(value) if not isinstance(value, str) and value == int(value) else value
