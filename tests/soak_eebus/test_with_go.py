"""Simultaneous dialling with the Go stack: never two working connections, and the use case comes back."""

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.interop.conftest import StartGo, StartHouse, go, go_program, house, network  # noqa: F401 - fixtures
from tests.interop.go_peer import GoPeer, Partner
from tests.interop.house_peer import PROJECT, HousePeer
from tests.interop.json_peer import PeerError
from tests.interop.netns import Host, Network
from tests.soak_eebus.rounds import rounds

pytestmark = [pytest.mark.interop, pytest.mark.netns, pytest.mark.slow]

BOX, HOUSE = "10.77.0.2", "10.77.0.3"
LOOPBACK = "127.0.0.1"
PORT, SLOW_PORT = 4712, 4800
_DELAY_S = 0.1
_DIAL_TAKES_S = 3 * _DELAY_S
"""Until the other side knows who dials."""
_BACK_WITHIN_S = 60.0
_LEAST_SHARE = 0.95


@dataclass(frozen=True)
class _Round:
    number: int
    back_after_s: float | None
    crossed: bool
    """There were two connections for a moment, or one was turned away as the second."""
    connections: int
    """In the end."""


async def test_both_sides_dial_and_the_use_case_is_back_within_a_minute(
    network: Network,  # noqa: F811
    go: StartGo,  # noqa: F811
    house: StartHouse,  # noqa: F811
) -> None:
    """Each round both sides are new and the line is slow: we dial while the Go side is dialling."""
    box_host, home_host = network.host("box", BOX), network.host("house", HOUSE)
    seen = []
    async with _slow_line(box_host, HOUSE), _slow_line(home_host, BOX):
        for number in range(rounds(100)):
            names = f"box{number}", f"house{number}"  # new keys: either side may have the bigger SKI
            box, home = await go(names[0], box_host), await house(names[1], home_host)
            seen.append(await _round(number, box, home))
            await asyncio.gather(box.kill(), home.kill())
            print(seen[-1], flush=True)
    assert all(one.connections <= 1 for one in seen)
    back = sum(one.back_after_s is not None for one in seen)
    print(f"back in {back} of {len(seen)}, dials crossed in {sum(one.crossed for one in seen)}")
    assert back >= _LEAST_SHARE * len(seen)


@contextlib.asynccontextmanager
async def _slow_line(host: Host, other: str) -> AsyncIterator[None]:
    """Port 4800 of this host leads to the SHIP port of the other one."""
    command = [*host.command(), sys.executable, "-m", "tests.soak_eebus.delay"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *(str(SLOW_PORT), other, str(PORT), str(_DELAY_S)),
        stdout=asyncio.subprocess.PIPE,
        cwd=PROJECT,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield
    finally:
        process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined] # else its pipes outlive the loop


async def _round(number: int, box: GoPeer, home: HousePeer) -> _Round:
    await asyncio.gather(
        box.start(port=PORT, partners=[Partner(home.ski, LOOPBACK, SLOW_PORT)]),
        home.start(port=PORT, partners=[Partner(box.ski, LOOPBACK, SLOW_PORT)]),
    )
    await box.wait_for("dialling", ski=home.ski)
    await asyncio.sleep(random.Random(number).uniform(0.0, _DIAL_TAKES_S))
    await home.accept(box.ski)
    began, back_after_s, most = time.monotonic(), None, 0
    while back_after_s is None and time.monotonic() - began < _BACK_WITHIN_S:
        if await _limit_works(box, home):
            back_after_s = round(time.monotonic() - began, 2)
        most = max(most, (await home.view()).connections.count(box.ski))
    for _ in range(20):  # longer than the settle time
        most = max(most, (await home.view()).connections.count(box.ski))
        await asyncio.sleep(0.2)
    if back_after_s is not None and not await _limit_works(box, home):
        back_after_s = None  # it had come, and was lost when the doubles were settled
    crossed = most > 1 or bool(home.events("ConnectionEnded"))
    return _Round(number, back_after_s, crossed, (await home.view()).connections.count(box.ski))


async def _limit_works(box: GoPeer, home: HousePeer) -> bool:
    try:
        await box.ready_to_control(home.ski, timeout_s=0.1)
        return (await box.limit("consumption", 4200)).accepted
    except (PeerError, TimeoutError):
        return False
