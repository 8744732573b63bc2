"""Blocks of registers ↔ the points of a model, and how a block is cut into reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from adapters.sunspec.definitions import GroupDefinition, ModelDefinition, PointDefinition
from adapters.sunspec.values import Raw, decode_point, scaled

_HEADER = 2


@dataclass(slots=True)
class Group:
    """Decoded points of one group: raw and scaled, and the nested groups by name.

    A point that is not implemented, cut off by a short model, or whose scale factor is unusable is None.
    """

    raw: dict[str, Raw] = field(default_factory=dict)
    values: dict[str, Raw] = field(default_factory=dict)
    groups: dict[str, list["Group"]] = field(default_factory=dict)

    def number(self, point: str) -> float | None:
        """A scaled number."""
        value = self.values.get(point)
        return float(value) if isinstance(value, int | float) else None

    def integer(self, point: str) -> int | None:
        """A raw whole number: enums, scale factors, seconds."""
        value = self.raw.get(point)
        return value if isinstance(value, int) else None

    def text(self, point: str) -> str:
        """A string; empty when there is none."""
        value = self.values.get(point)
        return value if isinstance(value, str) else ""


def decode_model(definition: ModelDefinition, registers: Sequence[int]) -> Group:
    """Decode a model from its registers, ID and length first.

    Points that do not lie completely inside the length that the device states are left out, and whatever
    the device has beyond the definition is ignored.
    """
    end = min(len(registers), registers[1] + _HEADER)
    group, _ = _decode_group(definition.group, registers, 0, end, ())
    return group


def _decode_group(
    definition: GroupDefinition, registers: Sequence[int], start: int, end: int, above: tuple[Group, ...]
) -> tuple[Group, int]:
    group = Group()
    offset = start
    for point in definition.points:
        after = offset + point.size
        inside = after <= end
        group.raw[point.name] = decode_point(point.type, registers[offset:after]) if inside else None
        offset = after
    scope = (group, *above)
    for point in definition.points:
        group.values[point.name] = _scale(point, group.raw[point.name], scope)
    for nested in definition.groups:
        instances = []
        for _ in range(_repetitions(nested, offset, end, scope)):
            instance, offset = _decode_group(nested, registers, offset, end, scope)
            instances.append(instance)
        group.groups[nested.name] = instances
    return group, offset


def _scale(point: PointDefinition, raw: Raw, scope: tuple[Group, ...]) -> Raw:
    if point.scale is None or not isinstance(raw, int | float):
        return raw
    return scaled(raw, point.scale if isinstance(point.scale, int) else _integer_in(scope, point.scale))


def _repetitions(group: GroupDefinition, offset: int, end: int, scope: tuple[Group, ...]) -> int:
    """As often as told, but never more often than there is room."""
    fitting = max(0, end - offset) // max(1, group.size)
    if isinstance(group.count, str):
        return min(_integer_in(scope, group.count) or 0, fitting)
    return fitting if group.count == 0 else min(group.count, fitting)


def _integer_in(scope: tuple[Group, ...], name: str) -> int | None:
    """A point of the innermost group that has it."""
    for group in scope:
        if name in group.raw:
            return group.integer(name)
    return None


def plan_reads(definition: ModelDefinition, length: int, max_registers: int) -> tuple[tuple[int, int], ...]:
    """Offsets and counts of the reads that fetch a model of `length` registers behind its header.

    Neither a point nor a group that must stay consistent is cut. Registers behind the last whole one are not
    fetched.
    """
    end = length + _HEADER
    reads: list[tuple[int, int]] = []
    for start, size in _pieces(definition.group, 0, end):
        if start + size > end:
            break
        if reads and start + size - reads[-1][0] <= max_registers:
            reads[-1] = (reads[-1][0], start + size - reads[-1][0])
        else:
            reads.append((start, size))
    return tuple(reads)


def _pieces(definition: GroupDefinition, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The spans that must not be cut, in order. Groups of unknown count are taken as often as they fit."""
    if definition.is_sync:
        yield start, definition.size
        return
    offset = start
    for point in definition.points:
        yield offset, point.size
        offset += point.size
    for group in definition.groups:
        count = group.count if isinstance(group.count, int) and group.count else end
        for _ in range(count):
            if offset + group.size > end:
                return
            yield from _pieces(group, offset, end)
            offset += group.size
