"""Our own controllable system as a program, seen from the tests (the program is ``house.py``)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tests.interop.go_peer import Direction, Partner
from tests.interop.json_peer import START_TIMEOUT_S, JsonPeer, Members

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class DirectionView:
    """One direction of the controllable system; watts as magnitudes, None where nothing restricts."""

    state: str
    rule: str
    effective_limit_w: float | None
    limit_kind: str | None
    limit_remaining_s: float | None
    stored_value_w: float
    failsafe_limit_w: float | None


@dataclass(frozen=True, slots=True)
class HouseView:
    """The controllable system and its node."""

    consumption: DirectionView
    production: DirectionView
    heartbeat_age_s: float | None
    energy_guard: str | None
    failsafe_duration_s: float
    announced: tuple[str, ...]
    connected: tuple[str, ...]
    connections: tuple[str, ...]
    """All that are open, whatever their phase."""
    discovered: tuple[str, ...]
    """Announced at this moment."""
    pairing_requests: tuple[str, ...]
    trusted: tuple[str, ...]

    def direction(self, name: Direction) -> DirectionView:
        """Return one direction by its name."""
        return self.consumption if name == "consumption" else self.production


class HousePeer(JsonPeer):
    """A running controllable system of ours."""

    ski: str

    @classmethod
    async def launch_house(cls, directory: Path, *, prefix: Sequence[str] = ()) -> Self:
        """Run the program; identity, trust and failsafe values stay in the directory."""
        command = [*prefix, sys.executable, "-m", "tests.interop.house", str(directory)]
        peer = await cls.launch(command, directory / "house.log", folder=PROJECT)
        peer.ski = (await peer.wait_for("ready", START_TIMEOUT_S))["ski"]
        return peer

    async def start(self, *, port: int, partners: Sequence[Partner] = (), announce: bool = False) -> None:
        """Listen on every address of the host; dial partners with an address; announce and browse."""
        places = [asdict(partner) for partner in partners]
        await self.call("start", port=port, announce=announce, partners=places)

    async def accept(self, ski: str, role: str = "control-box", *, replace: bool = False) -> None:
        """Trust a node in a role."""
        await self.call("accept", ski=ski, role=role, replace=replace)

    async def remove(self, ski: str) -> None:
        """Withdraw the trust."""
        await self.call("remove", ski=ski)

    async def measure(self, power_w: float, feed_in_wh: float, consumed_wh: float) -> None:
        """Publish at the grid connection point: power negative while feeding in, energies as magnitudes."""
        await self.call("measure", power_w=power_w, feed_in_wh=feed_in_wh, consumed_wh=consumed_wh)

    async def measure_unit(self, **values: float) -> None:
        """Publish at the monitored unit: consumption positive, energies as magnitudes."""
        await self.call("measure_unit", **values)

    async def view(self) -> HouseView:
        """Look at it from inside."""
        data: Members = await self.call("view")
        return HouseView(
            consumption=DirectionView(**data["consumption"]),
            production=DirectionView(**data["production"]),
            heartbeat_age_s=data["heartbeat_age_s"],
            energy_guard=data["energy_guard"],
            failsafe_duration_s=data["failsafe_duration_s"],
            announced=tuple(data["announced"]),
            connected=tuple(data["connected"]),
            connections=tuple(data["connections"]),
            discovered=tuple(data["discovered"]),
            pairing_requests=tuple(data["pairing_requests"]),
            trusted=tuple(data["trusted"]),
        )

    async def wait_until(self, is_so: Callable[[HouseView], bool], timeout_s: float = 10.0) -> None:
        """Look again and again until it is so."""
        async with asyncio.timeout(timeout_s):
            while True:
                if is_so(await self.view()):
                    return
                await asyncio.sleep(0.1)

    async def state(self, direction: Direction) -> str:
        """Return the state of one direction."""
        return (await self.view()).direction(direction).state

    async def wait_for_state(
        self, direction: Direction, state: str, timeout_s: float = 5.0, since: int = 0
    ) -> Any:
        """Wait for the event that tells a change into a state."""
        return await self.wait_for("LimitStateChanged", timeout_s, since, direction=direction, after=state)
