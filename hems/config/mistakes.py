"""Mistakes in a configuration, as data: where, what is wrong, what would be right."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]

Finding = tuple[KeyPath, str, str]
"""Where, what is wrong, and what would be right."""


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


def shown(value: object) -> str:
    """A value as it was given, short."""
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None:
        return "an empty value"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (bool, int, float)) else f"'{value}'"
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(word: str, known: Sequence[str]) -> str:
    """What may have been meant, and all that is known."""
    if not known:
        return "None is known here"
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    listed = ", ".join(known)
    return f"Did you mean '{near[0]}'? Known here: {listed}" if near else f"Known here: {listed}"
