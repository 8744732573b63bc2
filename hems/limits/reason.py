"""Why something was decided, as data: the same everywhere it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ReasonValue = int | float | str | None
"""What a figure of a reason may be."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A decision's reason.

    `code`: a stable word for machines. `text`: one plain English sentence for people, figures included.
    `values`: the figures of the sentence by name, units in the names.
    """

    code: str
    text: str
    values: Mapping[str, ReasonValue] = field(default_factory=dict)


def watts(power_w: float) -> str:
    """A power as people read it: whole watts below 1 kW, else kilowatts with three significant places."""
    if abs(power_w) < 1000.0:
        return f"{power_w:.0f} W"
    return f"{power_w / 1000.0:.2f} kW"
