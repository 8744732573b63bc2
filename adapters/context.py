"""What the gateway lends to its adapters."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from eebus.clock import Clock

Sleep = Callable[[float], Awaitable[None]]
"""Waits for a number of seconds; tests pass one that moves their fake clock."""


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to every factory; one per gateway.

    `profile_folders`: folders of the user with device profiles, searched before those of the package.
    """

    clock: Clock
    profile_folders: tuple[Path, ...] = field(default=())
    sleep: Sleep = asyncio.sleep
