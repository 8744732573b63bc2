"""Frames to datagrams and back, on one core, ours and the Go stack's in turn."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sized
from pathlib import Path

from eebus.ids import ShipId
from eebus.ship.frames import Data, decode, encode_data
from eebus.ship.settings import ShipSettings
from eebus.spine.datagram import Datagram, decode_datagram, encode_datagram
from tests.bench.table import Figure, Target
from tests.interop.json_peer import JsonPeer

RECORDING = Path(__file__).parents[1] / "captures" / "eebus-go-controlbox-hems.jsonl"
ROUNDS = 5
ROUND_S = 1.0
DECODED = Target(hold=1.0, aim=1.5, good="high")
ENCODED = Target(hold=3.0, aim=6.0, good="high")


async def measure(go_program: Path, directory: Path) -> list[Figure]:
    """Measure both ways, round by round in turn."""
    frames = _frames()
    datagrams = [_decoded(frame) for frame in frames]
    go = await JsonPeer.launch([str(go_program), "-mode", "codec"], directory / "codec.log")
    try:
        decoding = await _in_turn(go, "decode", lambda: [_decoded(frame) for frame in frames])
        encoding = await _in_turn(
            go, "encode", lambda: [encode_data(encode_datagram(datagram)) for datagram in datagrams]
        )
    finally:
        await go.quit()
    mean = sum(map(len, frames)) / len(frames)
    return [
        Figure.ratio(f"frames of {mean:.0f} bytes decoded to datagrams", *decoding, "/s", DECODED),
        Figure.ratio(f"datagrams encoded to frames of {mean:.0f} bytes", *encoding, "/s", ENCODED),
    ]


async def _in_turn(go: JsonPeer, command: str, once: Callable[[], Sized]) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_per_second(once))
        data = await go.call(command, file=str(RECORDING), seconds=ROUND_S)
        theirs.append(float(data["frames_per_s"]))
    return ours, theirs


def _per_second(once: Callable[[], Sized]) -> float:
    done = 0
    started = time.perf_counter()
    while (spent := time.perf_counter() - started) < ROUND_S:
        done += len(once())
    return done / spent


def _frames() -> list[bytes]:
    lines = [json.loads(line) for line in RECORDING.read_text().splitlines()]
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
