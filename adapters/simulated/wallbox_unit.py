"""The wallbox model behind the register table of the Heidelberg Energy Control.

Laid out from the vendor's table (EC ModBus register table, 2021-02-22), not from our profile.
"""

from collections.abc import Callable

from pymodbus.constants import ExcCodes

from adapters.simulated.faults import Fault
from adapters.simulated.unit import RegisterChange, Registers, Settable, SimulatedUnit, split_u32
from adapters.simulated.wallbox import Wallbox

_LAYOUT_VERSION = 0x0108
_WATCHDOG_MS, _STANDBY, _REMOTE_LOCK, _MAX_CURRENT, _FAILSAFE_CURRENT = 257, 258, 259, 261, 262
_STANDBY_DISABLED = 4
_CLIP_FLOOR = 100
_A1, _A2, _B1, _B2, _C1, _C2 = 2, 3, 4, 5, 6, 7


class WallboxUnit(SimulatedUnit):
    """Unit with the wallbox; currents in 0.1 A, times in ms."""

    def __init__(
        self,
        name: str,
        wallbox: Wallbox,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
    ) -> None:
        super().__init__(name, unit_id, advance, on_change)
        self._wallbox = wallbox
        self._shown_current: int | None = None

    def holding(self) -> Registers:
        wallbox = self._wallbox
        shown = round(wallbox.max_current_a * 10) if self._shown_current is None else self._shown_current
        return {
            _WATCHDOG_MS: round(wallbox.watchdog_s * 1000),
            _STANDBY: _STANDBY_DISABLED if wallbox.standby_disabled else 0,
            _REMOTE_LOCK: 0 if wallbox.locked else 1,
            _MAX_CURRENT: shown,
            _FAILSAFE_CURRENT: round(wallbox.failsafe_current_a * 10),
        }

    def inputs(self) -> Registers:
        wallbox = self._wallbox
        current = round(wallbox.current_a * 10)
        currents = [current if phase < wallbox.phases else 0 for phase in range(3)]
        voltage = round(wallbox.voltage_v)
        values = [
            _LAYOUT_VERSION,
            self._state(),
            *currents,
            331,  # board temperature, 0.1 °C
            voltage,
            voltage,
            voltage,
            1,  # external lock: open
            round(wallbox.power_w),
            *split_u32(wallbox.energy_since_power_on_wh),
            *split_u32(wallbox.energy_wh),
        ]
        registers = {4 + offset: value for offset, value in enumerate(values)}
        registers[100] = round(wallbox.hardware_max_a)
        registers[101] = 6
        return registers

    def _state(self) -> int:
        wallbox = self._wallbox
        allowed = wallbox.offered_a > 0.0
        if not wallbox.car.connected:
            return _A2 if allowed else _A1
        if wallbox.car.wants_a <= 0.0:
            return _B2 if allowed else _B1
        return _C2 if allowed else _C1

    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        settings = {address + offset: value for offset, value in enumerate(values)}
        if not all(_is_valid(register, value) for register, value in settings.items()):
            return ExcCodes.ILLEGAL_VALUE
        for register, value in settings.items():
            self._set(register, value)
        return None

    def _set(self, register: int, value: int) -> None:
        wallbox = self._wallbox
        if register == _MAX_CURRENT and Fault.CLIP in self.faults:
            value = max(value, _CLIP_FLOOR)
        if register == _WATCHDOG_MS:
            wallbox.watchdog_s = value / 1000.0
        elif register == _STANDBY:
            wallbox.standby_disabled = value == _STANDBY_DISABLED
        elif register == _REMOTE_LOCK:
            wallbox.locked = value == 0
        elif register == _FAILSAFE_CURRENT:
            wallbox.failsafe_current_a = value / 10.0
        elif Fault.NO_EFFECT in self.faults:
            self._shown_current = value
        else:
            self._shown_current = None
            wallbox.max_current_a = value / 10.0

    def meaning(self, address: int, raw: int) -> str:
        if address == _WATCHDOG_MS:
            return f"watchdog {raw / 1000:g} s"
        if address == _STANDBY:
            return "standby off" if raw == _STANDBY_DISABLED else "standby on"
        if address == _REMOTE_LOCK:
            return "remote lock open" if raw else "remote lock closed"
        what = "failsafe current" if address == _FAILSAFE_CURRENT else "maximum current"
        return f"{what} {raw / 10:.1f} A"

    def heard_request(self) -> None:
        self._wallbox.heard_request()

    def own_doing(self) -> str:
        return own_doing_of(self._wallbox)

    @property
    def settable(self) -> Settable:
        return settable_of(self._wallbox)

    def power_cycle(self) -> None:
        self._shown_current = None
        self._wallbox.power_cycle()


def _is_valid(register: int, value: int) -> bool:
    if register in (_MAX_CURRENT, _FAILSAFE_CURRENT):
        return value == 0 or 60 <= value <= 160
    if register == _REMOTE_LOCK:
        return value in (0, 1)
    return register in (_WATCHDOG_MS, _STANDBY)


def own_doing_of(wallbox: Wallbox) -> str:
    """What a wallbox of any make does by itself."""
    if not wallbox.in_failsafe:
        return "follows its set current"
    return f"watchdog ran out: failsafe current {wallbox.failsafe_current_a:g} A"


def settable_of(wallbox: Wallbox) -> Settable:
    """The car in front of a wallbox of any make."""
    return {
        "voltage_v": (wallbox, "voltage_v", float),
        "car_connected": (wallbox.car, "connected", bool),
        "car_wants_a": (wallbox.car, "wants_a", float),
        "car_phases": (wallbox.car, "phases", int),
        "car_room_wh": (wallbox.car, "room_wh", float),
    }
