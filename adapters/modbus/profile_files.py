"""Modbus profiles: found in the folders of the user, then in the package, with the parameters filled in."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapters.modbus.profile import Parameter, Profile
from adapters.profile_text import ProfileText, chosen, find_profile, known_ids, shipped_profiles
from adapters.settings import SettingsError


def load_profile(profile_id: str, params: Mapping[str, float], user_folders: Sequence[Path] = ()) -> Profile:
    """Find `<profile_id>.yaml` in the user's folders, then in the package, and fill in the parameters.

    Raises SettingsError with what is wrong and where to look.
    """
    return _made(find_profile(profile_id, user_folders, shipped_profiles()), params)


def parse_profile(text: str, params: Mapping[str, float], origin: str) -> Profile:
    """Read a profile from YAML text; `origin` names it in errors. Raises SettingsError."""
    return _made(ProfileText(text, origin), params)


def profile_ids(user_folders: Sequence[Path] = ()) -> tuple[str, ...]:
    """The ids of all profiles that can be found, sorted."""
    return known_ids(user_folders, shipped_profiles())


_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def _made(source: ProfileText, params: Mapping[str, float]) -> Profile:
    values = _values(source, params)
    try:
        return Profile.model_validate(_fill_in(source.blocks(), values, source))
    except ValidationError as error:
        raise source.refused(error) from error


def _values(source: ProfileText, given: Mapping[str, float]) -> dict[str, float]:
    """The value of each declared parameter; refuses unknown ones and those out of range."""
    declared = source.parameters(Parameter)
    values = chosen(given, declared, source.origin)
    for name, value in given.items():
        low, high = declared[name].min, declared[name].max
        if not low <= value <= high:
            raise SettingsError(
                f"{source.origin}: parameter {name} = {value:g} is outside {low:g} to {high:g}"
            )
    return values


def _fill_in(node: Any, values: Mapping[str, float], source: ProfileText) -> Any:
    if isinstance(node, dict):
        return {key: _fill_in(member, values, source) for key, member in node.items()}
    if isinstance(node, list):
        return [_fill_in(member, values, source) for member in node]
    if not isinstance(node, str) or "${" not in node:
        return node
    match = _PLACEHOLDER.fullmatch(node)
    if match is None or match[1] not in values:
        raise source.undeclared(node)
    value = values[match[1]]
    return int(value) if value == int(value) else value
