"""What electric vehicles and their chargers add: identification, bills, time series and incentive tables."""

from eebus.jsonform import Record
from eebus.spine.model.common import (
    AbsoluteOrRecurringTime,
    RecurrenceInformation,
    ScaledNumber,
    TimePeriod,
    Uint32,
)


class IdentificationData(Record, frozen=True):
    identification_id: Uint32 | None = None
    identification_type: str | None = None
    identification_value: str | None = None
    authorized: bool | None = None


class IdentificationListData(Record, frozen=True):
    identification_data: tuple[IdentificationData, ...] | None = None


class BillValue(Record, frozen=True):
    value_id: Uint32 | None = None
    unit: str | None = None
    value: ScaledNumber | None = None
    value_percentage: ScaledNumber | None = None


class BillCost(Record, frozen=True):
    cost_id: Uint32 | None = None
    cost_type: str | None = None
    value_id: Uint32 | None = None
    unit: str | None = None
    currency: str | None = None
    cost: ScaledNumber | None = None
    cost_percentage: ScaledNumber | None = None


class BillPosition(Record, frozen=True):
    position_id: Uint32 | None = None
    position_type: str | None = None
    time_period: TimePeriod | None = None
    value: BillValue | None = None
    cost: BillCost | None = None
    label: str | None = None
    description: str | None = None


class BillData(Record, frozen=True):
    bill_id: Uint32 | None = None
    bill_type: str | None = None
    scope_type: str | None = None
    total: BillPosition | None = None
    position: tuple[BillPosition, ...] | None = None


class BillListData(Record, frozen=True):
    bill_data: tuple[BillData, ...] | None = None


class BillConstraintsData(Record, frozen=True):
    bill_id: Uint32 | None = None
    position_count_min: Uint32 | None = None
    position_count_max: Uint32 | None = None


class BillConstraintsListData(Record, frozen=True):
    bill_constraints_data: tuple[BillConstraintsData, ...] | None = None


class BillDescriptionData(Record, frozen=True):
    bill_id: Uint32 | None = None
    bill_writeable: bool | None = None
    update_required: bool | None = None
    supported_bill_type: tuple[str, ...] | None = None
    session_id: Uint32 | None = None


class BillDescriptionListData(Record, frozen=True):
    bill_description_data: tuple[BillDescriptionData, ...] | None = None


class TimeSeriesSlot(Record, frozen=True):
    time_series_slot_id: Uint32 | None = None
    time_period: TimePeriod | None = None
    duration: str | None = None
    recurrence_information: AbsoluteOrRecurringTime | None = None
    value: ScaledNumber | None = None
    min_value: ScaledNumber | None = None
    max_value: ScaledNumber | None = None


class TimeSeriesData(Record, frozen=True):
    time_series_id: Uint32 | None = None
    time_period: TimePeriod | None = None
    time_series_slot: tuple[TimeSeriesSlot, ...] | None = None


class TimeSeriesListData(Record, frozen=True):
    time_series_data: tuple[TimeSeriesData, ...] | None = None


class TimeSeriesDescriptionData(Record, frozen=True):
    time_series_id: Uint32 | None = None
    time_series_type: str | None = None
    time_series_writeable: bool | None = None
    update_required: bool | None = None
    measurement_id: Uint32 | None = None
    currency: str | None = None
    unit: str | None = None
    label: str | None = None
    description: str | None = None
    scope_type: str | None = None


class TimeSeriesDescriptionListData(Record, frozen=True):
    time_series_description_data: tuple[TimeSeriesDescriptionData, ...] | None = None


class TimeSeriesConstraintsData(Record, frozen=True):
    time_series_id: Uint32 | None = None
    slot_count_min: Uint32 | None = None
    slot_count_max: Uint32 | None = None
    slot_duration_min: str | None = None
    slot_duration_max: str | None = None
    slot_duration_step_size: str | None = None
    earliest_time_series_start_time: str | None = None
    latest_time_series_end_time: str | None = None
    slot_value_min: ScaledNumber | None = None
    slot_value_max: ScaledNumber | None = None
    slot_value_step_size: ScaledNumber | None = None


class TimeSeriesConstraintsListData(Record, frozen=True):
    time_series_constraints_data: tuple[TimeSeriesConstraintsData, ...] | None = None


class TariffData(Record, frozen=True):
    tariff_id: Uint32 | None = None
    active_tier_id: tuple[Uint32, ...] | None = None


class TariffDescriptionData(Record, frozen=True):
    tariff_id: Uint32 | None = None
    commodity_id: Uint32 | None = None
    measurement_id: Uint32 | None = None
    tariff_writeable: bool | None = None
    update_required: bool | None = None
    scope_type: str | None = None
    label: str | None = None
    description: str | None = None
    slot_id_support: bool | None = None


class TariffOverallConstraintsData(Record, frozen=True):
    max_tariff_count: Uint32 | None = None
    max_boundary_count: Uint32 | None = None
    max_tier_count: Uint32 | None = None
    max_incentive_count: Uint32 | None = None
    max_boundaries_per_tariff: Uint32 | None = None
    max_tiers_per_tariff: Uint32 | None = None
    max_boundaries_per_tier: Uint32 | None = None
    max_incentives_per_tier: Uint32 | None = None


class TierData(Record, frozen=True):
    tier_id: Uint32 | None = None
    time_period: TimePeriod | None = None
    time_table_id: Uint32 | None = None
    active_incentive_id: tuple[Uint32, ...] | None = None


class TierDescriptionData(Record, frozen=True):
    tier_id: Uint32 | None = None
    tier_type: str | None = None
    label: str | None = None
    description: str | None = None


class TierBoundaryData(Record, frozen=True):
    boundary_id: Uint32 | None = None
    time_period: TimePeriod | None = None
    time_table_id: Uint32 | None = None
    lower_boundary_value: ScaledNumber | None = None
    upper_boundary_value: ScaledNumber | None = None


class TierBoundaryDescriptionData(Record, frozen=True):
    boundary_id: Uint32 | None = None
    boundary_type: str | None = None
    valid_for_tier_id: Uint32 | None = None
    switch_to_tier_id_when_lower: Uint32 | None = None
    switch_to_tier_id_when_higher: Uint32 | None = None
    boundary_unit: str | None = None
    label: str | None = None
    description: str | None = None


class IncentiveData(Record, frozen=True):
    incentive_id: Uint32 | None = None
    value_type: str | None = None
    timestamp: str | None = None
    time_period: TimePeriod | None = None
    time_table_id: Uint32 | None = None
    value: ScaledNumber | None = None


class IncentiveDescriptionData(Record, frozen=True):
    incentive_id: Uint32 | None = None
    incentive_type: str | None = None
    incentive_priority: Uint32 | None = None
    currency: str | None = None
    unit: str | None = None
    label: str | None = None
    description: str | None = None


class TimeTableData(Record, frozen=True):
    time_table_id: Uint32 | None = None
    time_slot_id: Uint32 | None = None
    recurrence_information: RecurrenceInformation | None = None
    start_time: AbsoluteOrRecurringTime | None = None
    end_time: AbsoluteOrRecurringTime | None = None


class TimeTableConstraintsData(Record, frozen=True):
    time_table_id: Uint32 | None = None
    slot_count_min: Uint32 | None = None
    slot_count_max: Uint32 | None = None
    slot_duration_min: str | None = None
    slot_duration_max: str | None = None
    slot_duration_step_size: str | None = None
    slot_shift_step_size: str | None = None
    first_slot_begins_at: str | None = None


class IncentiveTableTier(Record, frozen=True):
    tier: TierData | None = None
    boundary: tuple[TierBoundaryData, ...] | None = None
    incentive: tuple[IncentiveData, ...] | None = None


class IncentiveTableSlot(Record, frozen=True):
    time_interval: TimeTableData | None = None
    tier: tuple[IncentiveTableTier, ...] | None = None


class IncentiveTable(Record, frozen=True):
    tariff: TariffData | None = None
    incentive_slot: tuple[IncentiveTableSlot, ...] | None = None


class IncentiveTableData(Record, frozen=True):
    incentive_table: tuple[IncentiveTable, ...] | None = None


class IncentiveTableDescriptionTier(Record, frozen=True):
    tier_description: TierDescriptionData | None = None
    boundary_description: tuple[TierBoundaryDescriptionData, ...] | None = None
    incentive_description: tuple[IncentiveDescriptionData, ...] | None = None


class IncentiveTableDescription(Record, frozen=True):
    tariff_description: TariffDescriptionData | None = None
    tier: tuple[IncentiveTableDescriptionTier, ...] | None = None


class IncentiveTableDescriptionData(Record, frozen=True):
    incentive_table_description: tuple[IncentiveTableDescription, ...] | None = None


class IncentiveTableConstraints(Record, frozen=True):
    tariff: TariffData | None = None
    tariff_constraints: TariffOverallConstraintsData | None = None
    incentive_slot_constraints: TimeTableConstraintsData | None = None


class IncentiveTableConstraintsData(Record, frozen=True):
    incentive_table_constraints: tuple[IncentiveTableConstraints, ...] | None = None
