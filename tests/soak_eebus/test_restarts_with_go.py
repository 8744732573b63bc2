"""Either side dies, or the line breaks, at every step from the TCP connection to the first limit.

A relay stops the connection after a number of TLS records; then one side is killed and started again with
the same identity, or the line is cut. Afterwards there is one connection and a limit is accepted, within a
minute and without help. In the normal tests a few steps, with SOAK=1 all.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.interop.conftest import go_program, missing  # noqa: F401 - a fixture
from tests.interop.json_peer import PeerError
from tests.interop.netns import unavailable
from tests.soak_eebus.go_pairs import AnyPair, Kind, go_pair
from tests.soak_eebus.rounds import FULL

pytestmark = [pytest.mark.interop, pytest.mark.netns, pytest.mark.slow]

Event = Literal["we die", "Go dies", "the line breaks"]
_EVENTS: tuple[Event, ...] = ("we die", "Go dies", "the line breaks")
_KINDS: tuple[Kind, ...] = ("our house", "our box")
_BACK_WITHIN_S = 60.0
_LEAST_SHARE = 0.95
"""The Go stack may lose a use case that it learns of while the connection ends (interop README)."""
_HELD_WITHIN_S = 15.0
_ANSWERS_WITHIN_S = 0.5
"""When a connection ends while the Go stack is answering a limit, it locks itself out (interop README)."""
_AT_ONCE = 6
_HANDSHAKE_RECORDS = 30
"""Up to the data exchange each step is tried, afterwards every third: the use cases take about a hundred."""
_ALL_RECORDS = 110


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


_A_FEW = [
    Case("our house", we_dial=False, event="we die", records=14),
    Case("our house", we_dial=True, event="Go dies", records=20),
    Case("our box", we_dial=True, event="we die", records=45),
    Case("our box", we_dial=False, event="the line breaks", records=6),
]
_A_FEW_UNDECIDED = [
    Case("our house", we_dial=False, event="we die", records=0),
    Case("our box", we_dial=False, event="Go dies", records=0),
]
_A_FEW_LIMITS = [
    Case("our house", we_dial=False, event="Go dies", records=1),
    Case("our box", we_dial=True, event="we die", records=2),
]


def _every_way(*records: int) -> list[Case]:
    ways = itertools.product(_KINDS, (True, False), _EVENTS, records)
    return [Case(kind, we_dial, event, number) for kind, we_dial, event, number in ways]


def _all() -> dict[str, list[Case]]:
    steps = [*range(_HANDSHAKE_RECORDS), *range(_HANDSHAKE_RECORDS, _ALL_RECORDS, 3)]
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in _every_way(*steps):
        groups[f"{case.kind}, {'we dial' if case.we_dial else 'Go dials'}, {case.event}"].append(case)
    return groups


_GROUPS = _all() if FULL else {"a few": _A_FEW}


@pytest.mark.parametrize("cases", list(_GROUPS.values()), ids=list(_GROUPS))
async def test_one_connection_and_a_working_limit_within_a_minute(
    cases: list[Case],
    tmp_path: Path,
    go_program: Path,  # noqa: F811
) -> None:
    await _all_good(cases, _during_the_setup, tmp_path, go_program)


async def test_while_the_side_that_is_dialled_has_not_decided_yet(
    tmp_path: Path,
    go_program: Path,  # noqa: F811
) -> None:
    """Hello is pending. The decision is made after the restart and is all that it takes."""
    await _all_good(_every_way(0) if FULL else _A_FEW_UNDECIDED, _before_the_decision, tmp_path, go_program)


async def test_while_a_limit_is_answered(
    tmp_path: Path,
    go_program: Path,  # noqa: F811
) -> None:
    """The limit has arrived and its answer has not, or only the notify that comes before it."""
    await _all_good(_every_way(1, 2) if FULL else _A_FEW_LIMITS, _during_a_limit, tmp_path, go_program)


async def _all_good(
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


async def _during_the_setup(pair: AnyPair, case: Case) -> Outcome:
    await pair.start(hold_after=case.records)
    with contextlib.suppress(TimeoutError):  # everything was said already: it happens in operation
        await pair.relay.wait_for("held", _HELD_WITHIN_S)
    return await happen(pair, case)


async def _before_the_decision(pair: AnyPair, case: Case) -> Outcome:
    await pair.start(trust=False)
    await pair.wait_for_request()
    return await happen(pair, case, pair.decide)


async def _during_a_limit(pair: AnyPair, case: Case) -> Outcome:
    await pair.start()
    await pair.ready()
    await pair.relay.call("hold_after", records=await _all_said(pair) + case.records)
    writing = asyncio.create_task(pair.works())
    await pair.relay.wait_for("held", _HELD_WITHIN_S)
    await asyncio.sleep(_ANSWERS_WITHIN_S)
    outcome = await happen(pair, case)
    await asyncio.gather(writing, return_exceptions=True)
    return outcome


async def _all_said(pair: AnyPair) -> int:
    """Wait until both sides know all they want to know; returns how many records that took."""
    before = -1
    while (passed := int(await pair.relay.call("count"))) > before:
        before = passed
        await asyncio.sleep(1.0)
    return passed


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
        await until(one_each, _HELD_WITHIN_S)
        if back_after_s is not None and not await pair.works():
            back_after_s = None  # it had come, and was lost again
    return Outcome(case, step, back_after_s, await pair.connections())


async def until(is_so: Callable[[], Awaitable[bool]], timeout_s: float) -> None:
    """Look again and again until it is so."""
    async with asyncio.timeout(timeout_s):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.2)
