"""Lives through many days on all cores."""

import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from tests.soak.days import Outcome, live_through

_CHUNK = 5


def outcomes(seeds: Iterable[int], pace_s: float) -> Iterator[Outcome]:
    """The days of all seeds, in order, in processes of their own; `pace_s` as in `live_through`."""
    context = get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, initializer=_quiet) as pool:
        yield from pool.map(partial(live_through, pace_s=pace_s), seeds, chunksize=_CHUNK)


def _quiet() -> None:
    logging.disable(logging.CRITICAL)
