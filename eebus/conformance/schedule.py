"""Which case runs when, where several lanes work side by side in real time. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from eebus.conformance.all_cases import case_codes
from eebus.conformance.catalogue import CaseEntry
from eebus.conformance.sheet import Declared, Sheet

LONG_S: Final = 3600.0
"""A case that takes longer gets a lane of its own."""


@dataclass(frozen=True, slots=True)
class Job:
    """One case on one device."""

    entry: CaseEntry
    device: str
    expected_s: float

    @property
    def is_long(self) -> bool:
        """Whether it would hold up a lane that has other cases to run."""
        return self.expected_s > LONG_S


def expected_s(entry: CaseEntry, sheet: Sheet) -> float:
    """How long a case takes in real time, over all data sets that are run there."""
    code = case_codes()[entry.id]
    runs = code.data_sets(exhaustive=False, has_server=sheet.says("SHIP", "PAR_shipSvc"))
    return entry.clock_s * len(runs)


def jobs_of(entries: Iterable[CaseEntry], devices: Sequence[Declared]) -> list[Job]:
    """Each case on the first device to which it applies, the longest first; the others are left out."""
    jobs = []
    for entry in entries:
        device = next((device for device in devices if device.sheet.why_not(entry) is None), None)
        if device is not None:
            jobs.append(Job(entry, device.name, expected_s(entry, device.sheet)))
    return sorted(jobs, key=lambda job: -job.expected_s)


def lanes_of(jobs: Sequence[Job], lanes: int) -> tuple[list[Job], list[Job]]:
    """With what each lane begins, and what is then taken by the lane that is free first.

    Long cases have lanes of their own beside the ``lanes`` others.
    """
    long = [job for job in jobs if job.is_long]
    short = [job for job in jobs if not job.is_long]
    return [*long, *short[:lanes]], short[lanes:]
