"""A wallbox with a car as physics: 6 A minimum, phases, a watchdog that falls to a failsafe current."""

import math
from dataclasses import dataclass, field

LEAST_CURRENT_A = 6.0
_CAR_RAMP_A_PER_S = 4.0
_HOUR_S = 3600.0


@dataclass(slots=True)
class Car:
    """What the car does: `wants_a` per phase on `phases` phases, never less than `least_a`.

    `room_wh`: what still fits into its battery; it takes nothing more when that is used up.
    """

    connected: bool = True
    phases: int = 3
    wants_a: float = 16.0
    least_a: float = LEAST_CURRENT_A
    room_wh: float = math.inf

    def takes_a(self, offered_a: float) -> float:
        """The current that it settles at when it is offered so much."""
        if not self.connected or self.room_wh <= 0.0:
            return 0.0
        current_a = min(self.wants_a, offered_a)
        return current_a if current_a >= self.least_a else 0.0


@dataclass(slots=True)
class Wallbox:
    """Settings, state and behaviour. Currents per phase; settings are what the register table holds.

    `line`: the phase, from 0, that its first one is connected to. `switched_phases`: how many its contactors
    let through; `hard_switches` counts how often that changed under current. `watchdog_s` 0: no watchdog.
    `silent_s`: time since the last request. Power-on defaults are the vendor's.
    """

    voltage_v: float = 230.0
    line: int = 0
    switched_phases: int = 3
    hard_switches: int = 0
    hardware_max_a: float = 16.0
    car: Car = field(default_factory=Car)
    max_current_a: float = 16.0
    failsafe_current_a: float = 0.0
    watchdog_s: float = 15.0
    standby_disabled: bool = False
    locked: bool = False
    silent_s: float = 0.0
    current_a: float = 0.0
    energy_wh: float = 0.0
    energy_since_power_on_wh: float = 0.0

    @property
    def in_failsafe(self) -> bool:
        """True while its watchdog has run out."""
        return 0.0 < self.watchdog_s <= self.silent_s

    @property
    def offered_a(self) -> float:
        """The current that the car is told: nothing at all below 6 A."""
        if self.locked:
            return 0.0
        ceiling_a = self.failsafe_current_a if self.in_failsafe else self.max_current_a
        offered_a = min(ceiling_a, self.hardware_max_a)
        return offered_a if offered_a >= LEAST_CURRENT_A else 0.0

    @property
    def phases(self) -> int:
        """On how many it charges."""
        return min(self.switched_phases, self.car.phases)

    def switch_phases(self, phases: int) -> None:
        """Let one phase through, or all."""
        self.hard_switches += phases != self.switched_phases and self.current_a > 0.0
        self.switched_phases = phases

    @property
    def power_w(self) -> float:
        """The draw from the house."""
        return self.current_a * self.voltage_v * self.phases

    @property
    def wants_w(self) -> float:
        """What the car would draw if nothing limited it."""
        return self.car.takes_a(self.hardware_max_a) * self.voltage_v * self.phases

    def heard_request(self) -> None:
        """Any request feeds the watchdog."""
        self.silent_s = 0.0

    def power_cycle(self) -> None:
        """Lose everything that was set, as at power-on; only the total counter survives."""
        self.max_current_a = self.hardware_max_a
        self.failsafe_current_a = 0.0
        self.watchdog_s = 15.0
        self.standby_disabled = False
        self.locked = False
        self.silent_s = 0.0
        self.current_a = 0.0
        self.energy_since_power_on_wh = 0.0

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        self.silent_s += dt_s
        target_a = self.car.takes_a(self.offered_a)
        reach_a = _CAR_RAMP_A_PER_S * dt_s
        self.current_a += max(-reach_a, min(reach_a, target_a - self.current_a))
        energy_wh = self.power_w * dt_s / _HOUR_S
        self.energy_wh += energy_wh
        self.energy_since_power_on_wh += energy_wh
        self.car.room_wh = max(0.0, self.car.room_wh - energy_wh)
