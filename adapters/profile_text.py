"""The files with profiles of devices: where they are looked for, and where in them a mistake stands."""

import functools
import importlib.resources
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode

from adapters.settings import SettingsError

P = TypeVar("P", bound=BaseModel)
_Path = tuple[str | int, ...]

_ID = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class ProfileText:
    """The text of one profile; `origin` names it in messages: the file of a user, or what ships.

    `for_users`: it is theirs to correct, so messages name the line.
    """

    text: str
    origin: str
    for_users: bool = True

    def blocks(self) -> dict[str, Any]:
        """The blocks of the profile; never to be changed. Raises SettingsError."""
        try:
            raw = _parse(self.text)
        except MarkedYAMLError as error:
            mark = error.problem_mark
            place = "" if mark is None else f":{mark.line + 1}"
            raise SettingsError(f"{self.origin}{place}: not YAML: {error.problem}") from error
        except YAMLError as error:
            raise SettingsError(f"{self.origin}: not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(raw, dict):
            raise SettingsError(f"{self.origin}: a profile is a map of blocks")
        return raw

    def parameters(self, model: type[P]) -> dict[str, P]:
        """What the user of the profile may set. Raises SettingsError."""
        declared = self.blocks().get("params") or {}
        if not isinstance(declared, dict):
            raise SettingsError(f"{self._at(('params',))}: params: is a map from name to parameter")
        found: dict[str, P] = {}
        for name, parameter in declared.items():
            try:
                found[name] = model.model_validate(parameter)
            except ValidationError as error:
                raise self.refused(error, "params", name) from error
        return found

    def refused(self, error: ValidationError, *above: str) -> SettingsError:
        """What a model found wrong in the block `above`, each with its line."""
        return SettingsError("; ".join(self._faults(error, above)))

    def undeclared(self, text: str) -> SettingsError:
        """The value `text` names a parameter that is not declared."""
        line = self.text[: max(0, self.text.find(text))].count("\n") + 1
        return SettingsError(f"{self.origin}:{line}: '{text}' is not a declared parameter")

    def _faults(self, error: ValidationError, above: _Path) -> Iterator[str]:
        for fault in error.errors():
            path = (*above, *fault["loc"])
            shown = ".".join(str(step) for step in path) or "profile"
            yield f"{self._at(path)}: {shown}: {fault['msg']}"

    def _at(self, path: _Path) -> str:
        return f"{self.origin}:{_line_of(self.text, path)}" if self.for_users else self.origin


def find_profile(
    profile_id: str, user_folders: Sequence[Path], shipped: Traversable, what: str = "profile"
) -> ProfileText:
    """`<profile_id>.yaml` of the user's folders, else of the folder `shipped` with the gateway.

    Raises SettingsError, which names what is known and every folder of the user that was searched.
    """
    if not _ID.fullmatch(profile_id):
        raise SettingsError(f"'{profile_id}' is not a profile id: lower case letters, digits and dashes")
    name = f"{profile_id}.yaml"
    for folder in user_folders:
        if (folder / name).is_file():
            return ProfileText(_text_of(folder / name), str(folder / name))
    if (shipped / name).is_file():
        return ProfileText(
            (shipped / name).read_text(encoding="utf-8"), f"profile {profile_id}", for_users=False
        )
    raise SettingsError(
        f"there is no {what} '{profile_id}'; known are: {', '.join(known_ids(user_folders, shipped))}"
        + _searched(name, user_folders)
    )


def known_ids(user_folders: Sequence[Path], shipped: Traversable) -> tuple[str, ...]:
    """The ids of all profiles that can be found, sorted."""
    folders: list[Path | Traversable] = [*user_folders, shipped]
    names = {entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir()}
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def shipped_profiles(*below: str) -> Traversable:
    """The folder of the profiles that come with the gateway, or one in it."""
    return importlib.resources.files("adapters").joinpath("profiles", *below)


def chosen(values: Mapping[str, Any], declared: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The value of each declared parameter. Raises SettingsError for one that is not declared."""
    for name in values:
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise SettingsError(f"{origin}: no parameter '{name}'; it has: {known}")
    return {name: values.get(name, parameter.default) for name, parameter in declared.items()}


def _searched(name: str, folders: Sequence[Path]) -> str:
    if not folders:
        return ""
    places = ", ".join(f"{folder}{'' if folder.is_dir() else ' (no such folder)'}" for folder in folders)
    return f". One of your own would be {name} in {places}"


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error


@functools.cache
def _parse(text: str) -> Any:
    """Parsing takes 20 ms, and a house may have many devices of one family. The result is never changed."""
    return YAML(typ="safe", pure=True).load(text)


def _line_of(text: str, path: _Path) -> int:
    """The line of the value at `path`, or of the nearest one above it. Steps that name alternatives of a
    model do not stand in the text.
    """
    node = YAML(typ="safe", pure=True).compose(text)
    line = 0
    for step in path:
        if isinstance(node, MappingNode):
            for key, value in node.value:
                if key.value == str(step):
                    line, node = key.start_mark.line, value
                    break
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
    return int(line) + 1
