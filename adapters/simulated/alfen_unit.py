"""The wallbox model behind the register table of the Alfen Eve NG9xx (Modbus slave document 2.3), socket 1.

The set current is valid for a time that the installer sets, counted from its last write; then the socket
falls to its safe current. A fresh station shows a set current of 0.
"""

import struct
from collections.abc import Callable

from pymodbus.constants import ExcCodes

from adapters.simulated.faults import Fault
from adapters.simulated.unit import (
    RegisterChange,
    Registers,
    Settable,
    SimulatedUnit,
    f32,
    f64,
    placed,
    split_u32,
)
from adapters.simulated.wallbox import Wallbox
from adapters.simulated.wallbox_unit import own_doing_of, settable_of

_WRITE_MULTIPLE = 16
_SET_CURRENT, _PHASES = 1210, 1215
_CLIP_FLOOR_A = 10.0
_NAN = (0xFFFF, 0xFFFF)


class AlfenUnit(SimulatedUnit):
    """Unit with the wallbox as one socket. `validity_s`, `safe_current_a`: set by the installer."""

    def __init__(
        self,
        name: str,
        wallbox: Wallbox,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
        *,
        validity_s: float = 60.0,
        safe_current_a: float = 6.0,
    ) -> None:
        super().__init__(name, unit_id, advance, on_change)
        self._wallbox = wallbox
        self._validity_s = validity_s
        self._safe_current_a = safe_current_a
        self._set_a = 0.0
        self.power_cycle()

    def holding(self) -> Registers:
        wallbox = self._wallbox
        phases = [wallbox.current_a if phase < wallbox.phases else 0.0 for phase in range(3)]
        voltages = {306 + 2 * phase: f32(wallbox.voltage_v) for phase in range(3)}
        currents = {320 + 2 * phase: f32(current_a) for phase, current_a in enumerate(phases)}
        powers = {
            338 + 2 * phase: f32(wallbox.voltage_v * current_a) for phase, current_a in enumerate(phases)
        }
        remaining_s = 0.0 if wallbox.in_failsafe else wallbox.watchdog_s - wallbox.silent_s
        values = {
            **voltages,
            **dict.fromkeys(range(312, 320, 2), _NAN),
            **currents,
            **dict.fromkeys(range(326, 338, 2), _NAN),
            **powers,
            344: f32(wallbox.power_w),
            374: f64(wallbox.energy_wh),
            1200: (1,),
            1201: _text(self._state()),
            1206: f32(wallbox.offered_a),
            1208: split_u32(remaining_s),
            _SET_CURRENT: f32(self._set_a),
            1212: f32(self._safe_current_a),
            1214: (0 if wallbox.in_failsafe else 1,),
            _PHASES: (wallbox.switched_phases,),
        }
        return placed(values)

    def _state(self) -> str:
        wallbox = self._wallbox
        if not wallbox.car.connected:
            return "A"
        if wallbox.offered_a <= 0.0:
            return "B1"
        return "C2" if wallbox.current_a > 0.0 else "B2"

    def refuses(self, function: int, address: int, count: int) -> ExcCodes | None:
        """The float is only taken as a whole, in one frame."""
        whole = (address, count) in ((_SET_CURRENT, 2), (_PHASES, 1))
        return None if function == 3 or (function == _WRITE_MULTIPLE and whole) else ExcCodes.ILLEGAL_ADDRESS

    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        if address == _PHASES:
            if values[0] not in (1, 3):
                return ExcCodes.ILLEGAL_VALUE
            self._wallbox.switch_phases(values[0])
            return None
        current_a: float = struct.unpack(">f", struct.pack(">2H", *values))[0]
        if not 0.0 <= current_a <= 32.0:
            return ExcCodes.ILLEGAL_VALUE
        self._set_a = max(_CLIP_FLOOR_A, current_a) if Fault.CLIP in self.faults else current_a
        if Fault.NO_EFFECT not in self.faults:
            self._wallbox.max_current_a = self._set_a
            self._wallbox.silent_s = 0.0
        return None

    def meaning(self, address: int, raw: int) -> str:
        if address == _PHASES:
            return f"phases {raw}"
        return f"maximum current {self._set_a:g} A (register {address} = {raw:#06x})"

    def own_doing(self) -> str:
        return own_doing_of(self._wallbox)

    @property
    def settable(self) -> Settable:
        return settable_of(self._wallbox)

    def power_cycle(self) -> None:
        self._wallbox.power_cycle()
        self._set_a = 0.0
        self._wallbox.failsafe_current_a = self._safe_current_a
        self._wallbox.watchdog_s = self._validity_s
        self._wallbox.silent_s = self._validity_s


def _text(word: str) -> tuple[int, ...]:
    return struct.unpack(">5H", word.encode("ascii").ljust(10, b"\x00"))
