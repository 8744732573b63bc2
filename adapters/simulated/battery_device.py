"""A simulated battery inside the gateway's own process, for tests, drills and trying out a configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from adapters.context import Context
from adapters.settings import AdapterSettings, Figures
from adapters.simulated.battery import Battery
from eebus.clock import Clock
from hems.devices import (
    Capabilities,
    DeviceSample,
    Direction,
    FeasiblePowers,
    Kind,
    PowerRange,
    Readback,
    Setpoint,
    WriteRefused,
)

SIMULATED_BATTERY_TYPE = "simulated"


class SimulatedBatterySettings(AdapterSettings):
    """`adapter: {type: simulated, kind: battery}`: a battery that wants to charge with `charge_power_w`."""

    type: Literal["simulated"] = Field(description="A device that exists only in this process")
    kind: Literal["battery"] = Field(default="battery", description="What is simulated")
    capacity_wh: float = Field(default=10_000.0, gt=0.0, description="Usable energy in Wh")
    max_power_w: float = Field(default=5_000.0, gt=0.0, description="Largest charge and discharge in W")
    charge_percent: float = Field(
        default=50.0, ge=0.0, le=100.0, description="State of charge at the start in %"
    )
    charge_power_w: float = Field(
        default=3_000.0,
        description="Power in W that it charges with while nothing limits it; < 0: discharges",
    )

    def figures(self, _profile_folders: Sequence[Path] = (), /) -> Figures:
        return Figures(size="max_power_w")


class SimulatedBattery:
    """A :class:`hems.devices.Device` over the battery model; time comes from the injected clock."""

    def __init__(self, name: str, settings: SimulatedBatterySettings, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._max_power_w = settings.max_power_w
        self._stepped_at_s = clock.monotonic()
        self.battery = Battery(
            capacity_wh=settings.capacity_wh,
            max_power_w=settings.max_power_w,
            energy_wh=settings.capacity_wh * settings.charge_percent / 100.0,
            wish_w=settings.charge_power_w,
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            kind=Kind.BATTERY,
            nameplate_w=self._max_power_w,
            consumption=FeasiblePowers((PowerRange(-self._max_power_w, self._max_power_w),)),
            reaction_s=0.0,
        )

    async def connect(self) -> None:
        self._advance()

    async def read(self) -> DeviceSample:
        self._advance()
        battery = self.battery
        return DeviceSample(
            at_s=self._stepped_at_s,
            power_w=battery.power_w,
            ceilings_w={Direction.CONSUMPTION: battery.ceiling_w},
            energy_consumed_wh=battery.charged_wh,
            energy_produced_wh=battery.discharged_wh,
            state=_state(battery.power_w),
        )

    async def write(self, setpoint: Setpoint) -> Readback:
        if setpoint.direction is not Direction.CONSUMPTION:
            raise WriteRefused(f"{self._name}: the simulated battery can only be limited in its charging")
        self._advance()
        self.battery.ceiling_w = setpoint.power_w
        self.battery.step(0.0)
        return Readback(written_w=setpoint.power_w, held_w=setpoint.power_w, confirmed=True)

    async def close(self) -> None:
        return None

    def _advance(self) -> None:
        now_s = self._clock.monotonic()
        self.battery.step(now_s - self._stepped_at_s)
        self._stepped_at_s = now_s


def _state(power_w: float) -> str:
    if power_w == 0.0:
        return "idle"
    return "charging" if power_w > 0.0 else "discharging"


def make_battery(name: str, settings: SimulatedBatterySettings, context: Context) -> SimulatedBattery:
    """The factory for the registry."""
    return SimulatedBattery(name, settings, context.clock)
