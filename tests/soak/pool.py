"""Lives through many days on all cores."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.soak.days import Outcome

_CHUNK = 5


def outcomes(seeds: Iterable[int], live: Callable[[int], Outcome]) -> Iterator[Outcome]:
    """The days of all seeds, in order, in processes of their own; `live` is a function of `days`."""
    context = get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, initializer=_quiet) as pool:
        yield from pool.map(live, seeds, chunksize=_CHUNK)


def _quiet() -> None:
    logging.disable(logging.CRITICAL)
