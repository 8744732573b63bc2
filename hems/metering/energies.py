"""All energy counters of the house by name, fed by the same readings that control uses."""

from collections.abc import Mapping

from hems.devices import DeviceSample, Direction, MeterSample
from hems.metering.energy import EnergyCounter
from hems.metering.measurements import magnitude

GRID_CONSUMED = "grid/consumed"
GRID_FED_IN = "grid/fed_in"


class Energies:
    """Counters by name; each follows the device's own counter where it has one, else it is integrated."""

    def __init__(self, stored: Mapping[str, EnergyCounter] | None = None) -> None:
        self._counters = dict(stored or {})
        self._last_s: dict[str, float] = {}

    def put_meter(self, sample: MeterSample, unix_s: float) -> None:
        """Take a reading of the grid meter."""
        consumed_w = magnitude(Direction.CONSUMPTION, sample.power_w)
        fed_in_w = magnitude(Direction.PRODUCTION, sample.power_w)
        self._advance(GRID_CONSUMED, sample.energy_consumed_wh, consumed_w, sample.at_s, unix_s)
        self._advance(GRID_FED_IN, sample.energy_fed_in_wh, fed_in_w, sample.at_s, unix_s)

    def put_device(self, name: str, sample: DeviceSample, unix_s: float) -> None:
        """Take a reading of a device."""
        if sample.power_w is None and sample.energy_consumed_wh is None and sample.energy_produced_wh is None:
            return
        drawn_w = magnitude(Direction.CONSUMPTION, sample.power_w)
        produced_w = magnitude(Direction.PRODUCTION, sample.power_w)
        self._advance(f"{name}/consumed", sample.energy_consumed_wh, drawn_w, sample.at_s, unix_s)
        self._advance(f"{name}/produced", sample.energy_produced_wh, produced_w, sample.at_s, unix_s)

    def counters(self) -> dict[str, EnergyCounter]:
        """A copy of all counters, for storage and reports."""
        return dict(self._counters)

    def total_wh(self, name: str) -> float | None:
        """One counter; None when nothing was ever counted under that name."""
        counter = self._counters.get(name)
        return None if counter is None else counter.total_wh

    def _advance(self, name: str, own_wh: float | None, power_w: float, at_s: float, unix_s: float) -> None:
        counter = self._counters.get(name, EnergyCounter())
        last_s = self._last_s.get(name)
        self._last_s[name] = at_s
        if own_wh is not None:
            self._counters[name] = counter.read(own_wh, unix_s)
        elif counter.base_wh is None and last_s is not None:
            self._counters[name] = counter.integrate(power_w, at_s - last_s, unix_s)
