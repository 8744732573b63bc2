"""SunSpec types in registers: numbers, strings, and the codes that mean "not implemented"."""

import math
import struct
from collections.abc import Sequence
from fractions import Fraction

Raw = int | float | str | None
"""A point before scaling; None when it is not implemented."""

_SIGNED = {"int16", "int32", "int64", "sunssf"}
_ZERO_MEANS_NONE = {"acc16", "acc32", "acc64", "ipaddr", "ipv6addr"}
_FLOATS = {"float32": ">f", "float64": ">d"}
_UNSIGNED = {
    "uint16",
    "uint32",
    "uint64",
    "enum16",
    "enum32",
    "bitfield16",
    "bitfield32",
    "bitfield64",
    "count",
    "eui48",
    "raw16",
}
_SCALE_LIMIT = 10


def decode_point(point_type: str, registers: Sequence[int]) -> Raw:
    """The raw value of a point. Unknown types and pads have none."""
    data = struct.pack(f">{len(registers)}H", *registers)
    if point_type == "string":
        return _text(data)
    if point_type in _FLOATS:
        number: float = struct.unpack(_FLOATS[point_type], data)[0]
        return number if math.isfinite(number) else None
    if point_type in _SIGNED:
        signed = int.from_bytes(data, "big", signed=True)
        return None if signed == _lowest(len(registers)) else signed
    unsigned = int.from_bytes(data, "big")
    if point_type in _ZERO_MEANS_NONE:
        return unsigned or None
    if point_type in _UNSIGNED:
        return None if unsigned == _all_ones(len(registers)) else unsigned
    return None


def encode_point(point_type: str, size: int, raw: int) -> tuple[int, ...]:
    """The registers of a whole number.

    Raises ValueError when the type cannot hold it or would read it as "not implemented".
    """
    signed = point_type in _SIGNED
    if not signed and point_type not in _UNSIGNED:
        raise ValueError(f"{point_type} cannot be written as a whole number")
    try:
        data = raw.to_bytes(2 * size, "big", signed=signed)
    except OverflowError as error:
        raise ValueError(f"{raw} does not fit into {point_type}") from error
    registers: tuple[int, ...] = struct.unpack(f">{size}H", data)
    if decode_point(point_type, registers) is None:
        raise ValueError(f"{raw} means 'not implemented' in {point_type}")
    return registers


def scaled(raw: int | float, exponent: int | None) -> float | None:
    """`raw` × 10^exponent; None when the scale factor is missing or outside −10 to 10."""
    if exponent is None or not -_SCALE_LIMIT <= exponent <= _SCALE_LIMIT:
        return None
    # Dividing by a whole power of ten rounds once; multiplying by 0.1 and the like would round twice.
    return float(raw * 10**exponent) if exponent >= 0 else raw / 10**-exponent


def raw_at_most(value: float | Fraction, exponent: int) -> int:
    """The largest raw number whose scaled value is not above `value`."""
    return math.floor(Fraction(value) / Fraction(10) ** exponent)


def _text(data: bytes) -> str | None:
    """A string up to its first NUL; devices also fill with 0xFF or blanks."""
    end = data.find(b"\x00")
    text = (data if end < 0 else data[:end]).rstrip(b"\xff").decode("latin-1").strip()
    return text or None


def _lowest(size: int) -> int:
    return -(1 << (16 * size - 1))


def _all_ones(size: int) -> int:
    return (1 << 16 * size) - 1


class Counter:
    """Makes a `acc` counter that only grows out of one that wraps or restarts at zero."""

    def __init__(self, bits: int = 32) -> None:
        self._modulus = 1 << bits
        self._base = 0.0
        self._last: float | None = None

    def update(self, value: float | None) -> float | None:
        """The running total for a new reading; None when there is none."""
        if value is None:
            return None
        if self._last is not None and value < self._last:
            wrapped = self._last > 0.9 * self._modulus and value < 0.1 * self._modulus
            self._base += self._modulus if wrapped else self._last
        self._last = value
        return self._base + value
