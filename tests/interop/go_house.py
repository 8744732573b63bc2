"""The Go controllable system as an object: LPC, LPP and MGCP on one entity, MPC on a sub-meter."""

from __future__ import annotations

from dataclasses import dataclass

from tests.interop.go_peer import GoPeer, Limit
from tests.interop.json_peer import REPLY_TIMEOUT_S, Members


@dataclass(frozen=True, slots=True)
class GoHouseStatus:
    """What the Go controllable system holds. Production values are negative, as on the wire."""

    consumption: Limit
    production: Limit
    failsafe_consumption_w: float
    failsafe_production_w: float
    failsafe_duration_s: float
    heartbeat_recent: bool
    """The stack has a heartbeat of the box that is younger than two minutes."""
    partners: tuple[str, ...]
    """Connected devices."""


class GoHouse(GoPeer):
    """A running controllable system of the Go stack."""

    async def measure(self, **values: float | list[float]) -> None:
        """Publish at the grid connection point; names as in the README, energies with their sign."""
        await self.call("measure", REPLY_TIMEOUT_S, **values)

    async def measure_unit(self, **values: float | list[float]) -> None:
        """Publish at the monitored unit."""
        await self.call("measure_unit", REPLY_TIMEOUT_S, **values)

    async def heartbeat_within(self, ski: str, seconds: float) -> bool:
        """Whether the stack holds a heartbeat of this partner that is younger."""
        within: bool = await self.call("heartbeat_within", ski=ski, seconds=seconds)
        return within

    async def house(self) -> GoHouseStatus:
        """Look at it from inside."""
        data: Members = await self.call("status")
        return GoHouseStatus(
            consumption=Limit(**data["consumption"]),
            production=Limit(**data["production"]),
            failsafe_consumption_w=data["failsafe"]["consumption_w"],
            failsafe_production_w=data["failsafe"]["production_w"],
            failsafe_duration_s=data["failsafe"]["duration_s"],
            heartbeat_recent=data["heartbeat_recent"],
            partners=tuple(data["partners"]),
        )
