"""The grid meter behind SunSpec models 1 and 203 (three-phase, wye)."""

from collections.abc import Callable

from pymodbus.constants import ExcCodes

from adapters.simulated.house import House
from adapters.simulated.sunspec_layout import NOT_IMPLEMENTED_S16, block, chain, common, s16
from adapters.simulated.unit import RegisterChange, Registers, SimulatedUnit, split_u32


class MeterUnit(SimulatedUnit):
    """Unit with the meter; import is positive, or negative where `export_positive` says so."""

    def __init__(
        self,
        name: str,
        house: House,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
        export_positive: bool = False,
    ) -> None:
        super().__init__(name, unit_id, advance, on_change)
        self._house = house
        self._sign = -1.0 if export_positive else 1.0

    def holding(self) -> Registers:
        return chain([common("Simulated", "Meter", "SIM-0002"), self._meter()])

    def _meter(self) -> list[int]:
        """Scale factors: A −2, V −1, Hz −2, W 0, energy 0."""
        house = self._house
        power_w = self._sign * house.shown.power_w
        phases_w = [self._sign * phase_w for phase_w in house.shown.phases_w]
        voltage_v = house.wallbox.voltage_v
        hundredths_a = [phase_w / voltage_v * 100.0 for phase_w in phases_w]
        exported, imported = split_u32(house.exported_wh), split_u32(house.imported_wh)
        unknown = dict.fromkeys((*range(11, 15), *range(23, 38), 71, 104), NOT_IMPLEMENTED_S16)
        points = {
            **dict.fromkeys(range(38, 105), 0),
            **unknown,
            2: s16(sum(hundredths_a)),
            **{3 + phase: s16(current) for phase, current in enumerate(hundredths_a)},
            6: s16(-2),
            7: s16(voltage_v * 10),
            **dict.fromkeys((8, 9, 10), s16(voltage_v * 10)),
            15: s16(-1),
            16: 5000,
            17: s16(-2),
            18: s16(power_w),
            **{19 + phase: s16(phase_w) for phase, phase_w in enumerate(phases_w)},
            22: 0,
            38: exported[0],
            39: exported[1],
            46: imported[0],
            47: imported[1],
            54: 0,
            105: 0,
            106: 0,
        }
        return block(203, 105, points)

    def write(self, address: int, values: list[int]) -> ExcCodes | None:  # noqa: ARG002 - all is read-only
        return ExcCodes.ILLEGAL_ADDRESS

    def meaning(self, address: int, raw: int) -> str:
        return f"register {address} = {raw}"

    def power_cycle(self) -> None:
        """Nothing to forget."""
