"""``python -m tests.soak [COUNT] [FIRST]``: live through random days and say what they showed.

Control looks rarely between events, to save time; a day on which a limit was exceeded for longer than the
reaction time is lived once more with a look each second, as it really is.
"""

import sys
import time

from tests.soak.days import live_twice_if_slow
from tests.soak.pool import outcomes


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Print each broken promise and the figures of all days."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
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
