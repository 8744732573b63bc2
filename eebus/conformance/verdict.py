"""What becomes of a case, and how its code says so."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The outcome of a case, from best to worst."""

    PASSED = "passed"
    NOT_APPLICABLE = "not applicable"
    WARNING = "warning"
    INCONCLUSIVE = "inconclusive"
    """A precondition was not reached: nothing is said about the device."""
    FAILED = "failed"
    ERROR = "error"
    """The tester itself broke."""


_ORDER = list(Verdict)


def worst(*verdicts: Verdict) -> Verdict:
    """The one that counts for several runs of a case."""
    return max(verdicts, key=_ORDER.index)


class CaseEnded(Exception):
    """A case that cannot pass any more; the text says what was observed."""

    verdict = Verdict.ERROR


class CaseFailed(CaseEnded):
    """The device did not behave as the case demands."""

    verdict = Verdict.FAILED


class Inconclusive(CaseEnded):
    """A precondition was not reached."""

    verdict = Verdict.INCONCLUSIVE


class Warned(CaseEnded):
    """Passed, but not as preferred."""

    verdict = Verdict.WARNING


def check(condition: bool, text: str) -> None:
    """The criterion of a step. Raises CaseFailed with what was expected."""
    if not condition:
        raise CaseFailed(text)


def precondition(condition: bool, text: str) -> None:
    """What must hold before the first step. Raises Inconclusive."""
    if not condition:
        raise Inconclusive(text)


@dataclass(frozen=True, slots=True)
class Frame:
    """One message between tester and device."""

    at: float
    """Seconds since the case began."""
    sent: bool
    """True: by the tester."""
    link: str
    text: str


def frame_text(message: bytes) -> str:
    """A SHIP message as people read it: the type byte, then the text."""
    body = message[1:]
    if not body or message[0] == 0:
        return message.hex(" ")
    return f"{message[:1].hex()} {body.decode(errors='backslashreplace')}"
