"""Our own PIN: who has to give it, who has, and how long somebody waits who guesses (SHIP 12.5, 13.4.4.3).

One guard serves all connections of a node, so that a penalty does not end with a reconnect. A node without a
PIN, which is our default, demands nothing.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from eebus.errors import LocalError
from eebus.ids import Ski
from eebus.ship.effects import PinState

_PIN: Final = re.compile(r"[0-9a-fA-F]{8,16}")
_FREE_ATTEMPTS: Final = 2
_SHORT_PENALTY_ATTEMPTS: Final = 5
_SHORT_PENALTY_S: Final = 15.0
_LONG_PENALTY_S: Final = 90.0


class PinVerdict(Enum):
    """What came of an attempt."""

    RIGHT = "right"
    WRONG = "wrong"
    BUSY = "not looked at: a penalty runs"


def check_pin(pin: str) -> str:
    """The PIN in one form. Raises LocalError unless it is 8 to 16 hexadecimal digits; blanks are skipped."""
    compact = pin.replace(" ", "")
    if not _PIN.fullmatch(compact):
        raise LocalError("a PIN has 8 to 16 hexadecimal digits")
    return compact.upper()


@dataclass(slots=True)
class _Attempts:
    wrong: int = 0
    busy_until: float = 0.0


@dataclass(slots=True)
class PinGuard:
    """The PIN of a node and the attempts of its peers. Raises LocalError for an unusable PIN."""

    pin: str | None = field(default=None, repr=False)
    optional: bool = False
    """True: a peer without the PIN may exchange data all the same."""
    verified: set[Ski] = field(default_factory=set)
    """Who has given the PIN; they are not asked again. An application keeps this over a restart: it hears of
    each by ``PinGiven``, hands them in here, and forgets whom it trusts no more.
    """
    _attempts: dict[Ski, _Attempts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pin is not None:
            self.pin = check_pin(self.pin)

    def state_for(self, ski: Ski) -> PinState:
        """What we ask of a peer."""
        if self.pin is None:
            return PinState.NONE
        if ski in self.verified:
            return PinState.PIN_OK
        return PinState.OPTIONAL if self.optional else PinState.REQUIRED

    def busy_until(self, ski: Ski, now: float) -> float | None:
        """When the penalty of a peer ends; None when there is none."""
        attempts = self._attempts.get(ski)
        return attempts.busy_until if attempts is not None and now < attempts.busy_until else None

    def judge(self, ski: Ski, pin: str | None, now: float) -> PinVerdict:
        """What an attempt is worth; nothing changes by that."""
        if self.busy_until(ski, now) is not None:
            return PinVerdict.BUSY
        given = (pin or "").upper().encode()
        right = hmac.compare_digest(given, (self.pin or "").encode())
        return PinVerdict.RIGHT if right and self.pin is not None else PinVerdict.WRONG

    def note_right(self, ski: Ski) -> None:
        """The peer has given the PIN."""
        self.verified.add(ski)
        self._attempts.pop(ski, None)

    def note_wrong(self, ski: Ski, now: float) -> None:
        """The peer has guessed; from the third time on it has to wait."""
        attempts = self._attempts.setdefault(ski, _Attempts())
        attempts.wrong += 1
        if attempts.wrong > _SHORT_PENALTY_ATTEMPTS:
            attempts.busy_until = now + _LONG_PENALTY_S
        elif attempts.wrong > _FREE_ATTEMPTS:
            attempts.busy_until = now + _SHORT_PENALTY_S

    def forget(self, skis: Iterable[Ski]) -> None:
        """The trust in these peers is gone: they have to give the PIN again."""
        self.verified.difference_update(skis)
