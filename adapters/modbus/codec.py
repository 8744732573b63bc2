"""Numbers in registers: the types of vendor tables, with either word order."""

import math
import struct
from enum import StrEnum


class NumberType(StrEnum):
    """Types of vendor tables; the digits are bits. `bit` is what coils and discrete inputs hold."""

    BIT = "bit"
    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    U64 = "u64"
    S64 = "s64"
    F32 = "f32"
    F64 = "f64"

    @property
    def size(self) -> int:
        """Registers that one number takes, or bits of a coil."""
        return 1 if self is NumberType.BIT else int(self.value[1:]) // 16

    @property
    def is_float(self) -> bool:
        """True for IEEE 754 numbers."""
        return self in (NumberType.F32, NumberType.F64)


class WordOrder(StrEnum):
    """Which register of a longer number comes first: the high (big) or the low one (little)."""

    BIG = "big"
    LITTLE = "little"


_FORMATS = {
    NumberType.U16: ">H",
    NumberType.S16: ">h",
    NumberType.U32: ">I",
    NumberType.S32: ">i",
    NumberType.U64: ">Q",
    NumberType.S64: ">q",
    NumberType.F32: ">f",
    NumberType.F64: ">d",
}


def decode(registers: tuple[int, ...], number_type: NumberType, order: WordOrder = WordOrder.BIG) -> float:
    """The number in `registers`, which are exactly as many as the type takes. Not-a-number stays NaN."""
    if number_type is NumberType.BIT:
        return float(registers[0])
    words = registers if order is WordOrder.BIG else registers[::-1]
    number: float = struct.unpack(_FORMATS[number_type], struct.pack(f">{len(words)}H", *words))[0]
    return number


def encode(number: float, number_type: NumberType, order: WordOrder = WordOrder.BIG) -> tuple[int, ...]:
    """The registers that hold `number`. Raises ValueError when the type cannot hold it exactly enough:
    out of range, not finite, or a fraction in a whole-number type."""
    if not math.isfinite(number):
        raise ValueError(f"{number} cannot be written to a register")
    if not number_type.is_float and number != int(number):
        raise ValueError(f"{number} is not a whole number, {number_type.value} needs one")
    if number_type is NumberType.BIT:
        if number not in (0.0, 1.0):
            raise ValueError(f"{number} does not fit into {number_type.value}")
        return (int(number),)
    value = number if number_type.is_float else int(number)
    try:
        packed = struct.pack(_FORMATS[number_type], value)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{number} does not fit into {number_type.value}") from error
    words = struct.unpack(f">{number_type.size}H", packed)
    return words if order is WordOrder.BIG else words[::-1]
