"""A simulated device as a Modbus unit: registers filled from a model, writes that change it, and faults."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice

from adapters.simulated.faults import Fault

Registers = dict[int, int]
"""Register values by wire address; an address that is missing does not exist."""

_READ_HOLDING, _READ_INPUT = 3, 4


@dataclass(frozen=True, slots=True)
class RegisterChange:
    """A register that a client changed; `meaning` says it in words."""

    unit: str
    address: int
    raw: int
    meaning: str


class SimulatedUnit(ABC):
    """One unit id behind the simulated server. Subclasses lay out the registers of one vendor's table."""

    name: str
    unit_id: int

    def __init__(self, advance: Callable[[], None], on_change: Callable[[RegisterChange], None]) -> None:
        self._advance = advance
        self._on_change = on_change
        self._echo: Registers = {}
        self._stuck: dict[int, Registers] = {}
        self.faults: set[Fault] = set()
        self.delay_s = 1.0

    @abstractmethod
    def holding(self) -> Registers:
        """The holding registers as they are now."""

    def inputs(self) -> Registers:
        """The input registers as they are now; none by default."""
        return {}

    @abstractmethod
    def write(self, address: int, values: list[int]) -> ExcCodes | None:
        """Take over values that a client wrote, or refuse them."""

    @abstractmethod
    def meaning(self, address: int, raw: int) -> str:
        """A written register in words."""

    @abstractmethod
    def heard_request(self) -> None:
        """Called for every request that reaches the unit."""

    @abstractmethod
    def power_cycle(self) -> None:
        """Forget what a power failure forgets."""

    def sim_device(self) -> SimDevice:
        """The unit as the server library wants it."""
        bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        tables = (bits, bits, _blocks(self.holding()), _blocks(self.inputs() or {0: 0}))
        return SimDevice(self.unit_id, simdata=tables, action=self._serve)

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
        if values is None and function not in (_READ_HOLDING, _READ_INPUT):
            # The library reads a single written register back for its echo; a device echoes the request.
            registers[address - start] = self._echo.get(address, registers[address - start])
            return None
        if Fault.UNREACHABLE in self.faults:
            return ExcCodes.GATEWAY_NO_RESPONSE
        if Fault.SLOW in self.faults:
            await asyncio.sleep(self.delay_s)
        if Fault.BUSY in self.faults:
            return ExcCodes.DEVICE_BUSY
        self._advance()
        self.heard_request()
        if values is None:
            table = self._table(function)
            for offset in range(count):
                registers[address - start + offset] = table[address + offset]
            return None
        return self._accept(address, [int(value) for value in values])

    def _table(self, function: int) -> Registers:
        if Fault.STUCK not in self.faults:
            self._stuck.clear()
        elif function in self._stuck:
            return self._stuck[function]
        table = self.holding() if function == _READ_HOLDING else self.inputs()
        if Fault.STUCK in self.faults:
            self._stuck[function] = table
        return table

    def _accept(self, address: int, values: list[int]) -> ExcCodes | None:
        before = self.holding()
        self._echo = {address + offset: value for offset, value in enumerate(values)}
        if Fault.IGNORE_WRITES in self.faults:
            return None
        if refusal := self.write(address, values):
            return refusal
        after = self.holding()
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


def split_u32(value: float) -> tuple[int, int]:
    """A counter as two registers, high word first, wrapping as counters do."""
    whole = int(value) & 0xFFFFFFFF
    return whole >> 16, whole & 0xFFFF
