"""Runs the steps of a Dockerfile, and the image that they make, without a container engine.

The machine's own file system stands in for the base image: every stage is an overlay on it, in which the
project, home folders and temporary files of the machine are hidden, and this Python is at `/usr/local` as in
the official image. All of it lives in mount namespaces of its own and is gone with the processes that hold
them. Needs root.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.container.dockerfile import Stage, command, read_copy

_INDEX_VARIABLES = ("PIP_CERT", "PIP_DEFAULT_TIMEOUT", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")
"""What this machine may need to reach its package index, besides files in `/etc`."""
_BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_HIDDEN = ("root", "home", "work", "tmp", "run", "opt", "data", "config")
_STEP_LIMIT_S = 300.0
_NO_RIGHTS = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
_PROBE = """
mount -t tmpfs probe /mnt; cd /mnt; mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
"""


class StepFailed(Exception):
    """A step of the Dockerfile failed; the text is its output."""


def unavailable() -> str | None:
    """Why nothing can be run here, or None."""
    if os.geteuid() != 0:
        return "overlays and namespaces need root"
    for tool in ("unshare", "nsenter", "setpriv", "mount", "chroot", "ip"):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    probe = ["unshare", "--mount", "--pid", "--net", "--fork", "sh", "-euc", _PROBE]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"overlays cannot be mounted: {done.stderr.strip()}"


@dataclass(frozen=True, slots=True)
class Image:
    """A built stage and how it is run. `mounts`: places in the image to folders or files of this machine.

    `locked_in`: a read-only file system, no rights, and a network of its own. `command_line` replaces the
    image's.
    """

    name: str
    stage: Stage
    mounts: Mapping[str, Path] = field(default_factory=dict)
    writable: frozenset[str] = frozenset()
    user: str | None = None
    command_line: tuple[str, ...] = ()
    locked_in: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)

    def words(self) -> list[str]:
        """Entry point and command."""
        if self.command_line:
            return list(self.command_line)
        ends = [*self.stage.values("ENTRYPOINT")[-1:], *self.stage.values("CMD")[-1:]]
        return [word for value in ends for word in command(value)]

    def as_user(self, words: Sequence[str]) -> list[str]:
        """The command line that runs `words` as the image's user, with its environment and rights."""
        user, group = (self.user or self.stage.last("USER")).split(":")
        rights = _NO_RIGHTS if self.locked_in else ()
        variables = {**self.stage.environment({"PATH": _BASE_PATH}), **self.variables}
        environment = ["env", "-i", *(f"{name}={text}" for name, text in variables.items())]
        identity = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *rights]
        return [*identity, *environment, *words]

    def starting(self, root: Path) -> str:
        """The script that mounts what the image gets, locks it in and becomes its command."""
        lines = ["mount --make-rprivate /", f"mount -t proc proc {root}/proc"]
        for place, source in self.mounts.items():
            lines.append(f"mount --bind {source} {root}{place}")
            if place not in self.writable:
                lines.append(f"mount -o remount,bind,ro {root}{place}")
        if self.locked_in:
            kept = {"tmp", *(place.strip("/") for place in self.mounts)}
            closed = [root, *(root / name for name in _HIDDEN if name not in kept)]
            lines += [f"mount -o remount,bind,ro {place}" for place in closed]
            lines.append("ip link set lo up")
        lines.append(f"exec chroot {root} {shlex.join(self.as_user(self.words()))}")
        return "\n".join(lines)

    def namespaces(self) -> list[str]:
        """What the image does not share with the machine."""
        return ["--mount", "--pid", "--ipc", "--uts", *(["--net"] if self.locked_in else [])]


@dataclass(slots=True)
class Container:
    """An image that runs."""

    image: Image
    root: Path
    process: "subprocess.Popen[bytes]"
    output: Path

    @property
    def first_process(self) -> int:
        """The number, outside, of the process that is number 1 inside."""
        pid = self.process.pid
        deadline = time.monotonic() + 10.0
        while not (children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return int(children[0])

    def inside(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a program as the engine does for a health check: in the same namespaces, as the same user."""
        entering = ["nsenter", "--target", str(self.first_process), *self.image.namespaces(), "--"]
        return subprocess.run(
            [*entering, "chroot", str(self.root), *self.image.as_user(words)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def until(self, *words: str, limit_s: float = 30.0) -> str:
        """Run a program inside again and again until it succeeds; returns what it wrote."""
        deadline = time.monotonic() + limit_s
        while True:
            assert self.process.poll() is None, self.output.read_text()
            done = self.inside(*words)
            if done.returncode == 0:
                return done.stdout
            assert time.monotonic() < deadline, f"{done.stdout}{done.stderr}{self.output.read_text()}"
            time.sleep(0.2)

    def end(self, number: int = signal.SIGTERM, limit_s: float = 20.0) -> int:
        """Send a signal to process 1 and wait for its exit code."""
        os.kill(self.first_process, number)
        return self.process.wait(limit_s)


@dataclass(slots=True)
class Sandbox:
    """A mount namespace that lives as long as this object, with the stages that were built in it."""

    context: Path
    folder: Path
    holder: "subprocess.Popen[bytes]"

    def shell(self, script: str) -> str:
        """Run a shell script in the namespace; returns what it wrote. Raises StepFailed."""
        return self._run("sh", "-euc", script)

    def root(self, stage: str) -> Path:
        """Where the file system of a stage is, inside the namespace."""
        return self.folder / stage / "root"

    def build(self, name: str, stage: Stage) -> None:
        """Carry out a stage; earlier ones can be copied from by their names."""
        self._mount(name)
        variables, folder = {"PATH": _BASE_PATH}, "/"
        for each in stage.instructions:
            match each.keyword:
                case "ENV":
                    variables = Stage("", "", [each]).environment(variables)
                case "WORKDIR":
                    folder = each.value
                    self.shell(f"mkdir -p {self.root(name)}{folder}")
                case "COPY":
                    self._copy(name, each.value, folder)
                case "RUN":
                    self._run_step(name, each.value, variables, folder)

    @contextmanager
    def running(self, image: Image, output: Path) -> Iterator[Container]:
        """Run the image with its command as process 1; killed at the end if it still runs."""
        root = self.root(image.name)
        for place, source in image.mounts.items():
            made = f"{root}{place}"
            self.shell(f"mkdir -p {made}" if source.is_dir() else f"mkdir -p $(dirname {made}); touch {made}")
        isolated = ["unshare", *image.namespaces(), "--fork", "--kill-child"]
        with output.open("ab") as log:
            process = subprocess.Popen(
                self._entering(*isolated, "sh", "-euc", image.starting(root)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        container = Container(image, root, process, output)
        try:
            yield container
        finally:
            if process.poll() is None:
                container.end(signal.SIGKILL)

    def _mount(self, name: str) -> None:
        place, root = self.folder / name, self.root(name)
        layers = f"lowerdir=/,upperdir={place}/upper,workdir={place}/work"
        lines = [
            f"mkdir -p {place}/upper {place}/work {root}",
            f"mount -t overlay overlay -o {layers} {root}",
        ]
        for hidden in _HIDDEN:
            lines += [f"mkdir -p {root}/{hidden}", f"mount -t tmpfs -o mode=0755 hidden {root}/{hidden}"]
        if sys.base_prefix not in ("/usr", "/usr/local"):
            lines.append(f"mount --bind {sys.base_prefix} {root}/usr/local")
        lines += [
            f"chmod 1777 {root}/tmp",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
            f"chroot {root} ldconfig",
        ]
        self.shell("\n".join(lines))

    def _copy(self, name: str, value: str, folder: str) -> None:
        copy = read_copy(value)
        origin = self.root(copy.stage) if copy.stage else self.context
        target = f"{self.root(name)}{os.path.join(folder, copy.destination)}"
        for source in copy.sources:
            path = f"{origin}/{source.lstrip('/')}"  # may hold a pattern: not quoted
            into = "" if len(copy.sources) > 1 or copy.destination.endswith("/") else "-T"
            made = f"mkdir -p {target}" if not into else f"mkdir -p $(dirname {target})"
            self.shell(f"{made}; cp -a {into} {path} {target}")

    def _run_step(self, name: str, step: str, variables: Mapping[str, str], folder: str) -> None:
        network = {key: os.environ[key] for key in _INDEX_VARIABLES if key in os.environ}
        environment = [f"{key}={text}" for key, text in {**network, **variables}.items()]
        script = f"cd {folder} && {step}"
        self._run("env", "-i", *environment, "chroot", str(self.root(name)), "sh", "-euc", script)

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            self._entering(*words), capture_output=True, text=True, timeout=_STEP_LIMIT_S, check=False
        )
        if done.returncode != 0:
            raise StepFailed(f"{shlex.join(words)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _entering(self, *words: str) -> list[str]:
        return ["nsenter", "--target", str(self.holder.pid), "--mount", "--", *words]


@contextmanager
def sandbox(context: Path) -> Iterator[Sandbox]:
    """A sandbox with this build context."""
    with tempfile.TemporaryDirectory(prefix="hems-image-") as folder:
        script = f"mount -t tmpfs -o mode=0755 image {folder}; echo ready; exec sleep infinity"
        with subprocess.Popen(
            ["unshare", "--mount", "sh", "-euc", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as holder:
            try:
                assert holder.stdout is not None
                assert holder.stdout.readline() == b"ready\n"
                yield Sandbox(context, Path(folder), holder)
            finally:
                holder.kill()
