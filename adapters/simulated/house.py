"""The house: its load, wallbox, inverter and battery, and the meter at the grid connection point."""

from dataclasses import dataclass, field

from adapters.simulated.battery import Battery
from adapters.simulated.inverter import Inverter
from adapters.simulated.wallbox import Wallbox

_LONGEST_STEP_S = 0.5
_HOUR_S = 3600.0


@dataclass(slots=True)
class House:
    """All models in one balance. Grid power is positive for import; the counters grow from zero.

    The battery charges from surplus and covers the house, as batteries do by themselves.
    """

    load_w: float = 500.0
    wallbox: Wallbox = field(default_factory=Wallbox)
    inverter: Inverter = field(default_factory=Inverter)
    battery: Battery = field(default_factory=Battery)
    battery_installed: bool = True
    grid_w: float = 0.0
    imported_wh: float = 0.0
    exported_wh: float = 0.0

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass, in steps short enough for ramps and timers."""
        left_s = dt_s
        while left_s > 0.0:
            step_s = min(left_s, _LONGEST_STEP_S)
            self._step(step_s)
            left_s -= step_s

    def _step(self, dt_s: float) -> None:
        self.wallbox.step(dt_s)
        self.inverter.step(dt_s)
        without_battery_w = self.load_w + self.wallbox.power_w - self.inverter.power_w
        if self.battery_installed:
            self.battery.wish_w = -without_battery_w
            self.battery.step(dt_s)
        self.grid_w = without_battery_w + (self.battery.power_w if self.battery_installed else 0.0)
        energy_wh = self.grid_w * dt_s / _HOUR_S
        self.imported_wh += max(0.0, energy_wh)
        self.exported_wh += max(0.0, -energy_wh)
