"""LoadControl: limits (SPINE 7.4)."""

from eebus.jsonform import Record
from eebus.spine.model.common import ScaledNumber, TimePeriod, Uint32


class LoadControlLimitDescriptionData(Record, frozen=True):
    limit_id: Uint32 | None = None
    limit_type: str | None = None
    limit_category: str | None = None
    limit_direction: str | None = None
    measurement_id: Uint32 | None = None
    unit: str | None = None
    scope_type: str | None = None
    label: str | None = None
    description: str | None = None


class LoadControlLimitDescriptionListData(Record, frozen=True):
    load_control_limit_description_data: tuple[LoadControlLimitDescriptionData, ...] | None = None


class LoadControlLimitData(Record, frozen=True):
    limit_id: Uint32 | None = None
    is_limit_changeable: bool | None = None
    is_limit_active: bool | None = None
    time_period: TimePeriod | None = None
    value: ScaledNumber | None = None


class LoadControlLimitListData(Record, frozen=True):
    load_control_limit_data: tuple[LoadControlLimitData, ...] | None = None


class LoadControlLimitConstraintsData(Record, frozen=True):
    limit_id: Uint32 | None = None
    value_range_min: ScaledNumber | None = None
    value_range_max: ScaledNumber | None = None
    value_step_size: ScaledNumber | None = None


class LoadControlLimitConstraintsListData(Record, frozen=True):
    load_control_limit_constraints_data: tuple[LoadControlLimitConstraintsData, ...] | None = None
