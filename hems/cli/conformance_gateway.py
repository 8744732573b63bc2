"""Our own gateway as the device under test: its buttons are its local interface and its process."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from eebus.conformance.device import LimitDisplay, LimitOrder, NotPossible
from eebus.ids import PeerRole, Ski, group_ski
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading
from hems.cli.client import ask
from hems.cli.options import CommandFailed, GatewayNotRunning

_START_WAIT_S = 60.0


class GatewayProcess:
    """``hems run`` as a process of its own, so that its power can be cut."""

    def __init__(self, config: Path, log: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._config = config
        self._log = log
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Power on."""
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hems",
                "run",
                "--config",
                str(self._config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self._environment, "PYTHONUNBUFFERED": "1"},
            )

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.returncode is not None

    def log_text(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])

    async def kill(self) -> None:
        """Power off, without any farewell."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Instruments(Protocol):
    """The meters of a house that belongs to the test bench: the gateway reads them over its adapters."""

    def show(self, use_case: str, sample: Mapping[Quantity, Reading]) -> None:
        """Let the grid meter (MGCP) or the device with sub-meter (MPC) show these values.

        Raises NotPossible for what these instruments cannot show.
        """

    def flowing_w(self, direction: Direction) -> float:
        """What flows through the grid connection in a direction, without asking the gateway."""


class GatewayOperator:
    """Presses the buttons of the gateway that works in a data directory.

    Without ``process`` it cannot be restarted; without ``instruments`` its house is what it is.
    """

    def __init__(
        self, data_dir: Path, process: GatewayProcess | None, instruments: Instruments | None = None
    ) -> None:
        self._data_dir = data_dir
        self._process = process
        self._instruments = instruments

    async def call(self, method: str, target: str, body: object = None) -> dict[str, Any]:
        """One call of the local interface."""
        return await asyncio.to_thread(ask, self._data_dir, method, target, body)

    async def until_running(self) -> dict[str, Any]:
        """The status, once the gateway answers. Raises CommandFailed when it never does."""
        for _ in range(int(_START_WAIT_S * 10)):
            try:
                return await self.call("GET", "/status")
            except GatewayNotRunning:
                if self._process is not None and self._process.has_ended:
                    break
                await asyncio.sleep(0.1)
        log = self._process.log_text() if self._process else ""
        raise CommandFailed(f"The gateway does not start.\n{log}".rstrip())

    async def trust(self, ski: Ski, *, as_control_box: bool) -> None:
        role = PeerRole.CONTROL_BOX if as_control_box else PeerRole.DEVICE
        await self.call("POST", f"/pairing/{ski}", {"role": role.value, "replace": True})

    async def distrust(self, ski: Ski) -> None:
        await self.call("DELETE", f"/pairing/{ski}")

    async def let_it_dial(self, _ski: Ski, _port: int) -> None:
        """The gateway dials every trusted peer that it sees announced."""

    async def restart(self, off_s: float) -> None:
        if self._process is None:
            raise NotPossible("the gateway was not started by this command, so it cannot be restarted")
        await self._process.kill()
        await asyncio.sleep(off_s)
        await self._process.start()
        await self.until_running()

    async def factory_reset(self) -> None:
        await self.call("POST", "/factory-reset", {"confirm": "factory-reset", "forget_peers": False})
        if self._process is not None:
            await self.restart(0.0)

    async def refuse_limits(self, _refuse: bool) -> None:
        raise NotPossible("the gateway never refuses a limit that it can read")

    async def measure(self, use_case: str, sample: Mapping[Quantity, Reading]) -> None:
        if self._instruments is None:
            raise NotPossible("the gateway's meter shows what flows in the house")
        self._instruments.show(use_case, sample)

    async def order(self, _order: LimitOrder) -> None:
        raise NotPossible("the energy guard of the gateway takes no orders from outside")

    async def order_failsafe(
        self, _direction: Direction, _limit_w: float | None, _duration_s: float | None
    ) -> None:
        raise NotPossible("the energy guard of the gateway takes no orders from outside")

    async def limit_display(self, direction: Direction) -> LimitDisplay:
        status = await self.call("GET", "/status")
        for limit in status["limits"]:
            if limit["direction"] == direction.value:
                return LimitDisplay(LimitState(limit["state"]), limit["limit_w"])
        raise NotPossible(f"the gateway does not limit its {direction}")

    async def measured_power_w(self, direction: Direction) -> float:
        if self._instruments is None:
            raise NotPossible("the gateway's own meter is no independent one")
        return self._instruments.flowing_w(direction)

    async def held_values(self, use_case: str) -> Mapping[Quantity, float]:
        raise NotPossible(f"the gateway does not show the values of {use_case}")


@contextlib.asynccontextmanager
async def trust_kept(gateway: GatewayOperator) -> AsyncIterator[None]:
    """Around the test of a gateway that others use: afterwards it trusts the same peers as before.

    Raises CommandFailed when it trusts a Steuerbox: there is one at a time, and the tester would be it.
    """
    before = await _trusted_by(gateway)
    for ski, role in before.items():
        if role == PeerRole.CONTROL_BOX.value:
            raise CommandFailed(
                f"This gateway trusts the Steuerbox {group_ski(ski)}, whose place a test would take. "
                "Test a gateway of its own instead: hems conformance --run-gateway FILE. "
                f"If this one has to be it, end the trust first: hems pair remove {ski}"
            )
    try:
        yield
    finally:
        for ski in (await _trusted_by(gateway)).keys() - before.keys():
            await gateway.distrust(ski)


async def _trusted_by(gateway: GatewayOperator) -> dict[Ski, str]:
    """The role of each trusted peer."""
    return {Ski(peer["ski"]): peer["role"] for peer in (await gateway.call("GET", "/pairing"))["trusted"]}
