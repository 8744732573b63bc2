"""The gateway as it stands at one moment: what every way of showing it is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from eebus.usecases.controllable_system import ControllableSystemStatus
from hems.control.status import ControlStatus
from hems.northbound.view import Instant


@dataclass(frozen=True, slots=True)
class Moment:
    """`energies_wh`: the counters as they are on disk, so that they never run backwards after a crash.

    `own_limit_w`: what people have set, None without. `warnings`: what needs attention, in plain words.
    """

    instant: Instant
    started_at: datetime
    system: ControllableSystemStatus
    control: ControlStatus
    energies_wh: Mapping[str, float]
    box_connected: bool
    own_limit_w: float | None
    warnings: tuple[str, ...]
