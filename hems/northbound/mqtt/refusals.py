"""How often refused commands are told: anybody can send thousands of them. Pure."""

from hems.northbound.mqtt.commands import Cause

SILENCE_S = 60.0
"""A cause that was told is not told again for so long."""


class Refusals:
    """Remembers when each cause was told last. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._told_s: dict[Cause, float] = {}

    def worth_telling(self, cause: Cause, now: float) -> bool:
        """Whether this refusal is to be told; then its cause counts as told."""
        told_s = self._told_s.get(cause)
        if told_s is not None and now - told_s < SILENCE_S:
            return False
        self._told_s[cause] = now
        return True
