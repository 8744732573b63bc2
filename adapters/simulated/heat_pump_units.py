"""The heat pump model behind the smart-home interface of Luxtronik 2.1, and behind two SG Ready contacts.

Laid out from the published tables, not from our profiles.
"""

from collections.abc import Callable

from pymodbus.constants import ExcCodes

from adapters.simulated.faults import Fault
from adapters.simulated.heat_pump import HeatPump
from adapters.simulated.unit import RegisterChange, Registers, Settable, SimulatedUnit

_LIMIT_MODE, _LIMIT = 10040, 10041
_NO_LIMIT, _HARD_LIMIT = 0, 2
_LIMIT_STEP_W = 100.0
_DEFAULT_LIMIT = 300
_CLIP_FLOOR = 20


class LuxtronikUnit(SimulatedUnit):
    """Unit with the heat pump; powers in 0.1 kW. A soft limit leaves the compressor its lowest power."""

    def __init__(
        self,
        name: str,
        heat_pump: HeatPump,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
    ) -> None:
        super().__init__(name, unit_id, advance, on_change)
        self._heat_pump = heat_pump
        self._held = {_LIMIT_MODE: _NO_LIMIT, _LIMIT: _DEFAULT_LIMIT}

    def holding(self) -> Registers:
        return dict(self._held)

    def inputs(self) -> Registers:
        heat_pump = self._heat_pump
        heat = round(heat_pump.power_w * heat_pump.cop / 100.0)
        return {10300: heat, 10301: round(heat_pump.power_w / 100.0), 10302: round(heat_pump.least_w / 100.0)}

    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        for offset, value in enumerate(values):
            most = 2 if address + offset == _LIMIT_MODE else _DEFAULT_LIMIT
            if value > most:
                return ExcCodes.ILLEGAL_VALUE
            if address + offset == _LIMIT and Fault.CLIP in self.faults:
                value = max(value, _CLIP_FLOOR)
            self._held[address + offset] = value
        if Fault.NO_EFFECT not in self.faults:
            self._heat_pump.ceiling_w = self._ceiling_w()
        return None

    def _ceiling_w(self) -> float | None:
        if self._held[_LIMIT_MODE] == _NO_LIMIT:
            return None
        limit_w = self._held[_LIMIT] * _LIMIT_STEP_W
        return limit_w if self._held[_LIMIT_MODE] == _HARD_LIMIT else max(limit_w, self._heat_pump.least_w)

    def meaning(self, address: int, raw: int) -> str:
        if address == _LIMIT:
            return f"power limit {raw / 10:g} kW"
        return {0: "power limit off", 1: "soft power limit", 2: "hard power limit"}[raw]

    @property
    def settable(self) -> Settable:
        return _settable_of(self._heat_pump)

    def power_cycle(self) -> None:
        self._held = {_LIMIT_MODE: _NO_LIMIT, _LIMIT: _DEFAULT_LIMIT}
        self._heat_pump.power_cycle()


class SgReadyUnit(SimulatedUnit):
    """A relay module whose coils 0 and 1 close the contacts SG1 and SG2 of the heat pump.

    SG1:SG2 is 1:0 blocked, 0:0 normal, 0:1 recommended on, 1:1 forced on.
    """

    def __init__(
        self,
        name: str,
        heat_pump: HeatPump,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
    ) -> None:
        super().__init__(name, unit_id, advance, on_change)
        self._heat_pump = heat_pump
        self._closed = [0, 0]

    def coils(self) -> Registers:
        return dict(enumerate(self._closed))

    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        if not 0 <= address < len(self._closed):
            return ExcCodes.ILLEGAL_ADDRESS
        self._closed[address] = values[0]
        if Fault.NO_EFFECT not in self.faults:
            self._heat_pump.ceiling_w = 0.0 if self._closed == [1, 0] else None
        return None

    def meaning(self, address: int, raw: int) -> str:
        return f"contact SG{address + 1} {'closed' if raw else 'open'}"

    @property
    def settable(self) -> Settable:
        return _settable_of(self._heat_pump)

    def power_cycle(self) -> None:
        self._closed = [0, 0]
        self._heat_pump.power_cycle()


def _settable_of(heat_pump: HeatPump) -> Settable:
    return {
        "store_wh": (heat_pump, "store_wh", float),
        "heat_loss_w": (heat_pump, "heat_loss_w", float),
    }
