"""The trees of devices, entities and features: our own, and what a peer announced (SPINE 4)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from eebus.errors import LocalError
from eebus.jsonform import Record
from eebus.spine.functions import FUNCTIONS, spec_of
from eebus.spine.model.common import FeatureAddress, Role
from eebus.spine.model.device import DeviceClassificationManufacturerData
from eebus.spine.model.node_management import UseCaseSupport
from eebus.spine.safety import require_peer_safe

EntityPath = tuple[int, ...]
"""The address of an entity inside its device."""

NODE_MANAGEMENT_ENTITY: EntityPath = (0,)
NODE_MANAGEMENT_FEATURE = 0


@dataclass(frozen=True, slots=True)
class Operations:
    """What a client may do with a function (SPINE 6.1). `write_partial` implies `write`."""

    read: bool = False
    read_partial: bool = False
    write: bool = False
    write_partial: bool = False

    def __or__(self, other: "Operations") -> "Operations":
        return Operations(
            self.read or other.read,
            self.read_partial or other.read_partial,
            self.write or other.write,
            self.write_partial or other.write_partial,
        )


NO_OPERATION = Operations()
READ = Operations(read=True)
READ_PARTIAL = Operations(read=True, read_partial=True)
READ_WRITE_PARTIAL = Operations(read=True, write=True, write_partial=True)


class LocalFeature:
    """A feature of ours: the functions that it offers and their data.

    Only :class:`eebus.spine.stack.Turn` changes data while peers are connected.
    """

    def __init__(self, address: FeatureAddress, feature_type: str, role: str) -> None:
        self.address = address
        self.feature_type = feature_type
        self.role = role
        self.functions: dict[str, Operations] = {}
        self._data: dict[str, Record] = {}

    @property
    def entity(self) -> EntityPath:
        return self.address.entity or ()

    @property
    def is_writable(self) -> bool:
        """Whether any function may be written; only such a feature can be bound (SPINE 5.7)."""
        return any(operations.write for operations in self.functions.values())

    def offer(self, functions: Mapping[str, Operations]) -> None:
        """Offer functions; operations of a function that is offered already are combined.

        Raises LocalError for an unknown function and for a function on a client feature.
        """
        if functions and self.role == Role.CLIENT:
            raise LocalError("a client feature carries no functions")
        for function, operations in functions.items():
            if function not in FUNCTIONS:
                raise LocalError(f"unknown function '{function}'")
            self.functions[function] = self.functions.get(function, NO_OPERATION) | operations

    def data(self, function: str) -> Record | None:
        """The data of a function; None when nothing was set yet."""
        return self._data.get(function)

    def preset(self, data: Record) -> None:
        """Set data without telling anybody: for building the device before peers connect.

        Raises LocalError when the feature does not offer the function, or when a text contains a sequence
        that peers would replace (SPINE 1.3, E2).
        """
        function = spec_of(data).name
        if function not in self.functions:
            raise LocalError(f"{self.feature_type} {self.entity} does not offer '{function}'")
        require_peer_safe(data)
        self._data[function] = data


class LocalEntity:
    """An entity of ours."""

    def __init__(
        self, device_address: str, address: EntityPath, entity_type: str, description: str | None
    ) -> None:
        self.address = address
        self.entity_type = entity_type
        self.description = description
        self.features: dict[int, LocalFeature] = {}
        self._device_address = device_address

    def add_feature(
        self, feature_type: str, role: str, functions: Mapping[str, Operations] | None = None
    ) -> LocalFeature:
        """Add a feature, or extend the one of that type and role: there is at most one (SPINE 4.1).

        Raises LocalError for an unknown function.
        """
        feature = self.find_feature(feature_type, role)
        if feature is None:
            number = self._free_number()
            address = FeatureAddress(device=self._device_address, entity=self.address, feature=number)
            feature = LocalFeature(address, feature_type, str(role))
            self.features[number] = feature
        feature.offer(functions or {})
        return feature

    def find_feature(self, feature_type: str, role: str) -> LocalFeature | None:
        """The feature of a type and role."""
        matches = (f for f in self.features.values() if (f.feature_type, f.role) == (feature_type, role))
        return next(matches, None)

    def _free_number(self) -> int:
        # 0 is NodeManagement on entity 0; peers do not expect it elsewhere (SPINE 4.1).
        if self.address == NODE_MANAGEMENT_ENTITY and not self.features:
            return NODE_MANAGEMENT_FEATURE
        return max(self.features, default=0) + 1


@dataclass(frozen=True, slots=True)
class LocalUseCase:
    """A use case that an entity of ours supports in the role of an actor."""

    entity: EntityPath
    actor: str
    support: UseCaseSupport


class LocalDevice:
    """Our device. Entity `[0]` with NodeManagement and DeviceClassification is made by itself.

    `address` must be stable over the life of the device (SPINE 2.3). `name_plate` is what
    DeviceClassification shows. Raises LocalError when a text contains a sequence that peers would replace.
    """

    def __init__(
        self,
        address: str,
        device_type: str,
        *,
        name_plate: DeviceClassificationManufacturerData | None = None,
        feature_set: str = "smart",
    ) -> None:
        require_peer_safe(address)
        self.address = address
        self.device_type = device_type
        self.feature_set = feature_set
        self.entities: dict[EntityPath, LocalEntity] = {}
        self.use_cases: list[LocalUseCase] = []
        information = LocalEntity(address, NODE_MANAGEMENT_ENTITY, "DeviceInformation", None)
        self.entities[NODE_MANAGEMENT_ENTITY] = information
        self.node_management = information.add_feature(
            "NodeManagement", Role.SPECIAL, _NODE_MANAGEMENT_FUNCTIONS
        )
        classification = information.add_feature(
            "DeviceClassification", Role.SERVER, {"deviceClassificationManufacturerData": READ}
        )
        classification.preset(name_plate or DeviceClassificationManufacturerData())

    def add_entity(self, entity_type: str, *, description: str | None = None) -> LocalEntity:
        """Add a top-level entity with the next free number."""
        require_peer_safe(description or "")
        address = (max(path[0] for path in self.entities) + 1,)
        entity = LocalEntity(self.address, address, entity_type, description)
        self.entities[address] = entity
        return entity

    def remove_entity(self, entity: LocalEntity) -> None:
        """Take out an entity and its use cases; while peers are connected the turn does that."""
        del self.entities[entity.address]
        self.use_cases = [use_case for use_case in self.use_cases if use_case.entity != entity.address]

    def add_use_case(self, entity: LocalEntity, actor: str, support: UseCaseSupport) -> None:
        """Announce a use case; version and document sub-revision must be given (SPINE 2.9)."""
        if not (
            support.use_case_name and support.use_case_version and support.use_case_document_sub_revision
        ):
            raise LocalError("a use case needs a name, a version and a document sub-revision")
        self.use_cases.append(LocalUseCase(entity.address, actor, support))

    def replace_use_case(self, entity: LocalEntity, actor: str, support: UseCaseSupport) -> None:
        """Announce other scenarios; while peers are connected call ``Turn.announce_use_cases``, too."""
        self.use_cases = [
            LocalUseCase(entity.address, actor, support)
            if (known.entity, known.actor, known.support.use_case_name)
            == (entity.address, actor, support.use_case_name)
            else known
            for known in self.use_cases
        ]

    def feature(self, entity: EntityPath, number: int) -> LocalFeature | None:
        """The feature at an address."""
        found = self.entities.get(entity)
        return found.features.get(number) if found else None


_NODE_MANAGEMENT_FUNCTIONS: Mapping[str, Operations] = {
    "nodeManagementDetailedDiscoveryData": READ,
    "nodeManagementUseCaseData": READ,
    "nodeManagementDestinationListData": READ,
    "nodeManagementSubscriptionData": READ,
    "nodeManagementSubscriptionRequestCall": NO_OPERATION,
    "nodeManagementSubscriptionDeleteCall": NO_OPERATION,
    "nodeManagementBindingData": READ,
    "nodeManagementBindingRequestCall": NO_OPERATION,
    "nodeManagementBindingDeleteCall": NO_OPERATION,
}


@dataclass(slots=True)
class RemoteFeature:
    """A feature that a peer announced, and what we know of its data."""

    address: FeatureAddress
    feature_type: str
    role: str
    functions: Mapping[str, Operations]
    max_response_delay_s: float | None = None
    data: dict[str, Record] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes that each function in `data` takes as JSON, for the bound on what is remembered of a peer."""

    @property
    def entity(self) -> EntityPath:
        return self.address.entity or ()


@dataclass(slots=True)
class RemoteEntity:
    """An entity that a peer announced. Unknown types are kept as text."""

    address: EntityPath
    entity_type: str
    features: dict[int, RemoteFeature] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteUseCase:
    """A use case that a peer announced. `entity` is None when the peer does not say which one (SPINE 5.4).

    `available` must be ignored for server actors; a missing flag counts as available.
    """

    name: str
    actor: str
    entity: EntityPath | None
    scenarios: frozenset[int]
    version: str
    available: bool


@dataclass(slots=True)
class RemoteDevice:
    """What a peer told about itself. Addresses are no identities: all is learned anew each session."""

    address: str | None = None
    device_type: str = ""
    entities: dict[EntityPath, RemoteEntity] = field(default_factory=dict)
    announced_use_cases: tuple[RemoteUseCase, ...] = ()

    def features(self) -> Iterator[RemoteFeature]:
        """All features in the order of their announcement."""
        for entity in self.entities.values():
            yield from entity.features.values()

    def feature(self, address: FeatureAddress) -> RemoteFeature | None:
        """The feature at an address; the device part is not compared."""
        entity = self.entities.get(address.entity or ())
        return entity.features.get(address.feature) if entity and address.feature is not None else None

    def remembered_bytes(self) -> int:
        """Everything that we keep of its function data, as JSON."""
        return sum(sum(feature.sizes.values()) for feature in self.features())

    def find_features(
        self, feature_type: str, role: str, entity: EntityPath | None = None
    ) -> list[RemoteFeature]:
        """The features of a type and role, of one entity or of all."""
        return [
            feature
            for feature in self.features()
            if (feature.feature_type, feature.role) == (feature_type, role)
            and entity in (None, feature.entity)
        ]

    def use_cases(self, name: str | None = None, actor: str | None = None) -> list[RemoteUseCase]:
        """The announced use cases, by name and actor."""
        return [
            use_case
            for use_case in self.announced_use_cases
            if name in (None, use_case.name) and actor in (None, use_case.actor)
        ]

    def data(self, address: FeatureAddress, function: str) -> Record | None:
        """What we know of a function of the peer."""
        feature = self.feature(address)
        return feature.data.get(function) if feature else None
