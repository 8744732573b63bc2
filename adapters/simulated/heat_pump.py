"""A heat pump with its heat store: it modulates, rests between runs, and the house cools while it may not."""

from dataclasses import dataclass

_HOUR_S = 3600.0
_START_LEVEL, _FULL_LEVEL, _STOP_LEVEL = 0.6, 0.9, 0.97
_MODULATION_BAND = 0.3


@dataclass(slots=True)
class HeatPump:
    """State and behaviour; power is electrical draw, the store and the loss are heat.

    `least_w`: the lowest power at which the compressor runs; a ceiling below it stops it at once.
    `least_run_s`, `least_rest_s`: what its own controller keeps to, except that a ceiling ends a run early.
    `heat_loss_w`: what the house takes out of the store. `missed_wh`: heat the house wanted and the empty
    store did not have.
    """

    nameplate_w: float = 4_000.0
    least_w: float = 1_200.0
    cop: float = 3.5
    heat_loss_w: float = 6_000.0
    capacity_wh: float = 12_000.0
    store_wh: float = 8_000.0
    least_run_s: float = 600.0
    least_rest_s: float = 600.0
    ramp_w_per_s: float = 200.0
    ceiling_w: float | None = None
    running: bool = False
    since_change_s: float = 1e9
    power_w: float = 0.0
    energy_wh: float = 0.0
    missed_wh: float = 0.0

    @property
    def level(self) -> float:
        """How full the store is, 0 to 1."""
        return self.store_wh / self.capacity_wh

    @property
    def wants_w(self) -> float:
        """What it would draw if nothing limited it: the emptier the store, the more."""
        if not self.running and not self._would_start():
            return 0.0
        share = min(1.0, max(0.0, (_FULL_LEVEL - self.level) / _MODULATION_BAND))
        return self.least_w + (self.nameplate_w - self.least_w) * share

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        self.since_change_s += dt_s
        self._switch()
        self._move_power(dt_s)
        self._keep_books(dt_s)

    def power_cycle(self) -> None:
        """Stop and forget the ceiling, as after a power failure."""
        self.ceiling_w = None
        self.running, self.since_change_s, self.power_w = False, 0.0, 0.0

    def _would_start(self) -> bool:
        return self.level < _START_LEVEL and self.since_change_s >= self.least_rest_s

    def _switch(self) -> None:
        forbidden = self.ceiling_w is not None and self.ceiling_w < self.least_w
        if self.running:
            satisfied = self.level >= _STOP_LEVEL and self.since_change_s >= self.least_run_s
            if forbidden or satisfied:
                self.running, self.since_change_s = False, 0.0
        elif self._would_start() and not forbidden:
            self.running, self.since_change_s = True, 0.0

    def _move_power(self, dt_s: float) -> None:
        if not self.running:
            self.power_w = 0.0
            return
        target_w = self.wants_w if self.ceiling_w is None else min(self.wants_w, self.ceiling_w)
        rising_w = self.power_w + self.ramp_w_per_s * dt_s
        self.power_w = min(target_w, max(rising_w, self.least_w))

    def _keep_books(self, dt_s: float) -> None:
        hours = dt_s / _HOUR_S
        self.energy_wh += self.power_w * hours
        self.store_wh += (self.power_w * self.cop - self.heat_loss_w) * hours
        if self.store_wh < 0.0:
            self.missed_wh -= self.store_wh
            self.store_wh = 0.0
        self.store_wh = min(self.store_wh, self.capacity_wh)
