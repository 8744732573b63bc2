"""What the grid connection itself can carry: house fuse, each phase, and the unbalance between phases. Pure.

These protect wires, not the grid operator's plans, so they hold for every device and need no order.
"""

from dataclasses import dataclass

from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason, watts

FUSE_SOURCE = "protection/fuse"
UNBALANCE_SOURCE = "protection/unbalance"
_PHASES = (Basis.PHASE_1, Basis.PHASE_2, Basis.PHASE_3)
_UNBALANCES = (Basis.UNBALANCE_1, Basis.UNBALANCE_2, Basis.UNBALANCE_3)


@dataclass(frozen=True, slots=True)
class GridFuse:
    """The fuse of each of `phases`, and the unbalance allowed for charging and storage (VDE-AR-N 4100).

    `voltage_v`: the least that a phase is assumed to have, so that watts stand for amperes on the safe side.
    """

    fuse_a: float
    phases: int = 3
    voltage_v: float = 230.0
    unbalance_w: float | None = 4_600.0

    @property
    def phase_w(self) -> float:
        """What one phase carries."""
        return self.fuse_a * self.voltage_v


def protection_ceilings(fuse: GridFuse, since_s: float) -> list[Ceiling]:
    """The ceilings; they never change. A connection with one phase has no unbalance."""
    found = [
        _ceiling(
            FUSE_SOURCE,
            fuse.phases * fuse.phase_w,
            Basis.CONNECTION,
            f"the house fuse carries {fuse.phases} x {fuse.fuse_a:g} A",
            since_s,
        )
    ]
    if fuse.phases == 1:
        return found
    for number, basis in enumerate(_PHASES, start=1):
        text = f"the fuse of phase {number} carries {fuse.fuse_a:g} A"
        found.append(_ceiling(f"{FUSE_SOURCE}/{number}", fuse.phase_w, basis, text, since_s))
    if fuse.unbalance_w is not None:
        for number, basis in enumerate(_UNBALANCES, start=1):
            text = f"at most {watts(fuse.unbalance_w)} of unbalance on phase {number} (VDE-AR-N 4100)"
            found.append(_ceiling(f"{UNBALANCE_SOURCE}/{number}", fuse.unbalance_w, basis, text, since_s))
    return found


def _ceiling(source: str, value_w: float, basis: Basis, text: str, since_s: float) -> Ceiling:
    reason = Reason("protection", text, {"limit_w": value_w})
    return Ceiling(source, value_w, basis, CeilingKind.PROTECTION, reason, since_s)
