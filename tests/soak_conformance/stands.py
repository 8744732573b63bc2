"""The devices that the cases run on: our two programs as processes, and what is built on ``eebus`` alone."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from eebus.conformance.identities import Identities
from eebus.conformance.loopback import LoopbackDevice
from eebus.conformance.operator import Operator
from eebus.conformance.own import CONTROL_BOX, DISPLAY, ENERGY_MANAGER, GATEWAY, HEAT_PUMP, OwnDevice
from eebus.conformance.remote import RemoteDevice, RemoteSettings
from eebus.conformance.runner import Target
from eebus.conformance.sheet import Sheet
from eebus.ids import parse_ski
from hems.cli.conformance import declared_by
from hems.cli.conformance_gateway import GatewayOperator, GatewayProcess
from hems.cli.conformance_steuerbox import SteuerboxOperator, steuerbox_process
from tests.soak_conformance.house import CAP_PERCENT, INVERTER_UNIT, METER_UNIT, House

HOST: Final = "127.0.0.1"
BACKEND: Final = "process"
_CONFIGURATION: Final = """\
site: {{name: Conformance}}
data_dir: data
eebus:
  host: {host}
  port: {port}
  interfaces: [{host}]
  report_devices: true
  downstream: true
  failsafe:
    consumption_w: {consumption_w:g}
    production_w: {production_w:g}
    max_duration_s: {longest_s:g}
grid_connection_point:
  contractual_consumption_w: 34500
  contractual_production_w: 30000
  meter: {{type: sunspec-meter, host: {host}, port: {house}, unit: {meter}, sign: import_positive}}
generation: {{installed_power_w: 30000, cap_percent: {cap_percent:g}}}
devices:
  - name: inverter
    adapter: {{type: sunspec, host: {host}, port: {house}, unit: {inverter}}}
"""


@dataclass(frozen=True, slots=True)
class Stand:
    """A kind of device. ``up`` brings one to life in a folder of its own."""

    name: str
    sheet: Sheet
    up: Callable[[Path], AbstractAsyncContextManager[Target]]


def _measured_power(sheet: Sheet) -> Sheet:
    """The bench has a meter of its own in the house of the gateway (M1)."""
    sections = {name: {**sheet.sections[name], "M1": True} for name in ("LPC", "LPP")}
    return replace(sheet, sections={**sheet.sections, **sections})


GATEWAY_SHEET: Final = _measured_power(GATEWAY.sheet)


@contextlib.asynccontextmanager
async def _gateway(folder: Path) -> AsyncIterator[Target]:
    """``hems run`` with meters that the bench reads out and sets."""
    house, port = House(), free_port()
    async with house.serving() as house_port:
        config = _written(folder, _configuration(port, house_port))
        process = GatewayProcess(config, folder / "gateway.log")
        operator = GatewayOperator(folder / "data", process, house)
        await process.start()
        try:
            await operator.until_running()
            identity = await operator.call("GET", "/identity")
            sheet = declared_by(GATEWAY_SHEET, identity["ship_id"])
            async with _tested(folder, operator, identity["ski"], port, is_guard=False) as device:
                yield _target("hems run", sheet, device)
        finally:
            await process.kill()


@contextlib.asynccontextmanager
async def _steuerbox(folder: Path) -> AsyncIterator[Target]:
    """``hems steuerbox``, with commands typed into it."""
    async with steuerbox_process(folder, interfaces=(HOST,)) as (process, introduction):
        sheet = declared_by(CONTROL_BOX.sheet, introduction["ship_id"])
        operator = SteuerboxOperator(process)
        ski, port = introduction["ski"], introduction["port"]
        async with _tested(folder, operator, ski, port, is_guard=True) as device:
            yield _target("hems steuerbox", sheet, device)


@contextlib.asynccontextmanager
async def _tested(
    folder: Path, operator: Operator, ski: str, port: int, *, is_guard: bool
) -> AsyncIterator[RemoteDevice]:
    settings = RemoteSettings(
        host=HOST,
        port=port,
        ski=parse_ski(ski),
        listen_host=HOST,
        interfaces=(HOST,),
        tester_is_control_box=not is_guard,
    )
    device = RemoteDevice(settings, operator, Identities(settings.ski, folder=folder / "tester"))
    try:
        yield device
    finally:
        await device.close()


def _target(name: str, sheet: Sheet, device: RemoteDevice) -> Target:
    return Target(name=name, backend=BACKEND, sheet=sheet, make=device.case, exhaustive=False)


def _library(own: OwnDevice) -> Stand:
    """One of the devices that no program of ours is, over sockets of this process, in real time."""

    @contextlib.asynccontextmanager
    async def up(_folder: Path) -> AsyncIterator[Target]:
        yield Target(
            name=own.name,
            backend=LoopbackDevice.backend,
            sheet=own.sheet,
            make=lambda: LoopbackDevice(own, scale=1.0).running(),
            exhaustive=False,
        )

    return Stand(own.name, own.sheet, up)


STANDS: Final = (
    Stand("hems run", GATEWAY_SHEET, _gateway),
    Stand("hems steuerbox", CONTROL_BOX.sheet, _steuerbox),
    *(_library(own) for own in (HEAT_PUMP, ENERGY_MANAGER, DISPLAY)),
)
"""A case runs on the first one whose declarations make it applicable."""


def free_port() -> int:
    """A port that nobody listens on now; the gateway keeps it over its restarts."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _written(folder: Path, configuration: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "hems.yaml"
    path.write_text(configuration, encoding="utf-8")
    return path


def _configuration(port: int, house_port: int) -> str:
    limits = GATEWAY_SHEET
    return _CONFIGURATION.format(
        host=HOST,
        port=port,
        house=house_port,
        meter=METER_UNIT,
        inverter=INVERTER_UNIT,
        cap_percent=CAP_PERCENT,
        consumption_w=limits.number("LPC", "PFCAPL"),
        production_w=limits.number("LPP", "PFPAPL"),
        longest_s=limits.number("LPC", "MFSDM"),
    )
