"""Our own devices under test and what is declared about them.

The gateway has the entities of ``hems run``, the control box those of ``hems steuerbox``: what is declared
about them here holds for the programs too. The others show what can be built on ``eebus`` alone: a heat pump
that is no energy manager, may refuse a limit to protect itself and does not ask for access methods; an
energy manager that may refuse a limit as well and reports every value; a display that polls what it shows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from eebus.conformance.sheet import Sheet, make_sheet
from eebus.ids import PeerRole, ShipId
from eebus.ship.settings import ShipSettings
from eebus.spine.device import LocalDevice
from eebus.spine.handler import Handler
from eebus.spine.stack import Turn
from eebus.usecases.controllable_system import (
    ControllableSystem,
    ControllableSystemSettings,
    PermittedRefusal,
    never_refuse,
)
from eebus.usecases.energy_guard import EnergyGuard, EnergyGuardSettings
from eebus.usecases.events import StoredFailsafe
from eebus.usecases.house import ALL_GRID_VALUES, SubMeter, build_control_box, build_gateway
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring import MonitoringServer, MonitoringSettings
from eebus.usecases.monitoring_data import MGCP, MPC, MonitoringProfile, Quantity
from eebus.usecases.monitoring_reader import MonitoringReader

FAILSAFE_CONSUMPTION_W: Final = 4200.0
FAILSAFE_PRODUCTION_W: Final = 3000.0
MAX_FAILSAFE_DURATION_S: Final = 43200.0
POLL_INTERVAL_S: Final = 60.0
"""Below the 24 h that the specification allows, so that the cases see our own maximum at work."""


@dataclass(slots=True)
class Refusal:
    """The button that creates a permitted reason to refuse activated limits."""

    pressed: bool = False

    def __call__(self, _direction: Direction, _value_w: float) -> str | None:
        return "self-protection of the device" if self.pressed else None


@dataclass(frozen=True, kw_only=True)
class Composition:
    """The SPINE side of a device with handles on what the operator touches."""

    device: LocalDevice
    handlers: tuple[Handler, ...]
    start: Callable[[Turn], None]
    system: ControllableSystem | None = None
    meters: Mapping[str, MonitoringServer] = field(default_factory=dict)
    guard: EnergyGuard | None = None
    readers: Mapping[str, MonitoringReader] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OwnDevice:
    """One of our devices: how it is built and what is declared about it."""

    name: str
    sheet: Sheet
    tester_role: PeerRole
    """As what the device has to trust the tester."""
    ship: ShipSettings
    compose: Callable[[StoredFailsafe, Refusal], Composition]


def _system_settings(*, energy_manager: bool) -> ControllableSystemSettings:
    return ControllableSystemSettings(
        failsafe_consumption_w=FAILSAFE_CONSUMPTION_W,
        failsafe_production_w=FAILSAFE_PRODUCTION_W,
        max_failsafe_duration_s=MAX_FAILSAFE_DURATION_S,
        energy_manager=energy_manager,
    )


def _all_optional(profile: MonitoringProfile) -> frozenset[Quantity]:
    return profile.quantities - profile.mandatory


GRID_VALUES: Final = ALL_GRID_VALUES | {Quantity.PV_LIMIT_FACTOR}
"""What the gateway reports of the grid connection; the factor where the feed-in is capped."""
UNIT_VALUES: Final = frozenset(
    {
        Quantity.ENERGY_CONSUMED,
        Quantity.ENERGY_PRODUCED,
        *(quantity for quantity in ALL_GRID_VALUES if quantity is not Quantity.FREQUENCY),
    }
)
"""What the gateway can pass on from its devices beside their power."""


def _gateway(failsafe: StoredFailsafe, _refusal: Refusal) -> Composition:
    return _house("Gateway", failsafe, grid=GRID_VALUES, unit=UNIT_VALUES)


def _energy_manager(failsafe: StoredFailsafe, refusal: Refusal) -> Composition:
    return _house("Manager", failsafe, grid=_all_optional(MGCP), unit=_all_optional(MPC), refusal=refusal)


def _house(
    model: str,
    failsafe: StoredFailsafe,
    *,
    grid: frozenset[Quantity],
    unit: frozenset[Quantity],
    refusal: PermittedRefusal = never_refuse,
) -> Composition:
    made = build_gateway(
        f"d:_n:Acme_{model}-1",
        settings=_system_settings(energy_manager=True),
        failsafe=failsafe,
        grid=MonitoringSettings(profile=MGCP, optional=grid),
        sub_meters=(SubMeter("wallbox", optional=unit),),
        downstream=EnergyGuardSettings(),
        permitted_refusal=refusal,
    )
    return Composition(
        device=made.device,
        handlers=made.handlers,
        start=made.start,
        system=made.controllable_system,
        meters={"MGCP": made.grid_connection_point, "MPC": made.sub_meters["wallbox"]},
    )


def _heat_pump(failsafe: StoredFailsafe, refusal: Refusal) -> Composition:
    device = LocalDevice("d:_n:Acme_HeatPump-1", "HeatGenerationSystem")
    entity = device.add_entity("HeatPumpAppliance")
    system = ControllableSystem(device, entity, _system_settings(energy_manager=False), failsafe, refusal)
    meter = MonitoringServer(
        device,
        device.add_entity("SubMeterElectricity"),
        MonitoringSettings(profile=MPC, optional=_all_optional(MPC)),
    )
    return Composition(
        device=device, handlers=(system, meter), start=system.start, system=system, meters={"MPC": meter}
    )


def _control_box(_failsafe: StoredFailsafe, _refusal: Refusal) -> Composition:
    made = build_control_box("d:_n:Acme_Box-1", settings=EnergyGuardSettings())
    return Composition(
        device=made.device,
        handlers=made.handlers,
        start=made.start,
        guard=made.energy_guard,
        readers={"MGCP": made.grid_reader, "MPC": made.unit_reader},
    )


def _display(_failsafe: StoredFailsafe, _refusal: Refusal) -> Composition:
    device = LocalDevice("d:_n:Acme_Display-1", "Generic")
    entity = device.add_entity("CEM")
    readers = {
        profile.short: MonitoringReader(device, entity, profile, poll_interval_s=POLL_INTERVAL_S)
        for profile in (MPC, MGCP)
    }
    return Composition(
        device=device, handlers=tuple(readers.values()), start=lambda _turn: None, readers=readers
    )


_LIMITS = {
    "LPC": {"PFCAPL": FAILSAFE_CONSUMPTION_W, "MFSDM": MAX_FAILSAFE_DURATION_S},
    "LPP": {"PFPAPL": FAILSAFE_PRODUCTION_W, "MFSDM": MAX_FAILSAFE_DURATION_S},
}
_ALL_VALUES = {"voltage.phaseToPhase": True}
_FACTOR = {"dp.PowerLimitFactor": True}

GATEWAY: Final = OwnDevice(
    name="gateway",
    sheet=make_sheet(
        {
            "roles": ["LPC/CS", "LPP/CS", "MGCP/GCP", "MPC/MU"],
            "SHIP": {"PAR_shipId": "i:1_u:acme-gateway"},
            "LPC": _LIMITS["LPC"],
            "LPP": _LIMITS["LPP"],
            "MPC": {"dp.PhaseActivePower": False, "dp.Frequency": False, "polling": True},
            "MGCP": {**_FACTOR, "polling": True},
        }
    ),
    tester_role=PeerRole.CONTROL_BOX,
    ship=ShipSettings(local_ship_id=ShipId("i:1_u:acme-gateway")),
    compose=_gateway,
)
ENERGY_MANAGER: Final = OwnDevice(
    name="energy manager",
    sheet=make_sheet(
        {
            "roles": ["LPC/CS", "LPP/CS", "MGCP/GCP", "MPC/MU"],
            "SHIP": {"PAR_shipId": "i:1_u:acme-manager"},
            "LPC": {**_LIMITS["LPC"], "B3": True},
            "LPP": {**_LIMITS["LPP"], "B3": True},
            "MPC": {**_ALL_VALUES, "polling": True},
            "MGCP": {**_ALL_VALUES, **_FACTOR, "polling": True},
        }
    ),
    tester_role=PeerRole.CONTROL_BOX,
    ship=ShipSettings(local_ship_id=ShipId("i:1_u:acme-manager")),
    compose=_energy_manager,
)
HEAT_PUMP: Final = OwnDevice(
    name="heat pump",
    sheet=make_sheet(
        {
            "roles": ["LPC/CS", "LPP/CS", "MPC/MU"],
            "SHIP": {"PAR_shipId": "i:1_u:acme-heat-pump", "PAR_queryAccessMethods": False},
            "LPC": {**_LIMITS["LPC"], "CEM": False, "C3": True},
            "LPP": {**_LIMITS["LPP"], "CEM": False, "C3": True},
            "MPC": {**_ALL_VALUES, "polling": True},
        }
    ),
    tester_role=PeerRole.CONTROL_BOX,
    ship=ShipSettings(local_ship_id=ShipId("i:1_u:acme-heat-pump"), ask_access_methods=False),
    compose=_heat_pump,
)
CONTROL_BOX: Final = OwnDevice(
    name="control box",
    sheet=make_sheet(
        {
            "roles": ["LPC/EG", "LPP/EG", "MPC/MA", "MGCP/MA"],
            "SHIP": {"PAR_shipId": "i:1_u:acme-box"},
            "MPC": _ALL_VALUES,
            "MGCP": {**_ALL_VALUES, **_FACTOR},
        }
    ),
    tester_role=PeerRole.DEVICE,
    ship=ShipSettings(local_ship_id=ShipId("i:1_u:acme-box")),
    compose=_control_box,
)
DISPLAY: Final = OwnDevice(
    name="display",
    sheet=make_sheet(
        {
            "roles": ["MPC/MA", "MGCP/MA"],
            "SHIP": {"PAR_shipId": "i:1_u:acme-display"},
            "MPC": {"polling": True, "notification": False},
            "MGCP": {"polling": True, "notification": False},
        }
    ),
    tester_role=PeerRole.DEVICE,
    ship=ShipSettings(local_ship_id=ShipId("i:1_u:acme-display")),
    compose=_display,
)
OWN_DEVICES: Final = (GATEWAY, CONTROL_BOX, HEAT_PUMP, ENERGY_MANAGER, DISPLAY)
"""A case runs on the first one whose declarations make it applicable."""
