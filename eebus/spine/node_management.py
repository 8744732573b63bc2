"""What NodeManagement tells and learns: discovery, use cases, subscriptions and bindings (SPINE 5)."""

from collections.abc import Iterator
from dataclasses import dataclass

from eebus.errors import DecodeError
from eebus.ids import Ski
from eebus.spine.datagram import SPECIFICATION_VERSION
from eebus.spine.device import (
    EntityPath,
    LocalDevice,
    LocalEntity,
    LocalFeature,
    Operations,
    RemoteDevice,
    RemoteEntity,
    RemoteFeature,
    RemoteUseCase,
)
from eebus.spine.model.common import (
    DeviceAddress,
    EntityAddress,
    FeatureAddress,
    FunctionProperty,
    PossibleOperation,
    PossibleOperations,
    StateChange,
    Tag,
)
from eebus.spine.model.node_management import (
    BindingEntry,
    DestinationData,
    DeviceDescription,
    DeviceInformation,
    EntityDescription,
    EntityInformation,
    FeatureDescription,
    FeatureInformation,
    NodeManagementBindingData,
    NodeManagementDestinationListData,
    NodeManagementDetailedDiscoveryData,
    NodeManagementSubscriptionData,
    NodeManagementUseCaseData,
    SpecificationVersionList,
    SubscriptionEntry,
    UseCaseInformation,
)
from eebus.spine.settings import SpineSettings
from eebus.spine.values import parse_duration

# --- what we tell ---


def discovery_data(device: LocalDevice) -> NodeManagementDetailedDiscoveryData:
    """Our whole tree (SPINE 5.2)."""
    return NodeManagementDetailedDiscoveryData(
        specification_version_list=SpecificationVersionList(specification_version=(SPECIFICATION_VERSION,)),
        device_information=DeviceInformation(description=_device_description(device)),
        entity_information=tuple(_entity_information(device, entity) for entity in device.entities.values()),
        feature_information=tuple(
            information for entity in device.entities.values() for information in _features(entity)
        ),
    )


def entity_change_data(
    device: LocalDevice, entity: LocalEntity, change: StateChange
) -> NodeManagementDetailedDiscoveryData:
    """The partial discovery data that announces one entity of ours that came or went (SPINE 5.3)."""
    return NodeManagementDetailedDiscoveryData(
        device_information=DeviceInformation(
            description=DeviceDescription(device_address=DeviceAddress(device=device.address))
        ),
        entity_information=(_entity_information(device, entity, change),),
        feature_information=None if change is StateChange.REMOVED else tuple(_features(entity)),
    )


def use_case_data(device: LocalDevice) -> NodeManagementUseCaseData:
    """Our use cases, one item for each entity and actor (SPINE 5.4)."""
    groups: dict[tuple[EntityPath, str], list[int]] = {}
    for index, use_case in enumerate(device.use_cases):
        groups.setdefault((use_case.entity, use_case.actor), []).append(index)
    return NodeManagementUseCaseData(
        use_case_information=tuple(
            UseCaseInformation(
                address=FeatureAddress(device=device.address, entity=entity),
                actor=actor,
                use_case_support=tuple(device.use_cases[index].support for index in indexes),
            )
            for (entity, actor), indexes in groups.items()
        )
    )


def destination_list_data(device: LocalDevice) -> NodeManagementDestinationListData:
    """The devices that can be reached through us: ourselves (SPINE 5.5)."""
    description = DeviceDescription(
        device_address=DeviceAddress(device=device.address), network_feature_set=device.feature_set
    )
    return NodeManagementDestinationListData(
        node_management_destination_data=(DestinationData(device_description=description),)
    )


def _device_description(device: LocalDevice) -> DeviceDescription:
    return DeviceDescription(
        device_address=DeviceAddress(device=device.address),
        device_type=device.device_type,
        network_feature_set=device.feature_set,
    )


def _entity_information(
    device: LocalDevice, entity: LocalEntity, change: StateChange | None = None
) -> EntityInformation:
    return EntityInformation(
        description=EntityDescription(
            entity_address=EntityAddress(device=device.address, entity=entity.address),
            entity_type=entity.entity_type,
            last_state_change=change,
            description=entity.description,
        )
    )


def _features(entity: LocalEntity) -> Iterator[FeatureInformation]:
    for feature in entity.features.values():
        functions = tuple(
            FunctionProperty(function=function, possible_operations=_possible_operations(operations))
            for function, operations in feature.functions.items()
        )
        yield FeatureInformation(
            description=FeatureDescription(
                feature_address=feature.address,
                feature_type=feature.feature_type,
                role=feature.role,
                supported_function=functions or None,
            )
        )


def _possible_operations(operations: Operations) -> PossibleOperations:
    return PossibleOperations(
        read=_possible_operation(operations.read, operations.read_partial),
        write=_possible_operation(operations.write, operations.write_partial),
    )


def _possible_operation(offered: bool, partial: bool) -> PossibleOperation | None:
    if not (offered or partial):
        return None
    return PossibleOperation(partial=Tag() if partial else None)


# --- what we learn ---


@dataclass(frozen=True, slots=True)
class TopologyChange:
    """What a discovery message changed. `is_incomplete`: it does not say enough, read the whole again."""

    added: tuple[EntityPath, ...] = ()
    removed: tuple[EntityPath, ...] = ()
    is_incomplete: bool = False


def learn_discovery(
    remote: RemoteDevice, data: NodeManagementDetailedDiscoveryData, settings: SpineSettings
) -> TopologyChange:
    """Take over a complete discovery. Entities that did not change keep the data that we know of them."""
    _learn_device(remote, data)
    known = remote.entities
    announced = _learn_entities(remote, data, settings)
    removed = tuple(path for path, old in known.items() if not _same_entity(old, announced.get(path)))
    added = tuple(path for path, new in announced.items() if not _same_entity(new, known.get(path)))
    remote.entities = {path: new if path in added else known[path] for path, new in announced.items()}
    return TopologyChange(added, removed)


def learn_discovery_change(
    remote: RemoteDevice, data: NodeManagementDetailedDiscoveryData, settings: SpineSettings
) -> TopologyChange:
    """Take over a partial discovery notify: entities added or removed; anything else is incomplete."""
    _learn_device(remote, data)
    announced = _learn_entities(remote, data, settings)
    added: list[EntityPath] = []
    removed: list[EntityPath] = []
    is_incomplete = not data.entity_information
    for information in data.entity_information or ():
        description = information.description or EntityDescription()
        path = _entity_path(description.entity_address)
        if description.last_state_change == StateChange.REMOVED:
            removed += _subtree(remote, path)
        elif description.last_state_change == StateChange.ADDED and path in announced:
            removed += _subtree(remote, path)
            added.append(path)
        else:
            is_incomplete = True
    for path in removed:
        remote.entities.pop(path, None)
    room = settings.max_entities - len(remote.entities)
    remote.entities.update({path: announced[path] for path in added[:room]})
    return TopologyChange(tuple(added[:room]), tuple(removed), is_incomplete)


def learn_use_cases(remote: RemoteDevice, data: NodeManagementUseCaseData) -> None:
    """Take over the use cases of a peer, whatever is missing in them (SPINE 5.4)."""
    remote.announced_use_cases = tuple(
        RemoteUseCase(
            name=support.use_case_name or "",
            actor=information.actor or "",
            entity=(information.address.entity or None) if information.address else None,
            scenarios=frozenset(support.scenario_support or ()),
            version=support.use_case_version or "",
            available=support.use_case_available is not False,
        )
        for information in data.use_case_information or ()
        for support in information.use_case_support or ()
    )


def _learn_device(remote: RemoteDevice, data: NodeManagementDetailedDiscoveryData) -> None:
    description = data.device_information.description if data.device_information else None
    if description is None:
        return
    if description.device_address is not None and description.device_address.device:
        remote.address = description.device_address.device
    if description.device_type:
        remote.device_type = description.device_type


def _learn_entities(
    remote: RemoteDevice, data: NodeManagementDetailedDiscoveryData, settings: SpineSettings
) -> dict[EntityPath, RemoteEntity]:
    """The entities of a message with their features; parts without an address are left out."""
    entities: dict[EntityPath, RemoteEntity] = {}
    for information in (data.entity_information or ())[: settings.max_entities]:
        description = information.description or EntityDescription()
        path = _entity_path(description.entity_address)
        if path:
            entities[path] = RemoteEntity(path, description.entity_type or "")
    for item in (data.feature_information or ())[: settings.max_features]:
        feature = _learn_feature(remote, item.description or FeatureDescription())
        if feature is not None and feature.entity in entities:
            entities[feature.entity].features[feature.address.feature or 0] = feature
    return entities


def _learn_feature(remote: RemoteDevice, description: FeatureDescription) -> RemoteFeature | None:
    address = description.feature_address
    if address is None or not address.entity or address.feature is None:
        return None
    functions = {
        item.function: _operations(item.possible_operations)
        for item in description.supported_function or ()
        if item.function
    }
    return RemoteFeature(
        address=FeatureAddress(device=remote.address, entity=address.entity, feature=address.feature),
        feature_type=description.feature_type or "",
        role=description.role or "",
        functions=functions,
        max_response_delay_s=_response_delay(description.max_response_delay),
    )


def _operations(possible: PossibleOperations | None) -> Operations:
    read = possible.read if possible else None
    write = possible.write if possible else None
    return Operations(
        read=read is not None,
        read_partial=read is not None and read.partial is not None,
        write=write is not None,
        write_partial=write is not None and write.partial is not None,
    )


def _response_delay(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except DecodeError:
        return None


def _entity_path(address: EntityAddress | None) -> EntityPath:
    return (address.entity or ()) if address else ()


def _subtree(remote: RemoteDevice, path: EntityPath) -> list[EntityPath]:
    """The entity and its sub-entities, as far as known."""
    return [known for known in remote.entities if path and known[: len(path)] == path]


def _same_entity(one: RemoteEntity, other: RemoteEntity | None) -> bool:
    """Whether two announcements describe the same entity with the same features."""
    return (
        other is not None
        and one.entity_type == other.entity_type
        and one.features.keys() == other.features.keys()
        and all(_same_feature(feature, other.features[n]) for n, feature in one.features.items())
    )


def _same_feature(one: RemoteFeature, other: RemoteFeature) -> bool:
    return (one.feature_type, one.role, one.functions) == (other.feature_type, other.role, other.functions)


# --- who subscribed or bound what of ours ---


@dataclass(frozen=True, slots=True)
class PeerRelation:
    """A subscription or binding of a peer to a feature of ours. `client` carries the peer's device."""

    number: int
    ski: Ski
    client: FeatureAddress
    server: LocalFeature


class RelationTable:
    """The subscriptions, or the bindings, of all peers. They last as long as the connection (SPINE 5.7)."""

    def __init__(self) -> None:
        self._relations: list[PeerRelation] = []
        self._last_number = 0

    def add(self, ski: Ski, client: FeatureAddress, server: LocalFeature) -> PeerRelation:
        """Store a relation under a new number."""
        self._last_number += 1
        relation = PeerRelation(self._last_number, ski, client, server)
        self._relations.append(relation)
        return relation

    def remove(self, relation: PeerRelation) -> None:
        """Forget a relation."""
        self._relations.remove(relation)

    def find(self, ski: Ski, client: FeatureAddress, server: LocalFeature) -> PeerRelation | None:
        """The relation between two features; the device part of the client is not compared."""
        return next(
            (r for r in self.of_server(server) if r.ski == ski and same_place(r.client, client)), None
        )

    def of_peer(self, ski: Ski) -> list[PeerRelation]:
        """What a peer has asked for."""
        return [relation for relation in self._relations if relation.ski == ski]

    def of_server(self, server: LocalFeature) -> list[PeerRelation]:
        """Who has asked for a feature of ours."""
        return [relation for relation in self._relations if relation.server is server]


def same_place(one: FeatureAddress, other: FeatureAddress) -> bool:
    """Whether two addresses name the same feature of a device; the device is not compared."""
    return one.entity == other.entity and one.feature == other.feature


def subscription_data(relations: list[PeerRelation]) -> NodeManagementSubscriptionData:
    """The table of subscriptions as its reader sees it."""
    return NodeManagementSubscriptionData(
        subscription_entry=tuple(
            SubscriptionEntry(
                subscription_id=relation.number,
                client_address=relation.client,
                server_address=relation.server.address,
            )
            for relation in relations
        )
    )


def binding_data(relations: list[PeerRelation]) -> NodeManagementBindingData:
    """The table of bindings as its reader sees it."""
    return NodeManagementBindingData(
        binding_entry=tuple(
            BindingEntry(
                binding_id=relation.number,
                client_address=relation.client,
                server_address=relation.server.address,
            )
            for relation in relations
        )
    )
