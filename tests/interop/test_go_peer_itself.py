"""The harness itself, Go box against Go controllable system: a failure elsewhere is then not the harness."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.conftest import StartGo
from tests.interop.go_peer import Limit, Partner
from tests.interop.json_peer import PeerError
from tests.interop.netns import Network

pytestmark = [pytest.mark.interop, pytest.mark.netns]

BOX, HOUSE = "10.77.0.2", "10.77.0.3"
PORT = 4712


async def test_box_dials_by_address_writes_and_reads_back(network: Network, go: StartGo) -> None:
    box = await go("box", network.host("box", BOX))
    house = await go("house", network.host("house", HOUSE), mode="cs")
    await house.start(port=PORT, partners=[Partner(box.ski)], dial=False)
    await box.start(port=PORT, partners=[Partner(house.ski, HOUSE, PORT)])
    await box.ready_to_control(house.ski)

    assert (await box.limit("consumption", 4200, duration_s=7200)).accepted
    assert (await box.limit("production", -3000)).accepted
    refused = await box.limit("consumption", -1)
    assert (refused.error_number, refused.description) == (7, "a consumption limit is not negative")
    assert (await box.failsafe(consumption_w=4300, production_w=0, duration_s=7200)).accepted

    seen = await box.read_back()
    assert seen.consumption == Limit(4200, active=True, changeable=True, duration_s=7200)
    assert seen.production == Limit(-3000, active=True, changeable=True, duration_s=0)
    assert (seen.failsafe_consumption_w, seen.failsafe_production_w) == (4300, 0)
    assert seen.failsafe_duration_s == 7200
    assert len(await box.burst("consumption", 5000, 20)) == 20

    await house.call("measure", power_w=-1234.5, feed_in_wh=-100, consumed_wh=2000)
    await box.wait_for("mgcp", value="power")
    grid = await box.grid()
    assert (grid.power_w, grid.feed_in_wh, grid.consumed_wh) == (-1234.5, -100, 2000)


async def test_found_by_mdns_and_paired_later(network: Network, go: StartGo) -> None:
    house = await go("house", network.host("house", HOUSE), mode="cs")
    box = await go("box", network.host("box", BOX))
    await house.start(port=PORT, mdns=True, dial=False)
    await box.start(port=PORT, mdns=True, partners=[Partner(house.ski)])
    await house.wait_for("pairing", ski=box.ski, state="received_pairing_request")
    with pytest.raises(PeerError, match="no partner serves"):
        await box.limit("consumption", 1000)
    await house.pair(Partner(box.ski))
    await box.ready_to_control(house.ski)
    assert (await box.limit("consumption", 1000)).accepted


async def test_untrusted_is_aborted_without_waiting(network: Network, go: StartGo) -> None:
    box = await go("box", network.host("box", BOX))
    house = await go("house", network.host("house", HOUSE), mode="cs")
    await house.start(port=PORT, dial=False, wait_for_trust=False)
    await box.start(port=PORT, partners=[Partner(house.ski, HOUSE, PORT)])
    await box.wait_for("pairing", ski=house.ski, state="remote_denied_trust")


async def test_cable_is_pulled_and_plugged_again(network: Network, go: StartGo) -> None:
    house_host = network.host("house", HOUSE, plugged=False)
    box = await go("box", network.host("box", BOX))
    house = await go("house", house_host, mode="cs")
    await house.start(port=PORT, partners=[Partner(box.ski)], dial=False)
    await box.start(port=PORT, partners=[Partner(house.ski, HOUSE, PORT)])
    await asyncio.sleep(0.2)
    house_host.plug()
    await box.ready_to_control(house.ski)
    house_host.pull()
    write = asyncio.create_task(box.limit("consumption", 1000))
    await asyncio.sleep(0.5)
    assert not write.done()
    house_host.plug()
    assert (await write).accepted
