"""LPC and LPP differ in data only: names on the wire, the sign of a limit, the kind of nominal maximum.

Inside the stack every value is a magnitude in watts; the sign exists on the wire only (reference 2.7).
"""

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which flow a limit concerns."""

    CONSUMPTION = "consumption"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Profile:
    """What distinguishes one limitation use case from the other."""

    short: str
    """LPC or LPP: the prefix of its rule numbers."""
    direction: Direction
    use_case: str
    limit_direction: str
    wire_sign: int
    """+1 or -1: what a magnitude is multiplied with to get the value of a limit on the wire."""
    limit_id: int
    failsafe_key_id: int
    failsafe_key: str
    characteristic_id: int
    contractual_maximum: str
    device_maximum: str

    def rule(self, number: str) -> str:
        """The full name of a rule, e.g. ``LPC-902``."""
        return f"{self.short}-{number}"


LPC = Profile(
    short="LPC",
    direction=Direction.CONSUMPTION,
    use_case="limitationOfPowerConsumption",
    limit_direction="consume",
    wire_sign=1,
    limit_id=0,
    failsafe_key_id=0,
    failsafe_key="failsafeConsumptionActivePowerLimit",
    characteristic_id=0,
    contractual_maximum="contractualConsumptionNominalMax",
    device_maximum="powerConsumptionNominalMax",
)
LPP = Profile(
    short="LPP",
    direction=Direction.PRODUCTION,
    use_case="limitationOfPowerProduction",
    limit_direction="produce",
    wire_sign=-1,
    limit_id=1,
    failsafe_key_id=2,
    failsafe_key="failsafeProductionActivePowerLimit",
    characteristic_id=1,
    contractual_maximum="contractualProductionNominalMax",
    device_maximum="powerProductionNominalMax",
)
PROFILES = (LPC, LPP)

FAILSAFE_DURATION_KEY_ID = 1
FAILSAFE_DURATION_KEY = "failsafeDurationMinimum"
"""One data point for both use cases (LPC-TS-041)."""

SHORTEST_FAILSAFE_DURATION_S = 2 * 3600.0
LONGEST_FAILSAFE_DURATION_S = 24 * 3600.0


def profile_of(direction: Direction) -> Profile:
    """The use case that limits this direction."""
    return LPC if direction is Direction.CONSUMPTION else LPP
