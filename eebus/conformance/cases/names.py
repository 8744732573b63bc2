"""Which value a monitoring case is about: its id says so."""

import re
from typing import Final

from eebus.conformance.catalogue import catalogue
from eebus.usecases.monitoring_data import Quantity

_ID: Final = re.compile(r"ATC_(?:MPC|MGCP)_\w+?_(?:PT|NT)_(?P<actor>MU|GCP|MA)(?P<name>\D+)_(?P<number>\d+)")
_PHASES: Final = ("a", "b", "c", "ab", "bc", "ca")
_SINGLE: Final = {
    "TotalActivePower": Quantity.POWER,
    "TotalConsumedEnergy": Quantity.ENERGY_CONSUMED,
    "TotalProducedEnergy": Quantity.ENERGY_PRODUCED,
    "TotalFeedInEnergy": Quantity.ENERGY_PRODUCED,
    "Frequency": Quantity.FREQUENCY,
}
_PER_PHASE: Final = {"PhaseActivePower": "power", "ActiveACCurrent": "current", "ACVoltage": "voltage"}
_PAIRS: Final = {
    "power": (2300.0, 4100.0),
    "current": (10.0, 16.5),
    "voltage": (229.5, 234.8),
    "frequency": (49.98, 50.06),
    "energy": (12_000.0, 12_800.0),
}


def quantity_of(case_id: str) -> Quantity:
    """The value of a case. Phase values are numbered; an appliance has two cases (PT, NT) for each."""
    match = _ID.fullmatch(case_id)
    assert match is not None
    name, number = match["name"], int(match["number"])
    if name in _SINGLE:
        return _SINGLE[name]
    index = (number - 1) // 2 if match["actor"] == "MA" else number - 1
    return Quantity(f"{_PER_PHASE[name]}_{_PHASES[index]}")


def ids_of(actors: tuple[str, ...], kind: str, *names: str) -> tuple[str, ...]:
    """The ids of the cases for these actors, of kind PT or NT, about one of these names."""
    found = []
    for id_ in catalogue():
        match = _ID.fullmatch(id_)
        if match and match["actor"] in actors and f"_{kind}_" in id_ and match["name"] in names:
            found.append(id_)
    return tuple(found)


def has_direction(quantity: Quantity) -> bool:
    """Whether the value has a sign that follows the energy direction."""
    return quantity is Quantity.POWER or quantity.startswith(("power_", "current_"))


def magnitudes(quantity: Quantity) -> tuple[float, float]:
    """A first value and a clearly changed one."""
    return _PAIRS[quantity.partition("_")[0]]
