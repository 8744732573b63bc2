"""What happens at a Steuerbox, in plain words."""

from collections.abc import Iterable, Mapping

from eebus.ids import Ski
from eebus.io.events import (
    ConnectionEnded,
    PairingRequested,
    PeerConnected,
    PeerDisconnected,
    PeerNotReached,
    PeerRemovedPairing,
    PinDemanded,
)
from eebus.usecases.controllable_view import ControllableSystemView, RemoteLimit
from eebus.usecases.energy_guard import SystemChanged, SystemReady
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity
from eebus.usecases.monitoring_reader import MeasurementReceived
from hems.cli.words import flow, power, span


class Teller:
    """Turns events into lines; says of a view only what is new, and each trouble once."""

    def __init__(self) -> None:
        self.watches = False
        self._troubles: dict[Ski, str] = {}
        self._shown: dict[Ski, tuple[str, ...]] = {}

    def lines(self, event: object) -> tuple[str, ...]:
        """The lines for one event; none for what people need not know."""
        match event:
            case PairingRequested(ski, address):
                return (f"{ski} at {address} calls and wants to be trusted: pair {ski}",)
            case PeerNotReached(ski, text):
                self._troubles[ski] = text
                return (f"{_short(ski)} is not connected: {text}",)
            case PeerConnected(ski):
                self._troubles.pop(ski, None)
                return (f"connected with {_short(ski)} at {event.address} ({event.direction.value})",)
            case PeerDisconnected(ski):
                self._shown.pop(ski, None)
                return (f"the connection with {_short(ski)} is gone",)
            case ConnectionEnded(ski, _, text) if not event.silent and self._troubles.get(ski) != text:
                return (f"a connection with {_short(event.ski)} ended: {event.text}",)
            case PeerRemovedPairing(ski):
                return (f"{_short(ski)} has removed this Steuerbox; pair it anew on both sides",)
            case PinDemanded(ski):
                return (f"{_short(ski)} demands a PIN, which this Steuerbox cannot give",)
            case SystemReady(ski):
                return (f"{_short(ski)} is ready: limits can be written",)
            case SystemChanged(view):
                return self._news(view)
            case MeasurementReceived() if self.watches:
                place = "grid connection point" if "GridConnection" in event.use_case else "unit"
                entity = ".".join(map(str, event.entity))
                return (f"{place} [{entity}] {event.quantity}: {measured(event.quantity, event.value)}",)
        return ()

    def _news(self, view: ControllableSystemView) -> tuple[str, ...]:
        lines = tuple(view_lines(view))
        before = self._shown.get(view.ski, ())
        self._shown[view.ski] = lines
        return tuple(f"{_short(view.ski)} shows {line}" for line in lines if line not in before)


def view_lines(view: ControllableSystemView) -> Iterable[str]:
    """Limits, failsafe values and maxima of a system, one a line."""
    for direction, limit in view.limits.items():
        yield f"{direction} limit: {_limit(limit)}"
    for direction, value_w in view.failsafe_w.items():
        yield f"{direction} failsafe limit: {power(value_w)}"
    if view.failsafe_duration_s is not None:
        yield f"failsafe duration: {span(view.failsafe_duration_s)}"
    for direction, value_w in view.maxima_w.items():
        yield f"{direction} maximum: {power(value_w)}"


def view_numbers(view: ControllableSystemView) -> Mapping[str, object]:
    """The same as exact numbers, by direction."""
    directions = dict.fromkeys((*view.limits, *view.failsafe_w, *view.maxima_w))
    numbers: dict[str, object] = {}
    for direction in directions:
        limit = view.limits.get(direction)
        numbers[direction.value] = {
            "limit_w": limit.value_w if limit else None,
            "active": limit.active if limit else None,
            "failsafe_w": view.failsafe_w.get(direction),
            "maximum_w": view.maxima_w.get(direction),
        }
    return {**numbers, "failsafe_duration_s": view.failsafe_duration_s}


def value_lines(
    place: str, values: Mapping[Quantity, float], disturbed_s: Mapping[Quantity, float]
) -> Iterable[str]:
    """Measured values, one a line; of those that are disturbed for how long they have been."""
    for quantity, value in values.items():
        yield f"{place} {quantity}: {measured(quantity, value)}"
    for quantity, length_s in disturbed_s.items():
        yield f"{place} {quantity}: disturbed for {span(length_s)}"


def measured(quantity: Quantity, value: float) -> str:
    """A measured value with its unit."""
    kind = quantity.value.partition("_")[0]
    if kind == "power":
        return flow(value)
    unit = {"energy": "Wh", "current": "A", "voltage": "V", "frequency": "Hz"}.get(kind, "%")
    return f"{value:g} {unit}"


def written(direction: Direction, value_w: float, duration_s: float | None) -> str:
    """A limit as it is about to be written."""
    end = "without end" if duration_s is None else f"for {span(duration_s)}"
    return f"{direction} limit {power(value_w)} {end}"


def _limit(limit: RemoteLimit) -> str:
    value = "no value" if limit.value_w is None else power(limit.value_w)
    end = f", end {limit.end_time}" if limit.end_time else ""
    return f"{value}, {'active' if limit.active else 'not active'}{end}"


def _short(ski: Ski) -> str:
    return ski[:8]
