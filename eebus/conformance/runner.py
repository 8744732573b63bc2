"""Runs cases on devices: which case on which device, each data set on its own, and the verdict."""

import fnmatch
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from eebus.conformance.all_cases import case_codes
from eebus.conformance.catalogue import CaseEntry, catalogue
from eebus.conformance.device import DeviceUnderTest, NotPossible, RefusedInTls
from eebus.conformance.registry import CaseCode
from eebus.conformance.sheet import Sheet
from eebus.conformance.stage import Stage
from eebus.conformance.verdict import CaseEnded, Frame, Verdict, worst

_log = logging.getLogger(__name__)

DeviceMaker = Callable[[], AbstractAsyncContextManager[DeviceUnderTest]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device that cases can run on, and what is declared about it."""

    name: str
    backend: str
    sheet: Sheet
    make: DeviceMaker
    exhaustive: bool
    """Run every alternative where one would do; for simulated time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a case with one data set."""

    target: str
    backend: str
    data_set: str
    verdict: Verdict
    text: str
    seconds: float
    """On the clock of the device."""
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What became of one official case."""

    entry: CaseEntry
    runs: tuple[Run, ...]
    why_not: str = ""
    """The declarations that make it not applicable."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all runs."""
        if not self.runs:
            return Verdict.NOT_APPLICABLE
        return worst(*(run.verdict for run in self.runs))


def chosen_entries(patterns: Sequence[str] = ()) -> list[CaseEntry]:
    """The cases whose id matches one of the patterns (``TC_SHIP_*``); without patterns all."""
    entries = catalogue().values()
    if not patterns:
        return list(entries)
    return [entry for entry in entries if any(fnmatch.fnmatch(entry.id, pattern) for pattern in patterns)]


def targets_for(entry: CaseEntry, targets: Iterable[Target]) -> list[Target]:
    """The targets of the first device to which the case applies: one for each of its backends."""
    applicable = [target for target in targets if target.sheet.why_not(entry) is None]
    return [target for target in applicable if target.name == applicable[0].name]


async def run_case(entry: CaseEntry, targets: Sequence[Target]) -> CaseResult:
    """Run a case with all its data sets on each of the targets."""
    code = case_codes()[entry.id]
    runs = [
        await _run(entry, code, target, data_set)
        for target in targets
        for data_set in code.data_sets(
            exhaustive=target.exhaustive, has_server=target.sheet.says("SHIP", "PAR_shipSvc")
        )
    ]
    return CaseResult(entry=entry, runs=tuple(runs))


async def _run(entry: CaseEntry, code: CaseCode, target: Target, data_set: str) -> Run:
    verdict, text = Verdict.PASSED, ""
    frames: list[Frame] = []
    seconds = 0.0
    try:
        async with target.make() as dut:
            frames, began_at = dut.frames, dut.now()
            try:
                await code.function(Stage(entry, dut, target.sheet, data_set))
            except CaseEnded as ended:
                verdict, text = ended.verdict, str(ended)
            except TimeoutError:
                verdict, text = Verdict.FAILED, "the device did not dial the tester in time"
            except (NotPossible, RefusedInTls, ConnectionError) as error:
                verdict, text = Verdict.INCONCLUSIVE, str(error)
            seconds = dut.now() - began_at
    except NotPossible as error:  # before the case could begin: the tester is not even trusted
        verdict, text = Verdict.INCONCLUSIVE, str(error)
    except Exception as error:
        _log.exception("%s broke", entry.id)
        verdict, text = Verdict.ERROR, f"{type(error).__name__}: {error}"
    return Run(
        target=target.name,
        backend=target.backend,
        data_set=data_set,
        verdict=verdict,
        text=text,
        seconds=seconds,
        frames=tuple(frames),
    )
