"""What a device is and what it can be told."""

from dataclasses import dataclass
from enum import StrEnum

from hems.devices.power import FeasiblePowers


class Kind(StrEnum):
    """The classes of devices that the rulings know, plus loads that are only measured."""

    WALLBOX = "wallbox"
    HEAT_PUMP = "heat_pump"
    COOLING = "cooling"
    BATTERY = "battery"
    INVERTER = "inverter"
    OTHER = "other"


class Direction(StrEnum):
    """Which side of a device a set-point bounds."""

    CONSUMPTION = "consumption"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Fallback:
    """What the device does by itself when it no longer hears from the gateway.

    `after_s` is its own watchdog; `power_w` the magnitude it then holds at most in that direction.
    """

    after_s: float
    power_w: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a device offers. Powers of `consumption` are draws (>= 0, batteries below zero too);
    `production` holds magnitudes of feed-in (>= 0). None: the device cannot be bounded in that direction.

    `nameplate_w`: largest draw or production by its type plate.
    `fallback`: per direction, None when the device keeps its last value for ever.
    `reaction_s`: time from a write to its effect at the meter.
    `refresh_s`: the set-point must be written again at least this often; None when once is enough.
    `write_gap_s`: shortest time between two writes that the device accepts.
    `accepted_rise_s`: how long the device should rest once it was paused (set-point 0) before it rises again.
    `min_run_s`: how long it should run before it is paused, except for a limit that demands it.
    `freed_at_stop`: when the gateway stops and nothing binds it, it is freed; else it keeps its set-point.
    `all_phases_from_w`: a device that switches between one phase and all runs on its first one with less, and
    with as much on all of them, though for a while still on one; None for a device that does not switch.
    `phases`: how many it is wired to; None where nobody knows.
    """

    kind: Kind
    nameplate_w: float
    consumption: FeasiblePowers | None = None
    production: FeasiblePowers | None = None
    consumption_fallback: Fallback | None = None
    production_fallback: Fallback | None = None
    reaction_s: float = 5.0
    refresh_s: float | None = None
    write_gap_s: float = 0.0
    accepted_rise_s: float = 0.0
    min_run_s: float = 0.0
    all_phases_from_w: float | None = None
    phases: int | None = None
    measures_power: bool = True
    freed_at_stop: bool = True

    def feasible(self, direction: Direction) -> FeasiblePowers | None:
        """The feasible powers in one direction."""
        return self.consumption if direction is Direction.CONSUMPTION else self.production

    def fallback(self, direction: Direction) -> Fallback | None:
        """The device's own fallback in one direction."""
        return self.consumption_fallback if direction is Direction.CONSUMPTION else self.production_fallback
