"""``python -m tests.soak_conformance``: the official cases over real sockets, in real time.

Each lane has gateways, Steuerboxes and tester identities of its own.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Final

from eebus.conformance.catalogue import CaseEntry, catalogue
from eebus.conformance.merge import merged, read_json
from eebus.conformance.report import as_json, as_junit, markdown, problems, reason_of, summary, text_table
from eebus.conformance.runner import CaseResult, chosen_entries
from eebus.conformance.schedule import Job, jobs_of
from eebus.conformance.sheet import why_not
from eebus.conformance.verdict import Verdict
from tests.soak_conformance.lanes import run_jobs
from tests.soak_conformance.stands import STANDS

_INTRODUCTION: Final = """\
# Official EEBUS test cases over real sockets

Written by `make soak-conformance`. Each case ran in real time over loopback sockets, on the first of these
devices whose declarations make it applicable: `hems run` and `hems steuerbox` as processes of their own
(backend *process*); then, for what those programs are not, devices built on `eebus` alone, behind sockets of
the process of the tester (backend *loopback TLS*).
"""


def main() -> int:
    """Run, report, and return 1 when anything is neither passed nor not applicable, or is missing."""
    options = _options()
    entries = chosen_entries(options.cases.split(",") if options.cases else ())
    jobs = jobs_of(entries, STANDS)
    left_out = [] if options.long else [job.entry.id for job in jobs if job.is_long]
    jobs = [job for job in jobs if job.entry.id not in left_out]
    if not jobs and not options.merge:
        _say("no case is left to run")
        return 2
    earlier = [read_json(path.read_text(encoding="utf-8")) for path in options.merge]
    if earlier:  # the report is about the whole catalogue
        entries = list(catalogue().values())
    folder = Path(tempfile.mkdtemp(prefix="hems-soak-"))
    results = _run(jobs, options.lanes, folder)
    complete = merged(*earlier, results, _not_applicable(entries))
    missing = set(left_out) - {result.entry.id for result in complete}
    found = _report(complete, options.folder, expected=len(entries) - len(missing))
    if missing:
        _say(f"left out: {', '.join(sorted(missing))}")
    if found:
        _say(f"the logs of the programs are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _run(jobs: Sequence[Job], lanes: int, folder: Path) -> list[CaseResult]:
    _say(f"{len(jobs)} cases, {lanes} lanes, about {_minutes(jobs, lanes):.0f} min")
    began = time.monotonic()
    progress = _Progress(len(jobs), began)
    results = asyncio.run(_until_stopped(run_jobs(jobs, STANDS, lanes, folder, progress.tell)))
    _say(f"{time.monotonic() - began:.0f} s in all")
    return results


async def _until_stopped(work: Coroutine[None, None, list[CaseResult]]) -> list[CaseResult]:
    """The results; a signal ends the run and every program that it started, also behind `nohup`."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        sys.exit("ended by a signal")


def _report(results: Sequence[CaseResult], folder: Path, *, expected: int) -> list[str]:
    """Write the report; returns the problems."""
    _write(folder, results)
    for line in text_table(summary(results)):
        _say(line)
    found = problems(results, expected=expected)
    for problem in found:
        _say(problem)
    _say(f"report, JSON and JUnit are in {folder}")
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak_conformance", description=__doc__)
    parser.add_argument("--cases", default="", help="patterns of ids, separated by commas; default: all")
    parser.add_argument("--lanes", type=int, default=8, help="how many cases run at the same time")
    parser.add_argument(
        "--long",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run cases of two hours too, each in a lane of its own",
    )
    parser.add_argument(
        "--merge", type=Path, action="append", default=[], help="JSON of an earlier run; may be repeated"
    )
    parser.add_argument("--folder", type=Path, default=Path("build/soak-conformance"), help="for the report")
    return parser.parse_args()


def _minutes(jobs: Sequence[Job], lanes: int) -> float:
    """The longest case, or the fair share of a lane."""
    shared_s = sum(job.expected_s for job in jobs if not job.is_long)
    return max(shared_s / lanes, max((job.expected_s for job in jobs), default=0.0)) / 60.0


class _Progress:
    """Says what has come of each case."""

    def __init__(self, total: int, began: float) -> None:
        self._total, self._began, self._done = total, began, 0

    def tell(self, lane: int, job: Job, result: CaseResult) -> None:
        """One line for each result."""
        self._done += 1
        at_s = time.monotonic() - self._began
        seconds = sum(run.seconds for run in result.runs)
        reason = "" if result.verdict is Verdict.PASSED else f": {reason_of(result)}"
        _say(
            f"{at_s:6.0f} s [{self._done}/{self._total}] lane {lane} {job.device}, {job.entry.id}: "
            f"{result.verdict}{reason} ({seconds:.0f} s)"
        )


def _not_applicable(entries: Sequence[CaseEntry]) -> list[CaseResult]:
    """The cases that apply to none of the devices."""
    return [
        CaseResult(entry=entry, runs=(), why_not=why_not(entry, STANDS))
        for entry in entries
        if all(stand.sheet.why_not(entry) for stand in STANDS)
    ]


def _write(folder: Path, results: Sequence[CaseResult]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("report.md", markdown(results, _INTRODUCTION)),
        ("report.json", as_json(results)),
        ("report.xml", as_junit(results)),
    ):
        (folder / name).write_text(text, encoding="utf-8")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
