"""What the use cases look like on the wire, as the tester knows it.

These tables are the tester's own and not those of the devices under test: a sign or a name that is wrong
there must not look right here.
"""

from dataclasses import dataclass
from typing import Final

from eebus.spine.device import LocalDevice, LocalEntity
from eebus.spine.model.node_management import UseCaseSupport
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity

LIMITS: Final = "loadControlLimitListData"
LIMIT_DESCRIPTIONS: Final = "loadControlLimitDescriptionListData"
KEYS: Final = "deviceConfigurationKeyValueListData"
KEY_DESCRIPTIONS: Final = "deviceConfigurationKeyValueDescriptionListData"
CHARACTERISTICS: Final = "electricalConnectionCharacteristicListData"
CONNECTIONS: Final = "electricalConnectionDescriptionListData"
PARAMETERS: Final = "electricalConnectionParameterDescriptionListData"
MEASUREMENTS: Final = "measurementListData"
MEASUREMENT_DESCRIPTIONS: Final = "measurementDescriptionListData"
HEARTBEAT: Final = "deviceDiagnosisHeartbeatData"

FAILSAFE_DURATION_KEY: Final = "failsafeDurationMinimum"
FACTOR_KEY: Final = "pvCurtailmentLimitFactor"


@dataclass(frozen=True, slots=True)
class LimitationWire:
    """LPC or LPP (use case reference 2)."""

    short: str
    direction: Direction
    use_case: str
    limit_direction: str
    sign: int
    """What a magnitude is multiplied with on the wire."""
    failsafe_key: str
    contractual_maximum: str
    device_maximum: str


LPC: Final = LimitationWire(
    "LPC",
    Direction.CONSUMPTION,
    "limitationOfPowerConsumption",
    "consume",
    1,
    "failsafeConsumptionActivePowerLimit",
    "contractualConsumptionNominalMax",
    "powerConsumptionNominalMax",
)
LPP: Final = LimitationWire(
    "LPP",
    Direction.PRODUCTION,
    "limitationOfPowerProduction",
    "produce",
    -1,
    "failsafeProductionActivePowerLimit",
    "contractualProductionNominalMax",
    "powerProductionNominalMax",
)
LIMITATIONS: Final = (LPC, LPP)


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of MPC or MGCP."""

    quantity: Quantity
    scenario: int
    measurement_type: str
    unit: str
    scope: str
    phases: str | None = None
    """The measured phases; of a voltage the one that counts as positive."""
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class MonitoringWire:
    """MPC or MGCP (use case reference 6 and 7)."""

    short: str
    use_case: str
    actor: str
    values: tuple[Measured, ...]

    def value(self, quantity: Quantity) -> Measured:
        """How a value looks on the wire."""
        return next(item for item in self.values if item.quantity is quantity)


_PHASES: Final = ("a", "b", "c")
_BETWEEN: Final = (("a", "b"), ("b", "c"), ("c", "a"))


def _electrical(currents: int, voltages: int, frequency: int) -> tuple[Measured, ...]:
    return (
        *(Measured(Quantity(f"current_{p}"), currents, "current", "A", "acCurrent", p) for p in _PHASES),
        *(
            Measured(Quantity(f"voltage_{p}"), voltages, "voltage", "V", "acVoltage", p, "neutral")
            for p in _PHASES
        ),
        *(
            Measured(Quantity(f"voltage_{p}{q}"), voltages, "voltage", "V", "acVoltage", p, q)
            for p, q in _BETWEEN
        ),
        Measured(Quantity.FREQUENCY, frequency, "frequency", "Hz", "acFrequency"),
    )


MPC: Final = MonitoringWire(
    "MPC",
    "monitoringOfPowerConsumption",
    "MonitoredUnit",
    (
        Measured(Quantity.POWER, 1, "power", "W", "acPowerTotal", "abc", "neutral"),
        *(Measured(Quantity(f"power_{p}"), 1, "power", "W", "acPower", p, "neutral") for p in _PHASES),
        Measured(Quantity.ENERGY_CONSUMED, 2, "energy", "Wh", "acEnergyConsumed"),
        Measured(Quantity.ENERGY_PRODUCED, 2, "energy", "Wh", "acEnergyProduced"),
        *_electrical(currents=3, voltages=4, frequency=5),
    ),
)
MGCP: Final = MonitoringWire(
    "MGCP",
    "monitoringOfGridConnectionPoint",
    "GridConnectionPoint",
    (
        Measured(Quantity.POWER, 2, "power", "W", "acPowerTotal", "abc", "neutral"),
        Measured(Quantity.ENERGY_PRODUCED, 3, "energy", "Wh", "gridFeedIn"),
        Measured(Quantity.ENERGY_CONSUMED, 4, "energy", "Wh", "gridConsumption"),
        *_electrical(currents=5, voltages=6, frequency=7),
    ),
)


def announce(
    device: LocalDevice,
    entity: LocalEntity,
    actor: str,
    use_case: str,
    scenarios: set[int],
    *,
    available: bool = True,
) -> None:
    """Announce an actor of the tester."""
    support = UseCaseSupport(
        use_case_name=use_case,
        use_case_version="1.0.0",
        use_case_available=available,
        scenario_support=tuple(sorted(scenarios)),
        use_case_document_sub_revision="release",
    )
    device.add_use_case(entity, actor, support)
