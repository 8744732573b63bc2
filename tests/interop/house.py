"""The stack alone as a program: a controllable system with a grid connection point and one monitored unit.

``python -m tests.interop.house DIRECTORY`` keeps identity, trust and failsafe values in the directory and is
driven by JSON lines. Commands: ``start`` (``port``, ``announce``, ``partners``), ``accept`` (``ski``,
``role``, ``replace``), ``remove`` (``ski``), ``measure``, ``measure_unit``, ``view``, ``quit``. Every event
of the node, of SPINE and of the use cases is a line under the name of its class.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from eebus.clock import SystemClock
from eebus.ids import PeerRole, ShipId, parse_ski
from eebus.io.addresses import PeerAddress
from eebus.io.events import PersistTrust
from eebus.io.node import Node, NodeSettings
from eebus.ship.identity import Identity, load_identity, make_identity
from eebus.ship.service import ServiceDescription
from eebus.ship.trust import TrustEntry, TrustList
from eebus.usecases.controllable_system import ControllableSystemSettings, DirectionStatus
from eebus.usecases.events import PersistFailsafe, StoredFailsafe
from eebus.usecases.house import SubMeter, build_gateway, build_stack
from eebus.usecases.monitoring import MonitoringSettings
from eebus.usecases.monitoring_data import MPC, Quantity, Reading
from tests.interop.json_lines import say, serve_lines

SHIP_ID = ShipId("HemsTest-Stack-1")
_UNIT = "Sub-meter"
SERVICE = ServiceDescription(
    brand="HemsTest", model="Stack", type="EnergyManagementSystem", serial="1", categories=(2,)
)


class House:
    """The controllable system with its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clock = SystemClock()
        self._identity = _identity_in(folder)
        self._gateway = build_gateway(
            "d:_n:HemsTest_Stack-1",
            settings=ControllableSystemSettings(),
            failsafe=StoredFailsafe(**_read(folder / "failsafe.json", {})),
            grid=MonitoringSettings(),
            sub_meters=(SubMeter(_UNIT, optional=MPC.quantities - MPC.mandatory),),
        )
        self._stack = build_stack(self._gateway, self._clock.utc_now)
        self._node: Node | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def ski(self) -> str:
        """Our SKI."""
        return self._identity.ski

    async def start(self, port: int, announce: bool, partners: list[dict[str, Any]]) -> dict[str, Any]:
        """Serve, and dial trusted partners whose address is given or announced."""
        known = [place for place in partners if place["address"]]
        self._node = Node(
            identity=self._identity,
            ship_id=SHIP_ID,
            stack=self._stack,
            trust=TrustList(_trust_entry(**entry) for entry in _read(self._folder / "trust.json", [])),
            settings=NodeSettings(
                port=port,
                service=SERVICE,
                announce=announce,
                discover=announce,
                peers=tuple(
                    PeerAddress(parse_ski(place["ski"]), place["address"], place["port"]) for place in known
                ),
            ),
            clock=self._clock,
            on_event=_tell,
            persist=self._persist,
            random=lambda shortest, _longest: shortest,  # the delays before a dial
        )
        self._node.act(self._gateway.start)
        self._running = asyncio.create_task(self._node.run())
        listening = asyncio.create_task(self._node.listening())
        await asyncio.wait({self._running, listening}, return_when=asyncio.FIRST_COMPLETED)
        if self._running.done():
            self._running.result()
        return {"port": await listening}

    async def accept(self, ski: str, role: str, replace: bool) -> None:
        """Trust a node."""
        await self._started.accept(parse_ski(ski), PeerRole(role), replace=replace)

    async def remove(self, ski: str) -> None:
        """Withdraw the trust."""
        await self._started.remove(parse_ski(ski))

    async def measure(self, power_w: float, feed_in_wh: float, consumed_wh: float) -> None:
        """Publish at the grid connection point."""
        sample = {
            Quantity.POWER: Reading(power_w),
            Quantity.ENERGY_PRODUCED: Reading(feed_in_wh),
            Quantity.ENERGY_CONSUMED: Reading(consumed_wh),
        }
        self._started.act(partial(self._gateway.grid_connection_point.publish, sample))

    async def measure_unit(self, **values: float) -> None:
        """Publish at the monitored unit; the names are those of the quantities."""
        sample = {Quantity(name): Reading(value) for name, value in values.items()}
        self._started.act(partial(self._gateway.sub_meters[_UNIT].publish, sample))

    async def view(self) -> dict[str, Any]:
        """Tell how it stands."""
        status = self._gateway.controllable_system.status(self._clock.monotonic())
        node = self._started.snapshot()
        assert status.consumption is not None
        assert status.production is not None
        return {
            "consumption": _view(status.consumption),
            "production": _view(status.production),
            "heartbeat_age_s": status.heartbeat_age_s,
            "energy_guard": status.energy_guard,
            "failsafe_duration_s": status.failsafe_duration_s,
            "announced": node.announced_addresses,
            "connected": [connection.ski for connection in node.connections if connection.carries_spine],
            "connections": [connection.ski for connection in node.connections],
            "discovered": [found.service.ski for found in node.discovered if found.visible],
            "pairing_requests": [request.ski for request in node.pairing_requests],
            "trusted": [entry.ski for entry in node.trusted],
        }

    async def stop(self) -> None:
        """End in an orderly way."""
        if self._running is not None:
            self._started.stop()
            await self._running

    @property
    def _started(self) -> Node:
        if self._node is None:
            raise RuntimeError("not started")
        return self._node

    async def _persist(self, record: object) -> None:
        match record:
            case PersistTrust(trust):
                _write(self._folder / "trust.json", [_plain(entry) for entry in trust])
            case PersistFailsafe():
                _write(self._folder / "failsafe.json", _plain(record.stored))
            case _:
                pass  # the record of an order is the gateway's matter


def _view(status: DirectionStatus) -> dict[str, Any]:
    wanted = (
        "state",
        "rule",
        "effective_limit_w",
        "limit_kind",
        "limit_remaining_s",
        "stored_value_w",
        "failsafe_limit_w",
    )
    return {name: getattr(status, name) for name in wanted}


def _trust_entry(ski: str, role: str, accepted_at: str, **rest: Any) -> TrustEntry:
    return TrustEntry(
        ski=parse_ski(ski), role=PeerRole(role), accepted_at=datetime.fromisoformat(accepted_at), **rest
    )


def _identity_in(folder: Path) -> Identity:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    if not key.exists():
        made = make_identity("hems-test", now=SystemClock().utc_now())
        certificate.write_bytes(made.certificate_pem)
        key.write_bytes(made.key_pem)
    return load_identity(key.read_bytes(), certificate.read_bytes())


def _read(file: Path, default: Any) -> Any:
    return json.loads(file.read_text()) if file.exists() else default


def _write(file: Path, content: object) -> None:
    with file.with_suffix(".new").open("w") as new:
        json.dump(content, new, default=str)
        new.flush()
        os.fsync(new.fileno())
    file.with_suffix(".new").replace(file)


def _plain(record: Any) -> dict[str, Any]:
    return asdict(record)


def _tell(event: object) -> None:
    members = (
        {field.name: getattr(event, field.name) for field in fields(event)} if is_dataclass(event) else {}
    )
    say(type(event).__name__, **members)


async def main() -> None:
    """Run until ``quit``."""
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    house = House(Path(sys.argv[1]))
    say("ready", ski=house.ski)
    try:
        await serve_lines(
            {
                "start": house.start,
                "accept": house.accept,
                "remove": house.remove,
                "measure": house.measure,
                "measure_unit": house.measure_unit,
                "view": house.view,
            }
        )
    finally:
        await house.stop()


if __name__ == "__main__":
    asyncio.run(main())
