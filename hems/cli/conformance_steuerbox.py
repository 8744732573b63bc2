"""Our Steuerbox as the device under test: commands are typed into the real program, its lines are read."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from eebus.conformance.device import LimitDisplay, LimitOrder, NotPossible
from eebus.ids import Ski
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading
from hems.cli.options import CommandFailed

_LOG = "steuerbox.log"
_LAST_LINES = 5
_START_WAIT_S = 60.0
_ANSWER_WAIT_S = 60.0

Line = Mapping[str, Any]


class SteuerboxProcess:
    """``hems steuerbox --json`` as a process of its own, so that its power can be cut."""

    def __init__(self, folder: Path, *, port: int = 0, interfaces: tuple[str, ...] = ()) -> None:
        """``folder`` keeps its key and its partners; without a port it keeps the first one that it got."""
        self._folder = folder
        self._port = port
        self._interfaces = interfaces
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._lines: asyncio.Queue[Line | None] = asyncio.Queue()

    async def start(self) -> Line:
        """Power on; returns what it says of itself (``ski``, ``ship_id``, ``port``).

        Raises CommandFailed when it does not start.
        """
        interfaces = [word for name in self._interfaces for word in ("--interface", name)]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            log = (self._folder / _LOG).open("ab")
        except OSError as error:
            raise CommandFailed(f"The folder {self._folder} cannot be used: {error.strerror}.") from error
        with log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hems", "steuerbox", "--json", "--opening-write",
                "--dir", str(self._folder), "--host", "127.0.0.1", "--port", str(self._port), *interfaces,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        self._lines = asyncio.Queue()
        self._reading = asyncio.create_task(self._read(self._process))
        try:
            introduction = await self._next("ski", _START_WAIT_S)
        except (CommandFailed, TimeoutError):
            raise CommandFailed(f"The Steuerbox does not start.\n{self._last_words()}".rstrip()) from None
        self._port = int(introduction["port"])
        return introduction

    def _last_words(self) -> str:
        log = (self._folder / _LOG).read_text(encoding="utf-8", errors="replace")
        return "\n".join(log.splitlines()[-_LAST_LINES:])

    async def type(self, command: str) -> Line:
        """Type a command; returns the line about it.

        Raises CommandFailed when the program has ended, and TimeoutError when it does not answer.
        """
        if self._process is None or self._process.stdin is None:
            raise CommandFailed("The Steuerbox does not run.")
        self._process.stdin.write(f"{command}\n".encode())
        return await self._next("command", _ANSWER_WAIT_S)

    async def kill(self) -> None:
        """Power off, without any farewell."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._reading is not None:
            await self._reading
            self._reading = None

    async def _next(self, member: str, within_s: float) -> Line:
        """The next line that has this member; what is told in between is for people."""
        async with asyncio.timeout(within_s):
            while (line := await self._lines.get()) is not None:
                if member in line:
                    return line
        raise CommandFailed("The Steuerbox has ended.")

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for text in process.stdout:
            self._lines.put_nowait(json.loads(text))
        self._lines.put_nowait(None)


@contextlib.asynccontextmanager
async def steuerbox_process(
    folder: Path, *, interfaces: tuple[str, ...] = ()
) -> AsyncIterator[tuple[SteuerboxProcess, Line]]:
    """A Steuerbox that is killed at the end, with what it says of itself."""
    process = SteuerboxProcess(folder, interfaces=interfaces)
    try:
        yield process, await process.start()
    finally:
        await process.kill()


class SteuerboxOperator:
    """The person at the Steuerbox."""

    def __init__(self, process: SteuerboxProcess) -> None:
        self._process = process

    async def trust(self, ski: Ski, *, as_control_box: bool) -> None:  # noqa: ARG002 - it has one role for all
        await self._do(f"pair {ski}")

    async def distrust(self, ski: Ski) -> None:
        await self._do(f"unpair {ski}")

    async def let_it_dial(self, _ski: Ski, _port: int) -> None:
        """The box dials every partner that it sees announced."""

    async def restart(self, off_s: float) -> None:
        await self._process.kill()
        await asyncio.sleep(off_s)
        await self._process.start()

    async def factory_reset(self) -> None:
        """It keeps nothing but its partners."""
        await self.restart(0.0)

    async def refuse_limits(self, _refuse: bool) -> None:
        raise NotPossible("a Steuerbox is not limited")

    async def measure(self, _use_case: str, _sample: Mapping[Quantity, Reading]) -> None:
        raise NotPossible("a Steuerbox reports no measurements")

    async def order(self, order: LimitOrder) -> None:
        await self._process.type(limit_command(order))

    async def order_failsafe(
        self, direction: Direction, limit_w: float | None, duration_s: float | None
    ) -> None:
        await self._process.type(failsafe_command(direction, limit_w, duration_s))

    async def limit_display(self, _direction: Direction) -> LimitDisplay:
        raise NotPossible("a Steuerbox is not limited")

    async def measured_power_w(self, _direction: Direction) -> float:
        raise NotPossible("a Steuerbox has no power of its own")

    async def held_values(self, use_case: str) -> Mapping[Quantity, float]:
        return held_in(await self._process.type("values"), use_case)

    async def _do(self, command: str) -> None:
        answer = await self._process.type(command)
        if not answer["done"]:
            raise NotPossible(f"the Steuerbox says to '{command}': {answer['why']}")


def limit_command(order: LimitOrder) -> str:
    """What a person types to write this; a limit that is not active is a release."""
    if not order.active:
        return f"release {order.direction}"
    end = "" if order.duration_s is None else f" for {_written(order.duration_s)} s"
    return f"limit {order.direction} {_written(order.value_w)} W{end}"


def failsafe_command(direction: Direction, limit_w: float | None, duration_s: float | None) -> str:
    """What a person types to write these failsafe values."""
    limit = "" if limit_w is None else f" {direction} {_written(limit_w)} W"
    duration = "" if duration_s is None else f" duration {_written(duration_s)} s"
    return f"failsafe{limit}{duration}"


def _written(number: float) -> str:
    """A number in full: `g` would round a large one."""
    return f"{number:.3f}".rstrip("0").rstrip(".")


def held_in(answer: Line, use_case: str) -> Mapping[Quantity, float]:
    """What the answer to ``values`` says of the one partner: its connection point (MGCP) or unit (MPC)."""
    for partner in (answer.get("values") or {}).values():
        units = partner["units"].values()
        held = partner["grid"] if use_case == "MGCP" else next((unit for unit in units if unit), {})
        return {Quantity(name): float(value) for name, value in held.items()}
    return {}
