"""Reads a Dockerfile: its stages, their instructions, and what the last one tells the engine."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_CONTINUED = re.compile(r"\\\n(?:[ \t]*#[^\n]*\n)*")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. `line`: where it begins."""

    keyword: str
    value: str
    line: int


@dataclass(slots=True)
class Stage:
    """One stage: what it is built on, its name, and its instructions after FROM."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def values(self, keyword: str) -> list[str]:
        """The values of all instructions of this kind."""
        return [each.value for each in self.instructions if each.keyword == keyword]

    def last(self, keyword: str) -> str:
        """The value of the last instruction of this kind: the one that counts."""
        return self.values(keyword)[-1]

    def environment(self, inherited: dict[str, str]) -> dict[str, str]:
        """The variables of the image on top of the base's."""
        made = dict(inherited)
        for value in self.values("ENV"):
            for pair in shlex.split(value):
                name, _, text = pair.partition("=")
                made[name] = re.sub(r"\$(\w+)", lambda match: made.get(match[1], ""), text)
        return made


def read_dockerfile(path: Path) -> list[Stage]:
    """The stages in order. Raises ValueError for an instruction before the first FROM."""
    stages: list[Stage] = []
    for instruction in _instructions(path.read_text()):
        if instruction.keyword == "FROM":
            base, _, name = re.sub(r"(?i)\s+as\s+", "\0", instruction.value).partition("\0")
            stages.append(Stage(base, name))
        elif not stages:
            raise ValueError(f"line {instruction.line}: {instruction.keyword} before the first FROM")
        else:
            stages[-1].instructions.append(instruction)
    return stages


def _instructions(text: str) -> Iterator[Instruction]:
    joined = _CONTINUED.sub(lambda match: " " + "\0" * match[0].count("\n"), text)
    line = 1
    for raw in joined.split("\n"):
        content = raw.replace("\0", "").strip()
        if content and not content.startswith("#"):
            keyword, _, value = content.partition(" ")
            yield Instruction(keyword.upper(), value.strip(), line)
        line += 1 + raw.count("\0")


def command(value: str) -> list[str]:
    """The words of ENTRYPOINT, CMD or HEALTHCHECK in the JSON form. Raises ValueError for the shell form."""
    found = re.search(r"\[.*\]$", value)
    if found is None:
        raise ValueError(f"not in the JSON form: {value}")
    words = json.loads(found[0])
    assert isinstance(words, list)
    return [str(word) for word in words]


@dataclass(frozen=True, slots=True)
class Copy:
    """One COPY: from the context, or from the stage of this name."""

    sources: tuple[str, ...]
    destination: str
    stage: str


def read_copy(value: str) -> Copy:
    """Read the value of one COPY."""
    words = shlex.split(value)
    origin = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), "")
    paths = [word for word in words if not word.startswith("--")]
    return Copy(tuple(paths[:-1]), paths[-1], origin)
