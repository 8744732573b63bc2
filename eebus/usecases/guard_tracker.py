"""Who is our energy guard, and whose heartbeat counts (reference 3.8).

A box may have several energy guard entities, a house several devices with heartbeats. The one that counts
is the entity that bound our limits and our configuration, both with a feature of its own. An entity that
binds the limits only can be told apart as long as it is the only candidate.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from eebus.ids import Ski
from eebus.spine.device import (
    NODE_MANAGEMENT_ENTITY,
    EntityPath,
    LocalFeature,
    RemoteDevice,
    RemoteFeature,
)
from eebus.spine.model.common import Role
from eebus.usecases.heartbeat import HEARTBEAT_FUNCTION


@dataclass(frozen=True, slots=True)
class GuardEntity:
    """An entity of a control box."""

    ski: Ski
    entity: EntityPath


@dataclass(slots=True)
class GuardTracker:
    """Follows bindings and announced use cases of control boxes."""

    limits: LocalFeature
    configuration: LocalFeature
    _bound: dict[int | None, GuardEntity] = field(default_factory=dict)
    _candidates: dict[Ski, frozenset[GuardEntity]] = field(default_factory=dict)

    def bind(self, server: LocalFeature, ski: Ski, client: EntityPath) -> None:
        """A box bound one of our features with a feature of this entity."""
        if server in (self.limits, self.configuration):
            self._bound[server.address.feature] = GuardEntity(ski, client)

    def unbind(self, server: LocalFeature) -> None:
        """The binding of one of our features ended."""
        self._bound.pop(server.address.feature, None)

    def offer(self, ski: Ski, entities: Iterable[EntityPath]) -> None:
        """The entities of a box that could be energy guards."""
        self._candidates[ski] = frozenset(GuardEntity(ski, entity) for entity in entities)

    def forget(self, ski: Ski) -> None:
        """The connection ended; the end of each binding is told on its own."""
        self._candidates.pop(ski, None)

    def others_bound(self, ski: Ski) -> bool:
        """Whether another box holds a binding of ours."""
        return any(by.ski != ski for by in self._bound.values())

    @property
    def guard(self) -> GuardEntity | None:
        """The energy guard, once its bindings say so."""
        by_limits = self._binder(self.limits)
        by_configuration = self._binder(self.configuration)
        if by_limits is None:
            return None
        if by_configuration == by_limits:
            return by_limits
        # An energy guard without scenario 2 never binds the configuration.
        return by_limits if by_limits == self._only_candidate else None

    @property
    def heard(self) -> GuardEntity | None:
        """Whose heartbeat counts: the energy guard's; before the bindings that of the only candidate."""
        return self.guard or self._only_candidate

    def _binder(self, server: LocalFeature) -> GuardEntity | None:
        """Who bound a feature; a binding in the name of NodeManagement tells no more than the box."""
        by = self._bound.get(server.address.feature)
        if by is None or by.entity != NODE_MANAGEMENT_ENTITY:
            return by
        candidate = self._only_candidate
        return candidate if candidate and candidate.ski == by.ski else by

    @property
    def _only_candidate(self) -> GuardEntity | None:
        candidates = frozenset().union(*self._candidates.values())
        return next(iter(candidates)) if len(candidates) == 1 else None


def guard_entities(remote: RemoteDevice, use_cases: Iterable[str]) -> set[EntityPath]:
    """The entities of a box that announce themselves as energy guard and have a heartbeat.

    Some devices name no entity, some no use cases at all: then every entity with a heartbeat may be meant.
    """
    with_heartbeat = {feature.entity for feature in _heartbeats(remote)}
    announced = [u for name in use_cases for u in remote.use_cases(name, "EnergyGuard")]
    named = {use_case.entity for use_case in announced if use_case.entity is not None}
    if named:
        return with_heartbeat & named
    return with_heartbeat if announced or not remote.use_cases() else set()


def heartbeat_feature(remote: RemoteDevice, entity: EntityPath) -> RemoteFeature | None:
    """The heartbeat of an entity: looked for by its function, the feature type alone does not tell."""
    return next((feature for feature in _heartbeats(remote) if feature.entity == entity), None)


def _heartbeats(remote: RemoteDevice) -> list[RemoteFeature]:
    servers = remote.find_features("DeviceDiagnosis", Role.SERVER)
    return [feature for feature in servers if HEARTBEAT_FUNCTION in feature.functions]
