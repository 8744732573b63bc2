"""What single vendors do differently, as data."""

from dataclasses import dataclass

from adapters.sunspec.model import Group


@dataclass(frozen=True, slots=True)
class Quirks:
    """Deviations of a family.

    `single_reads`: points of its limit model are read one by one. `single_writes`: they are written so.
    `fixed_enable`: the installer enables the limit, only the percentage may be written.
    `meter_export_positive`: its meter counts export as positive power. `zero_frames`: it sends frames of
    zeros while starting.
    """

    single_reads: bool = False
    single_writes: bool = False
    fixed_enable: bool = False
    meter_export_positive: bool = False
    zero_frames: bool = False


_BY_MANUFACTURER = {
    "kostal": Quirks(single_writes=True),
    "sma": Quirks(single_reads=True, single_writes=True, fixed_enable=True),
    "solaredge": Quirks(meter_export_positive=True),
    "fronius": Quirks(zero_frames=True),
}


def quirks_of(common: Group) -> Quirks:
    """The deviations of the device that a common model names."""
    manufacturer = common.text("Mn").lower()
    for name, quirks in _BY_MANUFACTURER.items():
        if manufacturer.startswith(name):
            return quirks
    return Quirks()
