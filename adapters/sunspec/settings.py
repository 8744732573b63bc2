"""The device types `sunspec` and `sunspec-battery`, and the meter type `sunspec-meter`."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from adapters.context import Context
from adapters.modbus.bus import Pacing, Unit
from adapters.modbus.endpoint import Framing, TcpEndpoint
from adapters.settings import AdapterSettings, Figures, Port, Revert, UnitId
from adapters.sunspec.battery import BatteryOptions, SunSpecBattery
from adapters.sunspec.inverter import InverterOptions, SunSpecInverter
from adapters.sunspec.meter import Sign, SunSpecMeter

SUNSPEC_TYPE = "sunspec"
SUNSPEC_METER_TYPE = "sunspec-meter"
SUNSPEC_BATTERY_TYPE = "sunspec-battery"


class SunSpecSettings(AdapterSettings):
    """How to reach a SunSpec device."""

    host: str = Field(description="Host name or address")
    port: Port = Field(default=502, description="TCP port")
    framing: Framing = Field(
        default=Framing.TCP, description="tcp, or rtu_tcp for a plain serial-to-network converter"
    )
    unit: UnitId = Field(default=1, description="Modbus unit id; SMA starts at 126, Fronius meters at 200")
    subdevice: int = Field(default=0, ge=0, description="Which device of a chain with several, from 0")
    timeout_ms: int = Field(default=1500, ge=50, le=10_000, description="Longest wait for an answer in ms")

    def place(self, _profile_folders: Sequence[Path] = (), /) -> Hashable:
        return self.type, self.host.lower(), self.port, self.unit, self.subdevice


class SunSpecInverterSettings(SunSpecSettings):
    """`adapter: {type: sunspec, host: …}`: an inverter whose production can be limited."""

    type: Literal["sunspec"] = Field(description="An inverter that speaks SunSpec over Modbus TCP")
    revert_s: int = Field(
        default=0,
        ge=0,
        le=28_800,
        description="Seconds without the gateway after which it ends the limit by itself; 0: never, so that "
        "an order holds while the gateway is gone",
    )
    after_revert_w: float | None = Field(
        default=None, ge=0.0, description="Limit in W after revert_s (model 704 only); none: free"
    )
    nameplate_w: float | None = Field(
        default=None, gt=0.0, description="Rated power in W, where the device does not tell it"
    )
    reaction_s: float = Field(default=10.0, ge=0.0, description="Seconds from a write to its effect")

    @model_validator(mode="after")
    def _after_needs_a_time(self) -> Self:
        if self.after_revert_w is not None and not self.revert_s:
            raise ValueError("after_revert_w holds after revert_s; set revert_s above 0, such as 120")
        return self

    def figures(self, _profile_folders: Sequence[Path] = (), /) -> Figures:
        revert = Revert(self.revert_s, self.after_revert_w) if self.revert_s else None
        return Figures("nameplate_w", "after_revert_w", self.nameplate_w is None, revert)


class SunSpecBatterySettings(SunSpecSettings):
    """`adapter: {type: sunspec-battery, host: …}`: a battery whose charging can be limited (model 124)."""

    type: Literal["sunspec-battery"] = Field(
        description="A battery behind an inverter that speaks SunSpec over Modbus TCP"
    )
    revert_s: int = Field(
        default=0,
        ge=0,
        le=28_800,
        description="Seconds without the gateway after which it ends the limit by itself, where it can; 0: "
        "never",
    )
    max_power_w: float | None = Field(
        default=None, gt=0.0, description="Largest charging power in W, where the device does not tell it"
    )
    reaction_s: float = Field(default=10.0, ge=0.0, description="Seconds from a write to its effect")

    def figures(self, _profile_folders: Sequence[Path] = (), /) -> Figures:
        revert = Revert(self.revert_s, None, certain=False) if self.revert_s else None
        return Figures("max_power_w", size_is_assumed=self.max_power_w is None, revert=revert)


class SunSpecMeterSettings(SunSpecSettings):
    """`meter: {type: sunspec-meter, host: …}`: the meter at the grid connection point."""

    type: Literal["sunspec-meter"] = Field(description="A grid meter that speaks SunSpec over Modbus TCP")
    sign: Sign = Field(
        default=Sign.AUTO,
        description="What positive power means: import_positive, export_positive, or auto by manufacturer",
    )


def make_inverter(name: str, settings: SunSpecInverterSettings, context: Context) -> SunSpecInverter:
    """The factory for the registry."""
    options = InverterOptions(
        revert_s=settings.revert_s,
        after_revert_w=settings.after_revert_w,
        nameplate_w=settings.nameplate_w,
        reaction_s=settings.reaction_s,
    )
    return SunSpecInverter(name, _unit(name, settings, context), context.clock, options, settings.subdevice)


def make_sunspec_battery(name: str, settings: SunSpecBatterySettings, context: Context) -> SunSpecBattery:
    """The factory for the registry."""
    options = BatteryOptions(
        revert_s=settings.revert_s, max_power_w=settings.max_power_w, reaction_s=settings.reaction_s
    )
    return SunSpecBattery(name, _unit(name, settings, context), context.clock, options, settings.subdevice)


def make_meter(name: str, settings: SunSpecMeterSettings, context: Context) -> SunSpecMeter:
    """The factory for the registry."""
    return SunSpecMeter(
        name, _unit(name, settings, context), context.clock, settings.sign, settings.subdevice
    )


def _unit(name: str, settings: SunSpecSettings, context: Context) -> Unit:
    endpoint = TcpEndpoint(settings.host, settings.port, settings.framing)
    return context.buses.unit(endpoint, name, settings.unit, Pacing(timeout_s=settings.timeout_ms / 1000.0))
