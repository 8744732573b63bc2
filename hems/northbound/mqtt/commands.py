"""The one command: an own limit in watts. Everybody who can reach the topic can send anything. Pure."""

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from adapters.mqtt.broker import Message

LONGEST_COMMAND = 64
"""Bytes; a number needs no more."""
LONGEST_SHOWN = 20
"""Characters of a wrong command that are told."""
MOST_COMMANDS, WITHIN_S = 30, 60.0
"""So many commands are taken in this time; automations need fewer. Wrong ones do not count."""
LIFT = "None"
"""Lifts the own limit, like the largest value does."""


class Cause(StrEnum):
    """Why a command is not followed."""

    RETAINED = "retained"
    NO_NUMBER = "no_number"
    OUT_OF_RANGE = "out_of_range"
    TOO_MANY = "too_many"
    NOT_STORED = "not_stored"


class CommandRefused(Exception):
    """A command that is not followed. `detail`: what it said, short and printable, or what failed."""

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(f"{cause} {detail}")
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class OwnLimit:
    """The wish: a limit in watts, or None for no own limit."""

    value_w: float | None


class Commands:
    """Judges commands. `most_w`: the largest limit; it and `None` lift the own limit."""

    def __init__(self, most_w: int) -> None:
        self._most_w = most_w
        self._taken_s: deque[float] = deque(maxlen=MOST_COMMANDS)

    def judge(self, message: Message, now: float) -> OwnLimit:
        """What is wished for. Raises CommandRefused."""
        if message.retained:
            raise CommandRefused(Cause.RETAINED)
        wish = OwnLimit(self._value_w(message.payload))
        if len(self._taken_s) == MOST_COMMANDS and now - self._taken_s[0] < WITHIN_S:
            raise CommandRefused(Cause.TOO_MANY)
        self._taken_s.append(now)
        return wish

    def _value_w(self, payload: bytes) -> float | None:
        text = payload[: LONGEST_COMMAND + 1].decode("utf-8", errors="replace").strip()
        if text == LIFT:
            return None
        try:
            value_w = float(text if len(payload) <= LONGEST_COMMAND else "")
        except ValueError:
            raise CommandRefused(Cause.NO_NUMBER, _shown(text)) from None
        if not math.isfinite(value_w) or not 0.0 <= value_w <= self._most_w:
            raise CommandRefused(Cause.OUT_OF_RANGE, _shown(text))
        return None if value_w >= self._most_w else value_w


def _shown(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable if len(printable) <= LONGEST_SHOWN else f"{printable[: LONGEST_SHOWN - 1]}…"
