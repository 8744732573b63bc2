"""The part of a configuration whose form is right, so that it is examined beside what is wrong. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hems.config.mistakes import KeyPath

_DEVICES_NEED = frozenset({"mqtt", "profile_folders"})
"""Sections that devices are made with: without them a device would be blamed for what it is not guilty of."""


@dataclass(frozen=True, slots=True)
class WellFormed:
    """`data`: what is left. `kept`: for each list of the file, the numbers there of the entries left."""

    data: dict[str, object]
    kept: Mapping[str, tuple[int, ...]]

    def in_file(self, path: KeyPath) -> KeyPath:
        """Where in the file that is what stands at `path` in the part."""
        match path:
            case (str(section), int(index), *rest) if section in self.kept:
                return (section, self.kept[section][index], *rest)
            case _:
                return path


def well_formed(data: Mapping[str, object], wrong: Collection[KeyPath]) -> WellFormed | None:
    """`data` without each entry of a list, or else each section, that has a mistake of form in it.

    None when nothing could be told of the devices without what is wrong.
    """
    sections = {path[0] for path in wrong if not _is_entry(path, data)}
    entries = {path[:2] for path in wrong}
    if _DEVICES_NEED & {path[0] for path in wrong}:
        return None
    left: dict[str, object] = {}
    kept: dict[str, tuple[int, ...]] = {}
    for section, value in data.items():
        if section in sections:
            continue
        left[section] = value
        if isinstance(value, list):
            kept[section] = tuple(n for n in range(len(value)) if (section, n) not in entries)
            left[section] = [value[n] for n in kept[section]]
    return WellFormed(left, kept)


def _is_entry(path: KeyPath, data: Mapping[str, object]) -> bool:
    return len(path) > 1 and isinstance(path[1], int) and isinstance(data.get(str(path[0])), list)
