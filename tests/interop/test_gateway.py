"""The whole gateway between the Go box and a simulated house: real sockets, a process that can be killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hems.cli.options import CommandFailed
from tests.interop.conftest import StartGo, missing
from tests.interop.gateway_peer import HOUSE_PORT, Gateway, Limit, SimulatedHouse
from tests.interop.go_peer import GoPeer, Partner
from tests.interop.json_peer import PeerError
from tests.interop.netns import Host, Network
from tests.interop.syscalls import Tracing
from tests.waiting import Stopwatch

pytestmark = [pytest.mark.interop, pytest.mark.netns]

BOX, HOUSE, OTHER = "10.77.0.2", "10.77.0.3", "10.77.0.4"
PORT = 4712
FAILSAFE_W = 9000
SECOND_NS = 1_000_000_000
VOLTAGE_V = 230
"""Of the simulated house; the wallbox is told currents for three phases at this voltage."""

CONFIGURATION = """
site: {{name: Test}}
eebus:
  port: {port}
  announce: true
  failsafe: {{consumption_w: {failsafe_w}}}
  peers: {peers}
grid_connection_point:
  contractual_production_w: 10000
  meter: {{type: sunspec-meter, host: 127.0.0.1, port: {house_port}, unit: 3}}
devices:
  - name: wallbox
    adapter:
      type: modbus
      profile: heidelberg-energy-control
      host: 127.0.0.1
      port: {house_port}
      unit: 1
      request_gap_ms: 0
      params: {{assumed_voltage_v: {voltage_v}}}
  - name: inverter
    adapter: {{type: sunspec, host: 127.0.0.1, port: {house_port}, unit: 2}}
"""


@dataclass(slots=True)
class Home:
    """A host with the simulated house and the folder of a gateway."""

    folder: Path
    host: Host
    house: SimulatedHouse
    runs: list[Gateway] = field(default_factory=list)

    def configure(self, *peers: Partner) -> None:
        """Write the configuration; peers are dialled at their address."""
        places = [f"{{ski: {peer.ski}, host: {peer.address}, port: {peer.port}}}" for peer in peers]
        text = CONFIGURATION.format(
            port=PORT,
            failsafe_w=FAILSAFE_W,
            peers=f"[{', '.join(places)}]",
            house_port=HOUSE_PORT,
            voltage_v=VOLTAGE_V,
        )
        (self.folder / "hems.yaml").write_text(text)

    async def run(self) -> Gateway:
        """Start the gateway; it ends with the test."""
        gateway = await Gateway.run(self.folder, self.host)
        self.runs.append(gateway)
        return gateway


@pytest.fixture
async def home(network: Network, tmp_path: Path) -> AsyncIterator[Home]:
    """Set up a house with a load of 600 W and a car that wants 11 kW."""
    folder = tmp_path / "home"
    folder.mkdir()
    host = network.host("house", HOUSE)
    house = await SimulatedHouse.launch_house(host, folder / "house.log", sun_w=0)
    made = Home(folder, host, house)
    yield made
    for gateway in made.runs:
        await gateway.kill()
    await house.end()


@dataclass(frozen=True, slots=True)
class Setting:
    """A box in control of a running gateway."""

    box: GoPeer
    box_host: Host
    gateway: Gateway
    home: Home
    ski: str

    @property
    def house(self) -> SimulatedHouse:
        """The devices."""
        return self.home.house


async def in_control(
    box: GoPeer, gateway: Gateway, ski: str, since: int = 0, timeout_s: float = 15.0
) -> None:
    """Wait until the box can write limits and the gateway has heard the heartbeat that a limit needs."""
    await box.ready_to_control(ski, since, timeout_s)
    await gateway.wait_until(lambda status: status["control_box"]["heartbeat_age_s"] is not None)


@pytest.fixture
async def setting(network: Network, go: StartGo, home: Home) -> Setting:
    """Let the gateway dial a box at its address after ``hems pair accept``."""
    host = network.host("box", BOX)
    box = await go("box", host)
    home.configure(Partner(box.ski, BOX, PORT))
    gateway = await home.run()
    ski = (await gateway.status())["ski"]
    await box.start(port=PORT, partners=[Partner(ski)], dial=False)
    await gateway.command("pair", "accept", box.ski, "--as", "control-box")
    await in_control(box, gateway, ski)
    return Setting(box, host, gateway, home, ski)


def three_phase_current(power_w: float) -> float:
    """Return the current that the wallbox must be told: never above the power, in steps of 0.1 A."""
    return int(power_w / (3 * VOLTAGE_V) * 10) / 10


# Pairing


async def test_box_that_found_us_by_mdns_waits_for_hems_pair_accept(
    network: Network, go: StartGo, home: Home
) -> None:
    home.configure()
    gateway = await home.run()
    ski = (await gateway.command("identity", "show"))["ski"]
    box = await go("box", network.host("box", BOX))
    await box.start(port=PORT, mdns=True, partners=[Partner(ski)])
    await gateway.wait_until(lambda status: status["pairing_requests"] == 1)
    asked = (await gateway.command("pair", "list"))["requests"]
    assert [request["ski"] for request in asked] == [box.ski]
    with pytest.raises(PeerError, match="no partner serves"):
        await box.limit("consumption", 1000)
    assert await gateway.limit("consumption") == Limit("init", FAILSAFE_W, "self_imposed", "LPC-901/1")

    await gateway.command("pair", "accept", box.ski, "--as", "control-box")
    await in_control(box, gateway, ski)
    assert (await box.limit("consumption", 5000)).accepted

    await gateway.stop()
    since = box.now
    gateway = await home.run()
    await in_control(box, gateway, ski, since, timeout_s=30)
    assert (await box.limit("consumption", 5100)).accepted

    await gateway.command("pair", "remove", box.ski)
    await box.wait_for("disconnected", since=since, ski=ski)


async def test_second_box_is_refused_and_shown(setting: Setting, network: Network, go: StartGo) -> None:
    other = await go("other", network.host("other", OTHER))
    await other.start(port=PORT, partners=[Partner(setting.ski, HOUSE, PORT)])
    await setting.gateway.wait_until(lambda status: status["pairing_requests"] == 1)
    with pytest.raises(CommandFailed, match="--replace"):
        await setting.gateway.command("pair", "accept", other.ski, "--as", "control-box")
    await setting.gateway.command("pair", "accept", other.ski, "--as", "device")
    await other.ready_to_control(setting.ski)
    await other.wait_for("call_refused", ski=setting.ski)
    assert (await setting.box.limit("consumption", 5000)).accepted
    assert not (await other.limit("consumption", 11000)).accepted
    assert not (await other.failsafe(consumption_w=11000)).accepted
    assert (await setting.gateway.limit("consumption")).limit_w == 5000
    assert (await setting.gateway.status())["control_box"]["ski"] == setting.box.ski
    assert "wants control and is refused" in setting.gateway.log


# Limits down to the registers


async def test_limits_reach_the_registers_within_one_second_and_are_read_back(setting: Setting) -> None:
    await setting.house.command(cmd="set", sun_w=8000)
    for value in (6000, 4200):
        since, stopwatch = setting.house.now, Stopwatch(setting.gateway.pid)
        written = await setting.box.limit("consumption", value)
        assert written.accepted
        told = await setting.house.wait_for_current(three_phase_current(value), since)
        assert (told["at_ns"] - written.sent_ns) / SECOND_NS - stopwatch.waited_s < 1.0
    since, stopwatch = setting.house.now, Stopwatch(setting.gateway.pid)
    written = await setting.box.limit("production", -3000)
    assert written.accepted
    told = await setting.house.wait_for("register", since=since, unit="inverter")
    assert (told["at_ns"] - written.sent_ns) / SECOND_NS - stopwatch.waited_s < 1.0
    await until_measured(setting, lambda powers: abs(powers["inverter_w"]) <= 3000 + 10 + powers["wallbox_w"])

    seen = await setting.box.read_back()
    assert seen.consumption is not None
    assert (seen.consumption.value_w, seen.consumption.active) == (4200, True)
    assert seen.production is not None
    assert (seen.production.value_w, seen.production.active) == (-3000, True)
    assert await setting.gateway.limit("production") == Limit("limited", 3000, "grid_operator", "LPP-904")


async def until_a_heartbeat_is_heard(gateway: Gateway) -> None:
    """Wait for one that is less than a second old."""

    def is_fresh(status: dict[str, Any]) -> bool:
        age_s = status["control_box"]["heartbeat_age_s"]
        return age_s is not None and age_s < 1.0

    await gateway.wait_until(is_fresh)


async def until_measured(setting: Setting, is_so: Any, timeout_s: float = 10.0) -> None:
    """Look at the powers of the house until they are so."""
    async with asyncio.timeout(timeout_s):
        while True:
            powers = await setting.house.command(cmd="state")
            if is_so(powers):
                return
            await asyncio.sleep(0.2)


async def test_zero_watts_pauses_the_wallbox(setting: Setting) -> None:
    since = setting.house.now
    assert (await setting.box.limit("consumption", 0)).accepted
    await setting.house.wait_for_current(0, since)
    await until_measured(setting, lambda powers: powers["wallbox_w"] == 0)


async def test_wallbox_is_free_again_after_the_duration_and_after_a_deactivation(setting: Setting) -> None:
    free = 16.0
    for duration_s in (1, None):
        since = setting.house.now
        assert (await setting.box.limit("consumption", 4200, duration_s=duration_s)).accepted
        await setting.house.wait_for_current(three_phase_current(4200), since)
        since = setting.house.now
        if duration_s is None:
            assert (await setting.box.limit("consumption", 4200, active=False)).accepted
        await setting.house.wait_for_current(free, since, timeout_s=10)
        assert (await setting.gateway.limit("consumption")).state == "unlimited/controlled"


async def test_refused_limit_changes_no_register(setting: Setting) -> None:
    assert (await setting.box.limit("consumption", 5000)).accepted
    await setting.house.wait_for_current(three_phase_current(5000))
    since = setting.house.now
    assert (await setting.box.limit("consumption", -1)).error_number == 7
    assert (await setting.box.limit("production", 1)).error_number == 7
    await asyncio.sleep(0.5)
    assert setting.house.events("register", since) == []
    assert (await setting.gateway.limit("consumption")).limit_w == 5000


async def test_unreachable_wallbox_does_not_delay_the_answer_and_is_limited_when_it_returns(
    setting: Setting,
) -> None:
    await setting.house.command(cmd="fault", unit="wallbox", fault="unreachable", on=True)
    stopwatch = Stopwatch(setting.gateway.pid)
    written = await setting.box.limit("consumption", 4200)
    assert written.accepted
    assert written.latency_ns / SECOND_NS - stopwatch.waited_s < 1.0
    await setting.gateway.wait_until(lambda status: any("wallbox" in text for text in status["warnings"]))
    since = setting.house.now
    await setting.house.command(cmd="fault", unit="wallbox", fault="unreachable", on=False)
    await setting.house.wait_for_current(three_phase_current(4200), since, timeout_s=20)


# What survives


async def test_failsafe_values_survive_a_kill_and_limit_before_any_communication(setting: Setting) -> None:
    await setting.box.limit("consumption", 0, active=False)
    assert (await setting.box.failsafe(consumption_w=5000, duration_s=3 * 3600)).accepted
    assert (await setting.box.limit("consumption", 8000)).accepted
    await setting.gateway.kill()
    setting.box_host.pull()
    since = setting.house.now
    gateway = await setting.home.run()
    assert await gateway.limit("consumption") == Limit("init", 5000, "self_imposed", "LPC-901/1")
    assert (await gateway.status())["failsafe_duration_s"] == 3 * 3600
    await setting.house.wait_for_current(three_phase_current(5000), since)

    seen = setting.box.now
    setting.box_host.plug()
    await in_control(setting.box, gateway, setting.ski, seen, timeout_s=40)
    assert (await setting.box.limit("consumption", 7000)).accepted
    assert await gateway.limit("consumption") == Limit("limited", 7000, "grid_operator", "LPC-904")


async def test_failsafe_write_is_synced_to_disk_before_the_acknowledgement_leaves(
    setting: Setting, tmp_path: Path
) -> None:
    if reason := Tracing.unavailable():
        missing(reason)
    await setting.box.limit("consumption", 0, active=False)
    async with Tracing.of(setting.gateway.pid, setting.home.host, tmp_path / "strace.log") as tracing:
        written = await setting.box.failsafe(consumption_w=5000)
        assert written.accepted
    calls = tracing.calls()
    acknowledgement = max(
        (call for call in calls if call.sends_to(BOX) and call.began_ns < written.answered_ns),
        key=lambda call: call.began_ns,
    )
    synced = [call for call in calls if call.syncs("state.db") and call.began_ns > written.sent_ns]
    assert synced
    assert synced[0].ended_ns < acknowledgement.began_ns


# Silence


@pytest.mark.slow
async def test_LPC_912_918_silent_box_brings_the_failsafe_limit_to_the_wallbox_after_120_s(
    setting: Setting,
) -> None:
    assert (await setting.box.limit("consumption", 8000)).accepted
    assert (await setting.box.failsafe(consumption_w=5000)).accepted
    await setting.house.wait_for_current(three_phase_current(8000))
    await setting.box.heartbeat(on=True)  # one at once
    await until_a_heartbeat_is_heard(setting.gateway)
    await setting.box.heartbeat(on=False)
    since = setting.house.now
    await asyncio.sleep(118)
    assert (await setting.gateway.limit("consumption")).state == "limited"
    await setting.house.wait_for_current(three_phase_current(5000), since, timeout_s=5)
    limit = await setting.gateway.limit("consumption")
    assert (limit.state, limit.limit_w, limit.kind) == ("failsafe", 5000, "self_imposed")
    seen = (await setting.box.read_back()).consumption
    assert seen is not None
    assert (seen.value_w, seen.active) == (8000, False)

    assert not (await setting.box.limit("consumption", 7000)).accepted  # no heartbeat yet: the gate is closed
    assert (await setting.gateway.limit("consumption")).state == "failsafe"
    await setting.box.heartbeat(on=True)
    await until_a_heartbeat_is_heard(setting.gateway)
    assert not (await setting.box.limit("consumption", -1)).accepted
    assert (await setting.gateway.limit("consumption")).state == "unlimited/controlled"  # 918


# Reporting back


@pytest.mark.parametrize(("sun_w", "grid_w"), [(0, 600), (9000, -8400)], ids=["draws", "feeds in"])
async def test_box_reads_what_the_meter_shows(setting: Setting, sun_w: float, grid_w: float) -> None:
    await setting.house.command(cmd="set", sun_w=sun_w, car_connected=False)
    await until_measured(setting, lambda powers: powers["grid_w"] == grid_w)
    await setting.box.wait_for("mgcp", 15.0, values=lambda values: values["power_w"] == grid_w)
    grid = await setting.box.grid()
    assert grid.feed_in_wh is not None
    assert grid.feed_in_wh <= 0
    assert grid.consumed_wh is not None
    assert grid.consumed_wh >= 0
