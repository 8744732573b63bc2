"""The reading side of MPC and MGCP: a monitoring appliance (reference 7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from eebus.ids import Ski
from eebus.spine.device import EntityPath, LocalDevice, LocalEntity, RemoteDevice
from eebus.spine.events import PeerGone, PeerTopologyChanged, PeerUseCases, RemoteData, SubscriptionConfirmed
from eebus.spine.handler import Handler
from eebus.spine.model.common import FeatureAddress, Role
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceConfigurationKeyValueListData,
)
from eebus.spine.model.electrical_connection import ElectricalConnectionParameterDescriptionListData
from eebus.spine.model.measurement import MeasurementDescriptionListData, MeasurementListData
from eebus.spine.stack import Turn
from eebus.usecases.announcement import announce
from eebus.usecases.limit_data import KEY_DESCRIPTION_FUNCTION, KEY_FUNCTION
from eebus.usecases.limit_factor import read_factor
from eebus.usecases.monitoring_data import (
    CONNECTION_FUNCTION,
    MEASUREMENT_CONSTRAINTS_FUNCTION,
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
    "Measurement": (MEASUREMENT_DESCRIPTION_FUNCTION, MEASUREMENT_CONSTRAINTS_FUNCTION, MEASUREMENT_FUNCTION),
}
"""What is read of which feature: descriptions before values."""
_POLLED = {"Measurement": MEASUREMENT_FUNCTION, "DeviceConfiguration": KEY_FUNCTION}
"""What is read regularly of which feature, if at all."""
_FACTOR_FUNCTIONS = {"DeviceConfiguration": (KEY_DESCRIPTION_FUNCTION, KEY_FUNCTION)}
_READ_FUNCTIONS = {name for names in (_FUNCTIONS | _FACTOR_FUNCTIONS).values() for name in names}


_Source = tuple[Ski, EntityPath]


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

    def __init__(
        self,
        device: LocalDevice,
        entity: LocalEntity,
        profile: MonitoringProfile,
        *,
        poll_interval_s: float | None = None,
    ) -> None:
        """``poll_interval_s`` also reads the values regularly, for partners that do not notify reliably."""
        self._profile = profile
        self._functions = _FUNCTIONS if profile.factor_scenario is None else _FUNCTIONS | _FACTOR_FUNCTIONS
        self._clients = {kind: entity.add_feature(kind, Role.CLIENT, {}) for kind in self._functions}
        self._poll_interval_s = poll_interval_s
        self._poll_at: float | None = None
        self._values: dict[_Source, dict[Quantity, Reading]] = {}
        self._disturbed: dict[_Source, dict[Quantity, float]] = {}
        announce(device, entity, "MonitoringAppliance", profile.use_case, profile.scenarios)

    def values(self, ski: Ski, entity: EntityPath | None = None) -> dict[Quantity, float]:
        """The last usable values of an entity of a peer; without one of the first that has told any."""
        readings = self._readings_of(ski, entity)
        return {
            quantity: reading.value for quantity, reading in readings.items() if reading.value is not None
        }

    def disturbed_since(self, ski: Ski, entity: EntityPath | None = None) -> dict[Quantity, float]:
        """When, on our clock, the peer began to flag values as disturbed that it still does."""
        if entity is None:
            entity = self._first(ski)
        return dict(self._disturbed.get((ski, entity), {}))

    def entities(self, ski: Ski) -> tuple[EntityPath, ...]:
        """The entities of a peer that report."""
        return tuple(sorted(entity for peer, entity in self._values if peer == ski))

    def _readings_of(self, ski: Ski, entity: EntityPath | None) -> dict[Quantity, Reading]:
        return self._values.get((ski, self._first(ski) if entity is None else entity), {})

    def _first(self, ski: Ski) -> EntityPath:
        """The first entity of a peer that has told anything."""
        told = (
            entity
            for entity in self.entities(ski)
            if self._values[ski, entity] or self._disturbed.get((ski, entity))
        )
        return next(told, ())

    def next_deadline(self) -> float | None:
        return self._poll_at

    def on_deadline(self, turn: Turn) -> None:
        if self._poll_interval_s is None or self._poll_at is None or turn.now < self._poll_at:
            return
        self._poll_at = turn.now + self._poll_interval_s
        for ski, entity in self._values:
            self._poll(ski, entity, turn)

    def _poll(self, ski: Ski, entity: EntityPath, turn: Turn) -> None:
        remote = turn.remote(ski)
        for kind, client in self._clients.items():
            for server in remote.find_features(kind, Role.SERVER, entity) if remote else ():
                if kind in _POLLED:
                    turn.read(ski, client, server.address, _POLLED[kind])

    def on_event(self, event: object, turn: Turn) -> None:
        match event:
            case PeerUseCases(ski) | PeerTopologyChanged(ski):
                self._subscribe(ski, turn)
            case SubscriptionConfirmed(ski, source, destination):
                self._read(ski, source, destination, turn)
            case RemoteData():
                self._take(event, turn)
            case PeerGone(ski):
                self._forget(ski)
            case _:
                pass

    def _subscribe(self, ski: Ski, turn: Turn) -> None:
        remote = turn.remote(ski)
        if remote is None:
            return
        reporting = _reporting_entities(remote, self._profile)
        self._values = {
            source: values
            for source, values in self._values.items()
            if source[0] != ski or source[1] in reporting
        }
        self._disturbed = {
            source: since for source, since in self._disturbed.items() if source in self._values
        }
        for entity in reporting:
            self._values.setdefault((ski, entity), {})
            for kind, client in self._clients.items():
                for server in remote.find_features(kind, Role.SERVER, entity):
                    turn.subscribe(ski, client, server.address, kind)

    def _read(self, ski: Ski, source: FeatureAddress, destination: FeatureAddress, turn: Turn) -> None:
        """Nothing comes by itself: each list that the partner has is read once after subscribing."""
        remote = turn.remote(ski)
        server = remote.feature(destination) if remote else None
        if server is None or (ski, server.entity) not in self._values:
            return
        for kind, client in self._clients.items():
            if client.address == source:
                for function in self._functions[kind]:
                    if function in server.functions:
                        turn.read(ski, client, destination, function)
        if self._poll_interval_s is not None and self._poll_at is None:
            self._poll_at = turn.now + self._poll_interval_s

    def _take(self, event: RemoteData, turn: Turn) -> None:
        source = (event.ski, event.source.entity or ())
        remote = turn.remote(event.ski)
        if remote is None or source not in self._values or event.function not in _READ_FUNCTIONS:
            return
        known = self._values[source]
        for quantity, reading in _readings(remote, source[1], self._profile).items():
            before = known.get(quantity)
            self._note_state(source, quantity, reading, turn.now)
            if reading.value is None or not _may_replace(before, reading):
                continue
            known[quantity] = reading
            if before is None or before.value != reading.value:
                turn.emit(
                    MeasurementReceived(
                        event.ski, self._profile.use_case, source[1], quantity, reading.value, turn.now
                    )
                )

    def _note_state(self, source: _Source, quantity: Quantity, reading: Reading, now: float) -> None:
        disturbed = self._disturbed.setdefault(source, {})
        if reading.state is ValueState.NORMAL:
            disturbed.pop(quantity, None)
        else:
            disturbed.setdefault(quantity, now)

    def _forget(self, ski: Ski) -> None:
        self._values = {source: values for source, values in self._values.items() if source[0] != ski}
        self._disturbed = {source: since for source, since in self._disturbed.items() if source[0] != ski}
        if not self._values:
            self._poll_at = None


def _may_replace(before: Reading | None, reading: Reading) -> bool:
    """A value flagged as disturbed is not used (MPC-TS-008/1, /2), nor one that was measured earlier."""
    if reading.state is not ValueState.NORMAL:
        return False
    if before is None or before.measured_at is None or reading.measured_at is None:
        return True
    return reading.measured_at >= before.measured_at


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

    readings = dict(
        read_measurements(
            profile,
            cast(
                MeasurementDescriptionListData | None, data("Measurement", MEASUREMENT_DESCRIPTION_FUNCTION)
            ),
            cast(
                ElectricalConnectionParameterDescriptionListData | None,
                data("ElectricalConnection", PARAMETER_FUNCTION),
            ),
            cast(MeasurementListData | None, data("Measurement", MEASUREMENT_FUNCTION)),
        )
    )
    factor = read_factor(
        cast(
            DeviceConfigurationKeyValueDescriptionListData | None,
            data("DeviceConfiguration", KEY_DESCRIPTION_FUNCTION),
        ),
        cast(DeviceConfigurationKeyValueListData | None, data("DeviceConfiguration", KEY_FUNCTION)),
    )
    if factor is not None and profile.factor_scenario is not None:
        readings[Quantity.PV_LIMIT_FACTOR] = factor
    return readings
