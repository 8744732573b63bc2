"""Energy counters that never run backwards and survive restarts. Pure."""

from dataclasses import dataclass, replace

LONGEST_GAP_S = 60.0
"""Power is not assumed to have lasted over a longer gap between two readings: energy is never invented."""
LARGEST_POWER_W = 100_000.0
"""More than a house connection carries; a counter that grows faster shows a misreading."""
CONFIRMATIONS = 3
"""Readings in a row after which an unlikely counter (reset, replaced device) is taken as the new base."""


@dataclass(frozen=True, slots=True)
class EnergyCounter:
    """One counter in watt hours.

    `total_wh`: what is reported. `base_wh`: last accepted reading of the device's own counter, None when the
    energy is integrated from power. `unix_s`: date of the last change, to judge growth over a restart.
    `odd_wh`, `odd_readings`: an unlikely reading that is being watched, and how often it was seen in a row.
    """

    total_wh: float = 0.0
    base_wh: float | None = None
    unix_s: float | None = None
    odd_wh: float | None = None
    odd_readings: int = 0

    def read(self, device_wh: float, unix_s: float) -> "EnergyCounter":
        """Follow the device's own counter; the first reading is adopted as it is when it is ahead."""
        if self.base_wh is None:
            return EnergyCounter(max(self.total_wh, device_wh), device_wh, unix_s)
        growth_wh = device_wh - self.base_wh
        if 0.0 <= growth_wh <= self._most_wh(unix_s):
            return EnergyCounter(self.total_wh + growth_wh, device_wh, unix_s)
        return self._watch(device_wh, unix_s)

    def integrate(self, power_w: float, elapsed_s: float, unix_s: float) -> "EnergyCounter":
        """Add the energy of a power (>= 0) that lasted since the last reading; gaps add nothing."""
        if not 0.0 < elapsed_s <= LONGEST_GAP_S or power_w <= 0.0:
            return self
        return replace(self, total_wh=self.total_wh + power_w * elapsed_s / 3600.0, unix_s=unix_s)

    def _most_wh(self, unix_s: float) -> float:
        elapsed_s = 0.0 if self.unix_s is None else max(0.0, unix_s - self.unix_s)
        return LARGEST_POWER_W * (elapsed_s + LONGEST_GAP_S) / 3600.0

    def _watch(self, device_wh: float, unix_s: float) -> "EnergyCounter":
        again = self.odd_wh is not None and 0.0 <= device_wh - self.odd_wh <= self._most_wh(unix_s)
        readings = self.odd_readings + 1 if again else 1
        if readings < CONFIRMATIONS:
            return replace(self, odd_wh=device_wh, odd_readings=readings)
        return EnergyCounter(self.total_wh, device_wh, unix_s)
