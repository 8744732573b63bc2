"""Keeps every source's ceiling and names the one that binds.

Every ceiling is an upper bound and the strictest after conversion wins, so no source can raise what another
has lowered, and a release by one never releases another.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hems.limits.ceilings import Ceiling, CeilingKind
from hems.limits.reason import Reason

_RANK = {kind: rank for rank, kind in enumerate(CeilingKind)}
_GRID = frozenset({CeilingKind.GRID_OPERATOR, CeilingKind.SELF_IMPOSED})


class Arbiter:
    """All ceilings by source name."""

    def __init__(self) -> None:
        self._by_source: dict[str, Ceiling] = {}

    def put(self, ceiling: Ceiling) -> None:
        """Take a source's newest ceiling in place of its former one.

        Raises ValueError when another kind of source speaks under that name: a user's wish must never
        replace an order of the grid operator.
        """
        former = self._by_source.get(ceiling.source)
        if former is not None and _family(former) != _family(ceiling):
            raise ValueError(f"'{ceiling.source}' belongs to {former.kind}; {ceiling.kind} cannot replace it")
        self._by_source[ceiling.source] = ceiling

    def withdraw(self, source: str) -> None:
        """Forget a source that no longer exists; unknown names are ignored."""
        self._by_source.pop(source, None)

    def ceilings(self, now: float) -> tuple[Ceiling, ...]:
        """Every source's ceiling as it stands now, also those that bound nothing."""
        return tuple(ceiling.at(now) for ceiling in self._by_source.values())

    def in_force(self, now: float) -> tuple[Ceiling, ...]:
        """The ceilings that bound something now."""
        return tuple(c for c in self.ceilings(now) if c.value_w is not None)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A ceiling converted into device power: what its devices may take or produce together, in watts."""

    ceiling: Ceiling
    allowed_w: float
    reason: Reason


def strictest(allowances: Iterable[Allowance]) -> tuple[Allowance, ...]:
    """The binding allowance for each set of devices, strictest first.

    Equal values are decided by kind, then by age: the older bound was there first.
    """
    best: dict[frozenset[str] | None, Allowance] = {}
    for allowance in sorted(allowances, key=_strictness):
        best.setdefault(allowance.ceiling.devices, allowance)
    return tuple(best.values())


def _strictness(allowance: Allowance) -> tuple[float, int, float]:
    return allowance.allowed_w, _RANK[allowance.ceiling.kind], allowance.ceiling.since_s


def _family(ceiling: Ceiling) -> frozenset[CeilingKind]:
    return _GRID if ceiling.kind in _GRID else frozenset({ceiling.kind})
