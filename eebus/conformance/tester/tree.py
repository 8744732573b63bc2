"""What the tester learns of the device: its features, found by type, role and use case."""

from typing import cast

from eebus.conformance.tester.spine import SpinePeer
from eebus.conformance.verdict import CaseFailed
from eebus.spine.device import RemoteDevice, RemoteFeature
from eebus.spine.model.common import FeatureAddress
from eebus.spine.model.node_management import (
    BindingRequest,
    NodeManagementBindingRequestCall,
    NodeManagementDetailedDiscoveryData,
    NodeManagementSubscriptionRequestCall,
    NodeManagementUseCaseData,
    SubscriptionRequest,
)
from eebus.spine.node_management import learn_discovery, learn_use_cases
from eebus.spine.settings import DEFAULT_SETTINGS


async def discover(peer: SpinePeer) -> RemoteDevice:
    """Read the device's tree and use cases. Raises CaseFailed when it does not tell them."""
    remote = RemoteDevice()
    tree = cast(NodeManagementDetailedDiscoveryData, await peer.fetch(NodeManagementDetailedDiscoveryData()))
    learn_discovery(remote, tree, DEFAULT_SETTINGS)
    learn_use_cases(remote, cast(NodeManagementUseCaseData, await peer.fetch(NodeManagementUseCaseData())))
    return remote


def server_of(remote: RemoteDevice, use_case: str, actor: str, feature_type: str) -> RemoteFeature:
    """The server feature on the entity that plays an actor. Raises CaseFailed."""
    named = {item.entity for item in remote.use_cases(use_case, actor)}
    if not named:
        raise CaseFailed(f"the device does not announce {actor} of {use_case}")
    found = remote.find_features(feature_type, "server")
    of_entity = [feature for feature in found if feature.entity in named or None in named]
    if not of_entity:
        raise CaseFailed(f"the {actor} has no {feature_type} server")
    return of_entity[0]


async def subscribe(peer: SpinePeer, client: FeatureAddress, server: RemoteFeature) -> int:
    """Subscribe to a feature of the device. Returns the error number."""
    request = SubscriptionRequest(
        client_address=client, server_address=server.address, server_feature_type=server.feature_type
    )
    return await peer.call(NodeManagementSubscriptionRequestCall(subscription_request=request))


async def bind(peer: SpinePeer, client: FeatureAddress, server: RemoteFeature) -> int:
    """Bind a feature of the device. Returns the error number."""
    request = BindingRequest(
        client_address=client, server_address=server.address, server_feature_type=server.feature_type
    )
    return await peer.call(NodeManagementBindingRequestCall(binding_request=request))
