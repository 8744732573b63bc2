"""The buttons and displays of our own devices, whatever carries them."""

from collections.abc import Callable, Mapping

from eebus.conformance.device import LimitDisplay, LimitOrder, NotPossible
from eebus.conformance.own import Composition
from eebus.errors import LocalError
from eebus.ids import Ski
from eebus.spine.stack import Turn
from eebus.usecases.energy_guard import Limit
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading

Action = Callable[[Turn], object]


def act_measure(composition: Composition, use_case: str, sample: Mapping[Quantity, Reading]) -> Action:
    """Publish new readings."""
    meter = composition.meters.get(use_case)
    if meter is None:
        raise NotPossible(f"the device reports nothing by {use_case}")
    return lambda turn: meter.publish(sample, turn)


def act_order(composition: Composition, order: LimitOrder) -> Action:
    """Let the energy guard write a limit."""
    guard = composition.guard
    if guard is None:
        raise NotPossible("the device is no energy guard")
    limit = Limit(order.active, order.value_w, order.duration_s)
    return lambda turn: _tolerant(lambda: guard.write_limit(order.direction, limit, turn))


def act_order_failsafe(
    composition: Composition, direction: Direction, limit_w: float | None, duration_s: float | None
) -> Action:
    """Let the energy guard write failsafe values."""
    guard = composition.guard
    if guard is None:
        raise NotPossible("the device is no energy guard")
    limits_w = {} if limit_w is None else {direction: limit_w}
    return lambda turn: _tolerant(
        lambda: guard.write_failsafe(turn, limits_w=limits_w, duration_s=duration_s)
    )


def _tolerant(write: Callable[[], int]) -> None:
    """A trigger that comes while no partner is ready has no effect; the case sees that nothing is written."""
    try:
        write()
    except LocalError:
        return


def show_limit(composition: Composition, direction: Direction, now: float) -> LimitDisplay:
    """What the inspection interface shows."""
    if composition.system is None:
        raise NotPossible("the device is no controllable system")
    status = composition.system.status(now)
    shown = status.consumption if direction is Direction.CONSUMPTION else status.production
    if shown is None:
        raise NotPossible(f"the device does not limit its {direction}")
    return LimitDisplay(shown.state, shown.effective_limit_w)


def held(composition: Composition, use_case: str, ski: Ski) -> Mapping[Quantity, float]:
    """The values that the monitoring appliance holds."""
    reader = composition.readers.get(use_case)
    if reader is None:
        raise NotPossible(f"the device reads nothing by {use_case}")
    return reader.values(ski)
