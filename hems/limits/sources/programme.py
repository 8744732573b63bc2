"""Time programmes: limits that people set for parts of the week. They need no connection at all. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason, watts
from hems.limits.sources.time_window import TimeWindow


@dataclass(frozen=True, slots=True)
class Programme:
    """In its windows `value_w` bounds what `basis` names; `devices` None means all."""

    name: str
    windows: tuple[TimeWindow, ...]
    basis: Basis
    value_w: float
    devices: frozenset[str] | None = None


class ProgrammeSource:
    """One programme. `local_now`: the local time of the house."""

    def __init__(self, programme: Programme, local_now: Callable[[], datetime]) -> None:
        self._programme = programme
        self._local_now = local_now
        self._told_window: TimeWindow | None = None
        self._told = False

    def due(self, now: float) -> list[Ceiling]:
        """Its ceiling, when another part of the week has begun."""
        local = self._local_now()
        window = next((w for w in self._programme.windows if w.contains(local)), None)
        if self._told and window == self._told_window:
            return []
        self._told, self._told_window = True, window
        return [self._ceiling(window, now)]

    def _ceiling(self, window: TimeWindow | None, now: float) -> Ceiling:
        programme = self._programme
        value_w = None if window is None else programme.value_w
        return Ceiling(
            source=f"programme/{programme.name}",
            value_w=value_w,
            basis=programme.basis,
            kind=CeilingKind.USER,
            reason=_explain(programme, window),
            since_s=now,
            devices=programme.devices,
        )


def _explain(programme: Programme, window: TimeWindow | None) -> Reason:
    if window is None:
        return Reason("programme_idle", f"the programme {programme.name} limits nothing at this time")
    text = f"the programme {programme.name} ({window}) limits to {watts(programme.value_w)}"
    return Reason("programme", text, {"programme": programme.name, "limit_w": programme.value_w})
