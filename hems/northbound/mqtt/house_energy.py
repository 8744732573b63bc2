"""The energy that the house takes: what its counters have grown by since the gateway started.

Counters begin anywhere: the sum of what they show would step whenever one of them comes or goes, and Home
Assistant would take the step for consumption. Their growth has no such step.
"""

from collections.abc import Iterator, Mapping

from hems.devices import Kind
from hems.metering.energies import GRID_CONSUMED, GRID_FED_IN
from hems.metering.energy import LARGEST_POWER_W
from hems.northbound.moment import Moment

ALLOWANCE_S = 3600.0
"""A counter that was not looked at for so long may have grown by that much more: the gateway was off."""


class HouseEnergy:
    """Begins at 0 with each start; Home Assistant takes that for a new beginning (`total_increasing`)."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, float]] = {}
        self._net_wh = 0.0
        self._most_wh = 0.0

    def at(self, moment: Moment) -> float | None:
        """Watt hours since the start; None until every counter of the sum is there.

        It never falls: where counters have coarser steps than others, it waits for them.
        """
        signs, energies_wh = dict(_signs(moment)), moment.energies_wh
        if not signs.keys() <= energies_wh.keys():
            return None
        growth_wh = self._growth_wh(energies_wh, moment.instant.now_s)
        self._net_wh += sum(sign * growth_wh.get(name, 0.0) for name, sign in signs.items())
        self._most_wh = max(self._most_wh, self._net_wh)
        return self._most_wh

    def _growth_wh(self, energies_wh: Mapping[str, float], now_s: float) -> dict[str, float]:
        """By how much each counter has grown; what no house can draw is another counter."""
        growth_wh = {}
        for name, energy_wh in energies_wh.items():
            before_wh, since_s = self._seen.get(name, (energy_wh, now_s))
            grown_wh = energy_wh - before_wh
            if 0.0 < grown_wh <= LARGEST_POWER_W * (now_s - since_s + ALLOWANCE_S) / 3600.0:
                growth_wh[name] = grown_wh
            if grown_wh or name not in self._seen:
                self._seen[name] = (energy_wh, now_s)
        return growth_wh


def _signs(moment: Moment) -> Iterator[tuple[str, float]]:
    """The counters of the sum: grid, inverters and batteries."""
    yield GRID_CONSUMED, 1.0
    yield GRID_FED_IN, -1.0
    for device in moment.control.devices:
        if device.kind in (Kind.INVERTER, Kind.BATTERY):
            yield f"{device.name}/produced", 1.0
            yield f"{device.name}/consumed", -1.0
