"""``python -m tests.bench [PART …]``: measure the figures of the design and print them as one table.

The table also goes to ``.bench/``. A figure that is missed is printed with its profile.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import codec, division, energy_lost, exchange, gateway, scale
from tests.bench.table import MISSED, Figure, render
from tests.interop.go_toolchain import build_peer
from tests.interop.netns import unavailable

Part = Callable[[Path, Path], Awaitable[list[Figure]]]

PARTS: dict[str, Part] = {
    "codec": codec.measure,
    "exchange": exchange.measure,
    "gateway": gateway.measure,
    "scale": scale.measure,
    "division": division.measure,
    "energy": energy_lost.measure,
}
NEED_NETWORKS = {"exchange", "gateway", "scale"}
RESULTS = Path(__file__).parents[2] / ".bench"


async def _measure(names: Sequence[str]) -> list[Figure]:
    program = build_peer()
    figures: list[Figure] = []
    for name in names:
        if name in NEED_NETWORKS and (reason := unavailable()):
            sys.stderr.write(f"{name} is not measured: {reason}\n")
            continue
        sys.stderr.write(f"measuring {name} …\n")
        with tempfile.TemporaryDirectory() as directory:
            figures += await PARTS[name](program, Path(directory))
    return figures


def _report(figures: Sequence[Figure]) -> str:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = [f"{at}, {os.cpu_count()} cores, load {load}", "", render(figures)]
    for figure in figures:
        if figure.verdict == MISSED and figure.explain is not None:
            lines += ["", f"{figure.what}:", figure.explain()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the named parts, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    report = _report(asyncio.run(_measure(wanted)))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.md").write_text(report)
    sys.stdout.write(report)


if __name__ == "__main__":
    main()
