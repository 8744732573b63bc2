"""Whether the contacts of a group are on their way from one pattern to the next. Pure.

Contacts do not change together: one breaks before the other makes, or after, and a module tells them one by
one. What they show meanwhile is no order, no release and no fault.
"""

from collections.abc import Sequence

from hems.limits.sources.relay_inputs import InputReader

_LONGEST_IN_DEBOUNCES = 10.0
"""Contacts that move for longer than this chatter: one that is broken must not keep a limit for ever."""


class Movement:
    """Follows the inputs of a group that give levels. `rest_s`: how long all of them must have shown the same
    for a pattern to stand.
    """

    def __init__(self, readers: Sequence[InputReader], rest_s: float) -> None:
        self._readers = readers
        self._rest_s = rest_s
        self._since_s: float | None = None
        self._chatters = False

    def note(self, now: float) -> None:
        """All inputs have taken a reading."""
        if self._at_rest(now):
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now
        since_s = self._since_s
        self._chatters = since_s is not None and now - since_s > _LONGEST_IN_DEBOUNCES * self._rest_s

    def settled(self, now: float) -> bool:
        """Whether the pattern stands, as far as one can know."""
        return self._chatters or self._at_rest(now)

    def changing(self) -> bool:
        """Whether an input shows something that does not count yet."""
        return any(reader.changing for reader in self._readers)

    def _at_rest(self, now: float) -> bool:
        return all(reader.at_rest(now, self._rest_s) for reader in self._readers)
