"""Where profiles come from: the folders of the user, then the package; and how parameters are filled in."""

import functools
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from adapters.modbus.profile import Parameter, Profile
from adapters.settings import SettingsError


def load_profile(profile_id: str, params: Mapping[str, float], user_folders: Sequence[Path] = ()) -> Profile:
    """Find `<profile_id>.yaml` in the user's folders, then in the package, and fill in the parameters.

    Raises SettingsError with what is wrong and where to look.
    """
    text, origin = _find(profile_id, user_folders)
    return parse_profile(text, params, origin)


def parse_profile(text: str, params: Mapping[str, float], origin: str) -> Profile:
    """Read a profile from YAML text; `origin` names it in errors. Raises SettingsError."""
    try:
        raw = _parse_yaml(text)
    except YAMLError as error:
        raise SettingsError(f"{origin}: not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise SettingsError(f"{origin}: a profile is a map of blocks")
    try:
        return Profile.model_validate(_fill_in(raw, _values(raw, params, origin), origin))
    except ValidationError as error:
        raise SettingsError(f"{origin}: {_explain(error)}") from error


@functools.cache
def _parse_yaml(text: str) -> Any:
    """Parsing takes 20 ms, and a house may have many devices of one family. The result is never changed."""
    return YAML(typ="safe", pure=True).load(text)


def profile_ids(user_folders: Sequence[Path] = ()) -> tuple[str, ...]:
    """The ids of all profiles that can be found, sorted."""
    names = {entry.name for folder in _folders(user_folders) if folder.is_dir() for entry in folder.iterdir()}
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def _folders(user_folders: Sequence[Path]) -> list[Path | Traversable]:
    return [*user_folders, importlib.resources.files("adapters") / "profiles"]


def _find(profile_id: str, user_folders: Sequence[Path]) -> tuple[str, str]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", profile_id):
        raise SettingsError(f"'{profile_id}' is not a profile id: lower case letters, digits and dashes")
    for folder in _folders(user_folders):
        candidate = folder / f"{profile_id}.yaml"
        if candidate.is_file():
            return candidate.read_text(encoding="utf-8"), f"profile {profile_id}"
    known = ", ".join(profile_ids(user_folders))
    raise SettingsError(f"there is no profile '{profile_id}'; known are: {known}")


_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def _values(raw: dict[str, Any], given: Mapping[str, float], origin: str) -> dict[str, float]:
    """The value of each declared parameter; refuses unknown ones and those out of range."""
    declared = {
        name: Parameter.model_validate(parameter) for name, parameter in (raw.get("params") or {}).items()
    }
    for name, value in given.items():
        if name not in declared:
            raise SettingsError(f"{origin}: no parameter '{name}'; it has: {', '.join(sorted(declared))}")
        low, high = declared[name].min, declared[name].max
        if not low <= value <= high:
            raise SettingsError(f"{origin}: parameter {name} = {value:g} is outside {low:g} to {high:g}")
    return {name: given.get(name, parameter.default) for name, parameter in declared.items()}


def _fill_in(node: Any, values: Mapping[str, float], origin: str) -> Any:
    if isinstance(node, dict):
        return {key: _fill_in(member, values, origin) for key, member in node.items()}
    if isinstance(node, list):
        return [_fill_in(member, values, origin) for member in node]
    if not isinstance(node, str) or "${" not in node:
        return node
    match = _PLACEHOLDER.fullmatch(node)
    if match is None or match[1] not in values:
        raise SettingsError(f"{origin}: '{node}' is not a declared parameter")
    value = values[match[1]]
    return int(value) if value == int(value) else value


def _explain(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(step) for step in fault['loc']) or 'profile'}: {fault['msg']}"
        for fault in error.errors()
    )
