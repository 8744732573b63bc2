"""Our controllable system against the Go box, over real sockets in network namespaces.

``house.py`` is the stack alone (SHIP, SPINE, use cases, node); ``test_gateway.py`` has a house behind it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tests.interop.conftest import StartGo, StartHouse
from tests.interop.go_peer import Direction, GoPeer, Limit, Partner
from tests.interop.house_peer import HousePeer
from tests.interop.json_peer import PeerError
from tests.interop.netns import Host, Network

pytestmark = [pytest.mark.interop, pytest.mark.netns]

BOX, HOUSE, OTHER = "10.77.0.2", "10.77.0.3", "10.77.0.4"
MOVED = "10.77.0.33"
PORT = 4712
REJECTED = 7
"""SPINE error number "command rejected"."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A box and a house that have found each other; the house dialled."""

    box: GoPeer
    house: HousePeer
    box_host: Host
    house_host: Host


async def in_control(box: GoPeer, home: HousePeer, since: int = 0, timeout_s: float = 15.0) -> None:
    """Wait until the box can write limits and the house has heard the heartbeat that a limit needs."""
    await box.ready_to_control(home.ski, since, timeout_s)
    await home.wait_until(lambda view: view.heartbeat_age_s is not None)


@pytest.fixture
async def pair(network: Network, go: StartGo, house: StartHouse) -> Pair:
    """Connect a box with a house, both in init."""
    box_host, house_host = network.host("box", BOX), network.host("house", HOUSE)
    box, home = await asyncio.gather(go("box", box_host), house("house", house_host))
    await box.start(port=PORT, partners=[Partner(home.ski)], dial=False)
    await home.start(port=PORT, partners=[Partner(box.ski, BOX, PORT)])
    await home.accept(box.ski)
    await in_control(box, home)
    return Pair(box, home, box_host, house_host)


# Pairing, both directions


async def test_we_dial_by_address_and_are_refused_until_the_box_trusts_us(
    network: Network, go: StartGo, house: StartHouse
) -> None:
    box, home = await go("box", network.host("box", BOX)), await house("house", network.host("house", HOUSE))
    await box.start(port=PORT, dial=False, wait_for_trust=False)
    await home.start(port=PORT, partners=[Partner(box.ski, BOX, PORT)])
    await home.accept(box.ski)
    await box.wait_for("disconnected", ski=home.ski)
    await home.wait_for("ConnectionEnded", ski=box.ski)
    assert box.events("use_case_support") == []
    await box.pair(Partner(home.ski))
    await in_control(box, home)
    assert (await box.limit("consumption", 4200)).accepted


async def test_it_works_again_after_restarts_of_either_side(
    pair: Pair, go: StartGo, house: StartHouse
) -> None:
    await pair.box.kill()
    box = await go("box", pair.box_host)
    await box.start(port=PORT, dial=False, partners=[Partner(pair.house.ski)])
    await in_control(box, pair.house)
    assert (await box.limit("consumption", 4100)).accepted

    await pair.house.kill()
    since = box.now
    home = await house("house", pair.house_host)
    await home.start(port=PORT, partners=[Partner(box.ski, BOX, PORT)])
    assert (await home.view()).trusted == (box.ski,)
    await in_control(box, home, since)
    assert (await box.limit("consumption", 4000)).accepted


async def test_box_dials_us_after_mdns_and_is_pending_until_accepted(
    network: Network, go: StartGo, house: StartHouse
) -> None:
    box_host, house_host = network.host("box", BOX), network.host("house", HOUSE)
    box, home = await go("box", box_host), await house("house", house_host)
    await home.start(port=PORT, announce=True)
    await box.start(port=PORT, mdns=True, partners=[Partner(home.ski)])
    seen = await box.wait_for("visible", services=lambda found: home.ski in [one["ski"] for one in found])
    assert [one["type"] for one in seen["services"] if one["ski"] == home.ski] == ["EnergyManagementSystem"]
    await home.wait_for("PairingRequested", ski=box.ski)
    assert (await home.view()).pairing_requests == (box.ski,)
    with pytest.raises(PeerError, match="no partner serves"):
        await box.limit("consumption", 1000)
    assert await home.state("consumption") == "init"

    await home.accept(box.ski)
    await in_control(box, home)
    assert (await box.limit("consumption", 1000)).accepted
    assert (await home.view()).pairing_requests == ()

    await home.kill()
    since = box.now
    home = await house("house", house_host)
    await home.start(port=PORT, announce=True)
    await in_control(box, home, since)
    assert (await box.limit("consumption", 1100)).accepted


async def test_one_connection_is_left_when_both_sides_dial(
    network: Network, go: StartGo, house: StartHouse
) -> None:
    box, home = await go("box", network.host("box", BOX)), await house("house", network.host("house", HOUSE))
    await home.start(port=PORT, partners=[Partner(box.ski, BOX, PORT)])
    await home.accept(box.ski)
    await box.start(port=PORT, partners=[Partner(home.ski, HOUSE, PORT)])
    await in_control(box, home)
    await asyncio.sleep(3.5)  # the box dials within 3 s, and doubles are settled
    assert (await home.view()).connected == (box.ski,)
    since = box.now
    assert (await box.limit("consumption", 4200)).accepted
    await box.wait_for("limit_seen", since=since, direction="consumption")
    assert await home.state("consumption") == "limited"


async def test_removed_trust_ends_the_connection_and_further_attempts(pair: Pair) -> None:
    await pair.house.remove(pair.box.ski)
    await pair.box.wait_for("disconnected", ski=pair.house.ski)
    assert (await pair.house.view()).trusted == ()


# Limits


async def test_limits_are_read_back_as_written_in_both_directions(pair: Pair) -> None:
    before = await pair.house.view()
    for direction in (before.consumption, before.production):
        assert direction.state == "init"
    assert (before.consumption.effective_limit_w, before.consumption.limit_kind) == (4200, "self_imposed")

    assert (await pair.box.limit("consumption", 4200.5, duration_s=7200)).accepted
    assert (await pair.box.limit("production", -3000)).accepted
    seen = await pair.box.read_back()
    assert seen.consumption is not None
    assert (seen.consumption.value_w, seen.consumption.active) == (4200.5, True)
    assert 7190 <= seen.consumption.duration_s <= 7200
    assert seen.production == Limit(-3000, active=True, changeable=True, duration_s=0)
    assert (seen.nominal_max_consumption_w, seen.nominal_max_production_w) == (34500, 30000)
    assert seen.heartbeat_recent

    now = await pair.house.view()
    assert (now.consumption.state, now.production.state) == ("limited", "limited")
    assert (now.consumption.effective_limit_w, now.consumption.limit_kind) == (4200.5, "grid_operator")
    assert now.production.effective_limit_w == 3000
    assert now.energy_guard == pair.box.ski


async def test_LPC_908_duration_runs_out(pair: Pair) -> None:
    assert (await pair.box.limit("consumption", 4200, duration_s=1)).accepted
    assert await pair.house.state("consumption") == "limited"
    since = pair.box.now
    await pair.house.wait_for_state("consumption", "unlimited/controlled")
    await pair.box.wait_for("limit_seen", since=since, direction="consumption")
    seen = await pair.box.read_back(refresh=False)
    assert seen.consumption == Limit(4200, active=False, changeable=True, duration_s=0)


async def test_LPC_909_LPP_909_deactivation(pair: Pair) -> None:
    for direction, value in limits_of(4200, -3000):
        assert (await pair.box.limit(direction, value)).accepted
        assert (await pair.box.limit(direction, value, active=False)).accepted
        assert await pair.house.state(direction) == "unlimited/controlled"
    seen = await pair.box.read_back()
    assert seen.consumption is not None
    assert seen.production is not None
    assert not seen.consumption.active
    assert not seen.production.active


async def test_LPC_905_deactivated_limit_ends_init(pair: Pair) -> None:
    assert (await pair.box.limit("consumption", 4200, active=False)).accepted
    assert await pair.house.state("consumption") == "unlimited/controlled"
    assert await pair.house.state("production") == "init"


async def test_zero_watts_is_a_limit(pair: Pair) -> None:
    for direction, _ in limits_of(0, 0):
        assert (await pair.box.limit(direction, 0)).accepted
        status = (await pair.house.view()).direction(direction)
        assert (status.state, status.effective_limit_w) == ("limited", 0)


async def test_partial_writes_merge_and_a_delete_filter_takes_the_duration_away(pair: Pair) -> None:
    assert (await pair.box.limit("consumption", 5000, active=False, duration_s=3600)).accepted
    assert (await pair.box.limit("consumption", active=True)).accepted
    seen = await pair.box.read_back()
    assert seen.consumption is not None
    assert (seen.consumption.value_w, seen.consumption.active) == (5000, True)
    assert seen.consumption.duration_s > 3590
    assert (await pair.box.limit("consumption", 4900, delete_duration=True)).accepted
    seen = await pair.box.read_back()
    assert seen.consumption == Limit(4900, active=True, changeable=True, duration_s=0)


def limits_of(consumption_w: float, production_w: float) -> tuple[tuple[Direction, float], ...]:
    return (("consumption", consumption_w), ("production", production_w))


@pytest.mark.parametrize(
    ("direction", "wrong", "right"), [("consumption", -1, 4200), ("production", 1, -3000)]
)
async def test_902_907_wrong_sign_is_refused_and_nothing_changes(
    pair: Pair, direction: Direction, wrong: float, right: float
) -> None:
    untouched = (await pair.box.read_back()).consumption
    refused = await pair.box.limit(direction, wrong)
    assert refused.error_number == REJECTED
    assert refused.description
    assert (await pair.house.view()).direction(direction).state == "unlimited/controlled"  # 902, from init
    assert (await pair.box.read_back()).consumption == untouched

    assert not (await pair.box.limit(direction, wrong)).accepted
    assert await pair.house.state(direction) == "unlimited/controlled"  # 907/1
    assert (await pair.box.limit(direction, right)).accepted
    assert not (await pair.box.limit(direction, wrong)).accepted
    status = (await pair.house.view()).direction(direction)
    assert (status.state, status.effective_limit_w) == ("limited", abs(right))  # 907/2


# Failsafe values


async def test_failsafe_values_are_refused_in_init_and_read_back_once_controlled(pair: Pair) -> None:
    assert (await pair.box.failsafe(consumption_w=3000)).error_number == REJECTED
    assert (await pair.box.read_back()).failsafe_consumption_w == 4200
    await pair.box.limit("consumption", 4200, active=False)
    await pair.box.limit("production", 0, active=False)
    assert (await pair.box.failsafe(consumption_w=3000, production_w=500, duration_s=3 * 3600)).accepted
    seen = await pair.box.read_back()
    assert (seen.failsafe_consumption_w, seen.failsafe_production_w) == (3000, 500)
    assert seen.failsafe_duration_s == 3 * 3600
    assert not (await pair.box.failsafe(consumption_w=-1)).accepted
    assert not (await pair.box.failsafe(duration_s=2 * 3600 - 360)).accepted
    assert (await pair.box.read_back()) == seen


async def test_LPC_022_too_long_failsafe_duration_is_refused_and_set_to_the_maximum(pair: Pair) -> None:
    await pair.box.limit("consumption", 4200, active=False)
    assert not (await pair.box.failsafe(duration_s=25 * 3600)).accepted
    assert (await pair.box.read_back()).failsafe_duration_s == 24 * 3600


async def test_failsafe_values_survive_a_kill_and_apply_in_init(pair: Pair, house: StartHouse) -> None:
    await pair.box.limit("consumption", 4200)
    assert (await pair.box.failsafe(consumption_w=2500)).accepted
    await pair.house.kill()
    again = await house("house", pair.house_host)
    await again.start(port=PORT, partners=[Partner(pair.box.ski, BOX, PORT)])
    status = (await again.view()).consumption
    assert (status.state, status.effective_limit_w) == ("init", 2500)


# Roles


async def test_trusted_device_may_neither_bind_nor_write(
    network: Network, go: StartGo, house: StartHouse
) -> None:
    device = await go("device", network.host("device", OTHER))
    home = await house("house", network.host("house", HOUSE))
    await device.start(port=PORT, dial=False, partners=[Partner(home.ski)])
    await home.start(port=PORT, partners=[Partner(device.ski, OTHER, PORT)])
    await home.accept(device.ski, role="device")
    await device.ready_to_control(home.ski)
    refused = await device.wait_for("call_refused", ski=home.ski)
    assert refused["error_number"] != 0
    before = await home.view()
    assert (await device.limit("consumption", 1000)).error_number != 0
    assert (await device.failsafe(consumption_w=1000)).error_number != 0
    after = await home.view()
    assert after.consumption == before.consumption
    assert after.heartbeat_age_s is None  # nor does its heartbeat count
    assert after.energy_guard is None


async def test_only_the_box_counts_while_another_trusted_box_is_connected(
    pair: Pair, network: Network, go: StartGo
) -> None:
    other = await go("other", network.host("other", OTHER))
    await other.start(port=PORT, partners=[Partner(pair.house.ski, HOUSE, PORT)])
    await pair.house.wait_for("PairingRequested", ski=other.ski)
    with pytest.raises(PeerError, match="control box"):
        await pair.house.accept(other.ski, role="control-box")
    await pair.house.accept(other.ski, role="device")
    await other.ready_to_control(pair.house.ski)
    await other.wait_for("call_refused", ski=pair.house.ski)
    await pair.house.wait_for("BindingRefused", ski=other.ski)

    assert (await pair.box.limit("consumption", 4200)).accepted
    assert not (await other.limit("consumption", 9000)).accepted
    view = await pair.house.view()
    assert (view.consumption.effective_limit_w, view.energy_guard) == (4200, pair.box.ski)
    await pair.box.heartbeat(on=False)
    age = (await pair.house.view()).heartbeat_age_s
    await other.heartbeat(on=True)
    await asyncio.sleep(0.3)
    later = (await pair.house.view()).heartbeat_age_s
    assert age is not None
    assert later is not None
    assert later > age


# Network life


async def test_cable_plugged_in_late(network: Network, go: StartGo, house: StartHouse) -> None:
    house_host = network.host("house", plugged=False)
    box, home = await go("box", network.host("box", BOX)), await house("house", house_host)
    await home.start(port=PORT, announce=True)
    await home.accept(box.ski)
    await box.start(port=PORT, mdns=True, dial=False, partners=[Partner(home.ski)])
    assert (await home.view()).announced == ()
    house_host.set_address(HOUSE)
    house_host.plug()
    await in_control(box, home, timeout_s=30)
    await home.wait_until(lambda view: HOUSE in view.announced)


@pytest.mark.parametrize(
    "bigger_ski", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["bigger SKI", "smaller SKI"]
)
async def test_address_changed(network: Network, go: StartGo, house: StartHouse, bigger_ski: bool) -> None:
    """The box never hears that the old connection is over.

    It replaces it by one that the bigger SKI dials; with the smaller SKI we are turned away until its ping
    has no answer, after 60 s at most.
    """
    house_host = network.host("house", HOUSE)
    box = await go("box", network.host("box", BOX))
    home = await house("house", house_host)
    while (home.ski > box.ski) is not bigger_ski:
        await home.quit()
        home = await house(f"house-{home.ski}", house_host)
    await home.start(port=PORT, announce=True)
    await home.accept(box.ski)
    await box.start(port=PORT, mdns=True, dial=False, partners=[Partner(home.ski)])
    await in_control(box, home)
    since = box.now
    house_host.set_address(MOVED)
    await home.wait_until(lambda view: MOVED in view.announced and HOUSE not in view.announced)
    await in_control(box, home, since, timeout_s=20 if bigger_ski else 100)
    assert (await box.limit("consumption", 4200)).accepted


@pytest.mark.slow
async def test_link_cut_for_30_s(pair: Pair) -> None:
    assert (await pair.box.limit("consumption", 4200)).accepted
    pair.house_host.pull()
    await asyncio.sleep(30)
    pair.house_host.plug()
    assert await pair.house.state("consumption") == "limited"
    async with asyncio.timeout(60):
        while True:
            try:
                written = await pair.box.limit("consumption", 4100)
            except PeerError:  # the old connection was given up and the new one is not ready yet
                await asyncio.sleep(1)
            else:
                break
    assert written.accepted
    assert (await pair.house.view()).consumption.effective_limit_w == 4100


# Reporting back


async def test_box_reads_power_and_energies_with_the_right_signs(pair: Pair) -> None:
    await pair.box.wait_for("use_case_support", use_case="mgcp", present=True)
    await pair.house.measure(power_w=-1501, feed_in_wh=2000, consumed_wh=3000)
    await pair.box.wait_for("mgcp", value="power")
    grid = await pair.box.grid()
    assert grid.power_w == -1501
    assert grid.feed_in_wh == -2000  # MGCP-001: what flows out is negative, energy too
    assert grid.consumed_wh == 3000
    await pair.house.measure(power_w=2750, feed_in_wh=2000, consumed_wh=3000)
    await pair.box.wait_for("mgcp", value="power", values=lambda values: values["power_w"] == 2750)
