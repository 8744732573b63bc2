"""Several boxes and houses of both stacks on one network: each finds its partner and no other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from tests.interop.conftest import StartGo, StartGoHouse, StartHouse, StartOurBox
from tests.interop.go_house import GoHouse
from tests.interop.go_peer import GoPeer, Partner
from tests.interop.house_peer import HousePeer
from tests.interop.json_peer import PeerError
from tests.interop.netns import Host, Network
from tests.interop.our_box import OurBox
from tests.interop.waiting import until
from tests.soak_eebus.rounds import FULL

pytestmark = [pytest.mark.interop, pytest.mark.netns]

PORT = 4712
_SEEN_WITHIN_S = 30.0
_BACK_WITHIN_S = 60.0
_GO_NOTICES_WITHIN_S = 110.0
"""After the other end of a connection of its own lost its power, that stack waits for its ping."""


@dataclass(frozen=True, slots=True)
class Street:
    """Two pairs on one switch: a Go box with a house of ours, and a box of ours with a Go house."""

    go_box: GoPeer
    our_house: HousePeer
    our_box: OurBox
    go_house: GoHouse
    our_house_host: Host
    go_house_host: Host

    @property
    def skis(self) -> set[str]:
        """Everybody."""
        return {self.go_box.ski, self.our_house.ski, self.our_box.ski, self.go_house.ski}


@pytest.fixture
async def street(
    network: Network, go: StartGo, go_house: StartGoHouse, house: StartHouse, our_box: StartOurBox
) -> Street:
    """Start four hosts that know each other by announcement only, and wait until both pairs work."""
    hosts = [network.host(f"host{number}", f"10.77.0.{number}") for number in range(2, 6)]
    box, ours, theirs = await asyncio.gather(
        go("go-box", hosts[0]), house("our-house", hosts[1]), go_house("go-house", hosts[3])
    )
    guard = await our_box("our-box", hosts[2], port=PORT, partners=[Partner(theirs.ski)], mdns=True)
    await box.start(port=PORT, mdns=True, partners=[Partner(ours.ski)])
    await theirs.start(port=PORT, mdns=True, partners=[Partner(guard.ski)])
    await ours.start(port=PORT, announce=True)
    await ours.accept(box.ski)
    made = Street(box, ours, guard, theirs, hosts[1], hosts[3])
    await both_work(made)
    return made


async def both_work(street: Street, since_go: int = 0, since_ours: int = 0) -> None:
    """Wait until each box controls its own house, and see that a limit arrives there and nowhere else."""
    await street.go_box.ready_to_control(street.our_house.ski, since_go, _GO_NOTICES_WITHIN_S)
    await street.our_house.wait_until(lambda view: view.heartbeat_age_s is not None)
    await street.our_box.ready(street.go_house.ski, since_ours, _BACK_WITHIN_S)
    assert (
        await street.go_box.limit("consumption", 4200)
    ).accepted  # there is no other partner, or it is an error
    assert (await street.our_box.limit("consumption", 5300))["accepted"]
    assert (await street.our_house.view()).consumption.effective_limit_w == 4200
    assert (await street.go_house.house()).consumption.value_w == 5300
    assert (await street.go_house.house()).partners == (street.our_box.ski,)

    async def only_partners_are_connected() -> bool:
        view, status = await street.our_house.view(), await street.our_box.status()
        assert view.pairing_requests == status.pairing_requests == ()
        return (view.connections, status.connections) == ((street.go_box.ski,), (street.go_house.ski,))

    await until(only_partners_are_connected, _BACK_WITHIN_S)


async def test_four_hosts_find_their_partners_and_a_stranger_commands_nobody(
    street: Street, network: Network, go: StartGo
) -> None:
    async def ours_sees_all() -> bool:
        return set((await street.our_house.view()).discovered) == street.skis - {street.our_house.ski}

    async def box_sees_all() -> bool:
        return set((await street.our_box.status()).discovered) == street.skis - {street.our_box.ski}

    await until(ours_sees_all, _SEEN_WITHIN_S)
    await until(box_sees_all, _SEEN_WITHIN_S)
    for program in (street.go_box, street.go_house):
        others = street.skis - {program.ski}
        await program.wait_for("visible", services=lambda found: others <= {one["ski"] for one in found})  # noqa: B023

    stranger = await go("stranger", network.host("stranger", "10.77.0.9"))
    wanted = [Partner(street.our_house.ski), Partner(street.our_box.ski), Partner(street.go_house.ski)]
    await stranger.start(port=PORT, mdns=True, partners=wanted)
    await street.our_house.wait_for("PairingRequested", _SEEN_WITHIN_S, ski=stranger.ski)
    await street.our_box.wait_for("pairing_request", _SEEN_WITHIN_S, ski=stranger.ski)
    assert (await street.our_house.view()).pairing_requests == (stranger.ski,)
    assert (await street.our_house.view()).connected == (street.go_box.ski,)
    with pytest.raises(PeerError, match="no partner serves"):
        await stranger.limit("consumption", 1000)
    assert (await street.go_box.limit("consumption", 4100)).accepted
    assert (await street.our_box.limit("consumption", 5100))["accepted"]


@pytest.mark.parametrize("ours_says_goodbye", [True, False] if FULL else [True])
async def test_hosts_that_vanish_and_come_back_elsewhere_are_found_again(
    street: Street, house: StartHouse, go_house: StartGoHouse, ours_says_goodbye: bool
) -> None:
    """One of the two houses says goodbye, the other one loses its power: nobody hears of that."""
    go_says_goodbye = not ours_says_goodbye
    since_go, since_ours = street.go_box.now, street.our_box.now
    await _vanish(street.our_house, street.our_house_host, goodbye=ours_says_goodbye)
    await _vanish(street.go_house, street.go_house_host, goodbye=go_says_goodbye)
    gone = street.our_house.ski if ours_says_goodbye else street.go_house.ski
    remembering = street.skis - {street.our_box.ski, gone}

    async def forgets_who_said_goodbye() -> bool:
        return set((await street.our_box.status()).discovered) == remembering

    await until(forgets_who_said_goodbye, _SEEN_WITHIN_S)
    street.our_house_host.set_address("10.77.0.33")
    street.go_house_host.set_address("10.77.0.55")
    for host in (street.our_house_host, street.go_house_host):
        host.plug()
    ours = await house("our-house", street.our_house_host)
    theirs = await go_house("go-house", street.go_house_host)
    await ours.start(port=PORT, announce=True)
    await theirs.start(port=PORT, mdns=True, partners=[Partner(street.our_box.ski)])
    await both_work(replace(street, our_house=ours, go_house=theirs), since_go, since_ours)


async def _vanish(program: HousePeer | GoHouse, host: Host, *, goodbye: bool) -> None:
    if goodbye:
        await program.quit()
        return
    host.pull()
    await program.kill()
