"""ElectricalConnection (SPINE 7.5)."""

from eebus.jsonform import Record
from eebus.spine.model.common import ScaledNumber, ScaledNumberSet, Uint32


class ElectricalConnectionDescriptionData(Record, frozen=True):
    electrical_connection_id: Uint32 | None = None
    power_supply_type: str | None = None
    # A number in the schema; one C stack sends the name of a phase.
    ac_connected_phases: Uint32 | str | None = None
    ac_rms_period_duration: str | None = None
    positive_energy_direction: str | None = None
    scope_type: str | None = None
    label: str | None = None
    description: str | None = None


class ElectricalConnectionDescriptionListData(Record, frozen=True):
    electrical_connection_description_data: tuple[ElectricalConnectionDescriptionData, ...] | None = None


class ElectricalConnectionParameterDescriptionData(Record, frozen=True):
    electrical_connection_id: Uint32 | None = None
    parameter_id: Uint32 | None = None
    measurement_id: Uint32 | None = None
    voltage_type: str | None = None
    ac_measured_phases: str | None = None
    ac_measured_in_reference_to: str | None = None
    ac_measurement_type: str | None = None
    ac_measurement_variant: str | None = None
    ac_measured_harmonic: Uint32 | None = None
    scope_type: str | None = None
    label: str | None = None
    description: str | None = None


class ElectricalConnectionParameterDescriptionListData(Record, frozen=True):
    electrical_connection_parameter_description_data: (
        tuple[ElectricalConnectionParameterDescriptionData, ...] | None
    ) = None


class ElectricalConnectionPermittedValueSetData(Record, frozen=True):
    electrical_connection_id: Uint32 | None = None
    parameter_id: Uint32 | None = None
    permitted_value_set: tuple[ScaledNumberSet, ...] | None = None


class ElectricalConnectionPermittedValueSetListData(Record, frozen=True):
    electrical_connection_permitted_value_set_data: (
        tuple[ElectricalConnectionPermittedValueSetData, ...] | None
    ) = None


class ElectricalConnectionCharacteristicData(Record, frozen=True):
    electrical_connection_id: Uint32 | None = None
    parameter_id: Uint32 | None = None
    characteristic_id: Uint32 | None = None
    characteristic_context: str | None = None
    characteristic_type: str | None = None
    value: ScaledNumber | None = None
    unit: str | None = None


class ElectricalConnectionCharacteristicListData(Record, frozen=True):
    electrical_connection_characteristic_data: tuple[ElectricalConnectionCharacteristicData, ...] | None = (
        None
    )


class ElectricalConnectionStateData(Record, frozen=True):
    electrical_connection_id: Uint32 | None = None
    timestamp: str | None = None
    current_energy_mode: str | None = None
    consumption_time: str | None = None
    production_time: str | None = None
    total_consumption_time: str | None = None
    total_production_time: str | None = None


class ElectricalConnectionStateListData(Record, frozen=True):
    electrical_connection_state_data: tuple[ElectricalConnectionStateData, ...] | None = None
