"""The registers of one device as last read, and the points of its profile in them."""

from collections.abc import Iterable, Mapping

from adapters.modbus.blocks import Block, plan_blocks, single_value_blocks
from adapters.modbus.bus import Priority, Unit
from adapters.modbus.codec import NumberType, decode, encode
from adapters.modbus.profile import Point, RegisterTarget, Transport
from adapters.modbus.requests import Table

Reading = tuple[float | None, ...] | str
"""What a point reads: numbers, None where the device has none, or a word: of its map, or its text."""


class Registers:
    """Reads and writes through one unit on a bus, and remembers what was read."""

    def __init__(self, unit: Unit, points: Mapping[str, Point], transport: Transport) -> None:
        self._unit = unit
        self._points = points
        self._transport = transport
        self._words: dict[Table, dict[int, int]] = {table: {} for table in Table}
        self._readings: dict[str, Reading] = {}

    # Reading.

    def blocks(self, names: Iterable[str]) -> tuple[Block, ...]:
        """How these points are read, as the device likes it."""
        points = [(name, self._points[name]) for name in names]
        if self._transport.single_value_reads:
            return single_value_blocks(points)
        return plan_blocks(points, self._transport.max_read_regs)

    async def refresh(self, blocks: Iterable[Block], priority: Priority) -> None:
        """Read blocks. Raises DeviceError."""
        for block in blocks:
            words = await self._unit.read(block.table, block.address, block.count, priority)
            self._words[block.table].update(enumerate(words, start=block.address))
            self._readings.clear()

    async def refresh_points(self, names: Iterable[str], priority: Priority) -> None:
        """Read single points. Raises DeviceError."""
        await self.refresh(self.blocks(names), priority)

    def reading(self, name: str) -> Reading:
        """What a point read last; empty when the profile has no such point or it was never read."""
        if name not in self._readings:
            point = self._points.get(name)
            self._readings[name] = () if point is None else reading_of(point, self._words[point.table])
        return self._readings[name]

    def number(self, name: str) -> float | None:
        """The first number of a point."""
        reading = self.reading(name)
        return None if isinstance(reading, str) or not reading else reading[0]

    def numbers(self, name: str) -> tuple[float, ...]:
        """All numbers of a point, or none when one is missing: a list with holes would shift the phases."""
        reading = self.reading(name)
        if isinstance(reading, str):
            return ()
        numbers = tuple(number for number in reading if number is not None)
        return numbers if len(numbers) == len(reading) else ()

    def word(self, name: str) -> str:
        """The word of a point, empty when it has none."""
        reading = self.reading(name)
        return reading if isinstance(reading, str) else ""

    # Writing.

    async def write(self, target: RegisterTarget, value: float, priority: Priority) -> None:
        """Write a value where a profile says. Raises DeviceError."""
        raw = encode(round(value / target.scale, 6), target.type, target.word_order)
        await self._unit.write(target.addr, raw, function=target.fc, priority=priority)

    async def write_point(self, name: str, value: float, function: int) -> None:
        """Write a value to where a point is read. Raises DeviceError."""
        point = self._points[name]
        assert isinstance(point.type, NumberType), "the profile refuses to write texts"
        raw = encode(round(value / point.scale, 6), point.type, point.word_order)
        await self._unit.write(point.addr, raw, function=function)

    async def held(self, target: RegisterTarget, priority: Priority) -> float:
        """What the register of a target holds. Raises DeviceError."""
        words = await self._unit.read(Table.HOLDING, target.addr, target.type.size, priority)
        return decode(words, target.type, target.word_order) * target.scale


def reading_of(point: Point, words: Mapping[int, int]) -> Reading:
    """What a point reads in these registers; empty when it was not read as a whole."""
    spans = point.spans
    if any(address not in words for span in spans for address in span):
        return ()
    if not isinstance(point.type, NumberType):
        return _text([words[span.start] for span in spans])
    numbers = [
        decode(tuple([words[address] for address in span]), point.type, point.word_order) for span in spans
    ]
    if point.map is not None:
        return point.map.get(int(numbers[0]), f"unknown ({int(numbers[0])})")
    return tuple(_scaled(point, number) for number in numbers)


def _scaled(point: Point, number: float) -> float | None:
    if number != number or number in point.nan:
        return None
    value = round(number * point.scale, 9) * point.sign
    if point.valid is not None and not point.valid.min <= value <= point.valid.max:
        return None
    return value


def _text(words: Iterable[int]) -> str:
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return data.split(b"\x00")[0].rstrip(b"\xff").decode("latin-1").strip()
