"""A simulated device as a Modbus unit: registers filled from a model, writes that change it, and faults."""

import asyncio
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice

from adapters.simulated.faults import Fault

Settable = dict[str, tuple[object, str, Callable[[float], object]]]
"""Names for commands, each with an object, its attribute, and what makes a value of a number."""
Registers = dict[int, int]
"""Register values by wire address; an address that is missing does not exist."""

_READ_COILS, _READ_DISCRETES, _READ_HOLDING, _READ_INPUT = 1, 2, 3, 4
_READS = (_READ_COILS, _READ_DISCRETES, _READ_HOLDING, _READ_INPUT)
_WRITE_COIL = 5
_LOST_S = 60.0
"""Longer than anybody waits for an answer."""
_BITS = 16


@dataclass(frozen=True, slots=True)
class RegisterChange:
    """A register that a client changed; `meaning` says it in words."""

    unit: str
    address: int
    raw: int
    meaning: str


class SimulatedUnit(ABC):
    """One unit id behind the simulated server. Subclasses lay out the registers of one vendor's table."""

    def __init__(
        self,
        name: str,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
    ) -> None:
        self.name = name
        self.unit_id = unit_id
        self._advance = advance
        self._on_change = on_change
        self._echo: Registers = {}
        self._stuck: dict[int, Registers] = {}
        self.faults: set[Fault] = set()
        self.delay_s = 1.0

    def holding(self) -> Registers:
        """The holding registers as they are now; none by default."""
        return {}

    def inputs(self) -> Registers:
        """The input registers as they are now; none by default."""
        return {}

    def coils(self) -> Registers:
        """The coils as they are now, 0 or 1; none by default."""
        return {}

    def discretes(self) -> Registers:
        """The discrete inputs as they are now, 0 or 1; none by default."""
        return {}

    def refuses(self, function: int, address: int, count: int) -> ExcCodes | None:  # noqa: ARG002 - a hook
        """Whether the vendor's rules forbid a request to registers that exist; allowed by default."""
        return None

    def own_doing(self) -> str:
        """What the device does by itself now, in words; reported when it changes."""
        return ""

    @property
    def settable(self) -> Settable:
        """What of its surroundings a command may set."""
        return {}

    @abstractmethod
    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        """Take over values that a client wrote, or refuse them."""

    @abstractmethod
    def meaning(self, address: int, raw: int) -> str:
        """A written register in words."""

    def heard_request(self) -> None:
        """Called for every request that reaches the unit; means nothing to most devices."""
        return

    @abstractmethod
    def power_cycle(self) -> None:
        """Forget what a power failure forgets."""

    def sim_device(self) -> SimDevice:
        """The unit as the server library wants it."""
        tables = (
            [_bits(self.coils())],
            [_bits(self.discretes())],
            _blocks(self.holding() or {0: 0}),
            _blocks(self.inputs() or {0: 0}),
        )
        return SimDevice(self.unit_id, simdata=tables, action=self._serve, use_bit_addressing=True)

    async def _serve(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """The hook of the server: called before every read and write of existing registers."""
        if values is None and function not in _READS:
            self._leave_echo(function, start, address, registers)
            return None
        if Fault.UNREACHABLE in self.faults:
            return ExcCodes.GATEWAY_NO_RESPONSE
        if Fault.SLOW in self.faults:
            await asyncio.sleep(self.delay_s)
        if Fault.BUSY in self.faults:
            return ExcCodes.DEVICE_BUSY
        self._advance()
        self.heard_request()
        outcome = self._obey(function, start, address, count, registers, values)
        if Fault.MUTE in self.faults:
            await asyncio.sleep(_LOST_S)
        return outcome

    def _obey(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if refusal := self.refuses(function, address, count if values is None else len(values)):
            return refusal
        if values is not None:
            return self._accept(address, [int(value) for value in values])
        return self._show(function, start, address, count, registers)

    def _leave_echo(self, function: int, start: int, address: int, registers: list[int]) -> None:
        """The library reads a single written register back for its echo; a device echoes the request."""
        if function != _WRITE_COIL:
            registers[address - start] = self._echo.get(address, registers[address - start])

    def _show(
        self, function: int, start: int, address: int, count: int, registers: list[int]
    ) -> ExcCodes | None:
        table = self._table(function)
        if address not in table:
            return ExcCodes.ILLEGAL_ADDRESS
        if function in (_READ_HOLDING, _READ_INPUT):
            for offset in range(count):
                registers[address - start + offset] = table[address + offset]
            return None
        first = address // _BITS
        for index in range(first, first + count):
            registers[index] = sum(table.get(index * _BITS + bit, 0) << bit for bit in range(_BITS))
        return None

    def _table(self, function: int) -> Registers:
        if Fault.STUCK not in self.faults:
            self._stuck.clear()
        elif function in self._stuck:
            return self._stuck[function]
        table = self._tables()[function]()
        if Fault.STUCK in self.faults:
            self._stuck[function] = table
        return table

    def _tables(self) -> dict[int, Callable[[], Registers]]:
        return {
            _READ_COILS: self.coils,
            _READ_DISCRETES: self.discretes,
            _READ_HOLDING: self.holding,
            _READ_INPUT: self.inputs,
        }

    def _accept(self, address: int, values: list[int]) -> ExcCodes | None:
        before = {**self.coils(), **self.holding()}
        self._echo = {address + offset: value for offset, value in enumerate(values)}
        if Fault.IGNORE_WRITES in self.faults:
            return None
        if refusal := self.write(address, values):
            return refusal
        after = {**self.coils(), **self.holding()}
        for offset in range(len(values)):
            changed = address + offset
            if after[changed] != before[changed]:
                raw = after[changed]
                self._on_change(RegisterChange(self.name, changed, raw, self.meaning(changed, raw)))
        return None


def _blocks(registers: Registers) -> list[SimData]:
    """Runs of neighbouring registers; the server refuses addresses in between by itself."""
    blocks: list[list[int]] = []
    starts: list[int] = []
    for address in sorted(registers):
        if starts and address == starts[-1] + len(blocks[-1]):
            blocks[-1].append(registers[address])
        else:
            starts.append(address)
            blocks.append([registers[address]])
    return [
        SimData(start, values=block, datatype=DataType.REGISTERS)
        for start, block in zip(starts, blocks, strict=True)
    ]


def _bits(table: Registers) -> SimData:
    """Coils from 0 on; whether one exists is checked when it is asked for."""
    count = (max(table, default=0) // _BITS + 1) * _BITS
    return SimData(0, values=[False] * count, datatype=DataType.BITS)


def f32(value: float) -> tuple[int, ...]:
    """A short float as two registers, high word first."""
    return struct.unpack(">2H", struct.pack(">f", value))


def f64(value: float) -> tuple[int, ...]:
    """A long float as four registers, high word first."""
    return struct.unpack(">4H", struct.pack(">d", value))


def placed(values: Mapping[int, Sequence[int]]) -> Registers:
    """Registers from the values that begin at each address."""
    return {start + offset: value for start, run in values.items() for offset, value in enumerate(run)}


def split_u32(value: float) -> tuple[int, int]:
    """A counter as two registers, high word first, wrapping as counters do."""
    whole = int(value) & 0xFFFFFFFF
    return whole >> 16, whole & 0xFFFF
