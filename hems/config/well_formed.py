"""The part of a configuration whose form is right, so that it is examined beside what is wrong. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hems.config.mistakes import KeyPath

_DEVICES_NEED = frozenset({"mqtt", "profile_folders"})
"""Sections that devices are made with: without them a device would be blamed for what it is not guilty of."""

_DEVICE_IS = frozenset({"name", "adapter"})
"""What a device cannot be looked at without; its other keys have defaults, and none is wrong for that."""


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
    """`data` without what has a mistake of form: a key of a device, an entry of another list, else a section.

    None when nothing could be told of the devices without what is wrong.
    """
    if _DEVICES_NEED & {path[0] for path in wrong}:
        return None
    left_out = {_least(path, data) for path in wrong}
    left: dict[str, object] = {}
    kept: dict[str, tuple[int, ...]] = {}
    for section, value in data.items():
        if (section,) in left_out:
            continue
        left[section] = value
        if isinstance(value, list):
            kept[section] = tuple(n for n in range(len(value)) if (section, n) not in left_out)
            left[section] = [_without((section, n), value[n], left_out) for n in kept[section]]
    return WellFormed(left, kept)


def _least(path: KeyPath, data: Mapping[str, object]) -> KeyPath:
    """The least around a mistake that can be left out."""
    match path:
        case ("devices", int(), str(key), *_) if key not in _DEVICE_IS:
            return path[:3]
        case (str(section), int(), *_) if isinstance(data.get(section), list):
            return path[:2]
        case _:
            return path[:1]


def _without(place: KeyPath, entry: object, left_out: Collection[KeyPath]) -> object:
    if not isinstance(entry, Mapping):
        return entry
    return {key: value for key, value in entry.items() if (*place, key) not in left_out}
