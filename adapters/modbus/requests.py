"""Modbus requests as values, and the check that an answer belongs to its request.

The client library hands any well-formed frame back as success: too few registers, another function, an echo
of another value. Each is caught here.
"""

from dataclasses import dataclass
from enum import StrEnum

from pymodbus.pdu import ModbusPDU

MAX_READ_REGISTERS = 125
MAX_WRITE_REGISTERS = 123
_MAX_READ_BITS = 2000
_MAX_ADDRESS = 0xFFFF
_WRITE_COIL = 5
_WRITE_SINGLE = 6
_WRITE_MULTIPLE = 16


class Table(StrEnum):
    """The tables of Modbus: holding and input registers, coils and discrete inputs."""

    HOLDING = "hr"
    INPUT = "ir"
    COIL = "co"
    DISCRETE = "di"

    @property
    def holds_bits(self) -> bool:
        """True where an address holds one bit, read as 0 or 1."""
        return self in (Table.COIL, Table.DISCRETE)


_READ_FUNCTIONS = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read `count` registers or bits. Raises ValueError when no Modbus frame can ask for it."""

    table: Table
    address: int
    count: int

    def __post_init__(self) -> None:
        limit = _MAX_READ_BITS if self.table.holds_bits else MAX_READ_REGISTERS
        _check_span(self.address, self.count, limit)

    @property
    def function(self) -> int:
        """The function code on the wire."""
        return _READ_FUNCTIONS[self.table]

    def __str__(self) -> str:
        return f"reading {_span(self.table, self.address, self.count)}"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Write holding registers with function 6 (one register) or 16, or one coil with function 5 (0 or 1).

    Raises ValueError when no Modbus frame can carry it.
    """

    address: int
    values: tuple[int, ...]
    function: int = _WRITE_MULTIPLE

    def __post_init__(self) -> None:
        if self.function not in (_WRITE_COIL, _WRITE_SINGLE, _WRITE_MULTIPLE):
            raise ValueError(f"function {self.function} does not write; 5, 6 and 16 do")
        limit = MAX_WRITE_REGISTERS if self.function == _WRITE_MULTIPLE else 1
        _check_span(self.address, len(self.values), limit)
        highest = 1 if self.table.holds_bits else 0xFFFF
        if not all(0 <= value <= highest for value in self.values):
            raise ValueError(f"{self.table.value} holds 0 to {highest}, not {self.values}")

    @property
    def table(self) -> Table:
        """What is written."""
        return Table.COIL if self.function == _WRITE_COIL else Table.HOLDING

    def __str__(self) -> str:
        values = " ".join(str(value) for value in self.values)
        return f"writing {values} to {_span(self.table, self.address, len(self.values))}"


Request = ReadRequest | WriteRequest


def _check_span(address: int, count: int, limit: int) -> None:
    if not 1 <= count <= limit:
        raise ValueError(f"{count} values in one request; 1 to {limit} are possible")
    if not 0 <= address <= _MAX_ADDRESS - count + 1:
        raise ValueError(f"{count} values from address {address} are outside 0 to {_MAX_ADDRESS}")


def _span(table: Table, address: int, count: int) -> str:
    return f"{table.value} {address}" if count == 1 else f"{table.value} {address}–{address + count - 1}"


def fault_in(answer: ModbusPDU, request: Request) -> str:
    """What shows that `answer` does not belong to `request`, in words; empty when it does."""
    if answer.function_code != request.function:
        return f"answered function {answer.function_code} instead of {request.function}"
    if isinstance(request, ReadRequest):
        if request.table.holds_bits:
            return _difference("sent", len(answer.bits), _padded(request.count), "bits")
        return _difference("sent", len(answer.registers), request.count, "registers")
    if answer.address != request.address:
        return _difference("confirmed address", answer.address, request.address)
    if request.function == _WRITE_COIL:
        return _difference("confirmed value", int(answer.bits[0]), request.values[0])
    if request.function == _WRITE_SINGLE:
        return _difference("confirmed value", answer.registers[0], request.values[0])
    return _difference("confirmed", answer.count, len(request.values), "registers")


def values_in(answer: ModbusPDU, request: Request) -> tuple[int, ...]:
    """What a checked answer carries: registers, or bits as 0 and 1; nothing for a write."""
    if not isinstance(request, ReadRequest):
        return ()
    if request.table.holds_bits:
        return tuple(int(bit) for bit in answer.bits[: request.count])
    return tuple(answer.registers)


def _padded(bits: int) -> int:
    """Bits travel in whole bytes."""
    return -(-bits // 8) * 8


def _difference(verb: str, got: int, wanted: int, unit: str = "") -> str:
    return "" if got == wanted else f"{verb} {got} instead of {wanted} {unit}".rstrip()
