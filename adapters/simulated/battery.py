"""A home battery as physics: energy, power limits, a controller that follows a wish below a ceiling."""

from dataclasses import dataclass

_HOUR_S = 3600.0


@dataclass(slots=True)
class Battery:
    """State and behaviour of a battery with its inverter; charging is positive.

    `wish_w` is what its own controller wants; `ceiling_w` bounds charging only (None: free), discharging
    stays free. `grid_charge_w`: it wants to charge with at least so much, whatever the sun gives. The
    counters grow from zero.
    """

    capacity_wh: float = 10_000.0
    max_power_w: float = 5_000.0
    energy_wh: float = 5_000.0
    wish_w: float = 0.0
    grid_charge_w: float = 0.0
    ceiling_w: float | None = None
    power_w: float = 0.0
    charged_wh: float = 0.0
    discharged_wh: float = 0.0

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass. Raises ValueError when time runs backwards."""
        if dt_s < 0.0:
            raise ValueError("time cannot run backwards")
        self.power_w = self._power_for(dt_s)
        energy_wh = self.power_w * dt_s / _HOUR_S
        self.energy_wh += energy_wh
        self.charged_wh += max(0.0, energy_wh)
        self.discharged_wh += max(0.0, -energy_wh)

    def _power_for(self, dt_s: float) -> float:
        power_w = min(self.max_power_w, max(-self.max_power_w, self.wish_w))
        if self.ceiling_w is not None:
            power_w = min(power_w, self.ceiling_w)
        if dt_s == 0.0:
            return power_w
        room_w = (self.capacity_wh - self.energy_wh) * _HOUR_S / dt_s
        stored_w = self.energy_wh * _HOUR_S / dt_s
        return max(-stored_w, min(room_w, power_w))
