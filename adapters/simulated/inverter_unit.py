"""The inverter model behind SunSpec models 1, 103, 121 and 123, or 1, 103, 702 and 704."""

from abc import abstractmethod
from collections.abc import Callable

from pymodbus.constants import ExcCodes

from adapters.simulated.faults import Fault
from adapters.simulated.inverter import Inverter
from adapters.simulated.sunspec_layout import (
    NOT_IMPLEMENTED_S16,
    address_of,
    block,
    chain,
    common,
    s16,
)
from adapters.simulated.unit import RegisterChange, Registers, Settable, SimulatedUnit, split_u32

_SLEEPING, _MPPT, _THROTTLED, _STANDBY = 2, 4, 5, 8
_SF_MINUS_2, _SF_MINUS_1 = s16(-2), s16(-1)
_VOLTAGE_V = 230.0
_CLIP_FLOOR = 3_000
_PERCENT_STEPS = 100.0  # WMaxLimPct with scale factor −2


class InverterUnit(SimulatedUnit):
    """What both generations of limit models share."""

    def __init__(
        self,
        name: str,
        inverter: Inverter,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
    ) -> None:
        super().__init__(name, unit_id, advance, on_change)
        self._inverter = inverter
        self._controls: dict[int, int] = {}
        self.power_cycle()

    def holding(self) -> Registers:
        return chain(self._models())

    def power_cycle(self) -> None:
        self._controls = self._default_controls()
        self._inverter.disable()
        self._inverter.power_w = 0.0

    def own_doing(self) -> str:
        limit = self._inverter.limit_percent
        return "free" if limit is None else f"limited to {limit:g} %"

    @property
    def settable(self) -> Settable:
        return {"sun_w": (self._inverter, "sun_w", float)}

    def _models(self) -> list[list[int]]:
        return [common("Simulated", "PV 10", "SIM-0001"), self._measurements(), *self._limit_models()]

    def _control_address(self) -> int:
        return address_of(self._control_model, self._models())

    def _measurements(self) -> list[int]:
        """Model 103 with scale factors W 0, A −2, V −1, Hz −2, WH 0."""
        inverter = self._inverter
        phase = round(inverter.power_w / 3.0 / _VOLTAGE_V * 100)
        voltage = round(_VOLTAGE_V * 10)
        unknown = dict.fromkeys((18, 19, 20, 21, 22, 23, 28, 30, 31, 32, *range(33, 38)), NOT_IMPLEMENTED_S16)
        points = {
            **unknown,
            2: 3 * phase,
            **dict.fromkeys((3, 4, 5), phase),
            6: _SF_MINUS_2,
            **dict.fromkeys((10, 11, 12), voltage),
            13: _SF_MINUS_1,
            14: s16(inverter.power_w),
            15: 0,
            16: 5000,
            17: _SF_MINUS_2,
            24: split_u32(inverter.energy_wh)[0],
            25: split_u32(inverter.energy_wh)[1],
            26: 0,
            38: self._state(),
            **dict.fromkeys(range(40, 44), 0),
        }
        return block(103, 50, points)

    def _state(self) -> int:
        inverter = self._inverter
        if inverter.sun_w <= 0.0:
            return _SLEEPING
        if inverter.limit_percent == 0.0:
            return _STANDBY
        return _THROTTLED if inverter.available_w < min(inverter.sun_w, inverter.nameplate_w) else _MPPT

    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        start = address - self._control_address()
        offsets = range(start, start + len(values))
        if not all(offset in self._controls for offset in offsets):
            return ExcCodes.ILLEGAL_ADDRESS
        self._controls.update(zip(offsets, values, strict=True))
        if Fault.CLIP in self.faults:
            self._controls[self._percent_offset] = max(_CLIP_FLOOR, self._controls[self._percent_offset])
        if self._enable_offset in offsets and Fault.NO_EFFECT not in self.faults:
            self._take_over()
        return None

    def meaning(self, address: int, raw: int) -> str:
        return self._meaning(address - self._control_address(), raw)

    _control_model: int
    _enable_offset: int
    _percent_offset: int

    @abstractmethod
    def _default_controls(self) -> dict[int, int]:
        """The writable points by offset, as at power-on."""

    @abstractmethod
    def _limit_models(self) -> list[list[int]]:
        """The models behind the measurements: rating and limit."""

    @abstractmethod
    def _take_over(self) -> None:
        """Let the written limit take effect."""

    @abstractmethod
    def _meaning(self, offset: int, raw: int) -> str:
        """A written point in words."""


class ImmediateControlsUnit(InverterUnit):
    """Models 121 and 123; the limit is dropped when the revert time runs out."""

    _control_model = 123
    _enable_offset = 9
    _percent_offset = 5

    def _default_controls(self) -> dict[int, int]:
        return {5: 10_000, 6: 0, 7: 0, 8: 0, 9: 0}

    def _limit_models(self) -> list[list[int]]:
        rated = block(121, 30, {2: round(self._inverter.nameplate_w / 10.0), 22: 1})
        return [rated, block(123, 24, {4: 1, **self._shown(), 23: _SF_MINUS_2, 24: NOT_IMPLEMENTED_S16})]

    def _shown(self) -> dict[int, int]:
        reverted = self._inverter.limit_percent is None and Fault.NO_EFFECT not in self.faults
        return {**self._controls, 9: 0} if reverted else self._controls

    def _take_over(self) -> None:
        if self._controls[9] == 1:
            self._inverter.enable(self._controls[5] / _PERCENT_STEPS, float(self._controls[7]))
        else:
            self._inverter.disable()

    def _meaning(self, offset: int, raw: int) -> str:
        return {
            5: f"production limit {raw / _PERCENT_STEPS:g} %",
            7: f"limit reverts after {raw} s",
            9: "production limit on" if raw else "production limit off",
        }.get(offset, f"point at offset {offset} = {raw}")


class DerControlsUnit(InverterUnit):
    """Models 702 and 704; what follows the revert time is programmed with the limit."""

    _control_model = 704
    _enable_offset = 14
    _percent_offset = 15

    def _default_controls(self) -> dict[int, int]:
        return {14: 0, 15: 10_000, 16: 10_000, 17: 0, 18: 0, 19: 0}

    def _limit_models(self) -> list[list[int]]:
        nameplate = round(self._inverter.nameplate_w)
        rated = block(702, 50, {2: nameplate, 26: nameplate, 45: 0})
        remaining = split_u32(self._inverter.remaining_s)
        controls = {**self._shown(), 20: remaining[0], 21: remaining[1], 54: _SF_MINUS_2}
        unknown = dict.fromkeys((53, 55, 56, 57, 58), NOT_IMPLEMENTED_S16)
        return [rated, block(704, 65, {**unknown, **controls})]

    def _shown(self) -> dict[int, int]:
        inverter = self._inverter
        if Fault.NO_EFFECT in self.faults:
            return self._controls
        if inverter.limit_percent is None:
            return {**self._controls, 14: 0}
        return {**self._controls, 15: round(inverter.limit_percent * _PERCENT_STEPS)}

    def _take_over(self) -> None:
        controls = self._controls
        if controls[14] != 1:
            self._inverter.disable()
            return
        after = controls[16] / _PERCENT_STEPS if controls[17] == 1 else None
        seconds = float(controls[18] << 16 | controls[19])
        self._inverter.enable(controls[15] / _PERCENT_STEPS, seconds, after)

    def _meaning(self, offset: int, raw: int) -> str:
        return {
            14: "production limit on" if raw else "production limit off",
            15: f"production limit {raw / _PERCENT_STEPS:g} %",
            16: f"limit after the revert time {raw / _PERCENT_STEPS:g} %",
            17: "limited after the revert time" if raw else "free after the revert time",
            19: f"limit reverts after {raw} s",
        }.get(offset, f"point at offset {offset} = {raw}")
