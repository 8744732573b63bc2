"""Shows a battery a surplus that it can store, where the limit alone would never let it see one. Pure.

A battery that stores surplus by itself follows what is fed in. At a limit of 0 W an inverter makes what the
house takes, nothing is fed in, and the battery stays empty while the sun is cut. So inverters make a trifle
more than the limit for a while: what the battery takes of it becomes what the house takes, step by step;
what it does not take is withdrawn.
"""

from dataclasses import dataclass

from hems.devices import MeterSample

PART, LEAST_W = 0.02, 50.0
"""The trifle: as exactly as an inverter must follow its set-point, by its type plate."""
STANDS_S = 60.0
"""The order must have been fulfilled first."""
TAKEN_WITHIN_S = 15.0
REST_S = 600.0
"""Pause after an offer that was not taken."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What batteries could still take, and the type plates of the inverters together, in watts."""

    room_w: float
    inverters_w: float


class BatteryOffer:
    """Follows feed-in while it is limited at the grid connection. `power_w`: what is offered now."""

    def __init__(self) -> None:
        self.power_w = 0.0
        self._untaken_since_s: float | None = None
        self._rests_until_s = 0.0

    def update(
        self,
        limit_w: float | None,
        since_s: float,
        storage: Storage,
        meter: MeterSample | None,
        now: float,
    ) -> None:
        """Take the newest readings. `limit_w`, `since_s`: the strictest feed-in limit, None without one."""
        trifle_w = max(LEAST_W, PART * storage.inverters_w)
        possible = limit_w is not None and meter is not None and storage.room_w >= trifle_w
        if limit_w is None or meter is None or not possible or now < since_s + STANDS_S:
            self._withdraw()
            return
        if now < self._rests_until_s:
            return
        self.power_w = max(0.0, trifle_w - limit_w)
        if -meter.power_w <= limit_w + 0.5 * self.power_w:
            self._untaken_since_s = None
        elif self._untaken_since_s is None:
            self._untaken_since_s = meter.at_s
        elif meter.at_s - self._untaken_since_s >= TAKEN_WITHIN_S:
            self._withdraw()
            self._rests_until_s = now + REST_S

    def _withdraw(self) -> None:
        self.power_w = 0.0
        self._untaken_since_s = None
