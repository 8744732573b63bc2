"""The devices that we build: the gateway of a house and, for the simulator and tests, a control box.

Roles stand on entities of their own (SPINE 4.2): a partner must never have to guess whose heartbeat or whose
limit it found.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from eebus.errors import LocalError
from eebus.spine.device import LocalDevice
from eebus.spine.handler import Handler
from eebus.spine.model.device import DeviceClassificationManufacturerData
from eebus.spine.safety import peer_safe_text
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
from eebus.usecases.monitoring_data import MGCP, MPC, Quantity
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


MONITORED_UNITS: Final = frozenset(
    {
        "Compressor",
        "ElectricalImmersionHeater",
        "EVSE",
        "HeatPumpAppliance",
        "Inverter",
        "SmartEnergyAppliance",
        "SubMeterElectricity",
    }
)
"""The types of entities that may report as monitored units; the energy manager is none (MPC-TS-012)."""


@dataclass(frozen=True, slots=True)
class SubMeter:
    """An appliance that reports its own power (MPC) on an entity of its own.

    Raises LocalError for a type of entity that cannot be a monitored unit.
    """

    name: str
    """Which appliance; also shown to partners."""
    entity_type: str = "SubMeterElectricity"
    optional: frozenset[Quantity] = frozenset()
    """Values beside the total power."""
    grows: bool = False
    """Offer further values as soon as they are measured for the first time."""
    phases: int = 3

    def __post_init__(self) -> None:
        if self.entity_type not in MONITORED_UNITS:
            raise LocalError(f"an entity of type '{self.entity_type}' is no monitored unit")

    @property
    def settings(self) -> MonitoringSettings:
        """The same as the settings of a monitoring server."""
        return MonitoringSettings(profile=MPC, optional=self.optional, phases=self.phases, grows=self.grows)


@dataclass(frozen=True, slots=True)
class Downstream:
    """The side of the gateway that looks after EEBUS devices in the house: it limits and reads them."""

    energy_guard: EnergyGuard
    units: MonitoringReader
    grid: MonitoringReader

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """Everything that takes part in the stack."""
        return (self.energy_guard, self.units, self.grid)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The SPINE side of the house."""

    device: LocalDevice
    controllable_system: ControllableSystem
    grid_connection_point: MonitoringServer
    sub_meters: Mapping[str, MonitoringServer] = field(default_factory=lambda: MappingProxyType({}))
    """The appliances that report, by name."""
    downstream: Downstream | None = None

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """Everything that takes part in the stack."""
        below = self.downstream.handlers if self.downstream else ()
        return (self.controllable_system, self.grid_connection_point, *self.sub_meters.values(), *below)

    def start(self, turn: Turn) -> None:
        """Enter init, before any peer connects."""
        self.controllable_system.start(turn)
        if self.downstream is not None:
            self.downstream.energy_guard.start(turn)


def build_gateway(
    address: str,
    *,
    settings: ControllableSystemSettings,
    failsafe: StoredFailsafe,
    grid: MonitoringSettings,
    sub_meters: Iterable[SubMeter] = (),
    downstream: EnergyGuardSettings | None = None,
    name_plate: DeviceClassificationManufacturerData | None = None,
    permitted_refusal: PermittedRefusal = never_refuse,
) -> Gateway:
    """The energy manager of a house: limits on `[1]`, the grid connection point on `[2]`.

    With `downstream` its own energy guard and monitoring appliance follow on `[3]`, then the sub-meters.
    Roles never share an entity: a box must not take our own heartbeat for that of its partner.
    """
    device = LocalDevice(address, "EnergyManagementSystem", name_plate=name_plate)
    manager = device.add_entity("CEM")
    system = ControllableSystem(device, manager, settings, failsafe, permitted_refusal)
    grid_point = MonitoringServer(device, device.add_entity("GridConnectionPointOfPremises"), grid)
    below = _build_downstream(device, downstream) if downstream is not None else None
    meters = {meter.name: _build_sub_meter(device, meter) for meter in sub_meters}
    return Gateway(device, system, grid_point, MappingProxyType(meters), below)


def _build_downstream(device: LocalDevice, settings: EnergyGuardSettings) -> Downstream:
    entity = device.add_entity("CEM")
    guard = EnergyGuard(device, entity, settings)
    return Downstream(guard, MonitoringReader(device, entity, MPC), MonitoringReader(device, entity, MGCP))


def _build_sub_meter(device: LocalDevice, meter: SubMeter) -> MonitoringServer:
    entity = device.add_entity(meter.entity_type, description=peer_safe_text(meter.name))
    return MonitoringServer(device, entity, meter.settings)


@dataclass(frozen=True, slots=True)
class ControlBox:
    """The SPINE side of a Steuerbox."""

    device: LocalDevice
    energy_guard: EnergyGuard
    grid_reader: MonitoringReader
    unit_reader: MonitoringReader

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """Everything that takes part in the stack."""
        return (self.energy_guard, self.grid_reader, self.unit_reader)

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
    grid = MonitoringReader(device, entity, MGCP)
    return ControlBox(device, guard, grid, MonitoringReader(device, entity, MPC))


def build_stack(composed: Gateway | ControlBox, utc_now: Callable[[], datetime]) -> SpineStack:
    """The SPINE node with all handlers; run ``composed.start`` on it before connecting."""
    stack = SpineStack(composed.device, utc_now=utc_now)
    for handler in composed.handlers:
        stack.add_handler(handler)
    return stack
