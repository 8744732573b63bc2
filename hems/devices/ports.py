"""The protocols that adapters implement, and the samples they deliver."""

from dataclasses import dataclass, field
from typing import Protocol

from hems.devices.capabilities import Capabilities, Direction
from hems.devices.setpoint import Setpoint


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """One reading of a device.

    `at_s`: monotonic time of arrival. `power_w`: signed, None when the device does not measure.
    `ceilings_w`: the bounds that the device reports it holds now, per direction, as magnitudes; a direction
    it cannot report is absent, None means "released".
    `energy_consumed_wh` and `energy_produced_wh`: counters, both growing from zero.
    `demand_w`: the largest draw that is of any use to it now, where it tells: 0 for a charge point without a
    car, which then reserves nothing; None when unknown.
    `charge_percent`: how full a battery is, where it tells.
    `state`: the device's own word for its state, for people.
    """

    at_s: float
    power_w: float | None
    ceilings_w: dict[Direction, float | None] = field(default_factory=dict)
    energy_consumed_wh: float | None = None
    energy_produced_wh: float | None = None
    currents_a: tuple[float, ...] = ()
    voltages_v: tuple[float, ...] = ()
    demand_w: float | None = None
    charge_percent: float | None = None
    state: str = ""


@dataclass(frozen=True, slots=True)
class Readback:
    """The outcome of a write: what was sent, and what the device holds now (None when it cannot tell)."""

    written_w: float | None
    held_w: float | None
    confirmed: bool


@dataclass(frozen=True, slots=True)
class MeterSample:
    """One reading of the meter at the grid connection point: import positive, export negative."""

    at_s: float
    power_w: float
    energy_consumed_wh: float | None = None
    energy_fed_in_wh: float | None = None
    powers_w: tuple[float, ...] = ()
    currents_a: tuple[float, ...] = ()
    voltages_v: tuple[float, ...] = ()
    frequency_hz: float | None = None


class Device(Protocol):
    """A steerable device. One call at a time per device; every call ends within its own time limit."""

    @property
    def name(self) -> str:
        """The name from the configuration."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; may become more exact after `connect`."""

    async def connect(self) -> None:
        """Identify the device and program its own fallback. Raises DeviceError."""

    async def read(self) -> DeviceSample:
        """Read it once. Raises DeviceError."""

    async def write(self, setpoint: Setpoint) -> Readback:
        """Write a set-point and read it back where the device allows. Raises DeviceError."""

    async def close(self) -> None:
        """Release sockets; never raises and never changes what the device holds."""


class Meter(Protocol):
    """The meter at the grid connection point."""

    @property
    def name(self) -> str:
        """The name from the configuration."""

    async def connect(self) -> None:
        """Identify the meter. Raises DeviceError."""

    async def read(self) -> MeterSample:
        """Read it once. Raises DeviceError."""

    async def close(self) -> None:
        """Release sockets; never raises."""
