"""One table for all figures, with what the design wants held."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Explain = Callable[[], str]
MISSED = "MISSED"


@dataclass(frozen=True, slots=True)
class Target:
    """What to hold and what to aim at, and which side of it is good."""

    hold: float
    aim: float
    good: Literal["low", "high"] = "low"

    def verdict(self, value: float) -> str:
        """Say in one word where the value stands."""
        if self._within(value, self.aim):
            return "aim"
        return "held" if self._within(value, self.hold) else MISSED

    def _within(self, value: float, bound: float) -> bool:
        return value <= bound if self.good == "low" else value >= bound


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: ours, the same of the Go stack when it can do it, and the number that the target is about."""

    what: str
    ours: str
    reference: str
    judged: float
    target: Target
    unit: str = ""
    explain: Explain | None = None
    """Tells where the time goes; asked when the figure is missed."""

    @classmethod
    def ratio(
        cls,
        what: str,
        ours: Sequence[float],
        reference: Sequence[float],
        unit: str,
        target: Target,
        explain: Explain | None = None,
    ) -> Figure:
        """Build a row from alternating rounds: the ratio of the medians, ours to the reference."""
        own, other = statistics.median(ours), statistics.median(reference)
        return cls(what, f"{own:.4g} {unit}", f"{other:.4g} {unit}", own / other, target, "×", explain)

    @classmethod
    def absolute(
        cls, what: str, value: float, unit: str, target: Target, explain: Explain | None = None
    ) -> Figure:
        """Build a row for what only we do."""
        return cls(what, f"{value:.4g} {unit}", "", value, target, unit, explain)

    @property
    def verdict(self) -> str:
        """Where it stands."""
        return self.target.verdict(self.judged)


def render(figures: Sequence[Figure]) -> str:
    """Lay the rows out as a Markdown table, which also reads well in a terminal."""
    head = ("What", "Ours", "Go", "Ours : Go, or value", "Hold", "Aim", "Stands")
    rows = [head, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, _line(tuple("-" * width for width in widths), widths))
    return "\n".join(lines)


def _cells(figure: Figure) -> tuple[str, ...]:
    sign = "≤" if figure.target.good == "low" else "≥"
    return (
        figure.what,
        figure.ours,
        figure.reference,
        f"{figure.judged:.3g} {figure.unit}".rstrip(),
        f"{sign} {figure.target.hold:g}",
        f"{sign} {figure.target.aim:g}",
        figure.verdict,
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"
