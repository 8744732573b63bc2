"""The gateway that `hems conformance --run-gateway` starts: with nothing of the house whose file it reads."""

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hems.cli.conformance_gateway import GatewayProcess
from hems.cli.demo.child import ChildError, child
from hems.cli.options import CommandFailed, load_config
from hems.data_dir import DataDirError, held_data_dir

if TYPE_CHECKING:
    from hems.config import Configuration

_DEVICES = """\
[{{name: wallbox, adapter: {{type: modbus, profile: heidelberg-energy-control, host: 127.0.0.1, \
port: {port}, unit: 1, request_gap_ms: 0}}}}, \
{{name: inverter, adapter: {{type: sunspec, host: 127.0.0.1, port: {port}, unit: 2}}}}]"""
_METER = "{{type: sunspec-meter, host: 127.0.0.1, port: {port}, unit: 3}}"


@dataclass(frozen=True, slots=True)
class OwnGateway:
    """A gateway that was started for a test."""

    process: GatewayProcess
    data_dir: Path
    host: str
    """Where it is dialled."""


@contextlib.asynccontextmanager
async def own_gateway(
    config: Path, *, with_devices: bool, interfaces: Sequence[str] = ()
) -> AsyncIterator[OwnGateway]:
    """A gateway with the rules and limits of this file, killed at the end.

    Its data directory is thrown away, so identity, trust and stored values of the house stay untouched. Its
    house is simulated; `with_devices` takes the real one. `interfaces`: where it and the tester see each
    other announced; none: as the file says. Raises CommandFailed when that cannot be.
    """
    configuration = load_config(config)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hems-test-")))
        changes = {"DATA_DIR": str(folder / "data"), "EEBUS__PORT": str(_free_port())}
        if interfaces:
            changes["EEBUS__INTERFACES"] = json.dumps(interfaces)
        if with_devices:
            stack.enter_context(_house_to_itself(configuration))
            changes |= quiet_in_home_assistant(configuration)
            names = ", ".join(device.name for device in configuration.devices)
            click.echo(f"The test limits real devices: {names or 'there are none'}.")
        else:
            changes |= simulated_equipment(await stack.enter_async_context(_simulated_house()))
            click.echo("The test limits a simulated house; no device of yours is touched.")
        click.echo("The gateway under test has a throw-away data directory and so an SKI of its own.")
        process = GatewayProcess(config, folder / "gateway.log", overlaid(os.environ, changes))
        await process.start()
        stack.push_async_callback(process.kill)
        yield OwnGateway(process, folder / "data", configuration.eebus.host or "127.0.0.1")


def overlaid(environment: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """The environment in which these settings beat the file; `changes` by name without ``HEMS__``.

    What the environment itself says of a part of them goes: it would come on top.
    """
    named = {f"HEMS__{name}": value for name, value in changes.items()}
    inside = tuple(f"{name}__" for name in named)
    kept = {name: value for name, value in environment.items() if not name.startswith(inside)}
    return {**kept, **named}


def simulated_equipment(port: int) -> dict[str, str]:
    """The settings that put a simulated house at this Modbus port in the place of the real one."""
    return {
        "DEVICES": _DEVICES.format(port=port),
        "GRID_CONNECTION_POINT__METER": _METER.format(port=port),
        "GRID_CONNECTION_POINT__PROTECTION": "null",
        "MQTT": "null",
        "RELAYS": "[]",
        "PROGRAMMES": "[]",
        "WISHES": "[]",
    }


def quiet_in_home_assistant(configuration: "Configuration") -> dict[str, str]:
    """The settings with which a gateway that soon is gone leaves no devices behind in Home Assistant."""
    return {} if configuration.mqtt is None else {"MQTT__HOME_ASSISTANT__ENABLED": "false"}


@contextlib.contextmanager
def _house_to_itself(configuration: "Configuration") -> Iterator[None]:
    """Two gateways that steer the same devices would fight: that of the house must not run meanwhile."""
    with contextlib.ExitStack() as stack:
        if configuration.data_dir.exists():
            try:
                stack.enter_context(held_data_dir(configuration.data_dir))
            except DataDirError as error:
                raise CommandFailed(str(error)) from error
        yield


@contextlib.asynccontextmanager
async def _simulated_house() -> AsyncIterator[int]:
    """The Modbus port of a wallbox with a car, an inverter in the sun and a grid meter."""
    house = child(
        "house", "adapters.simulated", "--no-battery", "--sun-w", "3000", on_line=lambda _line: None
    )
    try:
        async with house as (_, ready):
            yield ready["port"]
    except ChildError as error:
        raise CommandFailed(f"The house for the test does not start: {error}.") from error


def _free_port() -> int:
    """A port that nobody listens on now: the gateway keeps it over its restarts."""
    with socket.create_server(("", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
