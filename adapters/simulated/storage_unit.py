"""The battery model behind the SunSpec models 1, 160 and 124 of a hybrid inverter.

As the most common hybrid has it: module 3 of model 160 charges, module 4 discharges, and the revert timer of
model 124 is not implemented.
"""

from collections.abc import Callable

from pymodbus.constants import ExcCodes

from adapters.simulated.battery import Battery
from adapters.simulated.faults import Fault
from adapters.simulated.sunspec_layout import NOT_IMPLEMENTED_U16, address_of, block, chain, common, s16, text
from adapters.simulated.unit import RegisterChange, Registers, Settable, SimulatedUnit

_STORAGE = 124
_MODE, _RESERVE, _OUT_RATE, _IN_RATE, _GRID_CHARGING = 5, 7, 12, 13, 17
_CHARGE_LIMIT = 1
_FULL_RATE = 10_000
_RATE_STEPS = 100.0
_CLIP_FLOOR = 3_000
_EMPTY, _DISCHARGING, _CHARGING, _FULL, _HOLDING = 2, 3, 4, 5, 6


class StorageUnit(SimulatedUnit):
    """Unit with the battery; rates are hundredths of a percent of its largest power."""

    def __init__(
        self,
        name: str,
        battery: Battery,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
    ) -> None:
        super().__init__(name, unit_id, advance, on_change)
        self._battery = battery
        self._controls: dict[int, int] = {}
        self.power_cycle()

    def holding(self) -> Registers:
        return chain(self._models())

    def _models(self) -> list[list[int]]:
        return [common("Fronius", "Hybrid", "SIM-0003"), self._modules(), self._storage()]

    def _modules(self) -> list[int]:
        """Model 160: two strings, charging, discharging; scale factors A −2, V −1, W 0, Wh 0."""
        charge_w, discharge_w = max(0.0, self._battery.power_w), max(0.0, -self._battery.power_w)
        values = [160, 88, s16(-2), s16(-1), 0, 0, 0, 0, 4, NOT_IMPLEMENTED_U16]
        for number, (label, power_w) in enumerate(
            (("String 1", 0.0), ("String 2", 0.0), ("StCha 3", charge_w), ("StDisCha 4", discharge_w)),
            start=1,
        ):
            unknown = [NOT_IMPLEMENTED_U16] * 8
            values += [number, *text(label, 8), 0, 4000, round(power_w), 0, 0, *unknown[:6]]
        return values

    def _storage(self) -> list[int]:
        battery = self._battery
        points = {
            2: round(battery.max_power_w),
            3: 100,
            4: 100,
            8: round(100.0 * 100.0 * battery.energy_wh / battery.capacity_wh),
            11: self._state(),
            18: 0,
            **dict.fromkeys((19, 21, 22, 25), s16(-2)),
            **dict.fromkeys((20, 23, 24), s16(0)),
            **self._controls,
        }
        return block(_STORAGE, 24, points)

    def _state(self) -> int:
        battery = self._battery
        if battery.power_w:
            return _CHARGING if battery.power_w > 0.0 else _DISCHARGING
        if battery.energy_wh <= 0.0:
            return _EMPTY
        return _FULL if battery.energy_wh >= battery.capacity_wh else _HOLDING

    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        start = address - address_of(_STORAGE, self._models())
        if not all(start + offset in self._controls for offset in range(len(values))):
            return ExcCodes.ILLEGAL_ADDRESS
        for offset, value in enumerate(values, start=start):
            clipped = offset == _IN_RATE and Fault.CLIP in self.faults
            self._controls[offset] = max(value, _CLIP_FLOOR) if clipped else value
        if Fault.NO_EFFECT not in self.faults:
            self._take_over()
        return None

    def _take_over(self) -> None:
        battery = self._battery
        share = self._controls[_IN_RATE] / _RATE_STEPS / 100.0
        is_limited = self._controls[_MODE] & _CHARGE_LIMIT
        battery.ceiling_w = share * battery.max_power_w if is_limited else None

    def meaning(self, address: int, raw: int) -> str:
        offset = address - address_of(_STORAGE, self._models())
        return {
            _MODE: "charge limit on" if raw & _CHARGE_LIMIT else "charge limit off",
            _IN_RATE: f"charge limit {raw / _RATE_STEPS:g} %",
            _OUT_RATE: f"discharge limit {raw / _RATE_STEPS:g} %",
        }.get(offset, f"point at offset {offset} = {raw}")

    @property
    def settable(self) -> Settable:
        return {
            "battery_energy_wh": (self._battery, "energy_wh", float),
            "grid_charge_w": (self._battery, "grid_charge_w", float),
        }

    def power_cycle(self) -> None:
        self._controls = {
            _MODE: 0,
            _RESERVE: 500,
            _OUT_RATE: _FULL_RATE,
            _IN_RATE: _FULL_RATE,
            _GRID_CHARGING: 1,
        }
        self._battery.ceiling_w = None
