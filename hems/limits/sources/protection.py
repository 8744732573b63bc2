"""What the grid connection itself can carry: house fuse, each phase, and the unbalance between phases. Pure.

These protect wires, not the grid operator's plans, so they hold for every device and need no order. Fuses are
bounds on current: what they carry in watts depends on the voltage.
"""

from dataclasses import dataclass, replace

from hems.limits.ceilings import Basis, Ceiling, CeilingKind, Fuse
from hems.limits.reason import Reason, watts

FUSE_SOURCE = "protection/fuse"
UNBALANCE_SOURCE = "protection/unbalance"
_PHASES = (Basis.PHASE_1, Basis.PHASE_2, Basis.PHASE_3)
_UNBALANCES = (Basis.UNBALANCE_1, Basis.UNBALANCE_2, Basis.UNBALANCE_3)


LEAST_VOLTAGE_V = 207.0
"""The lowest voltage of a public network in normal operation: 230 V less 10 % (EN 50160)."""


@dataclass(frozen=True, slots=True)
class GridFuse:
    """The fuse of each of `phases`, and the unbalance allowed for charging and storage (VDE-AR-N 4100).

    `least_voltage_v`: what a phase is taken to have while the meter does not show its voltage.
    """

    fuse_a: float
    phases: int = 3
    least_voltage_v: float = LEAST_VOLTAGE_V
    unbalance_w: float | None = 4_600.0

    def of(self, *lines: int) -> Fuse:
        """The fuse of some of its phases."""
        return Fuse(self.fuse_a, lines, len(lines) == self.phases, self.least_voltage_v)

    @property
    def whole(self) -> Fuse:
        """The fuse of all phases."""
        return self.of(*range(1, self.phases + 1))


def protection_ceilings(fuse: GridFuse, since_s: float) -> list[Ceiling]:
    """The ceilings; they never change. A connection with one phase has no unbalance."""
    text = f"the house fuse carries {fuse.phases} x {fuse.fuse_a:g} A"
    found = [_fuse(FUSE_SOURCE, fuse.whole, Basis.CONNECTION, text, since_s)]
    if fuse.phases == 1:
        return found
    for number, basis in enumerate(_PHASES, start=1):
        text = f"the fuse of phase {number} carries {fuse.fuse_a:g} A"
        found.append(_fuse(f"{FUSE_SOURCE}/{number}", fuse.of(number), basis, text, since_s))
    if fuse.unbalance_w is not None:
        for number, basis in enumerate(_UNBALANCES, start=1):
            text = f"at most {watts(fuse.unbalance_w)} of unbalance on phase {number} (VDE-AR-N 4100)"
            found.append(_ceiling(f"{UNBALANCE_SOURCE}/{number}", fuse.unbalance_w, basis, text, since_s))
    return found


def _fuse(source: str, fuse: Fuse, basis: Basis, text: str, since_s: float) -> Ceiling:
    return replace(_ceiling(source, fuse.least_w, basis, text, since_s), fuse=fuse)


def _ceiling(source: str, value_w: float, basis: Basis, text: str, since_s: float) -> Ceiling:
    reason = Reason("protection", text, {"limit_w": value_w})
    return Ceiling(source, value_w, basis, CeilingKind.PROTECTION, reason, since_s)
