"""Modbus requests as values, and the check that an answer belongs to its request.

The client library hands any well-formed frame back as success: too few registers, another function, an echo
of another value. Each is caught here.
"""

from dataclasses import dataclass
from enum import StrEnum

from pymodbus.pdu import ModbusPDU

MAX_READ_REGISTERS = 125
MAX_WRITE_REGISTERS = 123
_MAX_ADDRESS = 0xFFFF
_WRITE_SINGLE = 6
_WRITE_MULTIPLE = 16


class Table(StrEnum):
    """The register tables of Modbus."""

    HOLDING = "hr"
    INPUT = "ir"


_READ_FUNCTIONS = {Table.HOLDING: 3, Table.INPUT: 4}


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read `count` registers. Raises ValueError when no Modbus frame can ask for it."""

    table: Table
    address: int
    count: int

    def __post_init__(self) -> None:
        _check_span(self.address, self.count, MAX_READ_REGISTERS)

    @property
    def function(self) -> int:
        """The function code on the wire."""
        return _READ_FUNCTIONS[self.table]

    def __str__(self) -> str:
        return f"reading {_span(self.table, self.address, self.count)}"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Write holding registers with function 6 (one register) or 16.

    Raises ValueError when no Modbus frame can carry it.
    """

    address: int
    values: tuple[int, ...]
    function: int = _WRITE_MULTIPLE

    def __post_init__(self) -> None:
        if self.function not in (_WRITE_SINGLE, _WRITE_MULTIPLE):
            raise ValueError(f"function {self.function} does not write registers; 6 and 16 do")
        limit = 1 if self.function == _WRITE_SINGLE else MAX_WRITE_REGISTERS
        _check_span(self.address, len(self.values), limit)
        if not all(0 <= value <= 0xFFFF for value in self.values):
            raise ValueError(f"a register holds 0 to 65535, not {self.values}")

    def __str__(self) -> str:
        values = " ".join(str(value) for value in self.values)
        return f"writing {values} to {_span(Table.HOLDING, self.address, len(self.values))}"


Request = ReadRequest | WriteRequest


def _check_span(address: int, count: int, limit: int) -> None:
    if not 1 <= count <= limit:
        raise ValueError(f"{count} registers in one request; 1 to {limit} are possible")
    if not 0 <= address <= _MAX_ADDRESS - count + 1:
        raise ValueError(f"{count} registers from address {address} are outside 0 to {_MAX_ADDRESS}")


def _span(table: Table, address: int, count: int) -> str:
    return f"{table.value} {address}" if count == 1 else f"{table.value} {address}–{address + count - 1}"


def fault_in(answer: ModbusPDU, request: Request) -> str:
    """What shows that `answer` does not belong to `request`, in words; empty when it does."""
    if answer.function_code != request.function:
        return f"answered function {answer.function_code} instead of {request.function}"
    if isinstance(request, ReadRequest):
        return _difference("sent", len(answer.registers), request.count, "registers")
    if answer.address != request.address:
        return _difference("confirmed address", answer.address, request.address)
    if request.function == _WRITE_SINGLE:
        return _difference("confirmed value", answer.registers[0], request.values[0])
    return _difference("confirmed", answer.count, len(request.values), "registers")


def _difference(verb: str, got: int, wanted: int, unit: str = "") -> str:
    return "" if got == wanted else f"{verb} {got} instead of {wanted} {unit}".rstrip()
