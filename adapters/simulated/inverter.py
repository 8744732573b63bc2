"""A PV inverter as physics: sun, nameplate, a percentage limit that takes effect when it is enabled."""

from dataclasses import dataclass

_RAMP_W_PER_S = 5_000.0
_HOUR_S = 3600.0


@dataclass(slots=True)
class Inverter:
    """State and behaviour; power is production (>= 0).

    `limit_percent` and `revert_s` count from the moment when `enable` is called: inverters take a new value
    over only with its enable flag. When the revert time runs out the limit becomes `revert_percent`, or is
    dropped where that is None.
    """

    nameplate_w: float = 10_000.0
    sun_w: float = 0.0
    limit_percent: float | None = None
    revert_s: float = 0.0
    revert_percent: float | None = None
    limited_for_s: float = 0.0
    power_w: float = 0.0
    energy_wh: float = 0.0

    def enable(self, limit_percent: float, revert_s: float, revert_percent: float | None = None) -> None:
        """Limit to a share of the nameplate, for `revert_s` seconds (0: until further notice)."""
        self.limit_percent = limit_percent
        self.revert_s = revert_s
        self.revert_percent = revert_percent
        self.limited_for_s = 0.0

    def disable(self) -> None:
        """Drop the limit."""
        self.limit_percent = None
        self.revert_s = 0.0

    @property
    def remaining_s(self) -> float:
        """Time until the limit reverts; 0 without a running timer."""
        return max(0.0, self.revert_s - self.limited_for_s) if self.limit_percent is not None else 0.0

    @property
    def available_w(self) -> float:
        """What it could produce now, limit included."""
        free_w = min(self.sun_w, self.nameplate_w)
        if self.limit_percent is None:
            return free_w
        return min(free_w, self.nameplate_w * self.limit_percent / 100.0)

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        if self.limit_percent is not None and self.revert_s > 0.0:
            self.limited_for_s += dt_s
            if self.limited_for_s >= self.revert_s:
                self.limit_percent, self.revert_s = self.revert_percent, 0.0
        reach_w = _RAMP_W_PER_S * dt_s
        self.power_w += max(-reach_w, min(reach_w, self.available_w - self.power_w))
        self.energy_wh += self.power_w * dt_s / _HOUR_S
