"""DeviceClassification, DeviceConfiguration and DeviceDiagnosis (SPINE 7.1 to 7.3)."""

from eebus.jsonform import Record
from eebus.spine.model.common import Int64, ScaledNumber, Uint32, Uint64


class DeviceClassificationManufacturerData(Record, frozen=True):
    device_name: str | None = None
    device_code: str | None = None
    serial_number: str | None = None
    software_revision: str | None = None
    hardware_revision: str | None = None
    vendor_name: str | None = None
    vendor_code: str | None = None
    brand_name: str | None = None
    power_source: str | None = None
    manufacturer_node_identification: str | None = None
    manufacturer_label: str | None = None
    manufacturer_description: str | None = None


class DeviceClassificationUserData(Record, frozen=True):
    user_node_identification: str | None = None
    user_label: str | None = None
    user_description: str | None = None


class KeyValue(Record, frozen=True):
    """The value of a configuration key: exactly one of the members."""

    boolean: bool | None = None
    date: str | None = None
    date_time: str | None = None
    duration: str | None = None
    string: str | None = None
    time: str | None = None
    scaled_number: ScaledNumber | None = None
    integer: Int64 | None = None


class DeviceConfigurationKeyValueDescriptionData(Record, frozen=True):
    key_id: Uint32 | None = None
    key_name: str | None = None
    value_type: str | None = None
    unit: str | None = None
    label: str | None = None
    description: str | None = None


class DeviceConfigurationKeyValueDescriptionListData(Record, frozen=True):
    device_configuration_key_value_description_data: (
        tuple[DeviceConfigurationKeyValueDescriptionData, ...] | None
    ) = None


class DeviceConfigurationKeyValueData(Record, frozen=True):
    key_id: Uint32 | None = None
    value: KeyValue | None = None
    is_value_changeable: bool | None = None


class DeviceConfigurationKeyValueListData(Record, frozen=True):
    device_configuration_key_value_data: tuple[DeviceConfigurationKeyValueData, ...] | None = None


class DeviceConfigurationKeyValueConstraintsData(Record, frozen=True):
    key_id: Uint32 | None = None
    value_range_min: KeyValue | None = None
    value_range_max: KeyValue | None = None
    value_step_size: KeyValue | None = None


class DeviceConfigurationKeyValueConstraintsListData(Record, frozen=True):
    device_configuration_key_value_constraints_data: (
        tuple[DeviceConfigurationKeyValueConstraintsData, ...] | None
    ) = None


class DeviceDiagnosisHeartbeatData(Record, frozen=True):
    timestamp: str | None = None
    heartbeat_counter: Uint64 | None = None
    heartbeat_timeout: str | None = None


class DeviceDiagnosisStateData(Record, frozen=True):
    timestamp: str | None = None
    operating_state: str | None = None
    vendor_state_code: str | None = None
    last_error_code: str | None = None
    up_time: str | None = None
    total_up_time: str | None = None
    power_supply_condition: str | None = None


class DeviceDiagnosisServiceData(Record, frozen=True):
    timestamp: str | None = None
    installation_time: str | None = None
    boot_counter: Uint64 | None = None
    next_service: str | None = None
