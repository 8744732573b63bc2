"""Plays cases in which one side dies or the line breaks, and judges how it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.interop.conftest import missing
from tests.interop.json_peer import PeerError
from tests.interop.netns import unavailable
from tests.interop.waiting import until
from tests.soak_eebus.go_pairs import AnyPair, Kind, go_pair

Event = Literal["we die", "Go dies", "the line breaks"]
_BACK_WITHIN_S = 60.0
_SETTLED_WITHIN_S = 15.0
_LEAST_SHARE = 0.95
"""The Go stack may lose a use case that it learns of while the connection ends (interop README)."""
_AT_ONCE = 6


@dataclass(frozen=True, slots=True)
class Case:
    """What happens to whom and when."""

    kind: Kind
    we_dial: bool
    event: Event
    records: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went on."""

    case: Case
    step: str
    """What the Go side said or heard last when it happened."""
    back_after_s: float | None
    connections: tuple[int, int]
    """In the end, at our side and at the Go side."""

    @property
    def is_good(self) -> bool:
        return self.back_after_s is not None and self.connections == (1, 1)


async def all_good(
    cases: list[Case],
    play: Callable[[AnyPair, Case], Awaitable[Outcome]],
    folder: Path,
    program: Path,
) -> None:
    """Play them, a few at once: most of the time they wait for a dial."""
    if reason := unavailable():
        missing(reason)
    room = asyncio.Semaphore(_AT_ONCE)

    async def run(one: Case) -> Outcome:
        async with room:
            name = f"{one.kind}-{one.we_dial}-{one.event}-{one.records}".replace(" ", "-")
            try:
                async with go_pair(one.kind, folder / name, program, we_dial=one.we_dial) as pair:
                    outcome = await play(pair, one)
            except (PeerError, TimeoutError) as error:
                outcome = Outcome(one, f"{type(error).__name__}: {error}", None, (0, 0))
            print(outcome, flush=True)
            return outcome

    outcomes = await asyncio.gather(*(run(one) for one in cases))
    slowest = max((outcome.back_after_s or _BACK_WITHIN_S for outcome in outcomes), default=0.0)
    missed = [outcome for outcome in outcomes if not outcome.is_good]
    print(f"good {len(outcomes) - len(missed)} of {len(outcomes)}, slowest {slowest:.1f} s")
    assert all(max(outcome.connections) <= 1 for outcome in outcomes)
    assert len(missed) <= (1.0 - _LEAST_SHARE) * len(outcomes), missed


async def happen(pair: AnyPair, case: Case, then: Callable[[], Awaitable[None]] | None = None) -> Outcome:
    """Let it happen and see how it goes on; `then` is what a person does after the restart."""
    step = pair.last_message()
    began = time.monotonic()
    match case.event:
        case "we die":
            await pair.kill_ours()
            await pair.relay.call("release")
            await pair.start_ours()
        case "Go dies":
            await pair.theirs.kill()
            await pair.relay.call("release")
            await pair.restart_theirs()
        case "the line breaks":
            await pair.cut()
            await pair.relay.call("release")
    if then is not None:
        await then()
    back_after_s = None
    with contextlib.suppress(TimeoutError):
        await until(pair.works, _BACK_WITHIN_S)
        back_after_s = round(time.monotonic() - began, 1)

    async def one_each() -> bool:
        return await pair.connections() == (1, 1)

    with contextlib.suppress(TimeoutError):
        await until(one_each, _SETTLED_WITHIN_S)
        if back_after_s is not None and not await pair.works():
            back_after_s = None  # it had come, and was lost again
    return Outcome(case, step, back_after_s, await pair.connections())
