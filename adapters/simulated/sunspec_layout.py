"""SunSpec blocks laid out by hand, offset by offset, so that simulation and reader share no code.

Offsets count from a model's ID register, as in the tables of the SunSpec models.
"""

from collections.abc import Mapping

from adapters.simulated.unit import Registers

BASE = 40_000
_MARKER = (0x5375, 0x6E53)
_END = (0xFFFF, 0)
NOT_IMPLEMENTED_S16 = 0x8000
NOT_IMPLEMENTED_U16 = 0xFFFF


def s16(value: float) -> int:
    """A signed number in one register; a value beyond the type is cut off, as cheap devices do."""
    return max(-32767, min(32767, round(value))) & 0xFFFF


def text(value: str, registers: int) -> list[int]:
    """A string in `registers` registers, padded with NUL."""
    data = value.encode("ascii")[: 2 * registers].ljust(2 * registers, b"\x00")
    return [data[index] << 8 | data[index + 1] for index in range(0, len(data), 2)]


def common(manufacturer: str, model: str, serial: str) -> list[int]:
    """Model 1 with 66 registers: manufacturer, model, options, version, serial number, address, pad."""
    values = [*text(manufacturer, 16), *text(model, 16), *text("", 8), *text("1.0", 8), *text(serial, 16)]
    return [1, 66, *values, NOT_IMPLEMENTED_U16, NOT_IMPLEMENTED_S16]


def block(model: int, length: int, points: Mapping[int, int], filler: int = NOT_IMPLEMENTED_U16) -> list[int]:
    """A model of `length` registers with the given points by offset; the others hold `filler`."""
    values = [filler] * (length + 2)
    values[0], values[1] = model, length
    for offset, value in points.items():
        values[offset] = value
    return values


def chain(blocks: list[list[int]]) -> Registers:
    """Marker, the blocks one after another, and the end model, from the usual base address."""
    values = [*_MARKER, *(value for one in blocks for value in one), *_END]
    return {BASE + offset: value for offset, value in enumerate(values)}


def address_of(model: int, blocks: list[list[int]]) -> int:
    """The wire address of a model's ID register."""
    address = BASE + len(_MARKER)
    for one in blocks:
        if one[0] == model:
            return address
        address += len(one)
    raise ValueError(f"model {model} is not in the chain")
