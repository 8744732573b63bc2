"""Waiting for what programs do by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_LOOK_EVERY_S = 0.1


async def until(is_so: Callable[[], Awaitable[bool]], timeout_s: float = 10.0) -> None:
    """Look again and again until it is so. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while True:
            if await is_so():
                return
            await asyncio.sleep(_LOOK_EVERY_S)
