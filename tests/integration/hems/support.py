"""A gateway, a Steuerbox of our own stack and a simulated house, joined over real sockets on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapters.registry import DEFAULT_REGISTRY
from adapters.simulated.server import SimulatedHouse
from eebus.clock import Clock, SystemClock
from eebus.ids import PeerRole, Ski
from eebus.ship.identity import make_identity
from eebus.simulator.control_box import BoxSettings, ControlBoxSimulator
from hems.app import run_gateway
from hems.config import Configuration, load
from hems.gateway import RunningGateway

E = TypeVar("E")
PATIENCE_S = 10.0
"""How long a test waits for what must happen; what must happen *soon* is measured by the test itself."""

CURRENT_REGISTER = 261
"""Maximum current of the simulated wallbox, in tenths of an ampere."""


class Watched:
    """Events in order, and waiting for one of them."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self._news = asyncio.Event()

    def hear(self, event: object) -> None:
        """Take an event."""
        self.events.append(event)
        self._news.set()

    async def until(
        self, kind: type[E], fits: Callable[[E], bool] = lambda _event: True, since: int = 0
    ) -> E:
        """The first event of this kind that fits, from number `since` on."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for event in self.events[since:]:
                    if isinstance(event, kind) and fits(event):
                        return event
                self._news.clear()
                await self._news.wait()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for a state that nothing announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.05)


class ShiftedClock(SystemClock):
    """The real clock, with the power to let a watchdog run out at once."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


@dataclass
class WatchedHouse:
    """The simulated house with what its registers were told."""

    house: SimulatedHouse
    port: int
    clock: ShiftedClock
    watched: Watched

    async def until_bounded(self, raw: int) -> None:
        """Wait until the wallbox was told a current of at most this (tenths of an ampere)."""
        await self.watched.until(dict, lambda e: e.get("address") == CURRENT_REGISTER and e["raw"] <= raw)

    async def until_register(self, unit: str, address: int, raw: int, since: int = 0) -> None:
        """Wait until a client has written this."""
        await self.watched.until(
            dict,
            lambda e: (
                (e["event"], e.get("unit"), e.get("address"), e.get("raw"))
                == ("register", unit, address, raw)
            ),
            since,
        )


@asynccontextmanager
async def simulated_house(
    *, port: int = 0, sun_w: float = 0.0, load_w: float = 600.0
) -> AsyncIterator[WatchedHouse]:
    """A house without battery whose car wants 11 kW."""
    watched, clock = Watched(), ShiftedClock()
    house = SimulatedHouse(clock=clock, on_event=watched.hear)
    house.house.battery_installed = False
    house.house.inverter.sun_w = sun_w
    house.house.load_w = load_w
    bound = await house.start("127.0.0.1", port)
    try:
        yield WatchedHouse(house, bound, clock, watched)
    finally:
        await house.stop()


def write_configuration(
    folder: Path, house_port: int, *, eebus: str = "", failsafe_w: float = 4200.0
) -> Path:
    """A configuration on loopback; `eebus` adds lines to that section."""
    path = folder / "hems.yaml"
    path.write_text(
        f"""
site: {{name: Test}}
eebus:
  host: 127.0.0.1
  port: 0
  announce: false
  failsafe: {{consumption_w: {failsafe_w}}}
  {eebus}
grid_connection_point:
  contractual_production_w: 10000
  meter: {{type: sunspec-meter, host: 127.0.0.1, port: {house_port}, unit: 3}}
devices:
  - name: wallbox
    priority: 1
    adapter:
      type: modbus
      profile: heidelberg-energy-control
      host: 127.0.0.1
      port: {house_port}
      unit: 1
      request_gap_ms: 0
  - name: inverter
    adapter: {{type: sunspec, host: 127.0.0.1, port: {house_port}, unit: 2}}
"""
    )
    return path


@dataclass
class RunGateway:
    """A gateway that runs in this process."""

    gateway: RunningGateway
    watched: Watched
    stop: asyncio.Event
    task: "asyncio.Task[None]"

    @property
    def port(self) -> int:
        """Where it is dialled."""
        port = self.gateway.status()["port"]
        assert isinstance(port, int)
        return port

    @property
    def ski(self) -> Ski:
        """Its SKI."""
        return Ski(self.gateway.identity()["ski"])


@asynccontextmanager
async def running_gateway(path: Path, *, clock: Clock | None = None) -> AsyncIterator[RunGateway]:
    """The whole gateway with the configuration at `path`; on the clock of this machine by default."""
    configuration: Configuration = load(path, DEFAULT_REGISTRY)
    stop, watched = asyncio.Event(), Watched()
    started: asyncio.Future[RunningGateway] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        run_gateway(configuration, stop, clock=clock, observer=watched.hear, started=started)
    )
    waiting: set[asyncio.Future[Any]] = {task, started}
    await asyncio.wait(waiting, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    run = RunGateway(started.result(), watched, stop, task)
    try:
        yield run
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE_S)


class Box:
    """A Steuerbox; it says nothing by itself but its heartbeat. Every dialling is a box after a restart."""

    def __init__(self) -> None:
        self.identity = make_identity("test box", now=SystemClock().utc_now())
        self.watched = Watched()

    @property
    def ski(self) -> Ski:
        """Its SKI."""
        return self.identity.ski

    @asynccontextmanager
    async def dialling(self, gateway_ski: Ski, port: int) -> AsyncIterator[ControlBoxSimulator]:
        """Trust the gateway and dial it."""
        simulator = ControlBoxSimulator(self.identity, BoxSettings(), on_event=self.watched.hear)
        async with simulator.running():
            await simulator.pair(gateway_ski, "127.0.0.1", port)
            yield simulator


@asynccontextmanager
async def trusted_box(run: RunGateway, box: Box | None = None) -> AsyncIterator[ControlBoxSimulator]:
    """A box that is accepted as control box and ready to write."""
    chosen = box or Box()
    await run.gateway.accept(chosen.ski, PeerRole.CONTROL_BOX, replace=False)
    async with chosen.dialling(run.ski, run.port) as simulator:
        await simulator.ready(wait_s=PATIENCE_S)
        yield simulator
