"""Frames to datagrams and back, ours and the Go stack's in turn.

Each counts the processor time that it takes itself, so that other programs on the machine spoil nothing but
the caches.
"""

from __future__ import annotations

import cProfile
import io
import json
import pstats
import time
from collections.abc import Callable
from pathlib import Path

from eebus.ids import ShipId
from eebus.ship.frames import Data, decode, encode_data
from eebus.ship.settings import ShipSettings
from eebus.spine.datagram import Datagram, decode_datagram, encode_datagram
from tests.bench.table import Explain, Figure, Target
from tests.interop.json_peer import JsonPeer

RECORDINGS = sorted((Path(__file__).parents[1] / "captures").glob("*.jsonl"))
"""A box with an energy manager (small frames), and an energy manager with a heat pump (large ones)."""

ROUNDS = 7
ROUND_S = 0.2
DECODED = Target(hold=1.0, aim=1.5, good="high")
ENCODED = Target(hold=3.0, aim=6.0, good="high")


async def measure(go_program: Path, directory: Path) -> list[Figure]:
    """Measure both ways with each recording, round by round in turn."""
    go = await JsonPeer.launch([str(go_program), "-mode", "codec"], directory / "codec.log")
    try:
        return [figure for recording in RECORDINGS for figure in await _measure(go, recording)]
    finally:
        await go.quit()


async def _measure(go: JsonPeer, recording: Path) -> list[Figure]:
    frames = _frames(recording)
    datagrams = [_decoded(frame) for frame in frames]

    def decode_all() -> int:
        for frame in frames:
            _decoded(frame)
        return len(frames)

    def encode_all() -> int:
        for datagram in datagrams:
            encode_data(encode_datagram(datagram))
        return len(datagrams)

    decoding = await _in_turn(go, "decode", recording, decode_all)
    encoding = await _in_turn(go, "encode", recording, encode_all)
    mean = sum(map(len, frames)) / len(frames)
    return [
        Figure.ratio(
            f"frames of {mean:.0f} bytes decoded to datagrams", *decoding, "/s", DECODED, _profile(decode_all)
        ),
        Figure.ratio(
            f"datagrams encoded to frames of {mean:.0f} bytes", *encoding, "/s", ENCODED, _profile(encode_all)
        ),
    ]


async def _in_turn(
    go: JsonPeer, command: str, recording: Path, once: Callable[[], int]
) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_per_second(once))
        data = await go.call(command, file=str(recording), seconds=ROUND_S)
        theirs.append(float(data["frames_per_s"]))
    return ours, theirs


def _per_second(once: Callable[[], int]) -> float:
    done = 0
    started = time.process_time()
    while (spent := time.process_time() - started) < ROUND_S:
        done += once()
    return done / spent


def _profile(once: Callable[[], int]) -> Explain:
    def explain() -> str:
        profile = cProfile.Profile()
        profile.runcall(_per_second, once)
        text = io.StringIO()
        pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(12)
        return text.getvalue()

    return explain


def _frames(recording: Path) -> list[bytes]:
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    return [b"\x02" + line["text"].encode() for line in lines if line.get("type") == 2]


_SETTINGS = ShipSettings(local_ship_id=ShipId("bench"))


def _decoded(frame: bytes) -> Datagram:
    read = decode(
        frame,
        max_bytes=_SETTINGS.max_message_bytes,
        max_depth=_SETTINGS.max_depth,
        max_elements=_SETTINGS.max_elements,
    )
    assert isinstance(read, Data)
    return decode_datagram(read.datagram)
