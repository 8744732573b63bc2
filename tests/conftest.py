"""Settings of all tests."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# a busy machine must not fail a property: time is never what these tests measure
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

_COMPUTING = {Path(__file__).parent / name for name in ("unit", "fuzz")}
"""Where tests wait for nothing but the processor; all others mostly wait for real programs and protocols."""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a short name: the path of a Unix socket has room for some hundred bytes only."""
    with tempfile.TemporaryDirectory(prefix="hems-") as name:
        yield Path(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that wait and files that compute take turns: side by side neither time nor cores lie idle.

    The order within a file stays. Files with slow tests come first, so that none is left at the end.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    computing = [tests for path, tests in files.items() if not _COMPUTING.isdisjoint(path.parents)]
    waiting = [tests for path, tests in files.items() if _COMPUTING.isdisjoint(path.parents)]
    waiting.sort(key=lambda tests: not any(test.get_closest_marker("slow") for test in tests))
    items[:] = [test for tests in _in_turns(waiting, computing) for test in tests]


def _in_turns(*groups: Sequence[list[pytest.Item]]) -> list[list[pytest.Item]]:
    """The files of all groups, each group spread evenly."""
    placed = [(index / len(group), tests) for group in groups for index, tests in enumerate(group)]
    return [tests for _, tests in sorted(placed, key=lambda entry: entry[0])]
