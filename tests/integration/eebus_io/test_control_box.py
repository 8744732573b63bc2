"""The simulated Steuerbox, in process and as a program of its own, against a gateway on loopback."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eebus.clock import SystemClock
from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski
from eebus.io.events import PeerDisconnected
from eebus.simulator.control_box import BoxSettings, ControlBoxSimulator
from eebus.simulator.identity_folder import identity_in
from eebus.usecases.events import FailsafeChanged, HeartbeatReceived, OrderReceived
from eebus.usecases.house import Gateway
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading
from tests.integration.eebus_io.certificates import identity
from tests.integration.eebus_io.stations import LIMIT_S, Station, gateway, until


async def test_limits_failsafe_values_and_read_back() -> None:
    house, box = gateway(), ControlBoxSimulator(identity("box"), BoxSettings())
    async with house.running() as node, box.running():
        await node.accept(box.node.snapshot().ski, PeerRole.CONTROL_BOX)
        await box.pair(house.ski, "127.0.0.1", node.snapshot().port)
        await box.ready(wait_s=LIMIT_S)
        assert (await box.limit(4200.0, duration_s=600)).accepted
        shown = (await box.read_back()).limits[Direction.CONSUMPTION]
        assert (shown.value_w, shown.active) == (4200.0, True)
        assert (await box.deactivate()).accepted
        assert not (await box.read_back()).limits[Direction.CONSUMPTION].active
        assert (await box.failsafe(consumption_w=5000.0, duration_s=7200)).accepted
        assert (await house.event(FailsafeChanged)).by_ski == box.node.snapshot().ski
        assert (await box.read_back()).failsafe_w[Direction.CONSUMPTION] == 5000.0
        refused = await box.failsafe(duration_s=60)  # below two hours
        assert not refused.accepted


async def test_the_heartbeat_can_be_stopped_and_resumed() -> None:
    house, box = gateway(), ControlBoxSimulator(identity("box"), BoxSettings(heartbeat_interval_s=0.1))
    async with house.running() as node, box.running():
        await node.accept(box.node.snapshot().ski, PeerRole.CONTROL_BOX)
        await box.pair(house.ski, "127.0.0.1", node.snapshot().port)
        await box.ready(wait_s=LIMIT_S)
        await house.event(HeartbeatReceived)
        box.heartbeat(False)
        await asyncio.sleep(0.15)  # one may still be under way
        house.events.clear()
        await asyncio.sleep(0.3)
        assert not any(isinstance(event, HeartbeatReceived) for event in house.events)
        box.heartbeat(True)
        await house.event(HeartbeatReceived)


async def test_a_write_without_partner_is_refused_at_once() -> None:
    box = ControlBoxSimulator(identity("box"), BoxSettings())
    async with box.running():
        with pytest.raises(LocalError, match="0 partners are ready"):
            await box.limit(1000.0)
        with pytest.raises(LocalError, match="no controllable system"):
            await box.read_back(refresh=False)


def test_the_identity_of_a_folder_stays_the_same_and_its_key_is_private(tmp_path: Path) -> None:
    now = SystemClock().utc_now()
    first = identity_in(tmp_path / "box", "box", now)
    assert identity_in(tmp_path / "box", "box", now) == first
    assert (tmp_path / "box" / "key.pem").stat().st_mode & 0o077 == 0


class _Program:
    """The box as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._number = 0

    async def line(self, **members: object) -> dict[str, Any]:
        """The next line with these members."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            while text := await self.process.stdout.readline():
                line: dict[str, Any] = json.loads(text)
                if all(line.get(name) == value for name, value in members.items()):
                    return line
        raise AssertionError(f"the program ended before {members}")

    async def call(self, command: str, **members: object) -> dict[str, Any]:
        """Send a command and wait for its reply."""
        self._number += 1
        self.write(json.dumps({"id": self._number, "command": command, **members}))
        return await self.line(event="reply", id=self._number)

    def write(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")


@contextlib.asynccontextmanager
async def _program(folder: Path, *arguments: str) -> AsyncIterator[_Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "eebus.simulator",
        "--dir",
        str(folder),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield _Program(process)
        assert process.stderr is not None
        assert await asyncio.wait_for(process.stderr.read(), LIMIT_S) == b""
        assert await asyncio.wait_for(process.wait(), LIMIT_S) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined] # else its pipes outlive the loop


async def _paired(house: Station, program: _Program) -> Ski:
    """Accept the box at the gateway."""
    ski = Ski((await program.line(event="ready"))["ski"])
    await house.node.accept(ski, PeerRole.CONTROL_BOX)
    return ski


async def test_the_program_obeys_lines_over_real_TLS(tmp_path: Path) -> None:
    house = gateway()
    async with house.running() as node:
        partner = f"{house.ski}@127.0.0.1:{node.snapshot().port}"
        async with _program(tmp_path, "--partner", partner) as program:
            ski = await _paired(house, program)
            assert (await program.call("wait_ready"))["data"] == {"ski": house.ski}
            reply = await program.call("limit", value_w=4200, duration_s=3600)
            assert reply["data"]["accepted"] is True
            assert (await house.event(OrderReceived)).peer_ski == ski
            shown = (await program.call("read_back"))["data"]
            assert shown["limits"]["consumption"]["value_w"] == 4200.0
            assert (await program.call("limit"))["error"] == "value_w is missing"
            assert "no command" in (await program.call("dance"))["error"]
            program.write("no json")
            await program.line(event="reply", id=None)
            assert (await program.call("status"))["data"]["trusted"] == [house.ski]
            assert (await program.call("mgcp"))["ok"]
            assert (await program.call("disconnect", ski=house.ski))["ok"]
            await house.event(PeerDisconnected)
            assert (await program.call("quit"))["ok"]


@pytest.mark.parametrize("ending", ["end of input", "SIGTERM", "SIGINT"])
async def test_the_program_ends_quietly_even_while_a_command_waits(ending: str, tmp_path: Path) -> None:
    async with _program(tmp_path) as program:
        await program.line(event="ready")
        program.write('{"id": 1, "command": "wait_ready"}')
        await program.call("status")
        if ending == "end of input":
            assert program.process.stdin is not None
            program.process.stdin.close()
        else:
            program.process.send_signal(getattr(signal, ending))


async def test_measurements_of_the_grid_connection_point_arrive() -> None:
    house, box = gateway(), ControlBoxSimulator(identity("box"), BoxSettings())
    async with house.running() as node, box.running():
        await node.accept(box.node.snapshot().ski, PeerRole.CONTROL_BOX)
        await box.pair(house.ski, "127.0.0.1", node.snapshot().port)
        await box.ready(wait_s=LIMIT_S)
        device = house.device
        assert isinstance(device, Gateway)
        sample = {Quantity.POWER: Reading(-1234.0)}
        node.act(lambda turn: device.grid_connection_point.publish(sample, turn))
        await until(lambda: box.grid_values(house.ski).get(Quantity.POWER) == -1234.0)
