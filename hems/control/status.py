"""What control shows of itself: plain values, the same for the command line, the local API and tests."""

from dataclasses import dataclass

from hems.control.execution import Obedience
from hems.devices import Direction, Kind
from hems.limits.ceilings import Ceiling
from hems.limits.reason import Reason
from hems.metering.measurements import Quality


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One device in one direction. `bounded` False: free. `charge_w`: the most it may take at worst."""

    direction: Direction
    bounded: bool
    setpoint_w: float | None
    charge_w: float
    measured_w: float | None
    obedience: Obedience
    standing: Reason
    """How the device follows."""
    why: Reason | None
    """Why it was told this set-point; None when it was never told one."""


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """One device. `trouble`: why there is no connection, empty when there is one."""

    name: str
    kind: Kind
    connected: bool
    trouble: str
    power_w: float | None
    sample_age_s: float | None
    state: str
    lanes: tuple[LaneStatus, ...]


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """One binding budget. `devices`: None for all."""

    source: str
    allowed_w: float
    devices: tuple[str, ...] | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class SideStatus:
    """One direction of the house. `overshoot_w`: how far even the least possible exceeds the budget."""

    direction: Direction
    limited: bool
    budgets: tuple[BudgetStatus, ...]
    credit_w: float
    credit_reason: Reason
    overshoot_w: float


@dataclass(frozen=True, slots=True)
class ControlStatus:
    """Everything at one moment (`at_s`: monotonic)."""

    at_s: float
    cycles: int
    last_cycle_age_s: float | None
    ceilings: tuple[Ceiling, ...]
    sides: tuple[SideStatus, ...]
    devices: tuple[DeviceStatus, ...]
    grid_power_w: float | None
    grid_quality: Quality
    grid_age_s: float | None
    grid_trouble: str
