"""What the audience sees: one line an event with the time and who acts, and a countdown on one line."""

import sys
import time
from typing import IO

_WIDTH = 10
_COUNTDOWN_EVERY_S = 10.0


class Narrator:
    """Writes the story. On a terminal the countdown stays on one line; elsewhere it comes now and then."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._began_at = time.monotonic()
        self._counting = False
        self._counted_at = float("-inf")

    def say(self, who: str, text: str) -> None:
        """One thing that happened."""
        self._end_countdown()
        self._write(f"{time.monotonic() - self._began_at:6.1f} s  {who:<{_WIDTH}}  {text}\n")

    def heading(self, text: str) -> None:
        """A new part of the story."""
        self._end_countdown()
        self._write(f"\n{text}\n")

    def count_down(self, text: str) -> None:
        """The present state of the countdown."""
        if self._live:
            self._write(f"\r{'':>8}  {'':<{_WIDTH}}  {text}\x1b[K")
            self._counting = True
        elif time.monotonic() - self._counted_at >= _COUNTDOWN_EVERY_S:
            self._counted_at = time.monotonic()
            self.say("", text)

    def _end_countdown(self) -> None:
        if self._counting:
            self._counting = False
            self._write("\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
