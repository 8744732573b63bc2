"""NodeManagement: discovery, use cases, subscriptions and bindings (SPINE 5)."""

from eebus.jsonform import Record
from eebus.spine.model.common import (
    DeviceAddress,
    EntityAddress,
    FeatureAddress,
    FunctionProperty,
    Uint32,
)


class DeviceDescription(Record, frozen=True):
    device_address: DeviceAddress | None = None
    device_type: str | None = None
    network_management_responsible_address: FeatureAddress | None = None
    native_setup: str | None = None
    technology_address: str | None = None
    communications_technology_information: str | None = None
    network_feature_set: str | None = None
    last_state_change: str | None = None
    minimum_trust_level: str | None = None
    label: str | None = None
    description: str | None = None


class EntityDescription(Record, frozen=True):
    entity_address: EntityAddress | None = None
    entity_type: str | None = None
    last_state_change: str | None = None
    minimum_trust_level: str | None = None
    label: str | None = None
    description: str | None = None


class FeatureDescription(Record, frozen=True):
    feature_address: FeatureAddress | None = None
    feature_type: str | None = None
    specific_usage: tuple[str, ...] | None = None
    feature_group: str | None = None
    role: str | None = None
    supported_function: tuple[FunctionProperty, ...] | None = None
    last_state_change: str | None = None
    minimum_trust_level: str | None = None
    label: str | None = None
    description: str | None = None
    max_response_delay: str | None = None


class SpecificationVersionList(Record, frozen=True):
    specification_version: tuple[str, ...] | None = None


class DeviceInformation(Record, frozen=True):
    description: DeviceDescription | None = None


class EntityInformation(Record, frozen=True):
    description: EntityDescription | None = None


class FeatureInformation(Record, frozen=True):
    description: FeatureDescription | None = None


class NodeManagementDetailedDiscoveryData(Record, frozen=True):
    specification_version_list: SpecificationVersionList | None = None
    device_information: DeviceInformation | None = None
    entity_information: tuple[EntityInformation, ...] | None = None
    feature_information: tuple[FeatureInformation, ...] | None = None


class UseCaseSupport(Record, frozen=True):
    use_case_name: str | None = None
    use_case_version: str | None = None
    use_case_available: bool | None = None
    scenario_support: tuple[Uint32, ...] | None = None
    use_case_document_sub_revision: str | None = None


class UseCaseInformation(Record, frozen=True):
    address: FeatureAddress | None = None
    actor: str | None = None
    use_case_support: tuple[UseCaseSupport, ...] | None = None


class NodeManagementUseCaseData(Record, frozen=True):
    use_case_information: tuple[UseCaseInformation, ...] | None = None


class DestinationData(Record, frozen=True):
    device_description: DeviceDescription | None = None


class NodeManagementDestinationListData(Record, frozen=True):
    node_management_destination_data: tuple[DestinationData, ...] | None = None


class SubscriptionEntry(Record, frozen=True):
    subscription_id: Uint32 | None = None
    client_address: FeatureAddress | None = None
    server_address: FeatureAddress | None = None
    label: str | None = None
    description: str | None = None


class NodeManagementSubscriptionData(Record, frozen=True):
    subscription_entry: tuple[SubscriptionEntry, ...] | None = None


class SubscriptionRequest(Record, frozen=True):
    client_address: FeatureAddress | None = None
    server_address: FeatureAddress | None = None
    server_feature_type: str | None = None


class NodeManagementSubscriptionRequestCall(Record, frozen=True):
    subscription_request: SubscriptionRequest | None = None


class SubscriptionDelete(Record, frozen=True):
    subscription_id: Uint32 | None = None
    client_address: FeatureAddress | None = None
    server_address: FeatureAddress | None = None


class NodeManagementSubscriptionDeleteCall(Record, frozen=True):
    subscription_delete: SubscriptionDelete | None = None


class BindingEntry(Record, frozen=True):
    binding_id: Uint32 | None = None
    client_address: FeatureAddress | None = None
    server_address: FeatureAddress | None = None
    label: str | None = None
    description: str | None = None


class NodeManagementBindingData(Record, frozen=True):
    binding_entry: tuple[BindingEntry, ...] | None = None


class BindingRequest(Record, frozen=True):
    client_address: FeatureAddress | None = None
    server_address: FeatureAddress | None = None
    server_feature_type: str | None = None


class NodeManagementBindingRequestCall(Record, frozen=True):
    binding_request: BindingRequest | None = None


class BindingDelete(Record, frozen=True):
    binding_id: Uint32 | None = None
    client_address: FeatureAddress | None = None
    server_address: FeatureAddress | None = None


class NodeManagementBindingDeleteCall(Record, frozen=True):
    binding_delete: BindingDelete | None = None
