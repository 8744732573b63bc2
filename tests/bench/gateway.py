"""The whole gateway with twenty wallboxes: from a limit on the wire to the devices, and what it costs."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from tests.bench.table import Figure, Target
from tests.interop.gateway_peer import PROJECT, Gateway
from tests.interop.go_peer import GoPeer, Partner
from tests.interop.json_peer import JsonPeer
from tests.interop.netns import Host, Network

BOX, HOUSE = "10.77.0.2", "10.77.0.3"
PORT = 4712
DEVICES = 20
MODBUS_PORTS = list(range(1601, 1601 + DEVICES))
CURRENT = 261
READ_HOLDING, WRITE_ONE = 3, 6
ROUNDS = 8
IDLE_S = 10.0
NS_PER_MS = 1e6
FREE_A = 160
"""Tenths of an ampere."""

REGISTERS_INPUT = {5: 7, 10: 230, 11: 230, 12: 230, 100: 16}
"""A Heidelberg wallbox that charges: state, voltages, largest current of the hardware."""

FIRST_WRITE = Target(hold=10, aim=3)
WORST_FIRST_WRITE = Target(hold=30, aim=30)
ALL_CONFIRMED = Target(hold=40, aim=15)
MEMORY_MB = Target(hold=90, aim=75)
IDLE_PERCENT = Target(hold=2, aim=1)
START_S = Target(hold=2, aim=1)


@dataclass(frozen=True, slots=True)
class Round:
    """What one fresh start of the gateway and one limit of 0 W showed."""

    listening_s: float
    first_write_ms: float
    all_confirmed_ms: float


async def measure(go_program: Path, directory: Path) -> list[Figure]:
    """Start the gateway again and again, and limit twenty charging wallboxes to 0 W each time."""
    with Network() as network:
        box_host, house_host = network.host("box", BOX), network.host("house", HOUSE)
        box = await GoPeer.launch_go(go_program, _folder(directory, "box"), prefix=box_host.command())
        devices = await _devices(house_host, directory)
        folder = _folder(directory, "home")
        _configure(folder, box.ski)
        try:
            gateway, listening_s = await _started(folder, house_host)
            ski = (await gateway.status())["ski"]
            await box.start(port=PORT, partners=[Partner(ski)], dial=False)
            await gateway.command("pair", "accept", box.ski, "--as", "control-box")
            rounds = [await _round(box, gateway, 0, devices, listening_s)]
            while len(rounds) < ROUNDS:
                since = box.now
                await gateway.kill()
                gateway, listening_s = await _started(folder, house_host)
                rounds.append(await _round(box, gateway, since, devices, listening_s))
            running = await _running_costs(gateway)
            await gateway.stop()
        finally:
            await asyncio.gather(box.quit(), devices.quit())
    first = [each.first_write_ms for each in rounds]
    return [
        Figure.absolute(
            f"limit sent → first Modbus write, {DEVICES} devices", statistics.median(first), "ms", FIRST_WRITE
        ),
        Figure.absolute(f"… the slowest of {ROUNDS}", max(first), "ms", WORST_FIRST_WRITE),
        Figure.absolute(
            f"… → all {DEVICES} devices written and read back",
            statistics.median(each.all_confirmed_ms for each in rounds),
            "ms",
            ALL_CONFIRMED,
        ),
        *running,
        Figure.absolute(
            "start → listening",
            statistics.median(each.listening_s for each in rounds),
            "s",
            START_S,
            _slowest_imports,
        ),
    ]


def _slowest_imports() -> str:
    command = [sys.executable, "-X", "importtime", "-c", "import hems.app, hems.cli"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    head, lines = said[0], said[1:]
    lines.sort(key=lambda line: int(line.split("|")[1]))
    return "\n".join((head, *lines[-20:]))


async def _started(folder: Path, host: Host) -> tuple[Gateway, float]:
    """Start the gateway; also tell how long it took until it could be dialled."""
    began = time.monotonic()
    starting = asyncio.create_task(Gateway.run(folder, host))
    while not await _listens(host):  # noqa: ASYNC110  # nothing announces it
        await asyncio.sleep(0.01)
    listening_s = time.monotonic() - began
    return await starting, listening_s


async def _listens(host: Host) -> bool:
    """Whether anybody listens on our port there, without connecting to it."""
    tool = await asyncio.create_subprocess_exec(
        *host.command("cat", "/proc/net/tcp6", "/proc/net/tcp"), stdout=asyncio.subprocess.PIPE
    )
    table, _ = await tool.communicate()
    listen_state = "0A"
    columns = (line.split() for line in table.decode().splitlines())
    return any(row[1].endswith(f":{PORT:04X}") and row[3] == listen_state for row in columns)


async def _round(box: GoPeer, gateway: Gateway, since: int, devices: JsonPeer, listening_s: float) -> Round:
    """Free all wallboxes, then order 0 W and see when each was told and asked."""
    await box.ready_to_control((await gateway.status())["ski"], since, timeout_s=40.0)
    await gateway.wait_until(lambda status: status["control_box"]["heartbeat_age_s"] is not None)
    await _wait_until_all_hold(devices, FREE_A)
    position = (await devices.call("requests", since=10**9))["next"]
    written = await box.limit("consumption", 0)
    assert written.accepted, written
    await _wait_until_all_hold(devices, 0)
    await asyncio.sleep(0.5)
    requests = (await devices.call("requests", since=position))["requests"]
    told: dict[int, int] = {}
    confirmed: dict[int, int] = {}
    for at, port, function, address, values in requests:
        if function == WRITE_ONE and address == CURRENT and values == [0]:
            told.setdefault(port, at)
        elif function == READ_HOLDING and address == CURRENT and port in told:
            confirmed.setdefault(port, at)
    assert len(confirmed) == DEVICES, confirmed
    return Round(
        listening_s,
        (min(told.values()) - written.sent_ns) / NS_PER_MS,
        (max(confirmed.values()) - written.sent_ns) / NS_PER_MS,
    )


async def _wait_until_all_hold(devices: JsonPeer, raw: int) -> None:
    async with asyncio.timeout(30):
        while True:
            held = [
                (await devices.call("registers", port=port, table="holding", address=CURRENT, count=1))[
                    "values"
                ]
                for port in MODBUS_PORTS
            ]
            if all(values == [raw] for values in held):
                return
            await asyncio.sleep(0.05)


async def _running_costs(gateway: Gateway) -> list[Figure]:
    process = psutil.Process(gateway.pid)
    before = sum(process.cpu_times()[:2])
    await asyncio.sleep(IDLE_S)
    spent = sum(process.cpu_times()[:2]) - before
    memory = process.memory_info().rss / 1e6
    return [
        Figure.absolute(f"resident memory, {DEVICES} devices", memory, "MB", MEMORY_MB),
        Figure.absolute(
            f"idle CPU, {DEVICES} devices polled each second", 100 * spent / IDLE_S, "%", IDLE_PERCENT
        ),
    ]


async def _devices(host: Host, directory: Path) -> JsonPeer:
    command = host.command("python3", "-m", "tests.interop.modbus_recorder")
    devices = await JsonPeer.launch(command, directory / "devices.log", folder=PROJECT)
    held: dict[int, Any] = {CURRENT: FREE_A}
    await devices.call("start", ports=MODBUS_PORTS, input=REGISTERS_INPUT, holding=held)
    return devices


def _configure(folder: Path, box_ski: str) -> None:
    devices = "".join(
        f"  - name: wallbox{number}\n"
        f"    adapter: {{type: modbus, profile: heidelberg-energy-control, host: 127.0.0.1, port: {port}, "
        f"request_gap_ms: 0, params: {{assumed_voltage_v: 230}}}}\n"
        for number, port in enumerate(MODBUS_PORTS)
    )
    (folder / "hems.yaml").write_text(
        f"""
site: {{name: Bench}}
eebus:
  port: {PORT}
  announce: false
  failsafe: {{consumption_w: 250000}}
  peers: [{{ski: {box_ski}, host: {BOX}, port: {PORT}}}]
devices:
{devices}"""
    )


def _folder(directory: Path, name: str) -> Path:
    folder = directory / name
    folder.mkdir()
    return folder
