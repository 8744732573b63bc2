"""On disk before the acknowledgement, shown at the level of system calls, and after a kill -9."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hems.store.state import stored_state

WRITER = [sys.executable, str(Path(__file__).with_name("writer.py"))]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


def test_trap_20_the_last_acknowledged_value_survives_kill_9(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*WRITER, str(tmp_path), "1000000"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for _ in range(25):
            writer.stdout.readline()
        writer.kill()
        later = writer.stdout.read().splitlines()
    acknowledged = 25 + len(later)
    stored_w = stored_state(tmp_path).failsafe.consumption_w
    assert stored_w is not None
    assert stored_w in (acknowledged, acknowledged + 1)


def test_the_sync_call_precedes_the_acknowledgement(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "calls"
    calls = "trace=openat,close,pwrite64,fsync,fdatasync,write"
    data = tmp_path / "data"
    data.mkdir()
    command = ["strace", "-f", "-y", "-e", calls, "-o", str(log), *WRITER, str(data), "2"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode and "Operation not permitted" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.stdout.splitlines() == ["acknowledged 1", "acknowledged 2"]
    assert _sequence(log.read_text()).endswith("pwrite sync ack pwrite sync ack")


def _sequence(log: str) -> str:
    """The calls that matter, in their order, repeated ones folded."""
    found: list[str] = []
    for line in log.splitlines():
        call = _meaning(line)
        if call and found[-1:] != [call]:
            found.append(call)
    return " ".join(found)


def _meaning(line: str) -> str:
    if "pwrite64(" in line and "state.db-wal" in line:
        return "pwrite"
    if ("fdatasync(" in line or "fsync(" in line) and "state.db-wal" in line:
        return "sync"
    return "ack" if "acknowledged" in line else ""
