"""What the settings of every adapter have in common."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""

UnitId = Annotated[int, Field(ge=0, le=255)]
"""A Modbus unit identifier."""


@dataclass(frozen=True, slots=True)
class Revert:
    """A limit that the device ends by itself, `after_s` after the gateway's last word: then it holds
    `power_w`, or None: it is free. `certain` False: models without a timer keep their last value instead.
    """

    after_s: float
    power_w: float | None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Figures:
    """The settings, empty where there is none, that say how much a device takes at most (`size`) and what it
    holds without the gateway (`fallback`). `size_is_assumed`: nobody has said it, the device tells it once it
    is connected. `revert`: how limits end, where the settings say it before the device does.
    """

    size: str = ""
    fallback: str = ""
    size_is_assumed: bool = False
    revert: Revert | None = None


class AdapterSettings(BaseModel):
    """Base of the settings models: the member `type` tells them apart, unknown members are refused.

    A subclass declares `type: Literal["its-name"]`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    type: str

    def place(self, _profile_folders: Sequence[Path] = (), /) -> Hashable:
        """Where the device is: two with the same place are one device. None where that cannot be told."""
        return None

    def figures(self, _profile_folders: Sequence[Path] = (), /) -> Figures:
        """Where it is said how large the device is and what it does alone."""
        return Figures()

    def notes(self) -> tuple[str, ...]:
        """What a person should know before relying on them, in plain words, for `hems check`."""
        return ()


def figures_among(parameters: Iterable[str]) -> Figures:
    """The figures of a device that a profile with these parameters describes."""
    declared = set(parameters)

    def first(*known: str) -> str:
        return next((f"params.{name}" for name in known if name in declared), "")

    return Figures(
        size=first("max_current_a", "max_power_w", "nameplate_w") or "nameplate_w",
        fallback=first("failsafe_current_a", "safe_current_a", "failsafe_power_w"),
    )


class SettingsError(Exception):
    """Settings that are well formed but cannot work, found when the device is made; for people to read."""
