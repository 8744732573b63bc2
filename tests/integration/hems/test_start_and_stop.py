"""What keeps a gateway from starting is told in one line; starting and stopping are quick and clean."""

import asyncio
import contextlib
import json
import signal
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

import adapters
from eebus.ids import PeerRole, Ski, group_ski
from eebus.io.events import PeerNotReached
from hems.cli.options import CommandFailed
from hems.cli.root import hems as command
from hems.data_dir import LOCK_NAME
from tests.integration.hems.process import gateway_process
from tests.integration.hems.support import (
    CURRENT_REGISTER,
    PATIENCE_S,
    Box,
    eventually,
    running_gateway,
    simulated_house,
    write_configuration,
)
from tests.waiting import Stopwatch


@pytest.mark.alone
async def test_a_gateway_listens_within_two_seconds_and_stops_cleanly(tmp_path: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port)
        async with gateway_process(path) as process:
            await process.until_answering()
            assert await process.end(signal.SIGTERM) == 0
        stopwatch = Stopwatch()
        async with gateway_process(path) as process:
            stopwatch.follow(process.process.pid)
            await process.until_answering()
            assert stopwatch.took_s < 2.0
            assert await process.end(signal.SIGINT) == 0
        log = path.with_suffix(".log").read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log
    assert sorted(p.name for p in (tmp_path / "data").iterdir() if p.suffix != ".db") == [
        LOCK_NAME,
        "identity.txt",
    ]


async def test_a_house_without_any_answer_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with gateway_process(write_configuration(tmp_path, unused.getsockname()[1])) as process:
            status = await process.until_answering()
            assert status["limits"][0]["limit_w"] == 4200.0
            assert await process.end(signal.SIGTERM) == 0


async def test_a_second_gateway_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port)
        async with running_gateway(path), gateway_process(path) as second:
            assert await second.process.wait() == 1
            assert "Another gateway already works with the data directory" in second.log.read_text()
            assert "Traceback" not in second.log.read_text()


async def test_a_taken_port_is_told_alone_before_anything_is_begun(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path = write_configuration(tmp_path, 1)
        path.write_text(path.read_text().replace("port: 0", f"port: {port}"))
        async with gateway_process(path) as process:
            assert await process.process.wait() == 1
            log = process.log.read_text()
    assert log.splitlines()[-1].endswith(
        f"ERROR Port {port} is in use: another program, or another gateway, listens there. "
        "Stop that one, or set another port with eebus.port."
    )
    assert "not reachable" not in log
    assert "Traceback" not in log
    assert [file.name for file in (tmp_path / "data").iterdir()] == [LOCK_NAME]


async def test_a_lost_identity_keeps_it_from_starting(tmp_path: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port)
        async with running_gateway(path):
            pass
        for file in (tmp_path / "data").glob("state.db*"):
            file.unlink()
        async with gateway_process(path) as process:
            assert await process.process.wait() == 1
            assert "The key of this gateway is gone" in process.log.read_text()


async def test_a_stranger_is_refused_until_a_person_accepts_it(tmp_path: Path) -> None:
    box = Box()
    async with (
        simulated_house() as house,
        gateway_process(write_configuration(tmp_path, house.port)) as process,
    ):
        status = await process.until_answering()
        async with box.dialling(Ski(status["ski"]), status["port"]) as simulator:
            with pytest.raises(TimeoutError):
                await simulator.ready(wait_s=1.0)
            pairing = await process.call("GET", "/pairing")
            assert [request["ski"] for request in pairing["requests"]] == [box.ski]
            assert pairing["trusted"] == []
            await process.accept(box.ski)
            await simulator.ready(wait_s=PATIENCE_S)
            assert (await simulator.limit(4200.0)).accepted
            pairing = await process.call("GET", "/pairing")
        assert pairing["requests"] == []
        assert (pairing["trusted"][0]["role"], pairing["trusted"][0]["connected"]) == ("control-box", True)


async def test_a_second_box_needs_an_explicit_swap(tmp_path: Path) -> None:
    first, second = Box(), Box()
    async with (
        simulated_house() as house,
        gateway_process(write_configuration(tmp_path, house.port)) as process,
    ):
        await process.until_answering()
        await process.accept(first.ski)
        with pytest.raises(CommandFailed, match="another control box is already trusted"):
            await process.accept(second.ski)
        swap = {"role": "control-box", "replace": True}
        pairing = await process.call("POST", f"/pairing/{second.ski}", swap)
    assert [peer["ski"] for peer in pairing["trusted"]] == [second.ski]


async def test_status_and_pair_list_speak_to_the_running_gateway(tmp_path: Path) -> None:
    def hems(*arguments: str) -> str:
        result = CliRunner().invoke(command, [*arguments, "--data-dir", str(tmp_path / "data")])
        assert result.exit_code == 0, result.output
        return result.output

    box = Box()
    async with (
        simulated_house() as house,
        gateway_process(write_configuration(tmp_path, house.port)) as process,
    ):
        status = await process.until_answering()
        await asyncio.to_thread(hems, "pair", "accept", box.ski, "--as", "control-box")
        async with box.dialling(Ski(status["ski"]), status["port"]) as simulator:
            await simulator.ready(wait_s=PATIENCE_S)
            await simulator.limit(4200.0, duration_s=600.0)
            await house.until_register("wallbox", CURRENT_REGISTER, 60)
            told = await asyncio.to_thread(hems, "status")
            as_json = json.loads(await asyncio.to_thread(hems, "status", "--json"))
            pairs = await asyncio.to_thread(hems, "pair", "list")
    assert f"Steuerbox     {group_ski(box.ski)}, connected, last heartbeat" in told
    assert "Consumption   limited to 4.20 kW by the grid operator for another 10 min (limited: " in told
    assert "consumption: at most 4.14 kW" in told
    assert "the control box limits consumption to 4200 W for 600 s" in told
    assert as_json["limits"][0]["rule"].startswith("LPC-")
    assert as_json["orders"][0]["steps"][0]["step"] == "order.received"
    assert f"Trusted:          {group_ski(box.ski)}  control-box, connected" in pairs


async def test_a_configured_peer_says_what_is_missing_until_it_is_connected(tmp_path: Path) -> None:
    box = Box()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        peers = f"peers: [{{ski: {box.ski}, host: 127.0.0.1, port: {port}}}]"
        async with running_gateway(write_configuration(tmp_path, 1, eebus=peers)) as run:
            assert run.gateway.pairing()["configured"] == [
                {"ski": box.ski, "host": "127.0.0.1", "port": port}
            ]
            listed = await asyncio.to_thread(
                CliRunner().invoke, command, ["pair", "list", "--data-dir", str(tmp_path / "data")]
            )
            assert (
                f"Configured:       {group_ski(box.ski)}  at 127.0.0.1:{port}, not trusted" in listed.output
            )
            assert "Trust one with:   hems pair accept SKI --as control-box" in listed.output
            assert (
                f"Peer {group_ski(box.ski)} at 127.0.0.1:{port} stands under eebus.peers, but is dialled "
                f"only when it is accepted: hems pair accept {box.ski} --as control-box (or --as device)"
            ) in run.gateway.status()["warnings"]
            await run.gateway.accept(box.ski, PeerRole.CONTROL_BOX, replace=False)
            await run.watched.until(PeerNotReached)
            told = run.gateway.status()["warnings"]
            assert (
                f"Steuerbox {group_ski(box.ski)} is not connected: connection refused at 127.0.0.1:{port}"
            ) in told
            assert not any("eebus.peers" in text for text in told)
            pairing = run.gateway.pairing()
    assert pairing["configured"] == []
    assert pairing["trusted"][0]["trouble"] == f"connection refused at 127.0.0.1:{port}"


async def test_a_device_with_a_profile_of_the_user_runs_like_any_other(tmp_path: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port)
        shipped = Path(adapters.__file__).parent / "profiles" / "heidelberg-energy-control.yaml"
        (tmp_path / "profiles").mkdir()
        (tmp_path / "profiles" / "mine.yaml").write_text(
            shipped.read_text().replace("id: heidelberg-energy-control", "id: mine")
        )
        path.write_text(path.read_text().replace("profile: heidelberg-energy-control", "profile: mine"))
        async with running_gateway(path) as run:
            await house.until_bounded(60)
            assert [device["name"] for device in run.gateway.status()["devices"]] == ["wallbox", "inverter"]


async def test_an_interface_that_is_not_there_is_named_because_no_box_finds_the_gateway(
    tmp_path: Path,
) -> None:
    path = write_configuration(tmp_path, 1, eebus="interfaces: [eth-gone]")
    path.write_text(path.read_text().replace("announce: false", "announce: true"))
    async with running_gateway(path) as run:
        await eventually(lambda: any("eth-gone" in text for text in run.gateway.status()["warnings"]))
        (told,) = [text for text in run.gateway.status()["warnings"] if "eth-gone" in text]
    assert told.startswith("No interface with an address is called eth-gone (eebus.interfaces); there are lo")
    assert told.endswith("and no Steuerbox finds this gateway, until it appears")


async def test_the_service_manager_hears_of_start_control_cycles_and_stop(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        path = write_configuration(tmp_path, 1)
        async with gateway_process(path, NOTIFY_SOCKET=str(tmp_path / "notify")) as process:
            await process.until_answering()
            assert await process.end(signal.SIGTERM) == 0
        manager.setblocking(False)
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(manager.recv(64))
    assert heard.index(b"WATCHDOG=1") < heard.index(b"READY=1") < heard.index(b"STOPPING=1")
