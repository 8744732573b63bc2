"""Several lanes run cases side by side, each with devices, folder and identities of its own."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from eebus.conformance.runner import CaseResult, Run, Target, run_case
from eebus.conformance.schedule import Job, lanes_of
from eebus.conformance.verdict import Verdict
from hems.cli.options import CommandFailed
from tests.soak_conformance.stands import Stand

_STARTS_AT_ONCE: Final = 2
"""A start takes a second of a core; all lanes at once would take each other's time."""
Told = Callable[[int, Job, CaseResult], None]
"""Hears of each result, with the number of its lane."""


async def run_jobs(
    jobs: Sequence[Job], stands: Sequence[Stand], lanes: int, folder: Path, tell: Told
) -> list[CaseResult]:
    """Run all jobs; a lane that is free takes the longest that is left."""
    firsts, rest = lanes_of(jobs, lanes)
    waiting, results = deque(rest), list[CaseResult]()
    by_name = {stand.name: stand for stand in stands}
    starting = asyncio.Semaphore(_STARTS_AT_ONCE)

    async def lane(number: int, first: Job) -> None:
        async with _Bench(by_name, folder / str(number), starting) as bench:
            job: Job | None = first
            while job is not None:
                result = await _result(job, bench)
                results.append(result)
                tell(number, job, result)
                job = waiting.popleft() if waiting and not first.is_long else None

    async with asyncio.TaskGroup() as group:
        for number, first in enumerate(firsts, 1):
            group.create_task(lane(number, first))
    return results


async def _result(job: Job, bench: "_Bench") -> CaseResult:
    """Run a case; a device that does not come up is a mistake of the bench."""
    try:
        target = await bench.target(job.device)
    except CommandFailed as failure:
        run = Run(
            target=job.device,
            backend="",
            data_set="",
            verdict=Verdict.ERROR,
            text=str(failure),
            seconds=0.0,
            frames=(),
        )
        return CaseResult(entry=job.entry, runs=(run,))
    return await run_case(job.entry, [target])


class _Bench:
    """The devices of one lane; each is brought to life when it is first needed, and stays."""

    def __init__(self, stands: Mapping[str, Stand], folder: Path, starting: asyncio.Semaphore) -> None:
        self._stands = stands
        self._folder = folder
        self._starting = starting
        self._targets: dict[str, Target] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "_Bench":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    async def target(self, name: str) -> Target:
        """The device of this name. Raises CommandFailed when it does not come up."""
        if name not in self._targets:
            up = self._stands[name].up(self._folder / name.replace(" ", "-"))
            async with self._starting:
                self._targets[name] = await self._stack.enter_async_context(up)
        return self._targets[name]
