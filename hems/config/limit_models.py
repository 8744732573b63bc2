"""The settings of the sources of limits beside EEBUS, and of the rules that divide what they allow."""

from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, Field, SerializeAsAny, model_validator

from hems.config.section import MAX_POWER_W, NAME, NAME_FORM, Section, unit

_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_DAY = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class RulesSettings(Section):
    """How scarce power is divided and counted."""

    strategy: Literal["priority", "equal", "proportional", "need"] = Field(
        default="priority",
        description="`priority`: one after the other; `equal`: the same watts for each; `proportional`: by "
        "size; `need`: by the class of need, then by size.",
    )
    convention: Literal["house_first", "pro_rata", "controllable_first"] = Field(
        default="house_first",
        description="Whom own generation serves first when import is counted; the default allows least.",
    )
    production_limit_at: Literal["connection", "inverter"] = Field(
        default="connection",
        description="Where a feed-in limit of the Steuerbox holds: at the connection or at the inverters.",
    )
    offer_to_batteries: bool = Field(
        default=False,
        description="Where nothing may be fed in: feed in 2 % for seconds all the same, so that a battery "
        "sees a surplus that it can store.",
    )


class ProtectionSettings(Section):
    """What the wires of the grid connection carry; holds for every device that can be told to draw less."""

    fuse_a: float = Field(
        gt=0.0,
        le=1000.0,
        description="House fuse of each phase, in amperes.",
        json_schema_extra=unit("A"),
    )
    three_phase: bool = Field(default=True, description="The connection has three phases, else one.")
    voltage_v: float = Field(
        default=207.0,
        ge=100.0,
        le=260.0,
        description="Lowest voltage, by which amperes are taken as watts while the meter does not show it.",
        json_schema_extra=unit("V"),
    )
    unbalance_w: float | None = Field(
        default=4_600.0,
        ge=0.0,
        le=MAX_POWER_W,
        description="Most that single-phase devices may draw on one phase, in watts; null for no such limit.",
        json_schema_extra=unit("W"),
    )


class GenerationSettings(Section):
    """The solar plant behind the connection, all its parts together."""

    installed_power_w: float = Field(
        gt=0.0,
        le=MAX_POWER_W,
        description="Installed module power in watts; percents of relays and of the cap are taken of it.",
        json_schema_extra=unit("W"),
    )
    commissioned: date | None = Field(
        default=None, description="Day on which it was put into operation; null counts as a new plant."
    )
    inverter_power_va: float | None = Field(
        default=None,
        gt=0.0,
        le=MAX_POWER_W,
        description="Apparent power of all inverters, for the exemption of plug-in solar.",
        json_schema_extra=unit("VA"),
    )
    subsidised: bool = Field(
        default=True, description="On feed-in tariff or tenant-power premium; the cap asks for that."
    )
    remotely_reducible: bool = Field(
        default=False, description="The grid operator can reduce it by ripple control (plants before 2023)."
    )
    tested_on: date | None = Field(
        default=None,
        description="Day of the first successful test by the grid operator: ends the cap of § 9 EEG.",
    )
    cap_percent: float | None = Field(
        default=None,
        ge=0.0,
        le=100.0,
        description="Cap on feed-in in percent of the installed power until the test; null: by § 9 EEG.",
        json_schema_extra=unit("%"),
    )


class RelayInputSettings(Section):
    """One input contact."""

    active_when: Literal["closed", "open"] = Field(
        default="closed", description="State of the contact at which its command is given."
    )
    signal: Literal["level", "pulse"] = Field(
        default="level",
        description="`level`: for as long as it lasts; `pulse`: until another input gets a pulse.",
    )
    debounce_s: float = Field(
        default=0.1,
        ge=0.0,
        le=10.0,
        description="A change counts once it has lasted so long, in seconds.",
        json_schema_extra=unit("s"),
    )
    unreadable_after_s: float = Field(
        default=5.0,
        ge=1.0,
        le=600.0,
        description="Silence after which the state is not known any more, in seconds.",
        json_schema_extra=unit("s"),
    )
    unreadable: Literal["active", "inactive", "keep"] = Field(
        default="active", description="What it counts as while it cannot be read."
    )
    at_start: Literal["active", "inactive", "keep"] = Field(
        default="active",
        description="What it counts as after a power loss until it is known; `keep` (pulses): as before.",
    )

    @model_validator(mode="after")
    def _only_pulses_are_kept(self) -> Self:
        if self.at_start == "keep" and self.signal == "level":
            raise ValueError("'at_start: keep' is for pulses; a level is read again after the start")
        return self


class RelayPatternSettings(Section):
    """One pattern of active inputs and what it orders."""

    active: tuple[str, ...] = Field(
        default=(), max_length=16, description="Inputs that are active; the others are not."
    )
    minimum: bool = Field(default=False, description="Reduce consumption to the minimum power.")
    consumption_w: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_POWER_W,
        description="Limit of consumption in watts; null for none.",
        json_schema_extra=unit("W"),
    )
    feed_in_percent: float | None = Field(
        default=None,
        ge=0.0,
        le=100.0,
        description="Feed-in in percent of the installed power; null for no limit.",
        json_schema_extra=unit("%"),
    )


class RelaySettings(Section):
    """A Steuerbox or ripple control receiver with relays."""

    name: str = Field(pattern=NAME, description=f"Name of the group: {NAME_FORM}.")
    wiring: Literal[
        "single_contact", "dim_and_release", "two_contacts", "four_contacts", "one_hot", "custom"
    ] = Field(description="Which inputs there are and what they mean; docs/rules.md lists them.")
    patterns: tuple[RelayPatternSettings, ...] = Field(
        default=(),
        max_length=64,
        description="With the wiring `custom`: all patterns; others are input faults.",
    )
    inputs: dict[str, RelayInputSettings] = Field(
        default_factory=dict, max_length=16, description="Settings of single inputs, by their name."
    )
    on_fault: Literal["strictest", "keep", "release"] = Field(
        default="strictest", description="What holds while the inputs show a pattern that cannot be."
    )
    limit_w: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_POWER_W,
        description="What `minimum` means, in watts; null calculates it from the devices.",
        json_schema_extra=unit("W"),
    )
    devices: tuple[str, ...] = Field(
        default=(),
        max_length=64,
        description="Devices that the consumption commands are for; empty means all controllable ones.",
    )
    adapter: SerializeAsAny[BaseModel] = Field(
        description="How the contacts are read; `type` says which way."
    )


class WindowSettings(Section):
    """A part of the week in local time."""

    start: str = Field(
        alias="from", pattern=_TIME, description="Local time with two digits each, '00:00' to '23:59'."
    )
    end: str = Field(
        alias="until",
        pattern=_TIME,
        description="Local time with two digits each, '00:00' to '23:59'; not after `from` is the next day.",
    )
    days: tuple[_DAY, ...] = Field(
        default=(), max_length=7, description="Days on which it starts (mon to sun); empty means each day."
    )


class ProgrammeSettings(Section):
    """A limit that people set for parts of the week."""

    name: str = Field(pattern=NAME, description=f"Name of the programme: {NAME_FORM}.")
    windows: tuple[WindowSettings, ...] = Field(min_length=1, max_length=32, description="When it limits.")
    consumption_w: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_POWER_W,
        description="Largest draw of the devices then, in watts.",
        json_schema_extra=unit("W"),
    )
    feed_in_w: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_POWER_W,
        description="Largest feed-in then, in watts.",
        json_schema_extra=unit("W"),
    )
    devices: tuple[str, ...] = Field(
        default=(), max_length=128, description="Devices it is for; empty means all controllable ones."
    )


class WishSettings(Section):
    """What a device is to get first in a part of the week, as far as the limits allow it."""

    device: str = Field(pattern=NAME, description=f"Name of the device: {NAME_FORM}.")
    at_least_w: float = Field(
        gt=0.0,
        le=MAX_POWER_W,
        description="What it gets before anything else is divided, in watts.",
        json_schema_extra=unit("W"),
    )
    windows: tuple[WindowSettings, ...] = Field(
        min_length=1, max_length=32, description="When the wish holds."
    )
