"""The pages name only what exists, and all of it."""

import re
from pathlib import Path

from eebus.simulator.faults import FAULTS
from hems.cli.steuerbox.language import HELP

ROOT = Path(__file__).parents[3]


def test_every_test_that_the_robustness_page_names_exists() -> None:
    page = (ROOT / "docs" / "robustness.md").read_text()
    named = set(re.findall(r"`(test_\w+|AnyOrder)`", page))
    assert len(named) > 60
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    defined = set(re.findall(r"(?:def|class) (\w+)", sources))
    assert named <= defined, named - defined


def test_the_page_of_the_steuerbox_has_every_fault_with_its_meaning() -> None:
    page = (ROOT / "docs" / "steuerbox.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)(?: TIME)?` \| ([^|]+) \|", page, re.MULTILINE))
    missing = [fault.name for fault in FAULTS.values() if fault.name not in rows]
    assert not missing
    assert set(rows) & set(FAULTS) == set(FAULTS)


def test_the_page_of_the_steuerbox_has_every_command() -> None:
    page = (ROOT / "docs" / "steuerbox.md").read_text()
    words = {part.split()[0] for usage, _ in HELP for part in usage.split(" | ")}
    assert all(f"`{word}" in page for word in words)


def test_every_path_that_the_robustness_page_names_exists() -> None:
    page = (ROOT / "docs" / "robustness.md").read_text()
    assert all((ROOT / path).exists() for path in re.findall(r"`((?:eebus|tests)/[\w/.]+)`", page))
