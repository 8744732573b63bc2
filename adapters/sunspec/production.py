"""How an inverter's production is limited: through a SunSpec model, or through registers of its maker."""

import logging
import math
from dataclasses import dataclass
from typing import Protocol

from adapters.modbus.bus import Priority
from adapters.modbus.codec import NumberType, WordOrder, decode, encode
from adapters.modbus.errors import RegisterWriteRefused
from adapters.modbus.requests import Table
from adapters.sunspec.connection import SunSpecConnection
from adapters.sunspec.definitions import model_definition
from adapters.sunspec.discovery import ModelLocation
from adapters.sunspec.limiting import (
    NAMES,
    SCALE_POINT,
    PointWrite,
    limit_state,
    limit_write,
    percent_raw_at_most,
    power_of,
    release_write,
)
from adapters.sunspec.model import Group
from adapters.sunspec.quirks import DynamicLimit
from hems.devices import Readback, WriteRefused

_LOG = logging.getLogger(__name__)
_GROUP_REFUSALS = frozenset({1, 2, 3})
_FULL_PERCENT = 100.0
_PERCENT_STEP = 0.01
_TIMER_S = 120
"""For a timer that cannot be switched off: what follows it is the limit itself then."""


class ProductionLimiter(Protocol):
    """One way to limit an inverter. `reference_w` is what 100 % means."""

    reference_w: float
    has_timer: bool

    async def held_w(self, priority: Priority) -> float | None:
        """The limit that the device shows, None when it is free. Raises DeviceError."""

    async def limit(self, power_w: float, *, lasting: bool = False) -> Readback:
        """Limit it; `lasting`: without an end where the device can. Raises DeviceError."""

    async def release(self) -> Readback:
        """Free it. Raises DeviceError."""


@dataclass(frozen=True, slots=True)
class DeadMan:
    """What the device does without renewal: after `revert_s` seconds (0: never) it holds `after_w`.

    `after_w` None: then it is free.
    """

    revert_s: int
    after_w: float | None


def checked_readback(name: str, written_w: float, held_w: float | None) -> Readback:
    """The outcome of a limit. Raises WriteRefused when the device holds more."""
    if held_w is None or held_w > written_w:
        shown = "no limit" if held_w is None else f"{held_w:.0f} W"
        raise WriteRefused(
            f"{name}: {written_w:.0f} W was written, but the device shows {shown}; check that control over "
            "Modbus is switched on and that no other controller writes"
        )
    return Readback(written_w=written_w, held_w=held_w, confirmed=True)


async def read_limit_model(
    connection: SunSpecConnection, location: ModelLocation, priority: Priority
) -> Group:
    """Read model 123 or 704, as the device allows. Raises DeviceError."""
    if connection.quirks.single_reads:
        names = NAMES[location.model_id]
        points = (names.enable, names.percent, names.revert, SCALE_POINT)
        return await connection.read_points(location, points, priority)
    return await connection.read_model(location, priority)


class ModelLimiter:
    """Limits through model 123 or 704; its steps are 10^exponent %."""

    def __init__(
        self,
        name: str,
        connection: SunSpecConnection,
        location: ModelLocation,
        *,
        reference_w: float,
        exponent: int,
        has_timer: bool,
        dead_man: DeadMan,
    ) -> None:
        self._name = name
        self._connection = connection
        self._location = location
        self._exponent = exponent
        self._dead_man = dead_man
        self._single_writes = connection.quirks.single_writes
        self.reference_w = reference_w
        self.has_timer = has_timer

    async def held_w(self, priority: Priority) -> float | None:
        model = await read_limit_model(self._connection, self._location, priority)
        state = limit_state(self._location.model_id, model)
        if state.percent_raw is None:
            return None
        held_w = power_of(state.percent_raw, self.reference_w, self._exponent)
        return None if self._connection.quirks.full_is_free and held_w >= self.reference_w else held_w

    async def limit(self, power_w: float, *, lasting: bool = False) -> Readback:
        percent_raw = self._raw(power_w)
        revert_s = self._dead_man.revert_s if self.has_timer and not lasting else 0
        after_w = self._dead_man.after_w
        after_raw = None if after_w is None else self._raw(after_w)
        await self._write(limit_write(self._location.model_id, percent_raw, revert_s, after_raw))
        written_w = power_of(percent_raw, self.reference_w, self._exponent)
        return checked_readback(self._name, written_w, await self.held_w(Priority.LIMIT))

    async def release(self) -> Readback:
        if self._connection.quirks.full_is_free:
            await self._write(limit_write(self._location.model_id, self._raw(self.reference_w), 0))
        else:
            await self._write(release_write(self._location.model_id))
        held_w = await self.held_w(Priority.LIMIT)
        return Readback(written_w=None, held_w=held_w, confirmed=held_w is None)

    def _raw(self, power_w: float) -> int:
        return percent_raw_at_most(power_w, self.reference_w, self._exponent)

    def _address_of(self, point: str) -> int:
        return self._location.address + model_definition(self._location.model_id).offset_of(point)

    async def _write(self, write: PointWrite) -> None:
        """In one frame; one by one on devices that refuse that."""
        if self._single_writes:
            await self._write_singly(write)
            return
        try:
            await self._connection.unit.write(self._address_of(write.first), write.registers)
        except RegisterWriteRefused as error:
            if error.code not in _GROUP_REFUSALS:
                raise
            _LOG.info("%s: it refuses a group of points, they are written one by one: %s", self._name, error)
            await self._write_singly(write)
            self._single_writes = True

    async def _write_singly(self, write: PointWrite) -> None:
        names = NAMES[self._location.model_id]
        absent = {names.revert} if not self.has_timer else set()
        if self._connection.quirks.fixed_enable:
            absent.add(names.enable)
        for point, registers in write.singles:
            if point not in absent:
                function = 6 if len(registers) == 1 else 16
                await self._connection.unit.write(self._address_of(point), registers, function=function)


class DynamicLimiter:
    """Limits through the volatile registers of a maker, with a command timeout and a limit after it."""

    has_timer = True

    def __init__(
        self,
        name: str,
        connection: SunSpecConnection,
        registers: DynamicLimit,
        *,
        reference_w: float,
        dead_man: DeadMan,
    ) -> None:
        self._name = name
        self._connection = connection
        self._registers = registers
        self._dead_man = dead_man
        self.reference_w = reference_w

    async def set_up(self, priority: Priority) -> None:
        """Program what happens without renewal, where it is another. Raises DeviceError."""
        await self._program(self._dead_man.after_w, priority)

    async def _program(self, after_w: float | None, priority: Priority) -> None:
        after_percent = _FULL_PERCENT if after_w is None else self._percent(after_w)
        registers = self._registers
        timeout_s = self._dead_man.revert_s or _TIMER_S
        await self._ensure(registers.timeout_s, NumberType.U32, timeout_s, priority)
        await self._ensure(registers.after_percent, NumberType.F32, after_percent, priority)

    async def held_w(self, priority: Priority) -> float | None:
        enabled = await self._read(self._registers.enable, NumberType.U16, priority)
        percent = await self._read(self._registers.percent, NumberType.F32, priority)
        if not enabled or not percent < _FULL_PERCENT:
            return None
        return self.reference_w * percent / _FULL_PERCENT

    async def limit(self, power_w: float, *, lasting: bool = False) -> Readback:
        await self._tell(self._percent(power_w))
        keeps = lasting or not self._dead_man.revert_s
        await self._program(power_w if keeps else self._dead_man.after_w, Priority.LIMIT)
        written_w = self.reference_w * self._percent(power_w) / _FULL_PERCENT
        held_w = await self.held_w(Priority.LIMIT)
        if held_w is not None and math.isclose(held_w, written_w, rel_tol=1e-5, abs_tol=0.01):
            held_w = written_w  # a short float rounds
        if written_w >= self.reference_w:
            return Readback(written_w=written_w, held_w=held_w, confirmed=True)
        return checked_readback(self._name, written_w, held_w)

    async def release(self) -> Readback:
        await self._tell(_FULL_PERCENT)
        await self.set_up(Priority.LIMIT)
        held_w = await self.held_w(Priority.LIMIT)
        return Readback(written_w=None, held_w=held_w, confirmed=held_w is None)

    async def _tell(self, percent: float) -> None:
        """The value before it is enabled."""
        await self._write(self._registers.percent, NumberType.F32, percent, Priority.LIMIT)
        await self._ensure(self._registers.enable, NumberType.U16, 1, Priority.LIMIT)

    def _percent(self, power_w: float) -> float:
        share = min(1.0, max(0.0, power_w) / self.reference_w)
        return math.floor(share * _FULL_PERCENT / _PERCENT_STEP + 1e-9) * _PERCENT_STEP

    async def _ensure(self, address: int, kind: NumberType, value: float, priority: Priority) -> None:
        if not math.isclose(await self._read(address, kind, priority), value, rel_tol=1e-5, abs_tol=1e-3):
            await self._write(address, kind, value, priority)

    async def _read(self, address: int, kind: NumberType, priority: Priority) -> float:
        registers = await self._connection.unit.read(Table.HOLDING, address, kind.size, priority)
        return decode(registers, kind, WordOrder.LITTLE)

    async def _write(self, address: int, kind: NumberType, value: float, priority: Priority) -> None:
        registers = encode(value, kind, WordOrder.LITTLE)
        await self._connection.unit.write(address, registers, priority=priority)
