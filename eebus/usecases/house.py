"""The devices that we build: the gateway of a house and, for the simulator and tests, a control box.

Roles stand on entities of their own (SPINE 4.2): a partner must never have to guess whose heartbeat or whose
limit it found.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from eebus.spine.device import LocalDevice
from eebus.spine.handler import Handler
from eebus.spine.model.device import DeviceClassificationManufacturerData
from eebus.spine.stack import SpineStack, Turn
from eebus.usecases.controllable_system import (
    ControllableSystem,
    ControllableSystemSettings,
    PermittedRefusal,
    never_refuse,
)
from eebus.usecases.energy_guard import EnergyGuard, EnergyGuardSettings
from eebus.usecases.events import StoredFailsafe
from eebus.usecases.monitoring import MonitoringServer, MonitoringSettings
from eebus.usecases.monitoring_data import MGCP, Quantity
from eebus.usecases.monitoring_reader import MonitoringReader

ALL_GRID_VALUES = frozenset(
    {
        Quantity.CURRENT_A,
        Quantity.CURRENT_B,
        Quantity.CURRENT_C,
        Quantity.VOLTAGE_A,
        Quantity.VOLTAGE_B,
        Quantity.VOLTAGE_C,
        Quantity.FREQUENCY,
    }
)
"""What a three-phase grid meter usually delivers beside power and energy."""


def device_address(vendor: str, model: str, serial: str) -> str:
    """The SPINE address of a device; it must stay the same for life (SPINE 2.3)."""
    parts = [re.sub(r"[^A-Za-z0-9-]", "", part) or "x" for part in (vendor, model, serial)]
    return f"d:_n:{parts[0]}_{parts[1]}-{parts[2]}"


@dataclass(frozen=True, slots=True)
class Gateway:
    """The SPINE side of the house."""

    device: LocalDevice
    controllable_system: ControllableSystem
    grid_connection_point: MonitoringServer

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """Everything that takes part in the stack."""
        return (self.controllable_system, self.grid_connection_point)

    def start(self, turn: Turn) -> None:
        """Enter init, before any peer connects."""
        self.controllable_system.start(turn)


def build_gateway(
    address: str,
    *,
    settings: ControllableSystemSettings,
    failsafe: StoredFailsafe,
    grid: MonitoringSettings,
    name_plate: DeviceClassificationManufacturerData | None = None,
    permitted_refusal: PermittedRefusal = never_refuse,
) -> Gateway:
    """The energy manager of a house: limits on `[1]`, the grid connection point on `[2]`."""
    device = LocalDevice(address, "EnergyManagementSystem", name_plate=name_plate)
    manager = device.add_entity("CEM")
    system = ControllableSystem(device, manager, settings, failsafe, permitted_refusal)
    grid_point = MonitoringServer(device, device.add_entity("GridConnectionPointOfPremises"), grid)
    return Gateway(device, system, grid_point)


@dataclass(frozen=True, slots=True)
class ControlBox:
    """The SPINE side of a Steuerbox."""

    device: LocalDevice
    energy_guard: EnergyGuard
    grid_reader: MonitoringReader

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """Everything that takes part in the stack."""
        return (self.energy_guard, self.grid_reader)

    def start(self, turn: Turn) -> None:
        """Begin with the heartbeat."""
        self.energy_guard.start(turn)


def build_control_box(
    address: str,
    *,
    settings: EnergyGuardSettings,
    name_plate: DeviceClassificationManufacturerData | None = None,
) -> ControlBox:
    """A box that guards and reads on one grid guard entity."""
    device = LocalDevice(address, "ElectricitySupplySystem", name_plate=name_plate)
    entity = device.add_entity("GridGuard")
    guard = EnergyGuard(device, entity, settings)
    return ControlBox(device, guard, MonitoringReader(device, entity, MGCP))


def build_stack(composed: Gateway | ControlBox, utc_now: Callable[[], datetime]) -> SpineStack:
    """The SPINE node with all handlers; run ``composed.start`` on it before connecting."""
    stack = SpineStack(composed.device, utc_now=utc_now)
    for handler in composed.handlers:
        stack.add_handler(handler)
    return stack
