"""The 267 official test cases as data: ``catalogue.csv``, in the order of the official documents."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

LAYERS: Final = ("SHIP", "SPINE", "LPC", "LPP", "MPC", "MGCP")
TOTAL: Final = 267


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEntry:
    """One official case."""

    id: str
    layer: str
    group: str
    title: str
    dut_role: str
    """SHIP: ``server``, ``client``, ``server+client`` (at once), ``server|client`` (either). SPINE:
    ``special`` (every device) or ``actor/role``. Use cases: the actor under test.
    """
    mandatory: str
    """``M``; ``conditional``: mandatory once the function is declared; ``O``: never required."""
    condition: str
    """The declarations that make the case not applicable (see ``sheet.excluding``)."""
    requirements: tuple[str, ...]
    clock_s: float
    """Estimate of one run on a real clock with a quick device."""
    stimulus_and_pass: str

    @property
    def actor(self) -> str | None:
        """The actor that a device must play for this case to concern it; None: every device."""
        if self.layer == "SHIP" or self.dut_role == "special":
            return None
        return self.dut_role.partition("/")[0]


@cache
def catalogue() -> Mapping[str, CaseEntry]:
    """All cases by their id."""
    text = resources.files(__package__).joinpath("catalogue.csv").read_text(encoding="utf-8")
    entries = [_entry(row) for row in csv.DictReader(text.splitlines())]
    return {entry.id: entry for entry in entries}


def _entry(row: Mapping[str, str]) -> CaseEntry:
    return CaseEntry(
        id=row["id"],
        layer=row["layer"],
        group=row["group"],
        title=row["title"],
        dut_role=row["dut_role"],
        mandatory=row["mandatory"],
        condition=row["condition"],
        requirements=tuple(row["requirements"].split()),
        clock_s=float(row["clock"]),
        stimulus_and_pass=row["stimulus_and_pass"],
    )
