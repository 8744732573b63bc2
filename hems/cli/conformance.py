"""`hems conformance`: the official EEBUS test cases against any device."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hems.cli.options import CommandFailed

if TYPE_CHECKING:
    from eebus.conformance.catalogue import CaseEntry
    from eebus.conformance.operator import Operator
    from eebus.conformance.runner import CaseResult, Target
    from eebus.conformance.sheet import Sheet
    from eebus.ids import Ski

_LAST_PORT = 65_535
_IDENTITIES = Path.home() / ".local" / "state" / "eebus-hems" / "conformance"


def _checked_ski(ctx: click.Context, param: click.Parameter, text: str | None) -> "Ski | None":
    from eebus.errors import LocalError
    from eebus.ids import parse_ski

    try:
        return parse_ski(text) if text else None
    except LocalError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.command()
@click.option("--target", help="The device: HOST:PORT. Not needed with --gateway or --run-…")
@click.option(
    "--ski",
    callback=_checked_ski,
    help="SKI of the device, groups in quotes; else whoever answers at the address is tested.",
)
@click.option("--cases", default="", help="Patterns of case ids, separated by commas: 'TC_SHIP_*,ATC_LPC_*'.")
@click.option(
    "--parameters",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="YAML file with what the manufacturer declares; see --print-parameters.",
)
@click.option(
    "--gateway",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Test the gateway that works in this data directory, over its local interface: its devices are "
    "limited, and what a Steuerbox wrote is overwritten. Refused while it trusts a Steuerbox.",
)
@click.option(
    "--run-gateway",
    "gateway_config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Start a gateway of its own with the limits of this configuration, test it, and restart it as the "
    "cases ask. Its data directory is thrown away and its house simulated: yours is not touched.",
)
@click.option(
    "--with-devices",
    is_flag=True,
    help="With --run-gateway: take the real devices, meter, relays and broker of that configuration. They "
    "are really limited; the gateway of the house must not run meanwhile.",
)
@click.option(
    "--run-steuerbox",
    "steuerbox_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Start our Steuerbox with this folder, test it, and type the commands that the cases ask for.",
)
@click.option("--listen", default="0.0.0.0:0", help="Where the device can dial the tester: HOST:PORT.")
@click.option(
    "--interface",
    "interfaces",
    multiple=True,
    help="For mDNS, by address; else all. Also for what --run-… starts.",
)
@click.option(
    "--identities",
    type=click.Path(path_type=Path, file_okay=False),
    default=_IDENTITIES,
    help="Where the keys of the tester are kept.",
)
@click.option("--all-data-sets", is_flag=True, help="Run every alternative, not one of each.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write everything here.")
@click.option("--junit", "junit_path", type=click.Path(path_type=Path), help="Write JUnit XML here.")
@click.option("--frames", "show_frames", is_flag=True, help="Show the frames of cases that did not pass.")
@click.option("--list", "list_only", is_flag=True, help="Show what would run, and how long it takes.")
@click.option("--print-parameters", is_flag=True, help="Write a parameter file to fill in, and end.")
def conformance(**options: Any) -> None:
    """Run the official EEBUS test cases over a real socket, in real time.

    What only a person at the device can do is asked for. Exit code 0: every applicable case passed.
    """
    if options["print_parameters"]:
        _print_parameters()
        return
    sys.exit(asyncio.run(_run(options)))


def _print_parameters() -> None:
    from ruamel.yaml import YAML

    from eebus.conformance.sheet import RECOMMENDED

    roles = ["LPC/CS", "LPP/CS", "MGCP/GCP"]
    YAML().dump(
        {"roles": roles, **{name: dict(section) for name, section in RECOMMENDED.items()}}, sys.stdout
    )


async def _run(options: Mapping[str, Any]) -> int:
    from eebus.conformance.report import as_json, as_junit, problems, summary, text_table
    from eebus.conformance.runner import chosen_entries

    entries = chosen_entries(options["cases"].split(",") if options["cases"] else ())
    if not entries:
        raise CommandFailed(f"No case matches '{options['cases']}'.")
    sheet = _sheet(options["parameters"])
    if options["list_only"]:
        return _list(entries, sheet)
    results = []
    async with _target(options, sheet) as target:
        for number, entry in enumerate(entries, 1):
            click.echo(f"[{number}/{len(entries)}] {entry.id}: {entry.title}, about {entry.clock_s:g} s")
            results.append(await _case(entry, target, options["show_frames"]))
    for line in text_table(summary(results)):
        click.echo(line)
    for name, text in (("json_path", as_json), ("junit_path", as_junit)):
        if options[name] is not None:
            options[name].write_text(text(results), encoding="utf-8")
    return 1 if problems(results, expected=len(entries)) else 0


async def _case(entry: "CaseEntry", target: "Target", show_frames: bool) -> "CaseResult":
    from eebus.conformance.report import frame_lines, reason_of
    from eebus.conformance.runner import CaseResult, run_case, targets_for
    from eebus.conformance.sheet import why_not

    chosen = targets_for(entry, [target])
    if chosen:
        result = await run_case(entry, chosen)
    else:
        result = CaseResult(entry=entry, runs=(), why_not=why_not(entry, [target]))
    reason = reason_of(result)
    frames = sum(len(run.frames) for run in result.runs)
    click.echo(f"    {result.verdict}{f': {reason}' if reason else ''} ({frames} frames)")
    if show_frames:
        for line in frame_lines(result):
            click.echo(f"    {line}")
    return result


def _sheet(path: Path | None) -> "Sheet | None":
    """What is declared; None: what is usual for the device."""
    from eebus.conformance.sheet import make_sheet
    from eebus.errors import LocalError

    if path is None:
        return None
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return make_sheet(YAML(typ="safe").load(path) or {})
    except (LocalError, YAMLError) as error:
        raise CommandFailed(f"{path}: {error}.") from error


def _list(entries: "Sequence[CaseEntry]", given: "Sheet | None") -> int:
    from eebus.conformance.schedule import expected_s
    from eebus.conformance.sheet import make_sheet

    sheet = given or make_sheet({})
    applicable = [entry for entry in entries if sheet.why_not(entry) is None]
    for entry in entries:
        seconds = f"{expected_s(entry, sheet):g} s"
        click.echo(f"{entry.id:<45}{sheet.why_not(entry) or seconds:<28}{entry.title}")
    total_s = sum(expected_s(entry, sheet) for entry in applicable)
    click.echo(f"{len(applicable)} of {len(entries)} cases apply; about {total_s / 60:.0f} min.")
    return 0


@dataclass(frozen=True, slots=True)
class _Device:
    """What is tested, and who presses its buttons."""

    name: str
    sheet: "Sheet"
    address: str
    ski: "Ski | None"
    operator: "Operator"


@contextlib.asynccontextmanager
async def _target(options: Mapping[str, Any], given: "Sheet | None") -> "AsyncIterator[Target]":
    """The device with its operator, ready for cases."""
    from eebus.conformance.identities import Identities
    from eebus.conformance.remote import RemoteDevice, RemoteSettings
    from eebus.conformance.runner import Target

    async with _device(options, given) as tested:
        host, port = _host_and_port(tested.address)
        listen_host, listen_port = _host_and_port(options["listen"])
        settings = RemoteSettings(
            host=host,
            port=port,
            ski=tested.ski,
            listen_host=listen_host,
            listen_port=listen_port,
            interfaces=options["interfaces"],
            tester_is_control_box=("LPC", "EG") not in tested.sheet.roles,
        )
        identities = Identities(settings.ski, folder=options["identities"])
        device = RemoteDevice(settings, tested.operator, identities)
        try:
            yield Target(
                name=tested.name,
                backend=device.backend,
                sheet=tested.sheet,
                make=device.case,
                exhaustive=options["all_data_sets"],
            )
        finally:
            await device.close()


def _device(
    options: Mapping[str, Any], given: "Sheet | None"
) -> "contextlib.AbstractAsyncContextManager[_Device]":
    if options["with_devices"] and options["gateway_config"] is None:
        raise click.UsageError("--with-devices belongs to --run-gateway.")
    if options["steuerbox_folder"] is not None:
        return _our_steuerbox(options, given)
    if options["gateway_config"] is not None or options["data_dir"] is not None:
        return _our_gateway(options, given)
    return _foreign_device(options, given)


@contextlib.asynccontextmanager
async def _foreign_device(options: Mapping[str, Any], given: "Sheet | None") -> AsyncIterator[_Device]:
    from eebus.conformance.operator import PersonAtTheDevice
    from eebus.conformance.sheet import make_sheet

    if options["target"] is None:
        raise CommandFailed("Name the device with --target, --gateway, --run-gateway or --run-steuerbox.")
    sheet = given or make_sheet({})
    yield _Device("device", sheet, options["target"], options["ski"], PersonAtTheDevice(_ask))


@contextlib.asynccontextmanager
async def _our_gateway(options: Mapping[str, Any], given: "Sheet | None") -> AsyncIterator[_Device]:
    from eebus.conformance.sheet import make_sheet
    from eebus.ids import Ski
    from hems.cli.conformance_gateway import GatewayOperator, trust_kept
    from hems.cli.conformance_house import own_gateway

    async with contextlib.AsyncExitStack() as stack:
        host = "127.0.0.1"
        if options["gateway_config"] is None:
            gateway = GatewayOperator(options["data_dir"], None)
            await stack.enter_async_context(trust_kept(gateway))
        else:
            own = await stack.enter_async_context(
                own_gateway(
                    options["gateway_config"],
                    with_devices=options["with_devices"],
                    interfaces=options["interfaces"],
                )
            )
            gateway, host = GatewayOperator(own.data_dir, own.process), own.host
        status = await gateway.until_running()
        identity = await gateway.call("GET", "/identity")
        yield _Device(
            "gateway",
            with_ship_id(given or make_sheet({}), identity["ship_id"]),
            options["target"] or f"{host}:{status['port']}",
            options["ski"] or Ski(identity["ski"]),
            gateway,
        )


@contextlib.asynccontextmanager
async def _our_steuerbox(options: Mapping[str, Any], given: "Sheet | None") -> AsyncIterator[_Device]:
    from eebus.conformance.own import CONTROL_BOX
    from eebus.ids import Ski
    from hems.cli.conformance_steuerbox import SteuerboxOperator, steuerbox_process

    folder, interfaces = options["steuerbox_folder"], options["interfaces"]
    async with steuerbox_process(folder, interfaces=interfaces) as (process, introduction):
        yield _Device(
            "Steuerbox",
            given or declared_by(CONTROL_BOX.sheet, introduction["ship_id"]),
            f"127.0.0.1:{introduction['port']}",
            Ski(introduction["ski"]),
            SteuerboxOperator(process),
        )


def declared_by(sheet: "Sheet", ship_id: str) -> "Sheet":
    """What is declared about one of our devices, for the program that has another SHIP ID."""
    section = {**sheet.sections["SHIP"], "PAR_shipId": ship_id}
    return replace(sheet, sections={**sheet.sections, "SHIP": section})


def with_ship_id(sheet: "Sheet", ship_id: str) -> "Sheet":
    """The declarations with the SHIP ID that the gateway tells itself."""
    section = dict(sheet.sections["SHIP"])
    section["PAR_shipId"] = section["PAR_shipId"] or ship_id
    return replace(sheet, sections={**sheet.sections, "SHIP": section})


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise CommandFailed(f"'{text}' is not of the form HOST:PORT.")
    return host.strip("[]"), int(port)


async def _ask(question: str) -> str:
    """What the person at the device answers. Raises NotPossible when there is nobody."""
    from eebus.conformance.device import NotPossible

    try:
        return await asyncio.to_thread(click.prompt, f"    >> {question}", default="", show_default=False)
    except click.Abort:
        raise NotPossible("nobody answers: the standard input has ended") from None
