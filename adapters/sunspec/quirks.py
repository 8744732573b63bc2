"""What single vendors do differently, as data."""

from dataclasses import dataclass

from adapters.sunspec.model import Group


@dataclass(frozen=True, slots=True)
class DynamicLimit:
    """Registers of a maker for a volatile production limit; 32-bit ones have their low word first.

    `enable` (u16), `power_w` (f32, what 100 % means), `timeout_s` (u32), `after_percent` (f32, the limit
    after the timeout), `percent` (f32, the limit).
    """

    enable: int
    power_w: int
    timeout_s: int
    after_percent: int
    percent: int


@dataclass(frozen=True, slots=True)
class Quirks:
    """Deviations of a family.

    `single_reads`: points of its limit model are read one by one. `single_writes`: they are written so.
    `fixed_enable`: the installer enables the limit, only the percentage may be written. `full_is_free`: the
    limit stays enabled, and 100 % releases it.
    `dynamic_limit`: it has no limit model, but registers of its own. `storage_modules`: the modules of model
    160, from 0, that show charging and discharging. `meter_export_positive`: its meter counts export as
    positive power. `zero_frames`: it sends frames of zeros while starting.
    """

    single_reads: bool = False
    single_writes: bool = False
    fixed_enable: bool = False
    full_is_free: bool = False
    dynamic_limit: DynamicLimit | None = None
    storage_modules: tuple[int, int] | None = None
    meter_export_positive: bool = False
    zero_frames: bool = False


_BY_MANUFACTURER = {
    "kostal": Quirks(single_writes=True, full_is_free=True),
    "sma": Quirks(single_reads=True, single_writes=True, fixed_enable=True, full_is_free=True),
    "solaredge": Quirks(
        meter_export_positive=True,
        dynamic_limit=DynamicLimit(
            enable=0xF300, power_w=0xF304, timeout_s=0xF310, after_percent=0xF312, percent=0xF322
        ),
    ),
    "fronius": Quirks(zero_frames=True, storage_modules=(2, 3)),
}


def quirks_of(common: Group) -> Quirks:
    """The deviations of the device that a common model names."""
    manufacturer = common.text("Mn").lower()
    for name, quirks in _BY_MANUFACTURER.items():
        if manufacturer.startswith(name):
            return quirks
    return Quirks()
