"""Where sources of ceilings deliver: all that a source needs to know of the rest of the gateway."""

from collections.abc import Iterable
from typing import Protocol

from hems.limits.ceilings import Ceiling


class CeilingSink(Protocol):
    """Takes ceilings. A source hands over its ceiling at its start and after every change.

    It names its own freshness and fault policy in the ceiling, so that nobody else has to watch it.
    """

    def new_ceilings(self, ceilings: Iterable[Ceiling]) -> None:
        """Take them and act on them at once; never waits for a device."""
