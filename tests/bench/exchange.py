"""The same Go box writes limits to, and dials, our controllable system and the Go one in turn."""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

from tests.bench.table import Figure, Target
from tests.interop.go_peer import GoPeer, Partner
from tests.interop.house_peer import HousePeer
from tests.interop.netns import Network

BOX, OURS, THEIRS = "10.77.0.2", "10.77.0.3", "10.77.0.4"
PORT = 4712
BURSTS = 8
BURST_LENGTH = 50
DIALS = 8
REDIAL_PATIENCE_S = 60.0
"""A Go system sometimes ends a new connection with the old one; the Go box takes its time to dial again."""
NS_PER_MS = 1e6
WRITTEN = Target(hold=1.5, aim=1.0)
KNOWN = Target(hold=1.5, aim=1.0)


async def measure(go_program: Path, directory: Path) -> list[Figure]:
    """Measure both, round by round in turn."""
    with Network() as network:
        hosts = {name: network.host(name, address) for name, address in _PLACES.items()}
        folders = {name: directory / name for name in _PLACES}
        for folder in folders.values():
            folder.mkdir()
        box = await GoPeer.launch_go(go_program, folders["box"], prefix=hosts["box"].command())
        ours = await HousePeer.launch_house(folders["ours"], prefix=hosts["ours"].command())
        theirs = await GoPeer.launch_go(
            go_program, folders["theirs"], prefix=hosts["theirs"].command(), mode="cs"
        )
        try:
            await _connect(box, ours, theirs)
            return [await _writes(box, ours.ski, theirs.ski), await _dials(box, ours.ski, theirs.ski)]
        finally:
            await asyncio.gather(*(peer.quit() for peer in (box, ours, theirs)))


_PLACES = {"box": BOX, "ours": OURS, "theirs": THEIRS}


async def _connect(box: GoPeer, ours: HousePeer, theirs: GoPeer) -> None:
    await theirs.start(port=PORT, partners=[Partner(box.ski)], dial=False)
    await ours.start(port=PORT)
    await ours.accept(box.ski)
    places = [Partner(ours.ski, OURS, PORT), Partner(theirs.ski, THEIRS, PORT)]
    await box.start(port=PORT, partners=places)
    for place in places:
        await box.ready_to_control(place.ski)


async def _writes(box: GoPeer, ours: str, theirs: str) -> Figure:
    latencies: dict[str, list[float]] = {ours: [], theirs: []}
    for _ in range(BURSTS):
        for ski, found in latencies.items():
            written = await box.burst("consumption", 4200, BURST_LENGTH, ski=ski)
            found.append(statistics.median(written) / NS_PER_MS)
    what = "limit write → result at the box"
    return Figure.ratio(what, latencies[ours], latencies[theirs], "ms", WRITTEN)


async def _dials(box: GoPeer, ours: str, theirs: str) -> Figure:
    durations: dict[str, list[float]] = {ours: [], theirs: []}
    for _ in range(DIALS):
        for ski, found in durations.items():
            since = box.now
            await box.disconnect(ski)
            await box.ready_to_control(ski, since, REDIAL_PATIENCE_S)
            found.append(_known_after_ns(box, ski, since) / NS_PER_MS)
    return Figure.ratio("dial → use case known", durations[ours], durations[theirs], "ms", KNOWN)


def _known_after_ns(box: GoPeer, ski: str, since: int) -> int:
    """From the dial that came to something to the knowledge of the use case."""
    known = box.events("use_case_support", since, ski=ski, use_case="lpc", present=True)[0]["at_ns"]
    dials = [event["at_ns"] for event in box.events("dialling", since, ski=ski)]
    return int(known - max(at for at in dials if at <= known))
