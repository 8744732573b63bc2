"""The reading side of MPC and MGCP: a monitoring appliance (reference 7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from eebus.ids import Ski
from eebus.spine.device import EntityPath, LocalDevice, LocalEntity, RemoteDevice
from eebus.spine.events import PeerGone, PeerTopologyChanged, PeerUseCases, RemoteData, SubscriptionConfirmed
from eebus.spine.handler import Handler
from eebus.spine.model.common import FeatureAddress, Role
from eebus.spine.model.electrical_connection import ElectricalConnectionParameterDescriptionListData
from eebus.spine.model.measurement import MeasurementDescriptionListData, MeasurementListData
from eebus.spine.stack import Turn
from eebus.usecases.announcement import announce
from eebus.usecases.monitoring_data import (
    CONNECTION_FUNCTION,
    MEASUREMENT_DESCRIPTION_FUNCTION,
    MEASUREMENT_FUNCTION,
    PARAMETER_FUNCTION,
    MonitoringProfile,
    Quantity,
    Reading,
    ValueState,
    read_measurements,
)

_FUNCTIONS = {
    "ElectricalConnection": (CONNECTION_FUNCTION, PARAMETER_FUNCTION),
    "Measurement": (MEASUREMENT_DESCRIPTION_FUNCTION, MEASUREMENT_FUNCTION),
}
"""What is read of which feature: descriptions before values."""
_READ_FUNCTIONS = frozenset(name for names in _FUNCTIONS.values() for name in names)


@dataclass(frozen=True, slots=True)
class MeasurementReceived:
    """A partner's value that may be used arrived or changed."""

    ski: Ski
    use_case: str
    entity: EntityPath
    quantity: Quantity
    value: float
    at: float


class MonitoringReader(Handler):
    """Reads one monitoring use case of every peer; values flagged as disturbed are not used."""

    def __init__(self, device: LocalDevice, entity: LocalEntity, profile: MonitoringProfile) -> None:
        self._profile = profile
        self._clients = {kind: entity.add_feature(kind, Role.CLIENT, {}) for kind in _FUNCTIONS}
        self._sources: set[tuple[Ski, EntityPath]] = set()
        self._values: dict[tuple[Ski, EntityPath], dict[Quantity, float]] = {}
        scenarios = {point.scenario for point in profile.points}
        announce(device, entity, "MonitoringAppliance", profile.use_case, scenarios)

    def values(self, ski: Ski) -> dict[Quantity, float]:
        """The usable values of a peer; those of the first entity when it has several."""
        entities = sorted(entity for peer, entity in self._values if peer == ski)
        return dict(self._values[ski, entities[0]]) if entities else {}

    def on_event(self, event: object, turn: Turn) -> None:
        match event:
            case PeerUseCases(ski) | PeerTopologyChanged(ski):
                self._subscribe(ski, turn)
            case SubscriptionConfirmed(ski, source, destination):
                self._read(ski, source, destination, turn)
            case RemoteData() if event.function in _READ_FUNCTIONS:
                self._take(event, turn)
            case PeerGone(ski):
                self._forget(ski)
            case _:
                pass

    def _subscribe(self, ski: Ski, turn: Turn) -> None:
        remote = turn.remote(ski)
        if remote is None:
            return
        for entity in _reporting_entities(remote, self._profile):
            self._sources.add((ski, entity))
            for kind, client in self._clients.items():
                for server in remote.find_features(kind, Role.SERVER, entity):
                    turn.subscribe(ski, client, server.address, kind)

    def _read(self, ski: Ski, source: FeatureAddress, destination: FeatureAddress, turn: Turn) -> None:
        """Nothing comes by itself: each list is read once after subscribing."""
        if (ski, destination.entity or ()) not in self._sources:
            return
        for kind, client in self._clients.items():
            if client.address == source:
                for function in _FUNCTIONS[kind]:
                    turn.read(ski, client, destination, function)

    def _take(self, event: RemoteData, turn: Turn) -> None:
        entity = event.source.entity or ()
        remote = turn.remote(event.ski)
        if remote is None or (event.ski, entity) not in self._sources:
            return
        known = self._values.setdefault((event.ski, entity), {})
        for quantity, reading in _readings(remote, entity, self._profile).items():
            if reading.state is not ValueState.NORMAL or reading.value is None:
                continue
            if known.get(quantity) != reading.value:
                known[quantity] = reading.value
                turn.emit(
                    MeasurementReceived(
                        event.ski, self._profile.use_case, entity, quantity, reading.value, turn.now
                    )
                )

    def _forget(self, ski: Ski) -> None:
        self._sources = {source for source in self._sources if source[0] != ski}
        self._values = {source: values for source, values in self._values.items() if source[0] != ski}


def _reporting_entities(remote: RemoteDevice, profile: MonitoringProfile) -> set[EntityPath]:
    """Entities that announce the use case as server; without an entity every one with measurements."""
    announced = [u for actor in profile.server_actors for u in remote.use_cases(profile.use_case, actor)]
    measuring = {feature.entity for feature in remote.find_features("Measurement", Role.SERVER)}
    named = {use_case.entity for use_case in announced if use_case.entity is not None}
    if named or not announced:
        return measuring & named
    return measuring


def _readings(
    remote: RemoteDevice, entity: EntityPath, profile: MonitoringProfile
) -> Mapping[Quantity, Reading]:
    def data(kind: str, function: str) -> object:
        servers = remote.find_features(kind, Role.SERVER, entity)
        return next((s.data[function] for s in servers if function in s.data), None)

    return read_measurements(
        profile,
        cast(MeasurementDescriptionListData | None, data("Measurement", MEASUREMENT_DESCRIPTION_FUNCTION)),
        cast(
            ElectricalConnectionParameterDescriptionListData | None,
            data("ElectricalConnection", PARAMETER_FUNCTION),
        ),
        cast(MeasurementListData | None, data("Measurement", MEASUREMENT_FUNCTION)),
    )
