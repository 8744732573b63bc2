"""The history of orders: one event per order with its steps, self-imposed phases apart."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from eebus.clock import Clock
from eebus.usecases.events import LimitKind, LimitStateChanged, OrderReceived
from eebus.usecases.limitation import Direction
from hems.control.progress import Milestone, Progress
from hems.journal.reading import Event
from hems.journal.record import Entry, RecordValue, Step
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import ReasonValue, watts
from hems.limits.sources.eebus import source_name
from hems.metering.energies import GRID_CONSUMED, GRID_FED_IN, Energies

_STEP_OF = {
    Milestone.DECIDED: Step.DECIDED,
    Milestone.FIRST_WRITE: Step.FIRST_WRITE,
    Milestone.CONFIRMED: Step.CONFIRMED,
    Milestone.MEASURED_BELOW: Step.MEASURED_BELOW,
    Milestone.MEASURED_ABOVE: Step.MEASURED_ABOVE,
}


_UNKNOWN = "unknown"
"""The direction of an order that could not be read."""


_Ordered = tuple[str, float | None, float | None]


@dataclass(slots=True)
class _Open:
    """An event that is not over. `instruction` counts the values that one order had one after another;
    `ordered`: who ordered what for how long, as far as the control box did.
    """

    event: UUID
    self_imposed: bool
    began_s: float
    instruction: int = 1
    ordered: _Ordered | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order to all controllable devices is to be read with: the minimum power that the configuration
    gives (None where none follows from it), and how generation is set off (`rules.convention`).
    """

    minimum_w: float | None
    convention: str

    def values(self, limit_w: float | None) -> dict[str, RecordValue]:
        """In record form; whether the limit is below the minimum is None where that is not known."""
        below = None if self.minimum_w is None else int(self._is_below(limit_w))
        return {
            "minimum_mw": _milli(self.minimum_w),
            "below_minimum": below,
            "convention": self.convention,
        }

    def remark(self, limit_w: float | None) -> str:
        """For people, to be added to the text of the order."""
        if self.minimum_w is None or not self._is_below(limit_w):
            return ""
        return f", below the minimum power of {watts(self.minimum_w)} that the configuration gives"

    def _is_below(self, limit_w: float | None) -> bool:
        limit_mw, minimum_mw = _milli(limit_w), _milli(self.minimum_w)
        return limit_mw is not None and minimum_mw is not None and limit_mw < minimum_mw


class OrderRecorder:
    """Hears of orders, states and progress, and appends records. Call `order_received` before
    `state_changed`, and both before control acts on the change.
    """

    def __init__(
        self,
        append: Callable[[Entry], None],
        clock: Clock,
        energies: Energies,
        terms: Terms,
        *,
        drill: bool = False,
        new_uuid: Callable[[], UUID] = uuid4,
    ) -> None:
        self._append = append
        self._clock = clock
        self._energies = energies
        self._terms = terms
        self._drill = drill
        self._new_uuid = new_uuid
        self._open: dict[str, _Open] = {}

    def close_unfinished(self, events: Iterable[Event]) -> None:
        """Mark the events that a gateway which died has left open; call once at the start."""
        for event in events:
            began_ms = event.steps[0].entry.unix_ms
            after_ms = max(0, self._unix_ms() - began_ms)
            text = "the gateway stopped working while this was open; see the next event"
            self._put(event.event, Step.INTERRUPTED, text, {}, after_ms)

    def order_received(self, order: OrderReceived) -> None:
        """The control box wrote a limit; accepted or not, it is evidence."""
        values = _order_values(order)
        if order.direction is None or not order.accepted:
            event = self._begin(self_imposed=False)
            self._step(event, Step.RECEIVED, _received(order), values)
            self._step(event, Step.REFUSED, order.reason, {"rule": order.rule})
            return
        source, text = source_name(order.direction), _received(order)
        if order.active and order.direction is Direction.CONSUMPTION:
            text += self._terms.remark(order.value_w)
            values |= self._terms.values(order.value_w)
        running = self._running_order(source)
        if running is None:
            self._new_order(source, order, text, values)
        elif order.active and running.ordered == _ordered(order):
            self._step(running, Step.RENEWED, f"{text}, as before", values)
        elif order.active:
            running.instruction += 1
            running.ordered = _ordered(order)
            self._step(running, Step.CHANGED, text, {**values, **self._readings()})
        else:
            self._step(running, Step.RECEIVED, text, values)

    def state_changed(self, change: LimitStateChanged) -> None:
        """A limit machine moved: events end, self-imposed phases begin."""
        source = source_name(change.direction)
        running = self._open.get(source)
        self_imposed = change.limit_kind is LimitKind.SELF_IMPOSED and change.effective_limit_w is not None
        ordered = change.limit_kind is LimitKind.GRID_OPERATOR and change.effective_limit_w is not None
        if running is not None and running.self_imposed and not self_imposed:
            self._end(source, Step.SELF_ENDED, change)
        elif running is not None and not running.self_imposed and not ordered:
            self._end(source, Step.RELEASED, change)
        if self_imposed and source not in self._open:
            began = self._open[source] = self._begin(self_imposed=True)
            self._step(began, Step.SELF_BEGAN, change.reason, _change_values(change))

    def ceiling_changed(self, ceiling: Ceiling) -> None:
        """A source other than the control box changed what it bounds. Orders of the grid operator and
        restrictions that nobody ordered are recorded, apart from each other; wishes and fuses are not.
        """
        source, text = ceiling.source, ceiling.reason.text
        values: dict[str, RecordValue] = {"source": source, "limit_mw": _milli(ceiling.value_w)}
        ordered = ceiling.kind is CeilingKind.GRID_OPERATOR and ceiling.value_w is not None
        self_imposed = ceiling.kind is CeilingKind.SELF_IMPOSED and ceiling.value_w is not None
        running = self._open.get(source)
        if running is not None and not (self_imposed if running.self_imposed else ordered):
            step = Step.SELF_ENDED if running.self_imposed else Step.RELEASED
            self._step(self._open.pop(source), step, text, {**values, **self._readings()})
            running = None
        if not ordered and not self_imposed:
            return
        if ordered and ceiling.basis is Basis.CONTROLLABLE and ceiling.devices is None:
            text += self._terms.remark(ceiling.value_w)
            values |= self._terms.values(ceiling.value_w)
        if running is not None:
            running.instruction += 1
            self._step(running, Step.CHANGED, text, {**values, **self._readings()})
            return
        began = self._open[source] = self._begin(self_imposed=self_imposed)
        first = Step.SELF_BEGAN if self_imposed else Step.RECEIVED
        self._step(began, first, text, {**values, **self._readings()})
        if ordered:
            self._step(began, Step.ACCEPTED, "a contact cannot be refused", {})

    def progress(self, progress: Progress) -> None:
        """Control has reached a step; it belongs to the open event of its source."""
        values = {
            "allowed_mw": round(progress.allowed_w * 1000),
            **_integers(progress.reason.values),
        }
        running = self._open.get(progress.source)
        if running is not None:
            self._step(running, _STEP_OF[progress.milestone], progress.reason.text, values)

    def stop(self) -> None:
        """The gateway stops: events that are open stay without a known end."""
        for running in self._open.values():
            text = "the gateway stops; the devices keep their set-points or fall to their own fallback"
            self._step(running, Step.INTERRUPTED, text, self._readings())
        self._open.clear()

    def _running_order(self, source: str) -> _Open | None:
        running = self._open.get(source)
        return None if running is None or running.self_imposed else running

    def _new_order(
        self, source: str, order: OrderReceived, text: str, values: dict[str, RecordValue]
    ) -> None:
        event = self._begin(self_imposed=False)
        self._step(event, Step.RECEIVED, text, {**values, **self._readings()})
        self._step(event, Step.ACCEPTED, order.reason, {"rule": order.rule})
        if not order.active:
            self._step(event, Step.RELEASED, "no limit was in force", {})
            return
        if source in self._open:
            self._step(self._open.pop(source), Step.SELF_ENDED, "an order took its place", {})
        event.ordered = _ordered(order)
        self._open[source] = event

    def _begin(self, *, self_imposed: bool) -> _Open:
        return _Open(self._new_uuid(), self_imposed, self._clock.monotonic())

    def _end(self, source: str, step: Step, change: LimitStateChanged) -> None:
        values = {**_change_values(change), **self._readings()}
        self._step(self._open.pop(source), step, change.reason, values)

    def _step(self, event: _Open, step: Step, text: str, values: Mapping[str, RecordValue]) -> None:
        after_ms = round((self._clock.monotonic() - event.began_s) * 1000)
        self._put(event.event, step, text, {**values, "instruction": event.instruction}, after_ms)

    def _put(
        self, event: UUID, step: Step, text: str, values: Mapping[str, RecordValue], after_ms: int
    ) -> None:
        self._append(Entry(step, event, self._unix_ms(), after_ms, text, values, self._drill))

    def _readings(self) -> dict[str, RecordValue]:
        """Meter readings belong to the start and the end of every instruction."""
        return {
            "grid_consumed_mwh": _milli(self._energies.total_wh(GRID_CONSUMED)),
            "grid_fed_in_mwh": _milli(self._energies.total_wh(GRID_FED_IN)),
        }

    def _unix_ms(self) -> int:
        return round(self._clock.utc_now().timestamp() * 1000)


def _ordered(order: OrderReceived) -> _Ordered:
    return order.peer_ski, order.value_w, order.duration_s


def _received(order: OrderReceived) -> str:
    if order.direction is None:
        return "the control box wrote a limit that cannot be read"
    if not order.active:
        return f"the control box lifts its limit on {order.direction}"
    value = "no value" if order.value_w is None else f"{order.value_w:.0f} W"
    if order.wrong_sign_w is not None:
        value = f"{order.wrong_sign_w:+.0f} W as written"
    lasting = "" if order.duration_s is None else f" for {order.duration_s:.0f} s"
    if not order.duration_readable:
        lasting = " for a time that cannot be read"
    return f"the control box limits {order.direction} to {value}{lasting}"


def _order_values(order: OrderReceived) -> dict[str, RecordValue]:
    """`written_mw` is there only for a wrong sign: the value as it stood on the wire."""
    written = {} if order.wrong_sign_w is None else {"written_mw": _milli(order.wrong_sign_w)}
    return {
        **written,
        "direction": _UNKNOWN if order.direction is None else order.direction.value,
        "peer_ski": order.peer_ski,
        "msg_counter": order.msg_counter,
        "value_mw": _milli(order.value_w),
        "active": int(order.active),
        "duration_ms": _milli(order.duration_s),
    }


def _change_values(change: LimitStateChanged) -> dict[str, RecordValue]:
    return {
        "direction": change.direction.value,
        "before": change.before.value,
        "after": change.after.value,
        "rule": change.rule,
        "limit_mw": _milli(change.effective_limit_w),
    }


def _integers(values: Mapping[str, ReasonValue]) -> dict[str, RecordValue]:
    """Figures of a reason in record form: watts become milliwatts, the rest must be integers or text."""
    return {
        name.removesuffix("_w") + "_mw" if name.endswith("_w") else name: _integer(name, value)
        for name, value in values.items()
    }


def _integer(name: str, value: ReasonValue) -> RecordValue:
    if value is None or isinstance(value, str):
        return value
    return round(value * 1000) if name.endswith("_w") else round(value)


def _milli(value: float | None) -> int | None:
    return None if value is None else round(value * 1000)
