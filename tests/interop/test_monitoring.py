"""MGCP and MPC between our stack and the Go stack: values and news arrive with the right sign."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.interop.conftest import StartGo, StartHouse
from tests.interop.go_peer import Partner
from tests.interop.netns import Network
from tests.interop.test_energy_guard import BOX, HOUSE, PORT, Pair, pair  # noqa: F401 - a fixture

pytestmark = [pytest.mark.interop, pytest.mark.netns]

_PATIENCE_S = 30.0
_SHARED: dict[str, Any] = {
    "power_w": -1501.5,
    "consumed_wh": 30000,
    "currents_a": [1.25, -2.5, 0],
    "voltages_v": [230.5, 231.0, 229.5],
    "voltages_pp_v": [400.1, 399.5, 401.5],
    "frequency_hz": 49.5,
}
_SHARED_READ = {
    "power": -1501.5,
    "energy_consumed": 30000,
    "energy_produced": 2000,
    "current_a": 1.25,
    "current_b": -2.5,
    "current_c": 0,
    "voltage_a": 230.5,
    "voltage_b": 231.0,
    "voltage_c": 229.5,
    "voltage_ab": 400.1,
    "voltage_bc": 399.5,
    "voltage_ca": 401.5,
    "frequency": 49.5,
}


async def test_we_read_a_grid_connection_point_of_that_stack(pair: Pair) -> None:  # noqa: F811
    box, home = pair.box, pair.house
    await home.measure(**_SHARED, feed_in_wh=-2000, pv_limit_factor=70)
    wanted = _SHARED_READ | {"pv_limit_factor": 70}
    await shown(box.grid, wanted)
    await home.measure(power_w=2750, feed_in_wh=-2001, currents_a=[4, 4.5, -1], pv_limit_factor=60)
    news = {"power": 2750, "energy_produced": 2001, "current_a": 4, "current_b": 4.5, "current_c": -1}
    await shown(box.grid, wanted | news | {"pv_limit_factor": 60})


async def test_we_read_a_monitored_unit_of_that_stack(pair: Pair) -> None:  # noqa: F811
    box, home = pair.box, pair.house
    await home.measure_unit(**_SHARED, powers_w=[-1000, -501.5, 0], feed_in_wh=-2000)
    wanted = _SHARED_READ | {"power_a": -1000, "power_b": -501.5, "power_c": 0}
    await shown(box.unit, wanted)
    await home.measure_unit(power_w=2750, powers_w=[1000, 1000, 750], consumed_wh=30001)
    news = {"power": 2750, "power_a": 1000, "power_b": 1000, "power_c": 750, "energy_consumed": 30001}
    await shown(box.unit, wanted | news)


async def shown(read: Callable[[], Awaitable[dict[str, float]]], wanted: dict[str, float]) -> None:
    """Wait until exactly these values are known."""
    seen: dict[str, float] = {}
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                if (seen := await read()) == wanted:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        assert seen == wanted  # shows the difference


@pytest.mark.parametrize("we_dial", [True, False], ids=["we dial", "Go dials"])
async def test_that_stack_reads_a_monitored_unit_of_ours(
    network: Network, go: StartGo, house: StartHouse, we_dial: bool
) -> None:
    box, home = await go("box", network.host("box", BOX)), await house("house", network.host("house", HOUSE))
    await box.start(port=PORT, dial=not we_dial)
    await home.start(port=PORT, partners=[Partner(box.ski, BOX, PORT)] if we_dial else [])
    await home.accept(box.ski)
    await home.measure_unit(
        power=-1501,
        power_a=-1000,
        power_b=-501,
        power_c=0,
        energy_consumed=30000,
        energy_produced=2000,
        current_a=1.25,
        current_b=-2.5,
        current_c=0,
        voltage_a=230.5,
        voltage_b=231.0,
        voltage_c=229.5,
        frequency=49.5,
    )
    await box.pair(Partner(home.ski) if we_dial else Partner(home.ski, HOUSE, PORT))
    wanted = {
        "power_w": -1501,
        "powers_w": [-1000, -501, 0],
        "consumed_wh": 30000,
        "produced_wh": -2000,  # MPC-001: what is produced is negative, energy too
        "currents_a": [1.25, -2.5, 0],
        "voltages_v": [230.5, 231.0, 229.5],
        "frequency_hz": 49.5,
    }
    await box.wait_for("mpc", _PATIENCE_S, ski=home.ski, values=wanted)
    since = box.now
    await home.measure_unit(power=2750, power_a=2750, power_b=0, power_c=0)
    await box.wait_for("mpc", since=since, values=wanted | {"power_w": 2750, "powers_w": [2750, 0, 0]})
    assert await box.call("mpc", refresh=True) == wanted | {"power_w": 2750, "powers_w": [2750, 0, 0]}
