"""Results of runs that were made at different times or places, put together into one report."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eebus.conformance.catalogue import catalogue
from eebus.conformance.runner import CaseResult, Run
from eebus.conformance.verdict import Frame, Verdict
from eebus.errors import DecodeError


def read_json(text: str) -> list[CaseResult]:
    """The results that ``report.as_json`` wrote. Raises DecodeError for anything else."""
    try:
        return [_result(case) for case in json.loads(text)["cases"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DecodeError(f"these are no results of conformance cases: {error}") from error


def merged(*results: Iterable[CaseResult]) -> list[CaseResult]:
    """One result for each case, in the order of the catalogue.

    A run counts more than none, and of several the last.
    """
    found: dict[str, CaseResult] = {}
    for result in (result for some in results for result in some):
        if result.runs or result.entry.id not in found:
            found[result.entry.id] = result
    return [found[id_] for id_ in catalogue() if id_ in found]


def _result(case: Mapping[str, Any]) -> CaseResult:
    runs = tuple(_run(run) for run in case["runs"])
    return CaseResult(entry=catalogue()[case["id"]], runs=runs, why_not="" if runs else case["reason"])


def _run(run: Mapping[str, Any]) -> Run:
    return Run(
        target=run["device"],
        backend=run["backend"],
        data_set=run["data_set"],
        verdict=Verdict(run["verdict"]),
        text=run["text"],
        seconds=float(run["seconds"]),
        frames=_frames(run["frames"]),
    )


def _frames(frames: Sequence[Mapping[str, Any]]) -> tuple[Frame, ...]:
    return tuple(
        Frame(float(frame["t"]), frame["by"] == "tester", frame["link"], frame["text"]) for frame in frames
    )
