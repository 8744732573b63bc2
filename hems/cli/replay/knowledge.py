"""What a listener to a recording knows about each side: its tree and all its data as last told."""

from dataclasses import dataclass, field

from eebus.errors import RemoteError
from eebus.jsonform import Record
from eebus.spine.datagram import Command
from eebus.spine.device import RemoteDevice
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import FeatureAddress
from eebus.spine.model.node_management import NodeManagementDetailedDiscoveryData, NodeManagementUseCaseData
from eebus.spine.node_management import learn_discovery, learn_discovery_change, learn_use_cases
from eebus.spine.settings import DEFAULT_SETTINGS
from eebus.spine.update import apply

Place = tuple[tuple[int, ...], int]
"""Entity and feature."""


@dataclass(slots=True)
class Side:
    """One end of a connection."""

    name: str
    tree: RemoteDevice = field(default_factory=RemoteDevice)
    data: dict[tuple[Place, str], Record] = field(default_factory=dict)

    def feature_name(self, address: FeatureAddress | None) -> str:
        """`[1] LoadControl`, or the bare numbers of a feature that was never announced."""
        entity, number = place_of(address)
        path = ".".join(map(str, entity))
        if entity == (0,) and number == 0:
            return "[0] NodeManagement"
        feature = self.tree.feature(address) if address else None
        return f"[{path}] {feature.feature_type}" if feature else f"[{path}] feature {number}"

    def known(self, address: FeatureAddress | None, function: str) -> Record | None:
        """The data of a function at an address."""
        return self.data.get((place_of(address), function))

    def neighbour(self, address: FeatureAddress | None, function: str) -> Record | None:
        """The data of another function, wherever on the same entity it is."""
        entity, _ = place_of(address)
        found = (data for ((at, _), name), data in self.data.items() if (at, name) == (entity, function))
        return next(found, None)

    def learn(self, address: FeatureAddress | None, command: Command) -> tuple[Record | None, Record | None]:
        """Take over told data; returns it before and after. Nothing is learned of what cannot be applied."""
        spec = FUNCTIONS.get(command.function)
        before = self.known(address, command.function)
        if spec is None or command.data is None:
            return before, before
        try:
            after = apply(spec, before or spec.data(), command)
        except RemoteError:
            return before, before
        self.data[place_of(address), command.function] = after
        self._learn_tree(command)
        return before, after

    def candidate(self, address: FeatureAddress | None, command: Command) -> Record | None:
        """What a write to this side would lead to."""
        spec = FUNCTIONS.get(command.function)
        if spec is None or command.data is None:
            return None
        try:
            return apply(spec, self.known(address, command.function) or spec.data(), command)
        except RemoteError:
            return None

    def _learn_tree(self, command: Command) -> None:
        match command.data:
            case NodeManagementDetailedDiscoveryData() as told if command.filters:
                learn_discovery_change(self.tree, told, DEFAULT_SETTINGS)
            case NodeManagementDetailedDiscoveryData() as told:
                learn_discovery(self.tree, told, DEFAULT_SETTINGS)
            case NodeManagementUseCaseData() as told:
                learn_use_cases(self.tree, told)


def place_of(address: FeatureAddress | None) -> Place:
    """Entity and feature of an address; the device is not compared."""
    if address is None:
        return (), -1
    return address.entity or (), -1 if address.feature is None else address.feature
