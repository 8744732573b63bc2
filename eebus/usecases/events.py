"""What the use cases tell their application: plain values, for the gateway, the simulator and the tests.

Times named ``at`` and ``until`` are in the seconds of the injected clock; watts are magnitudes.
"""

from dataclasses import dataclass
from enum import StrEnum

from eebus.ids import Ski
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction, profile_of


class LimitKind(StrEnum):
    """Who restricts: the records of the grid operator must not contain what we impose on ourselves."""

    GRID_OPERATOR = "grid_operator"
    SELF_IMPOSED = "self_imposed"


@dataclass(frozen=True, slots=True)
class OrderReceived:
    """The energy guard wrote a limit; accepted or not, it is evidence."""

    direction: Direction | None
    """None: the write could not be read at all; then it is refused, and all its values are unknown."""
    peer_ski: Ski
    msg_counter: int
    value_w: float | None
    """As asked for, as a magnitude; negative when the sign was wrong; None without a value."""
    active: bool
    duration_s: float | None
    """As it stands after the write; None = no end."""
    accepted: bool
    reason: str
    rule: str
    at: float
    duration_readable: bool = True
    """False: the write named a duration that cannot be read, hence it is refused."""

    @property
    def wrong_sign_w(self) -> float | None:
        """The value as it was written, where its sign is wrong; else None."""
        if self.direction is None or self.value_w is None or self.value_w >= 0:
            return None
        return self.value_w * profile_of(self.direction).wire_sign


@dataclass(frozen=True, slots=True)
class LimitStateChanged:
    """A machine changed its state, or the limit in force its value or end."""

    direction: Direction
    before: LimitState
    after: LimitState
    rule: str
    reason: str
    effective_limit_w: float | None
    """None: nothing restricts. 0 is a limit."""
    limit_kind: LimitKind | None
    until: float | None
    at: float


@dataclass(frozen=True, slots=True)
class FailsafeChanged:
    """A failsafe limit (of one direction) or the shared failsafe duration (direction None) changed."""

    direction: Direction | None
    value: float
    """Watts for a limit, seconds for the duration."""
    by_ski: Ski | None
    """None: a factory reset brought the configured value back."""


@dataclass(frozen=True, slots=True)
class FailsafeRefused:
    """A control box wrote failsafe values that are not taken; None = not named, or not readable."""

    by_ski: Ski
    consumption_w: float | None
    production_w: float | None
    duration_s: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class HeartbeatReceived:
    """A heartbeat of our energy guard counted."""

    ski: Ski
    counter: int | None
    at: float


@dataclass(frozen=True, slots=True)
class EnergyGuardChanged:
    """Another entity is our energy guard now, or none."""

    ski: Ski | None
    entity: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class StoredFailsafe:
    """The failsafe values that an energy guard wrote; None = never written, the configuration counts."""

    consumption_w: float | None = None
    production_w: float | None = None
    duration_s: float | None = None
    consumption_scale: int | None = None
    """The power of ten in which it was written: a later write may name the number alone (SPINE 6.4)."""
    production_scale: int | None = None


@dataclass(frozen=True, slots=True)
class PersistOrder:
    """Record of an order, to be stored before it is acknowledged if the disk is quick enough."""

    order: OrderReceived


@dataclass(frozen=True, slots=True)
class PersistFailsafe:
    """The failsafe values, to be stored before they are in force."""

    consumption_w: float | None
    production_w: float | None
    duration_s: float | None
    by_ski: Ski
    consumption_scale: int | None = None
    production_scale: int | None = None

    @property
    def stored(self) -> StoredFailsafe:
        """What the next start is given."""
        return StoredFailsafe(
            self.consumption_w,
            self.production_w,
            self.duration_s,
            self.consumption_scale,
            self.production_scale,
        )
