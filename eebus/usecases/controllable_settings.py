"""What a user may choose about the controllable system, and how it shows itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from eebus.errors import LocalError
from eebus.ids import Ski
from eebus.usecases.events import LimitKind
from eebus.usecases.limit_rules import OPTIONAL_RULES, LimitState
from eebus.usecases.limitation import (
    LONGEST_FAILSAFE_DURATION_S,
    LPC,
    LPP,
    SHORTEST_FAILSAFE_DURATION_S,
    Direction,
    Profile,
)


@dataclass(frozen=True, slots=True)
class ControllableSystemSettings:
    """Everything about the controllable system that a user may choose. Raises LocalError for nonsense."""

    lpc: bool = True
    lpp: bool = True
    failsafe_consumption_w: float = 4200.0
    failsafe_production_w: float | None = None
    """None: production is not cut, neither in init nor in failsafe, until a box writes a value."""
    failsafe_duration_s: float = 7200.0
    max_failsafe_duration_s: float = 86400.0
    contractual_consumption_w: float = 34500.0
    contractual_production_w: float = 30000.0
    energy_manager: bool = True
    """False: the entity is a device and announces its own nominal maxima instead of the contractual ones."""
    optional_rules: frozenset[str] = OPTIONAL_RULES
    """Numbers of the optional transitions in use: 906, 921, 922, 923."""
    heartbeat_reply_counts: bool = True
    """False: the partner's heartbeat is neither read nor does an answer count, only notifies do."""
    positive_production_limit: Literal["refuse", "magnitude"] = "refuse"
    heartbeat_interval_s: float = 25.0
    control_watchdog_s: float | None = None
    """Longest time between two calls of ``feed`` with which we still send heartbeats; None = always."""

    def __post_init__(self) -> None:
        if not self.profiles:
            raise LocalError("neither LPC nor LPP is enabled")
        watts = (
            self.failsafe_consumption_w,
            self.failsafe_production_w or 0.0,
            self.contractual_consumption_w,
            self.contractual_production_w,
        )
        if min(watts) < 0:
            raise LocalError("failsafe limits and nominal maxima must not be negative")
        durations = (self.failsafe_duration_s, self.max_failsafe_duration_s)
        if not SHORTEST_FAILSAFE_DURATION_S <= durations[0] <= durations[1] <= LONGEST_FAILSAFE_DURATION_S:
            raise LocalError("failsafe durations must be 2 h ≤ preconfigured ≤ maximum ≤ 24 h")
        if not 0 < self.heartbeat_interval_s <= 60:
            raise LocalError("a heartbeat must be sent at least every 60 s")

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The use cases served."""
        return (LPC,) * self.lpc + (LPP,) * self.lpp

    @property
    def maxima_w(self) -> Mapping[Direction, float]:
        """The nominal maxima."""
        return {
            Direction.CONSUMPTION: self.contractual_consumption_w,
            Direction.PRODUCTION: self.contractual_production_w,
        }


@dataclass(frozen=True, slots=True)
class DirectionStatus:
    """One direction as it stands, for people and testers."""

    state: LimitState
    since: float
    rule: str
    """The rule that led into the state."""
    effective_limit_w: float | None
    limit_kind: LimitKind | None
    limit_until: float | None
    limit_remaining_s: float | None
    stored_value_w: float
    failsafe_limit_w: float | None
    next_transition_at: float | None
    next_transition: str
    """What happens then unless something comes; empty when nothing will."""


@dataclass(frozen=True, slots=True)
class ControllableSystemStatus:
    """The controllable system as it stands."""

    consumption: DirectionStatus | None
    production: DirectionStatus | None
    heartbeat_age_s: float | None
    energy_guard: Ski | None
    failsafe_duration_s: float
    sending_heartbeats: bool
