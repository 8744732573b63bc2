"""Measurement (SPINE 7.6)."""

from eebus.jsonform import Record
from eebus.spine.model.common import ScaledNumber, TimePeriod, Uint32


class MeasurementDescriptionData(Record, frozen=True):
    measurement_id: Uint32 | None = None
    measurement_type: str | None = None
    commodity_type: str | None = None
    unit: str | None = None
    calibration_value: ScaledNumber | None = None
    scope_type: str | None = None
    label: str | None = None
    description: str | None = None


class MeasurementDescriptionListData(Record, frozen=True):
    measurement_description_data: tuple[MeasurementDescriptionData, ...] | None = None


class MeasurementConstraintsData(Record, frozen=True):
    measurement_id: Uint32 | None = None
    value_range_min: ScaledNumber | None = None
    value_range_max: ScaledNumber | None = None
    value_step_size: ScaledNumber | None = None


class MeasurementConstraintsListData(Record, frozen=True):
    measurement_constraints_data: tuple[MeasurementConstraintsData, ...] | None = None


class MeasurementData(Record, frozen=True):
    measurement_id: Uint32 | None = None
    value_type: str | None = None
    timestamp: str | None = None
    value: ScaledNumber | None = None
    evaluation_period: TimePeriod | None = None
    value_source: str | None = None
    value_tendency: str | None = None
    value_state: str | None = None


class MeasurementListData(Record, frozen=True):
    measurement_data: tuple[MeasurementData, ...] | None = None
