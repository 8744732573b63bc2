"""The one command: an own limit in watts. Everybody who can reach the topic can send anything. Pure."""

import math
from collections import deque
from dataclasses import dataclass

from adapters.mqtt.broker import Message

LONGEST_COMMAND = 64
"""Bytes; a number needs no more."""
MOST_COMMANDS, WITHIN_S = 30, 60.0
"""So many commands are taken in this time; automations need fewer."""
LIFT = "None"
"""Lifts the own limit, like the largest value does."""


class CommandRefused(Exception):
    """A command that is not followed, and why; for people."""


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
            raise CommandRefused("a retained command could be old; send it without the retain flag")
        if len(message.payload) > LONGEST_COMMAND:
            raise CommandRefused(f"{len(message.payload)} bytes are no number")
        if len(self._taken_s) == MOST_COMMANDS and now - self._taken_s[0] < WITHIN_S:
            raise CommandRefused(f"more than {MOST_COMMANDS} commands a minute")
        self._taken_s.append(now)
        return OwnLimit(self._value_w(message.payload))

    def _value_w(self, payload: bytes) -> float | None:
        try:
            text = payload.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise CommandRefused("not a text in UTF-8") from None
        if text == LIFT:
            return None
        try:
            value_w = float(text)
        except ValueError:
            raise CommandRefused(f"'{text}' is not a number of watts") from None
        if not math.isfinite(value_w) or not 0.0 <= value_w <= self._most_w:
            raise CommandRefused(f"{text} W is not between 0 and {self._most_w} W")
        return None if value_w >= self._most_w else value_w
