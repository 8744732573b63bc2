"""How fast frames become datagrams and datagrams become frames, on one core.

The work is the same as for a peer: JSON text of a SHIP data message to a typed datagram, and a typed datagram
to the JSON text that SHIP wraps. Run it alone with ``python -m tests.bench.codec``.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from eebus.jsonform import merge_members
from eebus.spine.datagram import Datagram, decode_datagram, encode_datagram

CAPTURES = Path(__file__).parents[1] / "captures"

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class CodecFigures:
    """Medians over the rounds, and the mean size of the frames."""

    frames: int
    mean_bytes: float
    decoded_per_s: float
    encoded_per_s: float


def captured_frames(path: Path) -> list[bytes]:
    """The SPINE frames of a capture as JSON text."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["text"].encode() for line in lines if line.get("type") == 2]


def decode_frame(frame: bytes) -> Datagram:
    """From the text of a SHIP data message to the datagram."""
    data = merge_members(msgspec.json.decode(frame)["data"])
    return decode_datagram(merge_members(data["payload"])["datagram"])


def measure(frames: Sequence[bytes], *, rounds: int = 7, round_s: float = 0.3) -> CodecFigures:
    """Decode and encode the frames again and again."""
    datagrams = [decode_frame(frame) for frame in frames]
    return CodecFigures(
        frames=len(frames),
        mean_bytes=statistics.fmean(map(len, frames)),
        decoded_per_s=_rate(decode_frame, frames, rounds, round_s),
        encoded_per_s=_rate(encode_datagram, datagrams, rounds, round_s),
    )


def _rate(work: Callable[[_Item], object], items: Sequence[_Item], rounds: int, round_s: float) -> float:
    rates: list[float] = []
    for _ in range(rounds):
        done, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < round_s:
            for item in items:
                work(item)
            done += len(items)
        rates.append(done / elapsed)
    return statistics.median(rates)


def main() -> None:
    """Print the figures for each capture."""
    for path in sorted(CAPTURES.glob("*.jsonl")):
        figures = measure(captured_frames(path))
        print(  # noqa: T201
            f"{path.stem}: {figures.frames} frames of {figures.mean_bytes:.0f} bytes, "
            f"{figures.decoded_per_s:.0f} decoded/s, {figures.encoded_per_s:.0f} encoded/s"
        )


if __name__ == "__main__":
    main()
