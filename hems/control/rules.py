"""What the household has chosen and built: how power is divided, counted and wired. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hems.control.allocation import Strategy
from hems.control.budget import Convention

Spread = tuple[float, float, float]
"""The parts of a device's power on the three phases."""

EVENLY: Spread = (1 / 3, 1 / 3, 1 / 3)


def spread_over(phases: tuple[int, ...]) -> Spread:
    """The spread of a device that is connected to these phases (1 to 3)."""
    first, second, third = (1.0 / len(phases) if number in phases else 0.0 for number in (1, 2, 3))
    return first, second, third


@dataclass(frozen=True, slots=True)
class Traits:
    """What the rules know of one device.

    `controllable`: its draw falls under consumption limits (§ 14a EnWG). `direct`: the grid operator limits
    it by itself, so that it has no part in the limit for all. `need`: its class, 0 first. `rank`: its
    priority; of those of equal rank that can only run or pause, each has its turn. `line`: the phase (1 to 3)
    of a device while it runs on one only.
    """

    controllable: bool = True
    direct: bool = False
    need: int = 0
    rank: int = 50
    spread: Spread = EVENLY
    line: int = 1


@dataclass(frozen=True, slots=True)
class HouseRules:
    """Choices for the whole house. `traits` by device name. `offer_to_batteries`: see `BatteryOffer`."""

    strategy: Strategy = Strategy.PRIORITY
    convention: Convention = Convention.HOUSE_FIRST
    traits: Mapping[str, Traits] = field(default_factory=dict)
    offer_to_batteries: bool = False

    def of(self, name: str) -> Traits:
        """The traits of one device."""
        return self.traits.get(name, _USUAL)


_USUAL = Traits()
