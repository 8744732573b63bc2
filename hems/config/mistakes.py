"""Mistakes in a configuration, as data: where, what is wrong, what would be right."""

from collections.abc import Sequence
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. `source` is the file, the environment variable or the option; `line` counts from 1."""

    source: str
    line: int | None
    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        subject = f"{place}: {self.path}: " if self.path else f"{place}: "
        return f"{subject}{self.problem.rstrip('.')}. {self.remedy}".rstrip()


class ConfigError(Exception):
    """The configuration cannot be used; `mistakes` holds every one that was found, in reading order."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


def show_path(path: KeyPath) -> str:
    """Write a path as people do: `devices[0].adapter.host`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
