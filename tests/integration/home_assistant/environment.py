"""Environments of their own for real releases of Home Assistant, made once and kept in `.tools`."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
STORE = HERE.parents[2] / ".tools"
INSTALL_LIMIT_S = 600


class HomeAssistantUnavailable(Exception):
    """A release cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release, the Python that it needs, and the form of documents that it understands."""

    number: str
    python: str
    form: str

    @property
    def requirements(self) -> Path:
        """Every package with its hash."""
        return HERE / f"{self.number}.txt"


RELEASES = (Release("2024.3", "3.11", "single"), Release("2025.4", "3.13", "device"))
"""The last one before discovery by device that Python 3.11 runs, and one after."""


def interpreter(release: Release, *, install: bool = True) -> Path:
    """The Python that runs this release; makes its environment if wanted. Raises HomeAssistantUnavailable."""
    folder = STORE / f"home-assistant-{release.number}"
    python, mark = folder / "bin" / "python", folder / "complete"
    digest = hashlib.sha256(release.requirements.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != digest:
        if not install:
            raise HomeAssistantUnavailable("it is not installed; call: make home-assistant")
        shutil.rmtree(folder, ignore_errors=True)
        _run([str(_base(release.python)), "-m", "venv", str(folder)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "--require-hashes", "--requirement", str(release.requirements)])
        mark.write_text(digest)
    return python


def _base(version: str) -> Path:
    for candidate in _candidates(version):
        asked = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False)
        if said.returncode == 0 and said.stdout.strip() == version:
            return candidate
    raise HomeAssistantUnavailable(f"there is no Python {version}")


def _candidates(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from sorted(pyenv.glob(f"{version}.*/bin/python3"))


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise HomeAssistantUnavailable(f"not installed within {INSTALL_LIMIT_S} s") from error
    if done.returncode != 0:
        raise HomeAssistantUnavailable(f"{command[:4]}: {done.stderr.strip()[-500:]}")


if __name__ == "__main__":
    for each in RELEASES:
        sys.stdout.write(f"Home Assistant {each.number}: {interpreter(each)}\n")
