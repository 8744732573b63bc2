"""Every numbered trap of the references is a test that names its number."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
_NUMBERS = {
    "domain 16": (r"test_(?:domain_)?trap_(\d+)_(?:(\d+)_)?|Domain trap (\d+)", range(1, 24)),
    "SPINE 1.3, E": (r"test_E(\d)_|SPINE E(\d)\b", range(1, 9)),
    "SPINE 11, G": (r"test_G(\d+)_|SPINE G(\d+)\b", range(1, 18)),
    "use cases 13": (r"use cases 13\.(\d+)", range(1, 15)),
}


@pytest.mark.parametrize("chapter", _NUMBERS)
def test_every_trap_has_a_test_with_its_number(chapter: str) -> None:
    pattern, numbers = _NUMBERS[chapter]
    texts = [path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py") if path != Path(__file__)]
    matches = [match for text in texts for match in re.finditer(pattern, text)]
    found = {int(number) for match in matches for number in match.groups() if number}
    assert set(numbers) - found == set()
