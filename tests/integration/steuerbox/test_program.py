"""`hems steuerbox` as a program of its own, against a gateway on loopback."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eebus.ids import PeerRole, group_ski
from eebus.io.addresses import PeerAddress
from eebus.simulator.identity_folder import identity_in
from eebus.usecases.events import OrderReceived
from eebus.usecases.house import Gateway
from eebus.usecases.monitoring_data import Quantity, Reading
from tests.integration.eebus_io.certificates import MADE_AT
from tests.integration.eebus_io.stations import Station, gateway

_LIMIT_S = 20
_SCENARIOS = Path(__file__).parents[3] / "config" / "scenarios"


class _Program:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen: list[str] = []

    def type(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    async def line(self, part: str) -> str:
        """The next line that contains this text."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_LIMIT_S):
            while text := (await self.process.stdout.readline()).decode():
                self.seen.append(text)
                if part in text:
                    return text
        raise AssertionError(f"the program ended before '{part}':\n{''.join(self.seen)}")

    async def end(self, wait_s: float = _LIMIT_S) -> int:
        """Wait for the end; returns the exit code. Nothing may be written to standard error."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        async with asyncio.timeout(wait_s):
            self.seen += (await self.process.stdout.read()).decode().splitlines(keepends=True)
            assert await self.process.stderr.read() == b""
            return await self.process.wait()


@contextlib.asynccontextmanager
async def _steuerbox(folder: Path, *arguments: str) -> AsyncIterator[_Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hems", "steuerbox", "--dir", str(folder), "--no-mdns", "--host", "127.0.0.1",
        *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield _Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined] # else its pipes outlive the loop


@contextlib.asynccontextmanager
async def _house(folder: Path) -> AsyncIterator[tuple[Station, str]]:
    """A gateway that trusts the box of this folder; yields it and how the box finds it."""
    house = gateway()
    box_ski = identity_in(folder, "Steuerbox 1", MADE_AT).ski
    async with house.running() as node:
        await node.accept(box_ski, PeerRole.CONTROL_BOX)
        yield house, f"{house.ski}@127.0.0.1:{node.snapshot().port}"


async def test_a_person_limits_reads_misbehaves_and_quits(tmp_path: Path) -> None:
    async with _house(tmp_path) as (house, partner), _steuerbox(tmp_path) as program:
        ski, _, place = partner.partition("@")
        program.type(f"pair {ski} {place}", "wait ready")
        await program.line("is ready")
        program.type("limit 4.2 kW for 15 min")
        await program.line("consumption limit 4.20 kW for 15 min: accepted")
        assert (await house.event(OrderReceived)).value_w == 4200.0
        program.type("read")
        await program.line("consumption limit: 4.20 kW, active")
        program.type("fault wrong-signs", "limit 3 kW")
        await program.line("negates every limit")
        await program.line("refused with error 7")
        program.type("faults", "mend all", "status", "dance", "fault rain")
        await program.line("* wrong-signs")
        await program.line("all faults are ended")
        await program.line(f"connection: {house.ski[:8]}")
        await program.line("'dance' is no command")
        await program.line("there is no fault 'rain'")
        program.type("fault clock-jump -1 h")
        await program.line("from now on the box has a wrong date and time, 1 h behind")
        device = house.device
        assert isinstance(device, Gateway)
        sample = {Quantity.POWER: Reading(1234.0)}
        program.type("watch on", "values")
        await program.line("nothing has been measured yet")
        house.node.act(lambda turn: device.grid_connection_point.publish(sample, turn))
        await program.line("drawing 1.23 kW")
        program.type("quit")
        assert await program.end() == 0
        assert json.loads((tmp_path / "partners.json").read_text())[0]["ski"] == house.ski


async def test_partners_are_remembered_and_the_end_of_input_ends_it(tmp_path: Path) -> None:
    async with _house(tmp_path) as (_, partner):
        async with _steuerbox(tmp_path, "--partner", partner) as program:
            await program.line("is ready: limits can be written")
            program.type("quit")
            assert await program.end() == 0
        async with _steuerbox(tmp_path) as program:
            await program.line("is ready: limits can be written")
            assert program.process.stdin is not None
            program.process.stdin.close()
            assert await program.end() == 0


async def test_a_system_that_calls_is_shown_and_paired_by_the_beginning_of_its_SKI(tmp_path: Path) -> None:
    house = gateway()
    box_ski = identity_in(tmp_path, "Steuerbox 1", MADE_AT).ski
    async with house.running() as node, _steuerbox(tmp_path) as program:
        port = int((await program.line("listens on port")).split()[-1])
        node.know(PeerAddress(box_ski, "127.0.0.1", port))
        await node.accept(box_ski, PeerRole.CONTROL_BOX)
        await program.line("calls and wants to be trusted")
        program.type("found", f"pair {house.ski[:6]}")
        await program.line(f"has called: {house.ski}")
        await program.line("is ready: limits can be written")
        program.process.send_signal(signal.SIGINT)
        assert await program.end() == 0


async def test_a_system_that_cannot_be_reached_is_told_once_for_each_cause_and_shown(tmp_path: Path) -> None:
    async with _house(tmp_path) as (_, partner), _steuerbox(tmp_path) as program:
        place = partner.partition("@")[2]
        program.type(f"pair {'c3' * 20} 127.0.0.1:1", f"pair {'d4' * 20} {place}")
        await program.line("c3c3c3c3 is not connected: connection refused at 127.0.0.1:1")
        await program.line(f"d4d4d4d4 is not connected: the certificate belongs to SKI {partner[:40]}")
        program.type("wait 4 s", "status")  # several more dials
        await program.line("C3C3, not connected: connection refused at 127.0.0.1:1")
        await program.line("D4D4, not connected: the certificate belongs to")
        program.type("quit")
        assert await program.end() == 0
        assert sum("c3c3c3c3 is not connected" in line for line in program.seen) == 1


async def test_an_SKI_is_paired_as_it_is_shown(tmp_path: Path) -> None:
    async with _house(tmp_path) as (house, partner), _steuerbox(tmp_path) as program:
        program.type(f"pair {group_ski(house.ski)} {partner.partition('@')[2]}")
        await program.line(f"{group_ski(house.ski)} is trusted")
        await program.line("is ready")
        program.type(f"unpair {group_ski(house.ski)}")
        await program.line("is trusted no longer")
        program.type("quit")
        assert await program.end() == 0


async def test_a_second_box_does_not_take_the_key_of_a_running_one(tmp_path: Path) -> None:
    async with _steuerbox(tmp_path) as first:
        await first.line("listens on port")
        async with _steuerbox(tmp_path) as second:
            assert second.process.stderr is not None
            told = (await second.process.stderr.read()).decode()
            assert await second.process.wait() == 1
        assert (
            told
            == f"Another Steuerbox already works with the folder {tmp_path}: stop it, or use another --dir.\n"
        )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--dir", "/proc/x"), "The folder /proc/x cannot be made: No such file or directory."),
        (("--record", "/nope/a"), "The recording /nope/a cannot be written: No such file or directory."),
        (("--partner", f"{'a1' * 20}@127.0.0.1"), "'127.0.0.1' is not an address: write HOST:PORT"),
        (("--partner", "1234@127.0.0.1:4712"), "'1234' is not an SKI"),
        (("--fault", "clock-jump"), "write: fault clock-jump TIME"),
        (("--fault", "vanish"), "'vanish' is no lasting fault"),
        (("--fault", "rain"), "there is no fault 'rain'"),
    ],
)
async def test_what_keeps_it_from_starting_is_told_in_plain_words(
    arguments: tuple[str, str], text: str, tmp_path: Path
) -> None:
    async with _steuerbox(tmp_path, *arguments) as program:
        assert program.process.stderr is not None
        told = (await program.process.stderr.read()).decode()
        assert await program.process.wait() in (1, 2)
    assert text in told
    assert "Traceback" not in told
    assert "Errno" not in told


@pytest.mark.parametrize(
    "name",
    [
        "limit-and-release",
        "feed-in",
        "failsafe-values",
        "hostile-manners",
        pytest.param("broken-lines", marks=pytest.mark.slow),
    ],
)
async def test_the_shipped_scenarios_pass_against_our_gateway(name: str, tmp_path: Path) -> None:
    recording = tmp_path / "recording.jsonl"
    arguments = ("--scenario", str(_SCENARIOS / f"{name}.yaml"), "--record", str(recording))
    async with (
        _house(tmp_path) as (_, partner),
        _steuerbox(tmp_path, "--partner", partner, *arguments) as program,
    ):
        assert await program.end(60) == 0, "".join(program.seen)
        assert any("passed: " in line for line in program.seen)
    header, *frames = [json.loads(line) for line in recording.read_text().splitlines()]
    assert header["header"]["ski"]["steuerbox"]
    assert any(frame.get("type") == 2 for frame in frames)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("  - do: wait ready\n    within: 0.2 s\n", "not done within 0.2 s"),
        ("  - do: limit 4200\n", "0 partners are ready"),
        ("  - expect: partner is ready\n    within: 0.2 s\n", "it is gone"),
    ],
)
async def test_a_failed_step_is_told_and_gives_exit_code_1(steps: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "fails.yaml"
    path.write_text(f"steps:\n{steps}")
    async with _steuerbox(tmp_path, "--scenario", str(path)) as program:
        assert await program.end() == 1
        assert any(reason in line for line in program.seen)


async def test_a_refusal_where_acceptance_is_expected_fails(tmp_path: Path) -> None:
    path = tmp_path / "fails.yaml"
    path.write_text("steps:\n  - wait: ready\n    within: 20 s\n  - failsafe duration 1 min\n  - quit\n")
    async with (
        _house(tmp_path) as (_, partner),
        _steuerbox(tmp_path, "--partner", partner, "--scenario", str(path)) as program,
    ):
        assert await program.end() == 1
        assert any("expected to be accepted" in line for line in program.seen), "".join(program.seen)


async def test_a_scenario_with_mistakes_is_refused_before_anything_happens(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("steps:\n  - dance\n")
    async with _steuerbox(tmp_path, "--scenario", str(path)) as program:
        assert program.process.stderr is not None
        assert b"'dance' is no command" in await program.process.stderr.read()
        assert await program.process.wait() == 2
