"""The SunSpec models as data: read from the definitions that the package pysunspec2 ships."""

import functools
import importlib.resources
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PointDefinition:
    """One point of a group. `size` in registers; `scale` names a scale factor point or is its exponent."""

    name: str
    type: str
    size: int
    scale: str | int | None = None


@dataclass(frozen=True, slots=True)
class GroupDefinition:
    """Points followed by nested groups.

    `count`: how often the group stands in a row – a number, the name of the point that tells, or 0 for "as
    often as it fits". `is_sync`: must be read in one piece.
    """

    name: str
    points: tuple[PointDefinition, ...]
    groups: tuple["GroupDefinition", ...] = ()
    count: int | str = 1
    is_sync: bool = False

    @property
    def points_size(self) -> int:
        """Registers of the group's own points."""
        return sum(point.size for point in self.points)

    @property
    def size(self) -> int:
        """Registers of one instance, with nested groups that have a fixed count."""
        return self.points_size + sum(
            group.size * group.count for group in self.groups if isinstance(group.count, int)
        )


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """A model; offsets count from its ID register, as everywhere in the SunSpec tables."""

    model_id: int
    group: GroupDefinition

    def offset_of(self, point: str) -> int:
        """The offset of a top level point. Raises KeyError."""
        offset = 0
        for entry in self.group.points:
            if entry.name == point:
                return offset
            offset += entry.size
        raise KeyError(f"model {self.model_id} has no point {point}")

    def point(self, name: str) -> PointDefinition:
        """A top level point. Raises KeyError."""
        for entry in self.group.points:
            if entry.name == name:
                return entry
        raise KeyError(f"model {self.model_id} has no point {name}")


@functools.cache
def model_definition(model_id: int) -> ModelDefinition:
    """The definition of a model. Raises KeyError for models that SunSpec has not published."""
    source = importlib.resources.files("sunspec2") / "models" / "json" / f"model_{model_id}.json"
    if not source.is_file():
        raise KeyError(f"there is no SunSpec model {model_id}")
    raw = json.loads(source.read_text(encoding="utf-8"))
    return ModelDefinition(model_id, _group(raw["group"]))


def _group(raw: dict[str, Any]) -> GroupDefinition:
    return GroupDefinition(
        name=raw["name"],
        points=tuple(
            PointDefinition(point["name"], point["type"], point["size"], point.get("sf"))
            for point in raw.get("points", [])
        ),
        groups=tuple(_group(group) for group in raw.get("groups", [])),
        count=raw.get("count", 1),
        is_sync=raw.get("type") == "sync",
    )
