"""Sets up house, gateway and Steuerbox in a throw-away folder, plays, and clears everything away."""

import asyncio
import contextlib
import logging
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from adapters.registry import DEFAULT_REGISTRY
from eebus.ids import Ski, group_ski
from hems.app import STARTING_TROUBLES, run_gateway
from hems.cli.demo.audience import Audience
from hems.cli.demo.child import ChildError, child
from hems.cli.demo.narrator import Narrator
from hems.cli.demo.scene import Scene, SceneError
from hems.config import load
from hems.gateway import RunningGateway

_CONFIGURATION = """\
site: {{name: Demo}}
eebus: {{host: 127.0.0.1, port: 0, announce: false}}
grid_connection_point:
  meter: {{type: sunspec-meter, host: 127.0.0.1, port: {port}, unit: 3}}
devices:
  - name: wallbox
    adapter:
      type: modbus
      profile: heidelberg-energy-control
      host: 127.0.0.1
      port: {port}
      unit: 1
      request_gap_ms: 0
  - name: inverter
    adapter: {{type: sunspec, host: 127.0.0.1, port: {port}, unit: 2}}
"""
_HEARTBEAT_S = "10"


def perform(*, short: bool) -> int:
    """Play the demo; returns the exit code."""
    narrator = Narrator()
    return asyncio.run(_until_interrupted(narrator, short))


async def _until_interrupted(narrator: Narrator, short: bool) -> int:
    play = asyncio.create_task(_play(narrator, short))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _Once(play).cancel)
    code, last_word = 0, "This was the short demo; nothing is left behind."
    try:
        await play
    except* asyncio.CancelledError:
        last_word = "The demo has ended; nothing is left behind."
    except* (ChildError, SceneError, *STARTING_TROUBLES) as group:
        code, last_word = 1, f"The demo failed: {'; '.join(str(error) for error in group.exceptions)}."
    narrator.heading(last_word)
    return code


class _Once:
    """Cancels once: a second Ctrl-C must not disturb the clearing away."""

    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task
        self._done = False

    def cancel(self) -> None:
        if not self._done:
            self._done = True
            self._task.cancel()


async def _play(narrator: Narrator, short: bool) -> None:
    narrator.heading(
        "A house, its gateway and a Steuerbox, all simulated on 127.0.0.1. Ctrl-C ends it at any time."
    )
    with tempfile.TemporaryDirectory(prefix="hems-demo-") as folder:
        async with _stage(narrator, Path(folder)) as scene:
            await scene.pairing()
            await scene.consumption_limit()
            await scene.release()
            await scene.feed_in_limit()
            if short:
                return
            await scene.failsafe()
            narrator.heading("That is all. The gateway keeps running like this until you end it with Ctrl-C.")
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def _stage(narrator: Narrator, folder: Path) -> AsyncIterator[Scene]:
    audience = Audience(narrator)
    async with contextlib.AsyncExitStack() as stack:
        house, ready = await stack.enter_async_context(
            child("house", "adapters.simulated", "--report-s", "0.2", "--sun-w", "0", "--load-w", "600",
                  on_line=audience.house_line)
        )  # fmt: skip
        port = ready["port"]
        narrator.say(
            "House", f"a wallbox with a car, a PV inverter and a grid meter answer on Modbus TCP port {port}"
        )
        await house.ask({"cmd": "set", "battery_energy_wh": 0.0})
        gateway = await stack.enter_async_context(_gateway(folder, port, audience))
        status = gateway.status()
        narrator.say("Gateway", f"listens on 127.0.0.1:{status['port']}, SKI {group_ski(status['ski'])}")
        box, ready = await stack.enter_async_context(
            child("Steuerbox", "eebus.simulator", "--dir", str(folder / "box"), "--heartbeat-s", _HEARTBEAT_S,
                  "--partner", f"{status['ski']}@127.0.0.1:{status['port']}", on_line=lambda _line: None)
        )  # fmt: skip
        ski = Ski(ready["ski"])
        narrator.say("Steuerbox", f"SKI {group_ski(ski)}, dials the gateway over TLS")
        yield Scene(narrator, audience, house, box, ski, gateway)


@contextlib.asynccontextmanager
async def _gateway(folder: Path, house_port: int, audience: Audience) -> AsyncIterator[RunningGateway]:
    """The real gateway with a configuration file, in this process; its log goes into the folder."""
    path = folder / "hems.yaml"
    path.write_text(_CONFIGURATION.format(port=house_port), encoding="utf-8")
    configuration = load(path, DEFAULT_REGISTRY)
    logging.basicConfig(filename=folder / "gateway.log", level=logging.INFO, force=True)
    stop = asyncio.Event()
    started: asyncio.Future[RunningGateway] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        run_gateway(configuration, stop, observer=audience.gateway_event, started=started)
    )
    waiting: set[asyncio.Future[Any]] = {running, started}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            await running
        yield started.result()
    finally:
        stop.set()
        await running
        logging.basicConfig(handlers=[logging.NullHandler()], force=True)
