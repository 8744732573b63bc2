"""What all sections of the configuration have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict

NAME = r"^[a-z][a-z0-9_-]{0,31}$"
NAME_FORM = "a-z, 0-9, '_' and '-', letter first, at most 32"
MAX_POWER_W = 1_000_000.0


def unit(unit: str) -> dict[str, Any]:
    """The unit of a number, for the JSON schema."""
    return {"unit": unit}


class Section(BaseModel):
    """Base of every section: unknown keys are mistakes, values never change after loading.

    Only the models that are asked to check something get a validator of their own: it takes a noticeable part
    of the start of the gateway.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)
