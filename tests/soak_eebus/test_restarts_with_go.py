"""Either side dies, or the line breaks, at every step from the TCP connection to the first limit.

A relay stops the connection after a number of TLS records; then one side is killed and started again with
the same identity, or the line is cut. Afterwards there is one connection and a limit is accepted, within a
minute and without help. In the normal tests a few steps, with SOAK=1 all.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import defaultdict
from pathlib import Path

import pytest

from tests.interop.conftest import go_program  # noqa: F401 - a fixture
from tests.soak_eebus.go_pairs import AnyPair, Kind
from tests.soak_eebus.restarts import Case, Event, Outcome, all_good, happen
from tests.soak_eebus.rounds import FULL

pytestmark = [pytest.mark.interop, pytest.mark.netns, pytest.mark.slow]

_EVENTS: tuple[Event, ...] = ("we die", "Go dies", "the line breaks")
_KINDS: tuple[Kind, ...] = ("our house", "our box")
_HELD_WITHIN_S = 15.0
_ANSWERS_WITHIN_S = 0.5
"""When a connection ends while the Go stack is answering a limit, it locks itself out (interop README)."""
_HANDSHAKE_RECORDS = 30
"""Up to the data exchange each step is tried, afterwards every third: the use cases take about a hundred."""
_ALL_RECORDS = 110


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
    await all_good(cases, _during_the_setup, tmp_path, go_program)


async def test_while_the_side_that_is_dialled_has_not_decided_yet(
    tmp_path: Path,
    go_program: Path,  # noqa: F811
) -> None:
    """Hello is pending. The decision is made after the restart and is all that it takes."""
    await all_good(_every_way(0) if FULL else _A_FEW_UNDECIDED, _before_the_decision, tmp_path, go_program)


async def test_while_a_limit_is_answered(
    tmp_path: Path,
    go_program: Path,  # noqa: F811
) -> None:
    """The limit has arrived and its answer has not, or only the notify that comes before it."""
    await all_good(_every_way(1, 2) if FULL else _A_FEW_LIMITS, _during_a_limit, tmp_path, go_program)


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
