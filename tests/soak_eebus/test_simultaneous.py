"""Both sides dial at the same moment: exactly one connection remains, and it works."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from eebus.ids import PeerRole
from eebus.io.addresses import PeerAddress
from eebus.usecases.house import ControlBox
from tests.integration.eebus_io.stations import QUICK, Station, control_box, gateway, until
from tests.integration.eebus_io.test_hostile import limit
from tests.soak_eebus.rounds import rounds

_AT_A_TIME = 10
_SETTLED_S = 5.5
"""Longer than both settle times of SHIP 12.4."""


@dataclass
class _Seen:
    """How many connections a pair had at most, and has in the end."""

    most: int
    last: int


@pytest.mark.slow
async def test_our_stack_against_itself_ends_with_exactly_one_working_connection() -> None:
    seen: list[_Seen] = []
    left = rounds(100)
    while left > 0:
        batch = min(_AT_A_TIME, left)
        seen += await asyncio.gather(*(_cross(number) for number in range(batch)))
        left -= batch
    crossed = sum(pair.most > 1 for pair in seen)
    print(f"{len(seen)} rounds, dials crossed in {crossed} of them")
    assert all(pair.last == 1 for pair in seen)
    assert crossed > 0, "the dials never crossed: this test shows nothing"


async def _cross(number: int) -> _Seen:
    house, box = gateway(f"gateway{number}"), control_box(f"box{number}")
    house.settings = box.settings = replace(QUICK, dial_wait_s=5.0)
    house.trusts(box, PeerRole.CONTROL_BOX)
    box.trusts(house, PeerRole.DEVICE)
    most = 0

    def count() -> int:
        nonlocal most
        here, there = (len(station.node.snapshot().connections) for station in (house, box))
        most = max(most, here, there)
        return max(here, there)

    async with house.running(), box.running():
        _know(house, box)
        _know(box, house)
        await until(lambda: count() > 0)
        deadline = asyncio.get_running_loop().time() + _SETTLED_S
        while asyncio.get_running_loop().time() < deadline:
            count()
            await asyncio.sleep(0.01)
        last = count()
        await until(lambda: _can_write(box))
        assert (await limit(box, 4200.0)).accepted
        assert count() == last
        return _Seen(most, last)


def _know(one: Station, other: Station) -> None:
    """Dial now."""
    one.node.know(PeerAddress(other.ski, "127.0.0.1", other.node.snapshot().port))


def _can_write(box: Station) -> bool:
    assert isinstance(box.device, ControlBox)
    return bool(box.node.act(box.device.energy_guard.views)) and bool(box.node.snapshot().connections)
