"""Which registers are read together."""

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.modbus.profile import Point
from adapters.modbus.requests import Table


@dataclass(frozen=True, slots=True)
class Block:
    """One read request and the names of the points inside it."""

    table: Table
    address: int
    count: int
    points: tuple[str, ...]


def plan_blocks(points: Iterable[tuple[str, Point]], max_registers: int) -> tuple[Block, ...]:
    """Join points that touch each other into reads of at most `max_registers`.

    A block never spans a register that no point names: devices refuse reads over gaps in their table. A
    point is never cut.
    """
    blocks: list[Block] = []
    for name, point in sorted(points, key=lambda entry: (entry[1].table, entry[1].addr)):
        if blocks and _can_join(blocks[-1], point, max_registers):
            last = blocks[-1]
            end = max(last.address + last.count, point.end)
            blocks[-1] = Block(last.table, last.address, end - last.address, (*last.points, name))
        else:
            blocks.append(Block(point.table, point.addr, point.end - point.addr, (name,)))
    return tuple(blocks)


def single_value_blocks(points: Iterable[tuple[str, Point]]) -> tuple[Block, ...]:
    """One read for each value, for devices that answer no more at a time."""
    return tuple(
        Block(point.table, span.start, len(span), (name,)) for name, point in points for span in point.spans
    )


def _can_join(block: Block, point: Point, max_registers: int) -> bool:
    return (
        block.table is point.table
        and point.addr <= block.address + block.count
        and point.end - block.address <= max_registers
    )
