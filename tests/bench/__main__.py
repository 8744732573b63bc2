"""``python -m tests.bench [PART …]``: measure the figures of the design and print them as one table."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.bench import codec, exchange, gateway
from tests.bench.table import Figure, render
from tests.interop.go_toolchain import build_peer

Part = Callable[[Path, Path], Awaitable[list[Figure]]]

PARTS: dict[str, Part] = {"codec": codec.measure, "exchange": exchange.measure, "gateway": gateway.measure}


async def _measure(names: list[str]) -> list[Figure]:
    program = build_peer()
    figures: list[Figure] = []
    for name in names:
        sys.stderr.write(f"measuring {name} …\n")
        with tempfile.TemporaryDirectory() as directory:
            figures += await PARTS[name](program, Path(directory))
    return figures


def main() -> None:
    """Measure the named parts, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    wanted = parser.parse_args().parts or list(PARTS)
    sys.stdout.write(render(asyncio.run(_measure(wanted))) + "\n")


if __name__ == "__main__":
    main()
