"""The house that the test bench brings to the gateway: meters whose readings a case decides.

A grid meter (SunSpec model 213) and a hybrid inverter with its own sub-meter (models 701, 702, 704) behind a
Modbus server on loopback. The gateway reads them with its adapters, so what it reports was measured.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer

from adapters.simulated.inverter import Inverter
from adapters.simulated.inverter_unit import DerControlsUnit
from adapters.simulated.sunspec_layout import block, chain, common, s16
from adapters.simulated.unit import Registers, SimulatedUnit, f32
from eebus.conformance.device import NotPossible
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading

METER_UNIT: Final = 1
INVERTER_UNIT: Final = 2
CAP_PERCENT: Final = 70.0
"""The cap on the feed-in of the house, as the gateway is told in its configuration."""
_PHASES: Final = ("a", "b", "c")
_FIRST_COUNT_WH: Final = 12_000.0
_VOLTAGE_V: Final = 230.0


@dataclass(slots=True)
class Dials:
    """What one meter shows: powers signed (import positive), currents as magnitudes, counters growing."""

    power_w: float = 0.0
    powers_w: list[float] = field(default_factory=lambda: [0.0] * 3)
    currents_a: list[float] = field(default_factory=lambda: [0.0] * 3)
    voltages_v: list[float] = field(default_factory=lambda: [_VOLTAGE_V] * 3)
    frequency_hz: float = 50.0
    imported_wh: float = _FIRST_COUNT_WH
    exported_wh: float = _FIRST_COUNT_WH

    def turn(self, sample: Mapping[Quantity, Reading]) -> None:
        """Show new values. Raises NotPossible for one that no such meter shows, or a counter set back."""
        if any(quantity.startswith("current_") for quantity in sample):
            self.currents_a, self.powers_w = [0.0] * 3, [0.0] * 3
        for quantity, reading in sample.items():
            if reading.value is None:
                raise NotPossible("this meter is never disturbed")
            self._turn(quantity, reading.value)

    def _turn(self, quantity: Quantity, value: float) -> None:
        name, _, phase = quantity.rpartition("_")
        match quantity, name:
            case Quantity.POWER, _:
                self.power_w = value
                self.powers_w = [value / 3.0] * 3
            case Quantity.FREQUENCY, _:
                self.frequency_hz = value
            case Quantity.ENERGY_CONSUMED, _:
                self.imported_wh = _grown(self.imported_wh, value)
            case Quantity.ENERGY_PRODUCED, _:
                self.exported_wh = _grown(self.exported_wh, value)
            case _, "voltage" if phase in _PHASES:
                self.voltages_v[_PHASES.index(phase)] = value
            case _, "current" if phase in _PHASES:
                self._flow(_PHASES.index(phase), value)
            case _:
                raise NotPossible(f"this meter does not show {quantity}")

    def _flow(self, phase: int, current_a: float) -> None:
        """A current has no sign of its own: the power on its phase has the direction."""
        self.currents_a[phase] = abs(current_a)
        self.powers_w[phase] = current_a * self.voltages_v[phase]
        self.power_w = sum(self.powers_w)


def _grown(before_wh: float, now_wh: float) -> float:
    if now_wh < before_wh:
        raise NotPossible("a counter cannot be set back")
    return now_wh


class GridMeterUnit(SimulatedUnit):
    """Model 213: every value is a float, so that each can be shown exactly enough."""

    def __init__(self, dials: Dials) -> None:
        super().__init__("meter", METER_UNIT, lambda: None, lambda _change: None)
        self._dials = dials

    def holding(self) -> Registers:
        dials = self._dials
        values = {
            2: sum(dials.currents_a),
            **{4 + 2 * phase: dials.currents_a[phase] for phase in range(3)},
            **{12 + 2 * phase: dials.voltages_v[phase] for phase in range(3)},
            26: dials.frequency_hz,
            28: dials.power_w,
            **{30 + 2 * phase: dials.powers_w[phase] for phase in range(3)},
            60: dials.exported_wh,
            68: dials.imported_wh,
        }
        unknown = float("nan")
        points = {
            offset + index: register
            for offset in range(2, 124, 2)
            for index, register in enumerate(f32(values.get(offset, unknown)))
        }
        return chain([common("Bench", "Meter", "1"), block(213, 124, {**points, 124: 0, 125: 0})])

    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        return ExcCodes.ILLEGAL_ADDRESS

    def meaning(self, address: int, raw: int) -> str:
        return f"register {address} = {raw}"

    def power_cycle(self) -> None:
        """Nothing to forget."""


class HybridInverterUnit(DerControlsUnit):
    """Model 701 shows what the bench decides; limits are taken like those of any inverter."""

    def __init__(self, dials: Dials) -> None:
        super().__init__("inverter", Inverter(), INVERTER_UNIT, lambda: None, lambda _change: None)
        self._dials = dials

    def _measurements(self) -> list[int]:
        """Scale factors: A −2, V −1, Hz −2, W 0, energy 0; what it injects is positive power."""
        dials = self._dials
        phases = (41, 64, 87)
        points = {
            **dict.fromkeys(range(2, 10), 0),
            4: 3,
            10: s16(-dials.power_w),
            **dict(zip(range(17, 19), (0, round(dials.frequency_hz * 100)), strict=True)),
            **_u64(19, dials.exported_wh),
            **_u64(23, dials.imported_wh),
            **{
                first + 4: s16(current * 100) for first, current in zip(phases, dials.currents_a, strict=True)
            },
            **{first + 6: round(volts * 10) for first, volts in zip(phases, dials.voltages_v, strict=True)},
            **{first: s16(-power_w) for first, power_w in zip(phases, dials.powers_w, strict=True)},
            113: s16(-2),
            114: s16(-1),
            115: s16(-2),
            116: 0,
            **dict.fromkeys((117, 118, 119, 120, 121, 122), 0),
        }
        return block(701, 153, points)


def _u64(offset: int, value: float) -> Registers:
    return {offset + index: round(value) >> (48 - 16 * index) & 0xFFFF for index in range(4)}


class House:
    """Meter and inverter; see ``hems.cli.conformance_gateway.Instruments``."""

    def __init__(self) -> None:
        self._dials = {"MGCP": Dials(), "MPC": Dials()}

    def show(self, use_case: str, sample: Mapping[Quantity, Reading]) -> None:
        """Let the grid meter (MGCP) or the inverter (MPC) show these values; the cap is what it is."""
        cap = sample.get(Quantity.PV_LIMIT_FACTOR)
        if cap is not None and cap.value != CAP_PERCENT:
            raise NotPossible(f"the cap of this house is {CAP_PERCENT:g} %")
        measured = dict(sample)
        measured.pop(Quantity.PV_LIMIT_FACTOR, None)
        self._dials[use_case].turn(measured)

    def flowing_w(self, direction: Direction) -> float:
        """What flows through the grid connection in a direction."""
        power_w = self._dials["MGCP"].power_w
        return max(0.0, power_w if direction is Direction.CONSUMPTION else -power_w)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve on loopback; yields the port."""
        units = (GridMeterUnit(self._dials["MGCP"]), HybridInverterUnit(self._dials["MPC"]))
        server = ModbusTcpServer([unit.sim_device() for unit in units], address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        # Gateways are killed in the middle of a request; the library would write that out at length.
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        assert server.transport is not None
        try:
            yield server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]
