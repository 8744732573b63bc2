"""Our Steuerbox as a program, seen from the tests: it guards (LPC, LPP) and reads (MGCP, MPC).

The program is ``python -m eebus.simulator``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.interop.go_peer import Direction, Partner
from tests.interop.house_peer import PROJECT
from tests.interop.json_peer import START_TIMEOUT_S, JsonPeer, Members


@dataclass(frozen=True, slots=True)
class BoxStatus:
    """The node of the box."""

    connections: tuple[str, ...]
    """All that are open, whatever their phase."""
    pairing_requests: tuple[str, ...]
    discovered: tuple[str, ...]


class OurBox(JsonPeer):
    """A running Steuerbox of ours."""

    ski: str

    @classmethod
    async def launch_box(
        cls,
        directory: Path,
        *,
        prefix: Sequence[str] = (),
        port: int,
        partners: Sequence[Partner] = (),
        mdns: bool = False,
        heartbeat_s: float = 25.0,
    ) -> Self:
        """Listen on every address of the host; dial partners with an address or an announcement.

        The identity stays in the directory; partners are named anew with each start.
        """
        program = [sys.executable, "-m", "eebus.simulator", "--dir", str(directory), "--log", "debug"]
        place = ["--host", "", "--port", str(port), "--heartbeat-s", str(heartbeat_s)]
        for partner in partners:
            at = f"@{partner.address}:{partner.port}" if partner.address else ""
            place += ["--partner", f"{partner.ski}{at}"]
        mdns_option = ["--mdns"] if mdns else []
        command = [*prefix, *program, *place, "--serial", directory.name, *mdns_option]
        peer = await cls.launch(command, directory / "box.log", folder=PROJECT)
        peer.ski = (await peer.wait_for("ready", START_TIMEOUT_S))["ski"]
        return peer

    async def pair(self, partner: Partner) -> None:
        """Trust a controllable system, and dial it when its place is given or announced."""
        await self.call("pair", ski=partner.ski, address=partner.address, port=partner.port)

    async def ready(self, ski: str, since: int = 0, timeout_s: float = 30.0) -> None:
        """Wait until the partner can be written."""
        await self.wait_for("system_ready", timeout_s, since, ski=ski)

    async def limit(
        self,
        direction: Direction,
        value_w: float,
        *,
        active: bool = True,
        duration_s: float | None = None,
        ski: str | None = None,
    ) -> Members:
        """Write a limit (a magnitude); the members are ``accepted``, ``error_number``, ``description``."""
        written: Members = await self.call(
            "limit", ski=ski, direction=direction, value_w=value_w, active=active, duration_s=duration_s
        )
        return written

    async def failsafe(self, **values: float) -> Members:
        """Write failsafe values in one message: ``consumption_w``, ``production_w``, ``duration_s``."""
        written: Members = await self.call("failsafe", **values)
        return written

    async def heartbeat(self, on: bool) -> None:
        """Send one heartbeat at once and then regularly, or stop."""
        await self.call("heartbeat", on=on)

    async def read_back(self) -> Members:
        """Read limits, failsafe values, maxima and the age of the partner's heartbeat."""
        read: Members = await self.call("read_back")
        return read

    async def grid(self) -> dict[str, float]:
        """What is known of the partner's grid connection point, by quantity; only notifies bring news."""
        values: dict[str, float] = await self.call("mgcp")
        return values

    async def unit(self) -> dict[str, float]:
        """The same of the partner's only monitored unit; empty while it is not known."""
        units: dict[str, dict[str, float]] = await self.call("mpc")
        return next(iter(units.values()), {})

    async def status(self) -> BoxStatus:
        """Look at its node."""
        data: Members = await self.call("status")
        return BoxStatus(
            connections=tuple(connection["ski"] for connection in data["connections"]),
            pairing_requests=tuple(data["pairing_requests"]),
            discovered=tuple(data["discovered"]),
        )
