"""Which code runs which case, over which data sets."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import product

from eebus.conformance.catalogue import catalogue
from eebus.conformance.stage import AS_CLIENT, AS_SERVER, Stage
from eebus.errors import LocalError

CaseFunction = Callable[[Stage], Awaitable[None]]

BOTH_SIDES = (AS_SERVER, AS_CLIENT)
CLIENT_SIDE = (AS_CLIENT,)
ONE_SET = ("",)


@dataclass(frozen=True, slots=True)
class CaseCode:
    """The code of one case.

    Of ``sets`` every one has its own run, of ``alternatives`` one would be enough; where time is simulated
    all of them run too.
    """

    id: str
    function: CaseFunction
    sets: tuple[str, ...]
    alternatives: tuple[str, ...]
    needs_sockets: bool

    def data_sets(self, *, exhaustive: bool, has_server: bool = True) -> list[str]:
        """The runs of the case; a device without a service of its own has none as server."""
        sets, alternatives = (
            [item for item in items if has_server or item != AS_SERVER]
            for items in (self.sets, self.alternatives)
        )
        chosen = alternatives if exhaustive else alternatives[:1]
        return [" ".join(filter(None, pair)) for pair in product(sets, chosen)]


REGISTERED: dict[str, CaseCode] = {}
"""Complete once ``all_cases`` has been imported."""


def case(
    *ids: str,
    sets: Sequence[str] = ONE_SET,
    alternatives: Sequence[str] = ONE_SET,
    needs_sockets: bool = False,
) -> Callable[[CaseFunction], CaseFunction]:
    """Register a function for official cases. ``{LP}`` in an id stands for LPC and LPP.

    Raises LocalError for an id that is not in the catalogue, or has code already.
    """

    def register(function: CaseFunction) -> CaseFunction:
        for template in ids:
            for id_ in expanded(template):
                if id_ not in catalogue() or id_ in REGISTERED:
                    raise LocalError(f"{id_} is unknown, or has code already")
                REGISTERED[id_] = CaseCode(id_, function, tuple(sets), tuple(alternatives), needs_sockets)
        return function

    return register


def expanded(template: str) -> tuple[str, ...]:
    """``ATC_{LP}_…`` for both limitation use cases."""
    if "{LP}" not in template:
        return (template,)
    return tuple(template.replace("{LP}", name) for name in ("LPC", "LPP"))
