"""What the settings of every adapter have in common."""

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

    def notes(self) -> tuple[str, ...]:
        """What a person should know before relying on them, in plain words, for `hems check`."""
        return ()


class SettingsError(Exception):
    """Settings that are well formed but cannot work, found when the device is made; for people to read."""
