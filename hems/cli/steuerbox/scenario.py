"""Scenarios: a YAML file with steps, waits and expectations, checked before anything is played."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hems.cli.steuerbox.language import (
    Command,
    Condition,
    Misunderstood,
    Wait,
    parse_command,
    parse_condition,
    parse_time_s,
)
from hems.config.document import read_document
from hems.config.mistakes import ConfigError, KeyPath, Mistake, show_path

_EXAMPLE = "config/scenarios/limit-and-release.yaml is an example"
_STEP_KEYS = ("do", "wait", "expect", "within")
_USUAL_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a scenario: a command, an expectation, or a command with an expectation."""

    text: str
    command: Command | None
    wants_accepted: bool | None
    """What the partner has to answer to a write; None: the command is no write."""
    condition: Condition | None
    within_s: float
    """How long the command, and likewise the expectation, may take."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is played."""

    name: str
    steps: tuple[Step, ...]


def load_scenario(path: Path) -> Scenario:
    """Read and check a file. Raises ConfigError with every mistake and its line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Mistake(str(path), None, "", f"cannot be read: {error}", "")]) from error
    document = read_document(text, str(path))
    mistakes = list(document.mistakes)

    def mistake(at: KeyPath, problem: str, remedy: str = "") -> None:
        mistakes.append(Mistake(str(path), document.line_of(at), show_path(at), problem, remedy))

    for key in document.data:
        if key not in ("name", "steps"):
            mistake((key,), f"the key '{key}' is unknown here", "A scenario has a name and steps")
    given = document.data.get("steps")
    steps: list[Step] = []
    if not isinstance(given, list) or not given:
        mistake((), "there are no steps", _EXAMPLE)
        given = []
    for index, item in enumerate(given):
        try:
            steps.append(_step(item))
        except Misunderstood as error:
            mistake(("steps", index), str(error))
    if mistakes:
        raise ConfigError(mistakes)
    return Scenario(str(document.data.get("name") or path.stem), tuple(steps))


def _step(item: Any) -> Step:
    if isinstance(item, str):
        item = {"do": item}
    if not isinstance(item, dict):
        raise Misunderstood("a step is a command, or has do, wait, expect and within")
    if unknown := [key for key in item if key not in _STEP_KEYS]:
        raise Misunderstood(f"a step has no '{unknown[0]}', only {', '.join(_STEP_KEYS)}")
    given = {key: str(value) for key, value in item.items()}
    if len(given.keys() & {"do", "wait"}) + ("expect" in given) == 0:
        raise Misunderstood("a step needs do, wait or expect")
    if "do" in given and "wait" in given:
        raise Misunderstood("a step has do or wait, not both")
    command = _command(given)
    within_s = parse_time_s(given["within"]) if "within" in given else _USUAL_WITHIN_S
    if isinstance(command, Wait) and command.seconds is not None:
        within_s = max(within_s, command.seconds + 1.0)
    expected = given.get("expect", "")
    is_answer = expected in ("accepted", "refused")
    if is_answer and command is None:
        raise Misunderstood(f"'{expected}' is the answer to a command, which is missing")
    return Step(
        text=" ".join(f"{key} {value}" for key, value in given.items()),
        command=command,
        wants_accepted=expected != "refused" if command is not None else None,
        condition=parse_condition(expected) if expected and not is_answer else None,
        within_s=within_s,
    )


def _command(given: dict[str, str]) -> Command | None:
    if "wait" in given:
        return parse_command(f"wait {given['wait']}")
    return parse_command(given["do"]) if "do" in given else None
