"""The Go peer as an object: the Steuerbox of the tests, and a Go controllable system to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from tests.interop.json_peer import START_TIMEOUT_S, JsonPeer, Members

Direction = Literal["consumption", "production"]


@dataclass(frozen=True, slots=True)
class Partner:
    """Another node by its SKI; it is dialled at its address, or without one found by mDNS or waited for."""

    ski: str
    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result message that answered a write. ``latency_ns`` runs from sending to its arrival."""

    error_number: int
    description: str
    msg_counter: int
    sent_ns: int
    answered_ns: int
    latency_ns: int

    @property
    def accepted(self) -> bool:
        """Whether the error number is 0."""
        return self.error_number == 0


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as the box knows it. ``duration_s`` is 0 when there is no end."""

    value_w: float
    active: bool
    changeable: bool
    duration_s: float


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What the box knows of a controllable system; None where it has no value."""

    consumption: Limit | None
    production: Limit | None
    failsafe_consumption_w: float | None
    failsafe_production_w: float | None
    failsafe_duration_s: float | None
    nominal_max_consumption_w: float | None
    nominal_max_production_w: float | None
    heartbeat_recent: bool


@dataclass(frozen=True, slots=True)
class GridValues:
    """What the box knows of the grid connection point: watts and watt-hours, consumption positive."""

    power_w: float | None
    feed_in_wh: float | None
    consumed_wh: float | None


class GoPeer(JsonPeer):
    """A running Go peer; :meth:`start` makes it listen."""

    ski: str
    ship_id: str

    @classmethod
    async def launch_go(
        cls,
        program: Path,
        directory: Path,
        *,
        prefix: Sequence[str] = (),
        mode: Literal["box", "cs"] = "box",
        serial: str = "1",
        debug: bool = False,
    ) -> Self:
        """Run the program behind a prefix like ``ip netns exec NAME``; the directory keeps its identity."""
        command = [*prefix, str(program), "-mode", mode, "-dir", str(directory), "-serial", serial]
        peer = await cls.launch([*command, "-debug"] if debug else command, directory / "peer.log")
        ready = await peer.wait_for("ready", START_TIMEOUT_S)
        peer.ski, peer.ship_id = ready["ski"], ready["ship_id"]
        return peer

    async def start(
        self,
        *,
        port: int,
        partners: Sequence[Partner] = (),
        mdns: bool = False,
        dial: bool = True,
        wait_for_trust: bool = True,
        heartbeat_timeout_s: int = 60,
    ) -> None:
        """Listen on every address of the host and connect to the partners.

        With ``dial=False`` it only answers. With ``wait_for_trust=False`` it aborts the hello of a node that
        is not a partner; otherwise it stays pending until :meth:`pair`.
        """
        await self.call(
            "start",
            port=port,
            mdns=mdns,
            dial=dial,
            wait_for_trust=wait_for_trust,
            heartbeat_timeout_s=heartbeat_timeout_s,
            partners=[asdict(partner) for partner in partners],
        )

    async def ready_to_control(self, ski: str, since: int = 0, timeout_s: float = 15.0) -> None:
        """Wait until this box knows limits and failsafe values of a partner in both directions."""
        for use_case in ("lpc", "lpp"):
            await self.wait_for(
                "use_case_support", timeout_s, since, ski=ski, use_case=use_case, present=True
            )
        for direction in ("consumption", "production"):
            await self.wait_for("limit_seen", timeout_s, since, ski=ski, direction=direction)
            await self.wait_for("failsafe_seen", timeout_s, since, ski=ski, direction=direction)

    async def pair(self, partner: Partner) -> None:
        """Trust a node, and dial it when its place is known."""
        await self.call("pair", **asdict(partner))

    async def unpair(self, ski: str) -> None:
        """Forget a node and close its connection."""
        await self.call("unpair", ski=ski)

    async def disconnect(self, ski: str) -> None:
        """Close the connection in an orderly way; the node stays trusted and is dialled again."""
        await self.call("disconnect", ski=ski)

    async def heartbeat(self, on: bool) -> None:
        """Send one heartbeat at once and then regularly, or stop."""
        await self.call("heartbeat", on=on)

    async def limit(
        self,
        direction: Direction,
        value_w: float | None = None,
        *,
        active: bool | None = True,
        duration_s: float | None = None,
        delete_duration: bool = False,
        ski: str | None = None,
    ) -> WriteResult:
        """Write a limit; what is None is not in the message. Production limits are negative on the wire."""
        written = await self.call(
            "limit",
            ski=ski,
            direction=direction,
            value_w=value_w,
            active=active,
            duration_s=duration_s,
            delete_duration=delete_duration,
        )
        return WriteResult(**written)

    async def burst(
        self, direction: Direction, value_w: float, count: int, *, ski: str | None = None
    ) -> list[int]:
        """Write that many active limits, each after the result of the one before; return latencies in ns."""
        data = await self.call(
            "burst", 60.0, ski=ski, direction=direction, value_w=value_w, active=True, count=count
        )
        assert data["refused"] == 0, data
        latencies: list[int] = data["latencies_ns"]
        return latencies

    async def failsafe(
        self,
        *,
        consumption_w: float | None = None,
        production_w: float | None = None,
        duration_s: float | None = None,
        ski: str | None = None,
    ) -> WriteResult:
        """Write failsafe values, all in one message."""
        written = await self.call(
            "failsafe", ski=ski, consumption_w=consumption_w, production_w=production_w, duration_s=duration_s
        )
        return WriteResult(**written)

    async def read_back(self, *, ski: str | None = None, refresh: bool = True) -> ReadBack:
        """Return the data of the controllable system, read anew or (refresh=False) as it was notified."""
        data: Members = await self.call("read_back", ski=ski, refresh=refresh)
        return ReadBack(
            consumption=_limit(data["limits"]["consumption"]),
            production=_limit(data["limits"]["production"]),
            failsafe_consumption_w=data["failsafe"]["consumption_w"],
            failsafe_production_w=data["failsafe"]["production_w"],
            failsafe_duration_s=data["failsafe"]["duration_s"],
            nominal_max_consumption_w=data["nominal_max"]["consumption_w"],
            nominal_max_production_w=data["nominal_max"]["production_w"],
            heartbeat_recent=data["heartbeat_recent"],
        )

    async def grid(self, *, ski: str | None = None, refresh: bool = True) -> GridValues:
        """Return the values of the grid connection point."""
        data: Members = await self.call("mgcp", ski=ski, refresh=refresh)
        return GridValues(data["power_w"], data["feed_in_wh"], data["consumed_wh"])

    async def status(self) -> Any:
        """Return the connected devices with entities and use cases, and who supports which use case."""
        return await self.call("status")


def _limit(members: Members | None) -> Limit | None:
    return Limit(**members) if members is not None else None
