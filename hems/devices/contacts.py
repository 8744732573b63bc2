"""Input contacts: what a Steuerbox or a ripple control receiver closes, as far as it can be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ContactState:
    """One input.

    `closed`: whether current flows through the contact; None when that cannot be known, for example because
    its module reports a fault; `why` then says why, for people. `at_s`: monotonic time at which it was last
    known to be so; the difference to now is its age. What closed *means* is not known here: that is for the
    source that interprets it.
    """

    closed: bool | None
    at_s: float
    why: str = ""


class Contacts(Protocol):
    """A group of inputs that are read together. One call at a time; every call ends within its own limit."""

    @property
    def name(self) -> str:
        """The name from the configuration."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs, in the order of the configuration."""

    async def connect(self) -> None:
        """Reach the module. Raises DeviceError."""

    async def read(self) -> Mapping[str, ContactState]:
        """The state of every input. All inputs are there, also those that cannot be known.

        Cheap enough to be called several times a second. Raises DeviceError when the module as a whole
        cannot be read; what was read before then grows old.
        """

    async def close(self) -> None:
        """Release sockets; never raises."""
