"""Limits from relays, the cap, programmes and people, beside the Steuerbox, down to the registers."""

import asyncio
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from hems.cli.root import hems as command
from hems.gateway import RunningGateway
from hems.journal.reading import JournalReader
from hems.journal.record import Entry
from tests.integration.hems.support import (
    CURRENT_REGISTER,
    eventually,
    running_gateway,
    simulated_house,
    trusted_box,
    write_configuration,
)
from tests.unit.adapters.modbus_stub import tcp_frame, tcp_stub

FOUR = "inputs: {w4: 0, w3: 1, s2: 2, s1: 3}"


@dataclass
class RelayModule:
    """An I/O module on loopback."""

    closed: set[int] = field(default_factory=set)

    async def answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        function, address, count = struct.unpack(">BHH", request[7:])
        bits = sum(1 << offset for offset in range(count) if address + offset in self.closed)
        body = bits.to_bytes((count + 7) // 8, "little")
        writer.write(tcp_frame(request, bytes([function, len(body)]) + body))


def with_relays(path: Path, port: int) -> Path:
    path.write_text(
        path.read_text()
        + f"""
generation: {{installed_power_w: 10000, tested_on: 2026-01-01}}
relays:
  - name: box
    wiring: four_contacts
    adapter: {{type: modbus-contacts, host: 127.0.0.1, port: {port}, {FOUR}}}
"""
    )
    return path


def source(gateway: RunningGateway, name: str) -> dict[str, Any]:
    return next(each for each in gateway.status()["sources"] if each["source"] == name)


def setpoint_w(gateway: RunningGateway, device: str) -> float | None:
    shown = next(each for each in gateway.status()["devices"] if each["name"] == device)
    found: float | None = shown["orders"][0]["setpoint_w"]
    return found


def is_close(gateway: RunningGateway, limit_w: float) -> bool:
    """The wallbox has the next value below a limit; it takes tenths of an ampere."""
    told_w = setpoint_w(gateway, "wallbox")
    return told_w is not None and limit_w - 70.0 < told_w <= limit_w


def hems(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--data-dir", str(folder / "data")])


async def test_relays_and_eebus_hold_together_and_neither_releases_the_other(tmp_path: Path) -> None:
    module = RelayModule()
    async with tcp_stub(module.answer) as peer, simulated_house() as house:
        path = with_relays(write_configuration(tmp_path, house.port, failsafe_w=9000.0), peer.port)
        async with running_gateway(path) as run, trusted_box(run) as box:
            await eventually(lambda: source(run.gateway, "relay/box/consumption")["kind"] == "grid_operator")
            await box.limit(8000.0)
            await eventually(lambda: is_close(run.gateway, 8000.0))
            since = len(house.watched.events)
            module.closed = {0}
            await house.until_register("wallbox", CURRENT_REGISTER, 60, since)
            assert source(run.gateway, "relay/box/consumption")["limit_w"] == 4200.0
            await box.deactivate()
            await eventually(lambda: source(run.gateway, "eebus/lpc")["limit_w"] is None)
            assert setpoint_w(run.gateway, "wallbox") == 4140.0
            module.closed = {0, 2}
            await eventually(lambda: source(run.gateway, "relay/box/production")["limit_w"] == 3000.0)
            minimum_w = run.gateway.status()["minimum_power_w"]
        entries = await recorded(path)
        assert any("relays box" in entry.text and "w4 active" in entry.text for entry in entries)
        (ordered,) = [entry for entry in entries if entry.values.get("active") == 1]
        assert ordered.values["minimum_mw"] == round(1000 * minimum_w)
        assert ordered.values["convention"] == "house_first"


async def recorded(path: Path) -> list[Entry]:
    """Every step of every event in the journal."""
    events = await asyncio.to_thread(lambda: JournalReader(path.parent / "data").events(most=100))
    return [record.entry for event in events for record in event.steps]


async def test_relays_that_cannot_be_read_restrict_the_house_and_are_no_order(tmp_path: Path) -> None:
    async with simulated_house() as house:
        path = with_relays(write_configuration(tmp_path, house.port, failsafe_w=9000.0), 9)
        async with running_gateway(path) as run:
            shown = source(run.gateway, "relay/box/consumption")
            assert (shown["limit_w"], shown["kind"]) == (4200.0, "self_imposed")
            await eventually(lambda: setpoint_w(run.gateway, "wallbox") == 4140.0)
            await eventually(lambda: any("relays box" in w for w in run.gateway.status()["warnings"]))
        assert any("not readable" in entry.text for entry in await recorded(path))


async def test_cap_fuse_and_programme_are_in_force_from_the_start_without_any_connection(
    tmp_path: Path,
) -> None:
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port)
        text = path.read_text().replace(
            "  contractual_production_w: 10000\n",
            "  contractual_production_w: 10000\n  protection: {fuse_a: 35}\n",
        )
        path.write_text(
            text
            + """
generation: {installed_power_w: 9900}
programmes:
  - {name: always, consumption_w: 1000, windows: [{from: "00:00", until: "00:00"}]}
"""
        )
        async with running_gateway(path) as run:
            assert source(run.gateway, "statutory/feed_in_cap")["limit_w"] == 5940.0
            assert source(run.gateway, "protection/fuse")["limit_w"] == 21_735.0
            assert source(run.gateway, "programme/always")["limit_w"] == 1000.0
            await eventually(lambda: setpoint_w(run.gateway, "wallbox") == 0.0)


async def test_an_own_limit_is_set_shown_kept_over_a_restart_and_lifted(tmp_path: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port, failsafe_w=11_000.0)
        async with running_gateway(path) as run:
            told = await asyncio.to_thread(hems, tmp_path, "limit", "5000")
            assert told.output == "The own limit is 5.00 kW.\n"
            await eventually(lambda: is_close(run.gateway, 5000.0))
            shown = await asyncio.to_thread(hems, tmp_path, "status")
            assert "user/own_limit: an own limit of 5.00 kW was set by a local command" in shown.output
            assert "(7.2 A three-phase) because" in shown.output
        async with running_gateway(path) as run:
            assert source(run.gateway, "user/own_limit")["limit_w"] == 5000.0
            lifted = await asyncio.to_thread(hems, tmp_path, "limit", "off")
            assert lifted.output == "There is no own limit.\n"
            wrong = await asyncio.to_thread(hems, tmp_path, "limit", "-5x")
            assert wrong.exit_code == 2
