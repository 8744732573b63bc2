"""Several lanes run cases side by side, each with devices, folder and identities of its own."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from eebus.conformance.runner import CaseResult, Target, run_case
from eebus.conformance.schedule import Job, lanes_of
from tests.soak_conformance.stands import Stand

Told = Callable[[int, Job, CaseResult], None]
"""Hears of each result, with the number of its lane."""


async def run_jobs(
    jobs: Sequence[Job], stands: Sequence[Stand], lanes: int, folder: Path, tell: Told
) -> list[CaseResult]:
    """Run all jobs; a lane that is free takes the longest that is left. Raises what a stand raises."""
    firsts, rest = lanes_of(jobs, lanes)
    waiting, results = deque(rest), list[CaseResult]()
    by_name = {stand.name: stand for stand in stands}

    async def lane(number: int, first: Job) -> None:
        async with _Bench(by_name, folder / str(number)) as bench:
            job: Job | None = first
            while job is not None:
                result = await run_case(job.entry, [await bench.target(job.device)])
                results.append(result)
                tell(number, job, result)
                job = waiting.popleft() if waiting and not first.is_long else None

    async with asyncio.TaskGroup() as group:
        for number, first in enumerate(firsts, 1):
            group.create_task(lane(number, first))
    return results


class _Bench:
    """The devices of one lane; each is brought to life when it is first needed, and stays."""

    def __init__(self, stands: Mapping[str, Stand], folder: Path) -> None:
        self._stands = stands
        self._folder = folder
        self._targets: dict[str, Target] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "_Bench":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    async def target(self, name: str) -> Target:
        """The device of this name."""
        if name not in self._targets:
            up = self._stands[name].up(self._folder / name.replace(" ", "-"))
            self._targets[name] = await self._stack.enter_async_context(up)
        return self._targets[name]
