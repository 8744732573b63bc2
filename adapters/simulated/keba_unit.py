"""The wallbox model behind the register tables of the KEBA KeContact P30 and P40.

Laid out from the vendor's Modbus TCP programmers guides, not from our profiles: reads of exactly one value,
single writes, a failsafe that any request feeds.
"""

from collections.abc import Callable
from typing import Literal

from pymodbus.constants import ExcCodes

from adapters.simulated.faults import Fault
from adapters.simulated.unit import RegisterChange, Registers, Settable, SimulatedUnit, placed, split_u32
from adapters.simulated.wallbox import Wallbox
from adapters.simulated.wallbox_unit import own_doing_of, settable_of

_READ_HOLDING, _WRITE_SINGLE = 3, 6
_VALUE_REGISTERS = 2
_SET_CURRENT, _ENABLE, _FAILSAFE_CURRENT, _FAILSAFE_TIMEOUT = 5004, 5014, 5016, 5018
_PHASE_SOURCE, _PHASES = 5050, 5052
_OVER_MODBUS = 3
_NOT_READY, _READY, _CHARGING, _SUSPENDED = 1, 2, 3, 5
_CABLE_AT_BOX, _CABLE_AT_CAR = 3, 7
_READ_GAP_S, _WRITE_GAP_S = 0.5, 5.0
_CLIP_FLOOR_A = 10.0


class KebaUnit(SimulatedUnit):
    """Unit with the wallbox; currents in mA, power in mW, energy in 0.1 Wh.

    `now`, where it is given, makes it refuse requests that come sooner than the vendor allows.
    """

    def __init__(
        self,
        name: str,
        wallbox: Wallbox,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
        *,
        model: Literal["P30", "P40"] = "P40",
        now: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(name, unit_id, advance, on_change)
        self._wallbox = wallbox
        self._model = model
        self._now = now
        self._next_request_s = 0.0
        self._next_write_s = 0.0
        self._shown_a: float | None = None
        self._phase_source = 0
        self.power_cycle()

    def holding(self) -> Registers:
        wallbox = self._wallbox
        currents_ma = [wallbox.current_a * 1000.0 if phase < wallbox.phases else 0.0 for phase in range(3)]
        shown_a = wallbox.max_current_a if self._shown_a is None else self._shown_a
        values = {
            1000: self._state(),
            1004: _CABLE_AT_CAR if wallbox.car.connected else _CABLE_AT_BOX,
            1006: 0,
            1008: currents_ma[0],
            1010: currents_ma[1],
            1012: currents_ma[2],
            1020: wallbox.power_w * 1000.0,
            1036: wallbox.energy_wh * 10.0,
            **dict.fromkeys((1040, 1042, 1044), wallbox.voltage_v),
            1046: 1000,
            1100: shown_a * 1000.0,
            1502: wallbox.energy_since_power_on_wh * 10.0,
            1550: self._phase_source,
            1552: int(wallbox.switched_phases > 1),
            1600: wallbox.failsafe_current_a * 1000.0,
            1602: wallbox.watchdog_s,
        }
        shown = placed({address: split_u32(round(value)) for address, value in values.items()})
        return shown | dict.fromkeys(self._writable(), 0)

    def _writable(self) -> tuple[int, ...]:
        switches = (_ENABLE,) if self._model == "P30" else ()
        return (_SET_CURRENT, *switches, _FAILSAFE_CURRENT, _FAILSAFE_TIMEOUT, _PHASE_SOURCE, _PHASES)

    def _state(self) -> int:
        wallbox = self._wallbox
        if not wallbox.car.connected:
            return _NOT_READY
        if wallbox.offered_a <= 0.0:
            return _SUSPENDED
        return _CHARGING if wallbox.current_a > 0.0 else _READY

    def refuses(self, function: int, address: int, count: int) -> ExcCodes | None:
        if function not in (_READ_HOLDING, _WRITE_SINGLE):
            return ExcCodes.ILLEGAL_FUNCTION
        is_read = function == _READ_HOLDING
        if is_read and (count != _VALUE_REGISTERS or address % 2):
            return ExcCodes.ILLEGAL_ADDRESS
        return self._refuses_haste(is_read)

    def _refuses_haste(self, is_read: bool) -> ExcCodes | None:
        if self._now is None:
            return None
        now_s = self._now()
        if now_s < (self._next_request_s if is_read else self._next_write_s):
            return ExcCodes.DEVICE_FAILURE
        self._next_request_s = now_s + _READ_GAP_S
        if not is_read:
            self._next_write_s = now_s + _WRITE_GAP_S
        return None

    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        if address not in self._writable():
            return ExcCodes.ILLEGAL_ADDRESS
        if not self._is_valid(address, values[0]):
            return ExcCodes.ILLEGAL_VALUE
        self._on_change(RegisterChange(self.name, address, values[0], self.meaning(address, values[0])))
        self._set(address, values[0])
        return None

    def _is_valid(self, address: int, value: int) -> bool:
        if address == _PHASE_SOURCE:
            return 0 <= value <= 4
        if address == _PHASES:
            return value in (0, 1) and self._phase_source == _OVER_MODBUS
        if address == _ENABLE:
            return value in (0, 1)
        if address == _FAILSAFE_TIMEOUT:
            return value == 0 or (10 if self._model == "P30" else 5) <= value <= 600
        may_be_zero = address == _FAILSAFE_CURRENT or self._model == "P40"
        return 6000 <= value <= 32_000 or (may_be_zero and value == 0)

    def _set(self, address: int, value: int) -> None:
        wallbox = self._wallbox
        if address == _ENABLE:
            wallbox.locked = value == 0
        elif address == _PHASE_SOURCE:
            self._phase_source = value
        elif address == _PHASES:
            wallbox.switch_phases(3 if value else 1)
        elif address == _FAILSAFE_CURRENT:
            wallbox.failsafe_current_a = value / 1000.0
        elif address == _FAILSAFE_TIMEOUT:
            wallbox.watchdog_s = float(value)
        elif Fault.NO_EFFECT in self.faults:
            self._shown_a = value / 1000.0
        else:
            floor_a = _CLIP_FLOOR_A if Fault.CLIP in self.faults else 0.0
            self._shown_a = None
            wallbox.max_current_a = max(floor_a, value / 1000.0)

    def meaning(self, address: int, raw: int) -> str:
        if address == _ENABLE:
            return "charging enabled" if raw else "charging disabled"
        if address == _FAILSAFE_TIMEOUT:
            return f"failsafe after {raw} s"
        if address == _PHASE_SOURCE:
            return f"phases switched by source {raw}"
        if address == _PHASES:
            return "three phases" if raw else "one phase"
        what = "failsafe current" if address == _FAILSAFE_CURRENT else "maximum current"
        return f"{what} {raw / 1000:g} A"

    def heard_request(self) -> None:
        self._wallbox.heard_request()

    def own_doing(self) -> str:
        return own_doing_of(self._wallbox)

    @property
    def settable(self) -> Settable:
        return settable_of(self._wallbox)

    def power_cycle(self) -> None:
        self._shown_a = None
        self._wallbox.power_cycle()
        self._wallbox.watchdog_s = 0.0
