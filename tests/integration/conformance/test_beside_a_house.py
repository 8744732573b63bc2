"""`hems conformance` beside what runs already: the Steuerbox and the devices of a house stay as they are."""

import asyncio
import os
import sys
from pathlib import Path

from eebus.ids import PeerRole
from hems.cli.steuerbox.folder import held_folder
from tests.integration.hems.support import (
    Box,
    RunGateway,
    running_gateway,
    simulated_house,
    write_configuration,
)

_CASE = "TC_SHIP_AM_001"
_LIMIT_S = 60.0


async def _conformance(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code, and everything that is written."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hems", "conformance", "--cases", _CASE, "--identities", str(folder / "tester"),
        "--listen", "127.0.0.1:0", "--interface", "127.0.0.1", *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )  # fmt: skip
    try:
        written, _ = await asyncio.wait_for(process.communicate(), _LIMIT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, written.decode()


def _is_write(event: object) -> bool:
    return isinstance(event, dict) and event["event"] == "register"


def _trusted(run: RunGateway) -> list[tuple[str, str]]:
    return [(peer["ski"], peer["role"]) for peer in run.gateway.pairing()["trusted"]]


async def test_a_test_beside_a_running_house_touches_neither_its_trust_nor_its_identity(
    short_folder: Path,
) -> None:
    async with simulated_house() as house:
        path = write_configuration(short_folder, house.port)
        async with running_gateway(path) as run:
            box = Box()
            await run.gateway.accept(box.ski, PeerRole.CONTROL_BOX, replace=False)
            ski = run.ski
            code, written = await _conformance(
                short_folder, "--run-gateway", str(path), HEMS__DEVICES__0__PRIORITY="2"
            )
            assert code == 0, written
            assert "simulated house" in written
            assert _trusted(run) == [(box.ski, "control-box")]
            assert run.ski == ski


async def test_a_test_writes_to_no_device_and_leaves_no_data_directory_behind(short_folder: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(short_folder, house.port)
        code, written = await _conformance(short_folder, "--run-gateway", str(path))
        assert code == 0, written
        assert not any(_is_write(event) for event in house.watched.events)
    assert not (short_folder / "data").exists()


async def test_the_gateway_under_test_finds_the_tester_on_its_interface(short_folder: Path) -> None:
    path = write_configuration(short_folder, 1)
    path.write_text(path.read_text().replace("announce: false", "interfaces: [192.0.2.1]"))
    code, written = await _conformance(
        short_folder, "--run-gateway", str(path), "--cases", "TC_SHIP_ROLE_002"
    )
    assert code == 0, written


async def test_two_gateways_never_steer_the_same_devices(short_folder: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(short_folder, house.port)
        async with running_gateway(path):
            code, written = await _conformance(short_folder, "--run-gateway", str(path), "--with-devices")
    assert code == 1
    assert "Another gateway already works with the data directory" in written
    assert "Traceback" not in written


async def test_the_devices_of_a_house_are_taken_only_when_that_is_asked_for(short_folder: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(short_folder, house.port)
        code, written = await _conformance(short_folder, "--run-gateway", str(path), "--with-devices")
        assert code == 0, written
        assert "wallbox, inverter" in written
        await house.until_bounded(60)


async def test_a_running_gateway_with_a_steuerbox_is_not_tested(short_folder: Path) -> None:
    path = write_configuration(short_folder, 1)
    async with running_gateway(path) as run:
        box = Box()
        await run.gateway.accept(box.ski, PeerRole.CONTROL_BOX, replace=False)
        code, written = await _conformance(short_folder, "--gateway", str(short_folder / "data"))
        assert code == 1
        assert "--run-gateway" in written
        assert _trusted(run) == [(box.ski, "control-box")]


async def test_after_the_test_of_a_running_gateway_no_tester_is_trusted_any_more(short_folder: Path) -> None:
    path = write_configuration(short_folder, 1)
    async with running_gateway(path) as run:
        code, written = await _conformance(short_folder, "--gateway", str(short_folder / "data"))
        assert code == 0, written
        assert _trusted(run) == []


async def test_a_steuerbox_in_use_is_not_tested_and_the_reason_is_told(tmp_path: Path) -> None:
    with held_folder(tmp_path / "box"):
        code, written = await _conformance(tmp_path, "--run-steuerbox", str(tmp_path / "box"))
    assert code == 1
    assert "Another Steuerbox already works with the folder" in written
    code, written = await _conformance(tmp_path, "--run-steuerbox", "/proc/x")
    assert code == 1
    assert "The folder /proc/x cannot be used: No such file or directory." in written
