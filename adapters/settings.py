"""What the settings of every adapter have in common."""

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""

UnitId = Annotated[int, Field(ge=0, le=255)]
"""A Modbus unit identifier."""


class AdapterSettings(BaseModel):
    """Base of the settings models: the member `type` tells them apart, unknown members are refused.

    A subclass declares `type: Literal["its-name"]`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    type: str

    def place(self, _profile_folders: Sequence[Path] = (), /) -> Hashable:
        """Where the device is: two with the same place are one device. None where that cannot be told."""
        return None

    def size_setting(self, _profile_folders: Sequence[Path] = (), /) -> str:
        """The setting that says how much the device takes at most; empty where there is none."""
        return ""

    def notes(self) -> tuple[str, ...]:
        """What a person should know before relying on them, in plain words, for `hems check`."""
        return ()


def size_parameter(names: Iterable[str]) -> str:
    """Of the parameters of a profile, the setting that says how much its devices take at most."""
    declared = set(names)
    known = ("max_current_a", "max_power_w", "nameplate_w")
    return next((f"params.{name}" for name in known if name in declared), "nameplate_w")


class SettingsError(Exception):
    """Settings that are well formed but cannot work, found when the device is made; for people to read."""
