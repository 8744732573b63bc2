"""The test stand: a Go box, the running gateway, and wallboxes that note what reaches them and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from tests.interop.gateway_peer import PROJECT, Gateway
from tests.interop.go_peer import GoPeer, Partner
from tests.interop.json_peer import JsonPeer
from tests.interop.netns import Host, Network
from tests.waiting import Stopwatch

BOX, HOUSE = "10.77.0.2", "10.77.0.3"
PORT = 4712
FIRST_BUS = 1601
CURRENT = 261
READ_HOLDING, WRITE_ONE = 3, 6
IDLE_S = 10.0
NS_PER_MS = 1e6
MOST_A = 12
FREE = 10 * MOST_A
"""What the register holds then: tenths of an ampere."""
NAMEPLATE_W = 3 * 230 * MOST_A
REGISTERS_INPUT = {5: 7, 10: 230, 11: 230, 12: 230, 100: 16}
"""A Heidelberg wallbox that charges: state, voltages, largest current of the hardware."""
_READY_S = 40.0


@dataclass(frozen=True, slots=True)
class Plant:
    """So many Modbus TCP connections with so many wallboxes behind each."""

    buses: int
    units: int

    @property
    def devices(self) -> int:
        """How many wallboxes there are."""
        return self.buses * self.units

    @property
    def ports(self) -> list[int]:
        """Where they listen."""
        return list(range(FIRST_BUS, FIRST_BUS + self.buses))

    @property
    def unit_ids(self) -> list[int]:
        """Their addresses behind each port."""
        return list(range(1, self.units + 1))


@dataclass(frozen=True, slots=True)
class Round:
    """What one fresh start of the gateway and one limit of 0 W showed."""

    listening_s: float
    """Without the time in which others had the cores."""
    first_write_ms: float
    all_confirmed_ms: float
    processor_ms: float
    """Of the gateway's event loop, until all devices hold the limit."""


class Stand:
    """Everything that one plant is measured with."""

    def __init__(
        self, plant: Plant, box: GoPeer, devices: JsonPeer, host: Host, folder: Path, gateway: Gateway
    ) -> None:
        self.plant = plant
        self.gateway = gateway
        self.ski = ""
        self._box = box
        self._devices = devices
        self._host = host
        self._folder = folder

    @classmethod
    @asynccontextmanager
    async def of(cls, plant: Plant, go_program: Path, directory: Path) -> AsyncIterator[Stand]:
        """Build it up, and take it down in the end."""
        with Network() as network:
            box_host, house_host = network.host("box", BOX), network.host("house", HOUSE)
            box = await GoPeer.launch_go(go_program, _folder(directory, "box"), prefix=box_host.command())
            devices = await _devices(plant, house_host, directory)
            folder = _folder(directory, "home")
            _configure(plant, folder, box.ski)
            try:
                gateway = await Gateway.run(folder, house_host)
                stand = cls(plant, box, devices, house_host, folder, gateway)
                await stand._pair()
                yield stand
                await stand.gateway.stop()
            finally:
                await asyncio.gather(box.quit(), devices.quit())

    async def _pair(self) -> None:
        self.ski = (await self.gateway.status())["ski"]
        await self._box.start(port=PORT, partners=[Partner(self.ski)], dial=False)
        await self.gateway.command("pair", "accept", self._box.ski, "--as", "control-box")

    async def rounds(self, count: int) -> list[Round]:
        """Start the gateway again and again, and limit all charging wallboxes to 0 W each time."""
        return [await self._round() for _ in range(count)]

    async def _round(self) -> Round:
        since = self._box.now
        await self.gateway.kill()
        listening_s = await self._start()
        await self._until_free(since)
        position = (await self._devices.call("requests", since=10**9))["next"]
        before_ms = self._processor_ms()
        written = await self._box.limit("consumption", 0)
        assert written.accepted, written
        await self._until_all_hold(0)
        processor_ms = self._processor_ms() - before_ms
        await asyncio.sleep(0.5)
        requests = (await self._devices.call("requests", since=position))["requests"]
        told: dict[tuple[int, int], int] = {}
        confirmed: dict[tuple[int, int], int] = {}
        for at, port, unit, function, address, values in requests:
            if function == WRITE_ONE and address == CURRENT and values == [0]:
                told.setdefault((port, unit), at)
            elif function == READ_HOLDING and address == CURRENT and (port, unit) in told:
                confirmed.setdefault((port, unit), at)
        assert len(confirmed) == self.plant.devices, confirmed
        return Round(
            listening_s,
            (min(told.values()) - written.sent_ns) / NS_PER_MS,
            (max(confirmed.values()) - written.sent_ns) / NS_PER_MS,
            processor_ms,
        )

    async def _start(self) -> float:
        """Start the gateway; tell how long it took until it could be dialled."""
        stopwatch = Stopwatch()
        self.gateway = await Gateway.launch(self._folder, self._host)
        stopwatch.follow(self.gateway.pid)
        while not await _listens(self._host):
            self.gateway.check_running()
            await asyncio.sleep(0.01)
        listening_s = stopwatch.took_s
        await self.gateway.until_answering()
        return listening_s

    async def _until_free(self, since: int) -> None:
        await self._box.ready_to_control(self.ski, since, timeout_s=_READY_S)
        await self.gateway.wait_until(
            lambda status: (
                status["control_box"]["heartbeat_age_s"] is not None
                and all(device["connected"] for device in status["devices"])
            ),
            _READY_S,
        )
        await self._until_all_hold(FREE)

    async def _until_all_hold(self, raw: int) -> None:
        async with asyncio.timeout(_READY_S):
            while await self._held() != {raw}:  # noqa: ASYNC110  # nothing announces it
                await asyncio.sleep(0.05)

    async def _held(self) -> set[int]:
        return set((await self._devices.call("holding", address=CURRENT))["values"])

    async def idle_percent(self) -> float:
        """Processor time of the gateway while nothing happens, in parts of one core."""
        before_s = self._spent_s()
        await asyncio.sleep(IDLE_S)
        return 100.0 * (self._spent_s() - before_s) / IDLE_S

    def _processor_ms(self) -> float:
        """Time that its main thread was on a processor, in nanoseconds there."""
        return int(Path(f"/proc/{self.gateway.pid}/schedstat").read_text().split()[0]) / NS_PER_MS

    def _spent_s(self) -> float:
        return float(sum(psutil.Process(self.gateway.pid).cpu_times()[:2]))

    def resident_mb(self) -> float:
        """Memory of the gateway."""
        return float(psutil.Process(self.gateway.pid).memory_info().rss / 1e6)


async def _listens(host: Host) -> bool:
    """Whether anybody listens on our port there, without connecting to it."""
    tool = await asyncio.create_subprocess_exec(
        *host.command("cat", "/proc/net/tcp6", "/proc/net/tcp"), stdout=asyncio.subprocess.PIPE
    )
    table, _ = await tool.communicate()
    listen_state = "0A"
    columns = (line.split() for line in table.decode().splitlines())
    return any(row[1].endswith(f":{PORT:04X}") and row[3] == listen_state for row in columns)


async def _devices(plant: Plant, host: Host, directory: Path) -> JsonPeer:
    command = host.command("python3", "-m", "tests.interop.modbus_recorder")
    devices = await JsonPeer.launch(command, directory / "devices.log", folder=PROJECT)
    held: dict[int, Any] = {CURRENT: FREE}
    await devices.call("start", ports=plant.ports, units=plant.unit_ids, input=REGISTERS_INPUT, holding=held)
    return devices


def _configure(plant: Plant, folder: Path, box_ski: str) -> None:
    devices = "".join(
        f"  - name: wallbox-{port}-{unit}\n"
        f"    adapter: {{type: modbus, profile: heidelberg-energy-control, host: 127.0.0.1, port: {port}, "
        f"unit: {unit}, request_gap_ms: 0, params: {{assumed_voltage_v: 230, max_current_a: {MOST_A}}}}}\n"
        for port in plant.ports
        for unit in plant.unit_ids
    )
    (folder / "hems.yaml").write_text(
        f"""
site: {{name: Bench}}
eebus:
  port: {PORT}
  announce: false
  failsafe: {{consumption_w: {plant.devices * NAMEPLATE_W}}}
  peers: [{{ski: {box_ski}, host: {BOX}, port: {PORT}}}]
devices:
{devices}"""
    )


def _folder(directory: Path, name: str) -> Path:
    folder = directory / name
    folder.mkdir()
    return folder
