"""A limit of 7.56 kW from the Go box on a house with wallbox, heat pump, battery and PV, with its times."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hems.cli.status import lines
from tests.interop.conftest import StartGo
from tests.interop.gateway_peer import HOUSE_PORT, PROJECT, Gateway, SimulatedHouse
from tests.interop.go_peer import Partner
from tests.interop.netns import Network

pytestmark = [pytest.mark.interop, pytest.mark.netns]

BOX, HOUSE, PORT = "10.77.0.2", "10.77.0.3", 4712
LIMIT_W, LOAD_W, SUN_W = 7560, 600, 2000
REACTION_S = 30.0
"""What we declare; the slowest device, the heat pump, says so of itself."""
NOISE_W = 10

CONFIGURATION = """
site: {{name: Test}}
eebus:
  port: {port}
  announce: false
  failsafe: {{consumption_w: 30000}}
  peers: [{{ski: {ski}, host: {box}, port: {port}}}]
rules: {{strategy: proportional}}
grid_connection_point:
  meter: {{type: sunspec-meter, {at}, unit: 3}}
devices:
  - name: heat-pump
    adapter: {{type: modbus, profile: luxtronik, {at}, unit: 4, params: {{nameplate_w: 4300}}}}
  - name: wallbox
    adapter: {{type: modbus, profile: heidelberg-energy-control, {at}, unit: 1}}
  - name: battery
    adapter: {{type: sunspec-battery, {at}, unit: 5}}
  - name: inverter
    adapter: {{type: sunspec, {at}, unit: 2}}
"""


@pytest.fixture
async def house(network: Network, tmp_path: Path) -> AsyncIterator[SimulatedHouse]:
    """Set up a house in which everything wants power at once."""
    command = [
        sys.executable, "-m", "adapters.simulated", "--port", str(HOUSE_PORT), "--heat-pump", "luxtronik",
        "--storage", "--load-w", str(LOAD_W), "--sun-w", str(SUN_W),
    ]  # fmt: skip
    host = network.host("house", HOUSE)
    house = await SimulatedHouse.launch(host.command(*command), tmp_path / "house.log", folder=PROJECT)
    units = (await house.wait_for("listening"))["units"]
    assert (units["heat-pump"], units["storage"]) == (4, 5)
    await house.command(cmd="set", unit="heat-pump", store_wh=4000)
    await house.command(cmd="set", unit="storage", grid_charge_w=3000)
    yield house
    await house.end()


@pytest.fixture
async def gateway(
    network: Network, house: SimulatedHouse, go: StartGo, tmp_path: Path
) -> AsyncIterator[tuple[Gateway, Any]]:
    """Let the gateway run, dial the box and be in its control."""
    (home,) = network.hosts
    box = await go("box", network.host("box", BOX))
    at = f"host: 127.0.0.1, port: {HOUSE_PORT}"
    (tmp_path / "hems.yaml").write_text(CONFIGURATION.format(port=PORT, ski=box.ski, box=BOX, at=at))
    gateway = await Gateway.run(tmp_path, home)
    try:
        ski = (await gateway.status())["ski"]
        await box.start(port=PORT, partners=[Partner(ski)], dial=False)
        await gateway.command("pair", "accept", box.ski, "--as", "control-box")
        await box.ready_to_control(ski)
        yield gateway, box
    finally:
        await gateway.kill()


async def until_drawn(house: SimulatedHouse, is_so: Any, timeout_s: float) -> dict[str, Any]:
    """Look at the powers of the house until they are so."""
    async with asyncio.timeout(timeout_s):
        while not is_so(powers := await house.command(cmd="state")):  # noqa: ASYNC110  # it is asked anew
            await asyncio.sleep(0.2)
    return powers


def drawn_w(powers: dict[str, Any]) -> float:
    """What the controllable devices take together; a battery that discharges takes nothing."""
    return float(powers["wallbox_w"] + powers["heat_pump_w"] + max(0, powers["battery_w"]))


async def test_a_limit_is_first_written_confirmed_by_all_and_measured_below_with_its_times(
    gateway: tuple[Gateway, Any], house: SimulatedHouse
) -> None:
    running, box = gateway
    assert (await box.limit("consumption", 0, active=False)).accepted
    before = await until_drawn(
        house,
        lambda p: p["wallbox_w"] > 10_000 and p["heat_pump_w"] > 1500 and p["battery_w"] > 2500,
        timeout_s=20,
    )
    written = await box.limit("consumption", LIMIT_W)
    assert written.accepted
    order = await until_proven(running)
    steps = {step["step"]: step for step in order["steps"]}
    at_s = {name: step["after_ms"] / 1000 for name, step in steps.items()}
    after = await house.command(cmd="state")
    report(before, written.latency_ns, order, after)

    names = ["order.received", "order.accepted", "decided", "first_write", "confirmed", "measured_below"]
    assert [step["step"] for step in order["steps"]] == names
    assert [at_s[name] for name in names] == sorted(at_s[name] for name in names)
    assert at_s["first_write"] < 1.0
    assert at_s["confirmed"] < 5.0
    assert at_s["measured_below"] <= REACTION_S
    assert steps["confirmed"]["values"]["devices"] == 3
    assert min(after["wallbox_w"], after["heat_pump_w"], after["battery_w"]) > 1000, "all three go on"
    measured_w = steps["measured_below"]["values"]["taken_mw"] / 1000
    assert measured_w <= steps["measured_below"]["values"]["allowed_mw"] / 1000 + 1
    assert min(after["grid_w"], drawn_w(after)) <= LIMIT_W + NOISE_W
    assert after["grid_w"] == pytest.approx(LOAD_W - SUN_W + drawn_w(after), abs=NOISE_W)

    (told,) = [text for label, text in lines(await running.command("status")) if label == "Latest orders"]
    assert f"limits consumption to {LIMIT_W} W, below the minimum power of 10.50 kW" in told
    assert "; so far: measured at " in told


async def until_proven(running: Gateway) -> dict[str, Any]:
    """Wait until the order is measured below; return its history."""
    async with asyncio.timeout(REACTION_S + 5):
        while True:
            orders = (await running.command("status"))["orders"]
            order: dict[str, Any] = next(o for o in orders if f"{LIMIT_W} W" in o["steps"][0]["text"])
            if any(step["step"] == "measured_below" for step in order["steps"]):
                return order
            await asyncio.sleep(0.2)


def report(before: dict[str, Any], latency_ns: int, order: dict[str, Any], after: dict[str, Any]) -> None:
    """Print what a person wants to see (pytest -s)."""
    told = [f"before: {before}", f"answer to the box after {latency_ns / 1e6:.1f} ms"]
    told += [f"{step['after_ms']:>7} ms  {step['step']:<16} {step['text']}" for step in order["steps"]]
    sys.stdout.write("\n".join(["", *told, f"after:  {after}", ""]))
