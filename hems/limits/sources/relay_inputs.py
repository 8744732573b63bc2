"""One input contact: from what flows through it to what it says, with polarity, debounce and what stands in
for a contact that cannot be read. Pure.

Nothing citable fixes polarity, rest position, bounce or pulse length of a Steuerbox; all are settings.
"""

from dataclasses import dataclass
from enum import StrEnum

from hems.devices import ContactState


class ActiveWhen(StrEnum):
    """Polarity: at which state of the contact the command is given."""

    CLOSED = "closed"
    OPEN = "open"


class Signal(StrEnum):
    """How the command is given."""

    LEVEL = "level"
    """For as long as the contact is held."""
    PULSE = "pulse"
    """By a short contact; it stands until another input of the group gets one."""


class Standin(StrEnum):
    """What a contact counts as that cannot be read."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    KEEP = "keep"
    """As it was last known; `ACTIVE` where it never was."""


@dataclass(frozen=True, slots=True)
class InputSettings:
    """One input. `debounce_s`: a change counts once it has lasted so long. `unreadable_after_s`: age from
    which the last state is not known to hold; `unreadable`: what it counts as then. `at_start`: what it
    counts as after a restart until it is known: a level until it was read, a pulse until any comes. `KEEP`
    there is for pulses: as the last one before the restart left it.
    """

    active_when: ActiveWhen = ActiveWhen.CLOSED
    signal: Signal = Signal.LEVEL
    debounce_s: float = 0.1
    unreadable_after_s: float = 5.0
    unreadable: Standin = Standin.ACTIVE
    at_start: Standin = Standin.ACTIVE


@dataclass(frozen=True, slots=True)
class Level:
    """What an input says. `certain` False: a stand-in, nothing that was read."""

    active: bool
    certain: bool


class InputReader:
    """Follows one input."""

    def __init__(self, settings: InputSettings) -> None:
        self._settings = settings
        self._accepted: bool | None = None
        self._shown: bool | None = None
        self._shown_since_s = 0.0
        self._known_at_s: float | None = None

    def take(self, state: ContactState) -> bool:
        """Take a reading; True when it completes the beginning of a command (an edge, for pulses)."""
        if state.closed is None:
            self._shown = None
            return False
        active = state.closed == (self._settings.active_when is ActiveWhen.CLOSED)
        self._known_at_s = state.at_s
        if active != self._shown:
            self._shown, self._shown_since_s = active, state.at_s
        if active == self._accepted or state.at_s - self._shown_since_s < self._settings.debounce_s:
            return False
        began = active and self._accepted is False
        self._accepted = active
        return began

    def level(self, now: float) -> Level:
        """What it says now."""
        settings = self._settings
        if self._accepted is None:
            return Level(settings.at_start is not Standin.INACTIVE, certain=False)
        if self.readable(now):
            return Level(self._accepted, certain=True)
        if settings.unreadable is Standin.KEEP:
            return Level(self._accepted, certain=False)
        return Level(settings.unreadable is Standin.ACTIVE, certain=False)

    @property
    def changing(self) -> bool:
        """Whether it shows something else than what counts, not yet for long enough."""
        return self._accepted is not None and self._shown not in (None, self._accepted)

    def at_rest(self, now: float, rest_s: float) -> bool:
        """Whether it has shown the same for `rest_s`; of one that is not readable nothing is expected."""
        if self._known_at_s is None or not self.readable(now):
            return True
        return self._known_at_s - self._shown_since_s >= rest_s

    @property
    def ever_read(self) -> bool:
        """Whether it could be read since the start."""
        return self._known_at_s is not None

    def readable(self, now: float) -> bool:
        """Whether its state is known to hold."""
        return self._known_at_s is not None and now - self._known_at_s <= self._settings.unreadable_after_s
