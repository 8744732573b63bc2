"""MPC and MGCP as data: which values exist and how they look on the wire (reference 6 and 7).

One table per use case; server and reader work from it. Inside the stack consumption is positive, production
negative, and both energy counters count upwards from 0; on the wire the counter of produced energy runs
downwards unless told otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from eebus.errors import DecodeError
from eebus.spine.model.common import ScaledNumber
from eebus.spine.model.electrical_connection import (
    ElectricalConnectionDescriptionData,
    ElectricalConnectionDescriptionListData,
    ElectricalConnectionParameterDescriptionData,
    ElectricalConnectionParameterDescriptionListData,
)
from eebus.spine.model.measurement import (
    MeasurementConstraintsData,
    MeasurementConstraintsListData,
    MeasurementData,
    MeasurementDescriptionData,
    MeasurementDescriptionListData,
    MeasurementListData,
)
from eebus.spine.values import parse_date_time, to_float, to_scaled

MEASUREMENT_FUNCTION: Final = "measurementListData"
MEASUREMENT_CONSTRAINTS_FUNCTION: Final = "measurementConstraintsListData"
MEASUREMENT_DESCRIPTION_FUNCTION: Final = "measurementDescriptionListData"
CONNECTION_FUNCTION: Final = "electricalConnectionDescriptionListData"
PARAMETER_FUNCTION: Final = "electricalConnectionParameterDescriptionListData"


class Quantity(StrEnum):
    """Everything that the two use cases can report."""

    POWER = "power"
    POWER_A = "power_a"
    POWER_B = "power_b"
    POWER_C = "power_c"
    ENERGY_CONSUMED = "energy_consumed"
    ENERGY_PRODUCED = "energy_produced"
    CURRENT_A = "current_a"
    CURRENT_B = "current_b"
    CURRENT_C = "current_c"
    VOLTAGE_A = "voltage_a"
    VOLTAGE_B = "voltage_b"
    VOLTAGE_C = "voltage_c"
    VOLTAGE_AB = "voltage_ab"
    VOLTAGE_BC = "voltage_bc"
    VOLTAGE_CA = "voltage_ca"
    FREQUENCY = "frequency"
    PV_LIMIT_FACTOR = "pv_limit_factor"


class ValueState(StrEnum):
    """Whether a value may be used; only a normal one may."""

    NORMAL = "normal"
    OUT_OF_RANGE = "outOfRange"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Reading:
    """A measured value in W, Wh, A, V, Hz or percent (the factor); None when the sensor is disturbed."""

    value: float | None
    state: ValueState = ValueState.NORMAL
    source: str = "measuredValue"
    measured_at: datetime | None = None
    """What the partner says about the time; our own readings carry the time of their publication."""


@dataclass(frozen=True, slots=True)
class DataPoint:
    """One value of a use case."""

    quantity: Quantity
    scenario: int
    measurement_type: str
    unit: str
    scope: str
    interval_s: float
    """Shortest time between two notifies."""
    decimals: int
    phases: str | None = None
    reference: str | None = None
    ac_type: str | None = None
    variant: str | None = None

    @property
    def phase_count(self) -> int:
        """How many phases must be connected for this value to exist."""
        return max((("a", "b", "c").index(phase) + 1 for phase in (self.phases or "a")), default=1)


def _power(quantity: Quantity, scenario: int, scope: str, phases: str) -> DataPoint:
    return DataPoint(quantity, scenario, "power", "W", scope, 1.0, 0, phases, "neutral", "real", "rms")


def _energy(quantity: Quantity, scenario: int, scope: str) -> DataPoint:
    return DataPoint(quantity, scenario, "energy", "Wh", scope, 60.0, 0, ac_type="real")


def _current(quantity: Quantity, scenario: int, phase: str) -> DataPoint:
    return DataPoint(quantity, scenario, "current", "A", "acCurrent", 1.0, 2, phase, None, "real", "rms")


def _voltage(quantity: Quantity, scenario: int, phase: str, reference: str = "neutral") -> DataPoint:
    return DataPoint(
        quantity, scenario, "voltage", "V", "acVoltage", 10.0, 1, phase, reference, "apparent", "rms"
    )


def _electrical(currents: int, voltages: int, frequency: int) -> tuple[DataPoint, ...]:
    """Currents, voltages and frequency are the same in both use cases but for the scenario numbers."""
    return (
        _current(Quantity.CURRENT_A, currents, "a"),
        _current(Quantity.CURRENT_B, currents, "b"),
        _current(Quantity.CURRENT_C, currents, "c"),
        _voltage(Quantity.VOLTAGE_A, voltages, "a"),
        _voltage(Quantity.VOLTAGE_B, voltages, "b"),
        _voltage(Quantity.VOLTAGE_C, voltages, "c"),
        _voltage(Quantity.VOLTAGE_AB, voltages, "a", "b"),
        _voltage(Quantity.VOLTAGE_BC, voltages, "b", "c"),
        _voltage(Quantity.VOLTAGE_CA, voltages, "c", "a"),
        DataPoint(Quantity.FREQUENCY, frequency, "frequency", "Hz", "acFrequency", 10.0, 2),
    )


@dataclass(frozen=True, slots=True)
class MonitoringProfile:
    """What distinguishes one monitoring use case from the other."""

    short: str
    use_case: str
    server_actors: tuple[str, ...]
    """The first one is ours; the others are met in the field."""
    points: tuple[DataPoint, ...]
    mandatory: frozenset[Quantity]
    factor_scenario: int | None = None
    """The scenario of the PV feed-in power limitation factor, where the use case has one."""

    @property
    def quantities(self) -> frozenset[Quantity]:
        """Everything that the use case can report."""
        factor = () if self.factor_scenario is None else (Quantity.PV_LIMIT_FACTOR,)
        return frozenset((*(point.quantity for point in self.points), *factor))

    @property
    def scenarios(self) -> frozenset[int]:
        """All scenarios."""
        factor = () if self.factor_scenario is None else (self.factor_scenario,)
        return frozenset((*(point.scenario for point in self.points), *factor))


MPC: Final = MonitoringProfile(
    short="MPC",
    use_case="monitoringOfPowerConsumption",
    server_actors=("MonitoredUnit", "HeatPump"),
    points=(
        _power(Quantity.POWER, 1, "acPowerTotal", "abc"),
        _power(Quantity.POWER_A, 1, "acPower", "a"),
        _power(Quantity.POWER_B, 1, "acPower", "b"),
        _power(Quantity.POWER_C, 1, "acPower", "c"),
        _energy(Quantity.ENERGY_CONSUMED, 2, "acEnergyConsumed"),
        _energy(Quantity.ENERGY_PRODUCED, 2, "acEnergyProduced"),
        *_electrical(currents=3, voltages=4, frequency=5),
    ),
    mandatory=frozenset({Quantity.POWER}),
)
MGCP: Final = MonitoringProfile(
    short="MGCP",
    use_case="monitoringOfGridConnectionPoint",
    server_actors=("GridConnectionPoint",),
    points=(
        _power(Quantity.POWER, 2, "acPowerTotal", "abc"),
        _energy(Quantity.ENERGY_PRODUCED, 3, "gridFeedIn"),
        _energy(Quantity.ENERGY_CONSUMED, 4, "gridConsumption"),
        *_electrical(currents=5, voltages=6, frequency=7),
    ),
    mandatory=frozenset({Quantity.POWER, Quantity.ENERGY_PRODUCED, Quantity.ENERGY_CONSUMED}),
    factor_scenario=1,
)
MONITORING_PROFILES: Final = (MPC, MGCP)

_NORMAL = ValueState.NORMAL


def descriptions(points: Iterable[DataPoint]) -> MeasurementDescriptionListData:
    """The measurements, numbered in the order of the points."""
    return MeasurementDescriptionListData(
        measurement_description_data=tuple(
            MeasurementDescriptionData(
                measurement_id=number,
                measurement_type=point.measurement_type,
                commodity_type="electricity",
                unit=point.unit,
                scope_type=point.scope,
            )
            for number, point in enumerate(points)
        )
    )


def constraints(points: Iterable[DataPoint]) -> MeasurementConstraintsListData:
    """How fine the values are; their range depends on the house and is not announced."""
    return MeasurementConstraintsListData(
        measurement_constraints_data=tuple(
            MeasurementConstraintsData(
                measurement_id=number, value_step_size=ScaledNumber(number=1, scale=-point.decimals)
            )
            for number, point in enumerate(points)
        )
    )


def connection(phases: int, *, announce_phases: bool) -> ElectricalConnectionDescriptionListData:
    """The connection; some readers discard every value without its direction, one stack with the number of
    phases (it reads the element as the name of a phase), hence the switch.
    """
    return ElectricalConnectionDescriptionListData(
        electrical_connection_description_data=(
            ElectricalConnectionDescriptionData(
                electrical_connection_id=0,
                power_supply_type="ac",
                ac_connected_phases=phases if announce_phases else None,
                positive_energy_direction="consume",
            ),
        )
    )


def parameters(points: Iterable[DataPoint], phases: int) -> ElectricalConnectionParameterDescriptionListData:
    """Which phase each measurement belongs to."""
    return ElectricalConnectionParameterDescriptionListData(
        electrical_connection_parameter_description_data=tuple(
            ElectricalConnectionParameterDescriptionData(
                electrical_connection_id=0,
                parameter_id=number,
                measurement_id=number,
                voltage_type="ac",
                ac_measured_phases="abc"[:phases] if point.phases == "abc" else point.phases,
                ac_measured_in_reference_to=point.reference,
                ac_measurement_type=point.ac_type,
                ac_measurement_variant=point.variant,
            )
            for number, point in enumerate(points)
        )
    )


def measurement(
    number: int, point: DataPoint, reading: Reading, timestamp: str, *, negative_production: bool
) -> MeasurementData:
    """One value as it is sent; a disturbed sensor sends its state and no number."""
    value = reading.value
    if value is not None and negative_production and point.quantity is Quantity.ENERGY_PRODUCED:
        value = -value
    return MeasurementData(
        measurement_id=number,
        value_type="value",
        timestamp=timestamp,
        value=None if value is None else to_scaled(value, point.decimals),
        value_source=reading.source,
        value_state=reading.state.value,
    )


def measurement_list(items: Iterable[MeasurementData]) -> MeasurementListData:
    """All values that were ever measured."""
    return MeasurementListData(measurement_data=tuple(items))


def read_measurements(
    profile: MonitoringProfile,
    described: MeasurementDescriptionListData | None,
    parameter: ElectricalConnectionParameterDescriptionListData | None,
    measured: MeasurementListData | None,
) -> Mapping[Quantity, Reading]:
    """What a partner's lists mean. A value whose description has not arrived is not interpreted."""
    phase_of = {
        item.measurement_id: (item.ac_measured_phases, item.ac_measured_in_reference_to)
        for item in (parameter.electrical_connection_parameter_description_data if parameter else None) or ()
    }
    quantity_of = {
        item.measurement_id: _quantity(profile, item, *phase_of.get(item.measurement_id, (None, None)))
        for item in (described.measurement_description_data if described else None) or ()
    }
    readings: dict[Quantity, Reading] = {}
    for item in (measured.measurement_data if measured else None) or ():
        quantity = quantity_of.get(item.measurement_id)
        if quantity is not None and item.value_type in {None, "value"}:
            readings[quantity] = _reading(quantity, item)
    return readings


def _reading(quantity: Quantity, item: MeasurementData) -> Reading:
    value = to_float(item.value)
    if value is not None and quantity is Quantity.ENERGY_PRODUCED:
        # Specified as negative, sent as positive by many: the magnitude is what both mean.
        value = abs(value)
    state = item.value_state or _NORMAL
    known = state in {member.value for member in ValueState}
    return Reading(
        value,
        ValueState(state) if known else _NORMAL,
        item.value_source or "measuredValue",
        _measured_at(item),
    )


def _measured_at(item: MeasurementData) -> datetime | None:
    try:
        return parse_date_time(item.timestamp) if item.timestamp else None
    except DecodeError:
        return None


def _quantity(
    profile: MonitoringProfile,
    description: MeasurementDescriptionData,
    phases: str | None,
    reference: str | None,
) -> Quantity | None:
    alike = [
        point
        for point in profile.points
        if point.measurement_type == description.measurement_type and point.scope == description.scope_type
    ]
    if len(alike) == 1:
        return alike[0].quantity
    wanted = _conductors(phases, reference)
    return next((p.quantity for p in alike if _conductors(p.phases, p.reference) == wanted), None)


def _conductors(phases: str | None, reference: str | None) -> frozenset[str]:
    """The phases that take part. Their order does not matter: a to c is the same voltage as c to a, and some
    devices name both in one word (MPC-TS-006).
    """
    return frozenset(phases or "") | (frozenset("abc") & frozenset({reference}))
