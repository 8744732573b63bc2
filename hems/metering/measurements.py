"""The newest readings of the meter and the devices, with their age: one place for control and reporting."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hems.devices import DeviceSample, Direction, MeterSample

METER_AGE_S = 5.0
"""Age from which the grid meter is not trusted any more."""
PAIRING_S = 1.0
"""Most that a device's reading and the meter's may lie apart to be used together."""
_KEPT = 8


class Quality(StrEnum):
    """How much a value is worth."""

    GOOD = "good"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class PairedReading:
    """Grid power and device power taken together.

    `grid_w`: signed. `least_w`, `most_w`: what the devices drew or produced then, in one direction, by their
    lowest and highest reading close to the meter's; a device without such a reading counts zero. `taken_s`:
    time of the oldest reading used.
    """

    grid_w: float
    least_w: float
    most_w: float
    taken_s: float


class Measurements:
    """Readings by name; a few are kept so that meter and devices can be compared at the same moment."""

    def __init__(self) -> None:
        self._meter: deque[MeterSample] = deque(maxlen=_KEPT)
        self._devices: dict[str, deque[DeviceSample]] = {}

    def put_meter(self, sample: MeterSample) -> None:
        """Take a reading of the grid meter."""
        self._meter.append(sample)

    def put_device(self, name: str, sample: DeviceSample) -> None:
        """Take a reading of a device."""
        self._devices.setdefault(name, deque(maxlen=_KEPT)).append(sample)

    def meter(self) -> MeterSample | None:
        """The newest reading of the grid meter, however old."""
        return self._meter[-1] if self._meter else None

    def meter_quality(self, now: float) -> Quality:
        """What the newest reading of the grid meter is worth."""
        newest = self.meter()
        if newest is None:
            return Quality.MISSING
        return Quality.GOOD if now - newest.at_s <= METER_AGE_S else Quality.STALE

    def device(self, name: str) -> DeviceSample | None:
        """The newest reading of a device, however old."""
        samples = self._devices.get(name)
        return samples[-1] if samples else None

    def paired(self, direction: Direction, names: Iterable[str], now: float) -> PairedReading | None:
        """Grid and device power at one moment, as new as possible; None without a fresh meter.

        The newest meter reading for which every measured device has one close to it is taken, so that a
        device read half a second later does not look as if it had stopped.
        """
        if self.meter_quality(now) is not Quality.GOOD:
            return None
        measured = [name for name in names if self._measures(name, now)]
        fresh = [m for m in reversed(self._meter) if now - m.at_s <= METER_AGE_S]
        for meter in fresh:
            if all(self._near(name, meter.at_s) for name in measured):
                return self._combine(direction, measured, meter)
        return self._combine(direction, measured, fresh[0])

    def between_w(self, direction: Direction, name: str, at_s: float) -> tuple[float, float] | None:
        """The lowest and highest power of a device close to a moment; None when it was not read then."""
        near = [magnitude(direction, sample.power_w) for sample in self._near(name, at_s)]
        return (min(near), max(near)) if near else None

    def _measures(self, name: str, now: float) -> bool:
        newest = self.device(name)
        return newest is not None and newest.power_w is not None and now - newest.at_s <= METER_AGE_S

    def _near(self, name: str, at_s: float) -> list[DeviceSample]:
        return [
            s
            for s in self._devices.get(name, ())
            if abs(s.at_s - at_s) <= PAIRING_S and s.power_w is not None
        ]

    def _combine(self, direction: Direction, names: list[str], meter: MeterSample) -> PairedReading:
        least_w, most_w, taken_s = 0.0, 0.0, meter.at_s
        for name in names:
            for_device = [(magnitude(direction, s.power_w), s.at_s) for s in self._near(name, meter.at_s)]
            least_w += min((power_w for power_w, _ in for_device), default=0.0)
            most_w += max((power_w for power_w, _ in for_device), default=0.0)
            taken_s = min(taken_s, *(at_s for _, at_s in for_device), meter.at_s)
        return PairedReading(meter.power_w, least_w, most_w, taken_s)


def magnitude(direction: Direction, power_w: float | None) -> float:
    """The part of a signed power that flows in one direction; nothing when it is unknown."""
    signed_w = power_w or 0.0
    return max(0.0, signed_w if direction is Direction.CONSUMPTION else -signed_w)
