"""``python -m tests.soak [COUNT] [FIRST]``: live through random days and say what they showed.

Control looks rarely between events, to save time; a day on which a limit was exceeded for longer than the
reaction time is lived once more with a look each second, as it really is.
"""

import argparse
import sys
import time

from tests.soak.days import live_twice_if_slow
from tests.soak.pool import outcomes


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Print each broken promise and the figures of all days."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=10_000, help="how many days (default: 10000)")
    parser.add_argument("first", type=int, nargs="?", default=0, help="number of the first one (default: 0)")
    options = parser.parse_args()
    count, first = options.count, options.first
    began = time.monotonic()
    bad, longest_s, judged, kills, twice = 0, 0.0, 0, 0, 0
    for number, outcome in enumerate(outcomes(range(first, first + count), live_twice_if_slow), start=1):
        longest_s = max(longest_s, outcome.longest_s)
        judged += outcome.judged
        kills += outcome.kills
        twice += outcome.lived_twice
        if not outcome.good:
            bad += 1
            _tell(f"house {outcome.seed}: {outcome.complaint}")
        if number % 100 == 0:
            _tell(f"{number} houses, {bad} bad, {time.monotonic() - began:.0f} s")
    _tell(
        f"{count} houses x 2 h: {bad} broke a promise; longest time above a limit {longest_s:.0f} s; "
        f"{judged} moments judged, {kills} gateways killed, {twice} days lived twice, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
