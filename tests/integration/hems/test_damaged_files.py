"""Damaged files and disks that take nothing: the house is limited all the same, nothing is lost silently."""

import asyncio
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from eebus.ids import Ski
from hems.cli.root import hems as command
from hems.journal.file import files_set_aside
from hems.vault import IdentityError
from tests.integration.hems.process import gateway_process
from tests.integration.hems.support import (
    CURRENT_REGISTER,
    PATIENCE_S,
    Box,
    eventually,
    running_gateway,
    simulated_house,
    trusted_box,
    write_configuration,
)
from tests.integration.mqtt.mosquitto import missing

PROJECT = Path(__file__).parents[3]


async def hems(*arguments: str) -> str:
    """Run a command; returns what it says."""
    result = await asyncio.to_thread(CliRunner().invoke, command, arguments)
    assert result.exit_code == 0, result.output
    return result.output


async def test_with_a_damaged_journal_limits_hold_and_the_file_is_kept_and_shown(tmp_path: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port, failsafe_w=9000.0)
        data = tmp_path / "data"
        data.mkdir(mode=0o700)
        (data / "journal.db").write_bytes(b"no database" * 1000)
        async with running_gateway(path) as run, trusted_box(run) as box:
            assert (await box.limit(4200.0)).accepted
            await house.until_register("wallbox", CURRENT_REGISTER, 60)
            (name,) = files_set_aside(data)
            assert any(name in text for text in run.gateway.status()["warnings"])
            orders = await run.gateway.orders(10)
            assert any("4200 W" in order["steps"][0]["text"] for order in orders)
            shutil.move(data / name, tmp_path / name)
            run.gateway._records.look_again()
            await eventually(lambda: not any(name in text for text in run.gateway.status()["warnings"]))


async def test_a_damaged_state_file_stops_it_with_one_line_and_the_key_comes_back_from_its_backup(
    tmp_path: Path,
) -> None:
    path, backup = write_configuration(tmp_path, 9), tmp_path / "key.json"
    (tmp_path / "passphrase").write_text("a long enough passphrase\n")
    passphrase = ["--passphrase-file", str(tmp_path / "passphrase")]
    config = ["--config", str(path)]
    made = await hems("identity", "show", "--create", *config)
    await hems("identity", "export", str(backup), *passphrase, *config)
    state = tmp_path / "data" / "state.db"
    state.write_bytes(state.read_bytes()[:5000])

    async with gateway_process(path) as process:
        assert await asyncio.wait_for(process.process.wait(), PATIENCE_S) == 1
        (line,) = [line for line in process.log.read_text().splitlines() if "ERROR" in line]
        assert "restore a backup of state.db" in line
        assert "hems identity import" in line
        assert "Traceback" not in process.log.read_text()

    state.rename(tmp_path / "damaged")
    await hems("identity", "import", str(backup), *passphrase, *config)
    assert _ski(await hems("identity", "show", *config)) == _ski(made)


async def test_an_emptied_state_file_is_no_first_start(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, 9)
    await hems("identity", "show", "--create", "--config", str(path))
    (tmp_path / "data" / "state.db").write_bytes(b"")
    with pytest.raises(IdentityError, match="The key of this gateway is gone"):
        async with running_gateway(path):
            pass


def _ski(text: str) -> str:
    found = re.search(r"SKI\s+([0-9A-F ]+)", text)
    assert found is not None, text
    return found[1]


@pytest.mark.netns
async def test_a_disk_that_takes_nothing_does_not_keep_it_from_obeying(tmp_path: Path) -> None:
    """Key, trust and failsafe values are read as they were; what should be stored is refused or told lost."""
    if not _may_mount():
        missing("needs the right to mount")
    box = Box()
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port, failsafe_w=9000.0)
        async with running_gateway(path) as run, trusted_box(run, box):
            ski = run.ski
        shutil.move(tmp_path / "data", tmp_path / "stored")
        (tmp_path / "data").mkdir(mode=0o700)
        for state, limit_w, raw in (("full", 4200.0, 60), ("read-only", 5000.0, 72)):
            async with gateway_on(tmp_path, state) as log:
                found = re.search(r"listens on port (\d+)", log.read_text())
                assert found is not None
                async with box.dialling(Ski(ski), int(found[1])) as simulator:
                    await simulator.ready(wait_s=PATIENCE_S)
                    since = len(house.watched.events)
                    assert (await simulator.limit(limit_w)).accepted
                    await house.until_register("wallbox", CURRENT_REGISTER, raw, since)
                    assert not (await simulator.failsafe(consumption_w=5000.0)).accepted
            assert "journal entries could not be written and are lost" in log.read_text()


@asynccontextmanager
async def gateway_on(folder: Path, state: str) -> AsyncIterator[Path]:
    """A gateway as a process that alone sees its data directory on a disk in this state; tells its log."""
    log = folder / f"{state}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            "unshare", "-m", "sh", "-ec", _SCRIPT, "sh", str(folder), state, sys.executable,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, cwd=PROJECT,
        )  # fmt: skip
    try:
        await eventually(lambda: "listens on port" in log.read_text())
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0, log.read_text()


_SCRIPT = """
cd "$1"
mount -t tmpfs -o size=1m none data; cp -a stored/. data/; chmod 700 data
if [ "$2" = full ]; then dd if=/dev/zero of=data/other bs=1k 2>/dev/null || true
else mount -o remount,ro data; fi
cd "$OLDPWD"; exec "$3" -m hems run --config "$1/hems.yaml"
"""


def _may_mount() -> bool:
    trial = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(trial, check=False).returncode == 0
