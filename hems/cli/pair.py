"""`hems pair`: who is trusted, who asks to be, and the decisions about both."""

from pathlib import Path
from typing import Any

import click

from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski, group_ski, parse_ski
from eebus.ship.pin_guard import check_pin
from hems.cli.client import ask, data_dir_option, find_data_dir
from hems.cli.options import CommandFailed, config_option, json_option, write_json


def _ski_argument(command: Any) -> Any:
    """`SKI`, also in groups as it is shown: every word up to the next option belongs to it."""
    return click.argument("ski", nargs=-1, required=True, metavar="SKI", callback=_joined)(command)


def _joined(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> Ski:
    try:
        return parse_ski(" ".join(words))
    except LocalError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _checked_pin(ctx: click.Context, param: click.Parameter, pin: str) -> str:
    try:
        return check_pin(pin)
    except LocalError as error:
        raise click.BadParameter(f"'{pin}': {error}", ctx, param) from error


@click.group()
def pair() -> None:
    """Decide which peers are trusted."""


@pair.command("list")
@config_option
@data_dir_option
@json_option
def list_peers(config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Show trusted peers, pairing requests and our own SKI."""
    _show(ask(find_data_dir(config_path, data_dir), "GET", "/pairing"), as_json)


@pair.command()
@_ski_argument
@click.option(
    "--as",
    "role",
    type=click.Choice([role.value for role in PeerRole]),
    required=True,
    help="A control-box may limit this house; a device may not.",
)
@click.option("--replace", is_flag=True, help="Take this Steuerbox instead of the one trusted so far.")
@config_option
@data_dir_option
@json_option
def accept(
    ski: Ski, role: str, replace: bool, config_path: Path | None, data_dir: Path | None, as_json: bool
) -> None:
    """Trust the peer with this SKI. Compare it with the label on the device first.

    There is one control box at a time; with --replace the new one takes the place of the old one.
    """
    where = find_data_dir(config_path, data_dir)
    if role == PeerRole.CONTROL_BOX.value and not replace:
        _must_not_be_a_swap(ski, ask(where, "GET", "/pairing"))
    _show(ask(where, "POST", f"/pairing/{ski}", {"role": role, "replace": replace}), as_json)


def _must_not_be_a_swap(ski: Ski, pairing: dict[str, Any]) -> None:
    """Raises CommandFailed while another Steuerbox is trusted."""
    for peer in pairing["trusted"]:
        if peer["role"] == PeerRole.CONTROL_BOX.value and peer["ski"] != ski:
            raise CommandFailed(
                f"The Steuerbox {group_ski(Ski(peer['ski']))} is trusted already; there is one at a time. "
                f"To swap them: hems pair accept {ski} --as {PeerRole.CONTROL_BOX} --replace"
            )


@pair.command()
@_ski_argument
@config_option
@data_dir_option
@json_option
def remove(ski: Ski, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Trust the peer with this SKI no longer."""
    _show(ask(find_data_dir(config_path, data_dir), "DELETE", f"/pairing/{ski}"), as_json)


@pair.command()
@_ski_argument
@click.argument("pin", callback=_checked_pin)
@config_option
@data_dir_option
@json_option
def pin(ski: Ski, pin: str, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Give the connected peer with this SKI the PIN that it demands."""
    where = find_data_dir(config_path, data_dir)
    if ski not in {peer["ski"] for peer in ask(where, "GET", "/pairing")["trusted"]}:
        raise CommandFailed(
            f"{group_ski(ski)} is not trusted, so it gets no PIN. "
            f"Trust it first: hems pair accept {ski} --as {PeerRole.DEVICE} (or {PeerRole.CONTROL_BOX})"
        )
    try:
        _show(ask(where, "POST", f"/pairing/{ski}/pin", {"pin": pin}), as_json)
    except CommandFailed as error:
        raise CommandFailed(
            f"{group_ski(ski)} did not get the PIN: {error.message}. See to it that it is on and in the "
            "network; the log of the gateway tells when it demands the PIN. Then call this command again."
        ) from error


@pair.group()
def service() -> None:
    """Let a control unit be trusted that is announced with the secret of our QR code."""


@service.command("on")
@config_option
@data_dir_option
@json_option
def service_on(config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Listen for announced control units from now on, and print the QR text with the secret."""
    _show_service(_switch_service(config_path, data_dir, on=True), as_json)


@service.command("off")
@config_option
@data_dir_option
@json_option
def service_off(config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Listen no longer. A control unit that is trusted already stays so."""
    _show_service(_switch_service(config_path, data_dir, on=False), as_json)


@service.command("show")
@config_option
@data_dir_option
@json_option
def service_show(config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Show whether it is on, the QR text with the secret, and the control unit that came by it."""
    _show_service(ask(find_data_dir(config_path, data_dir), "GET", "/pairing-service"), as_json)


def _switch_service(config_path: Path | None, data_dir: Path | None, *, on: bool) -> dict[str, Any]:
    return ask(find_data_dir(config_path, data_dir), "POST", "/pairing-service", {"on": on})


def _show_service(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        write_json(shown)
        return
    if not shown["on"]:
        click.echo("Announced control units are not trusted. Switch on with: hems pair service on")
        return
    origin = " (by the configuration)" if shown["by_configuration"] else ""
    click.echo(f"Announced control units are trusted{origin}.")
    if not shown["hears_network"]:
        click.echo("But nothing is heard: 'eebus.announce: false' keeps the gateway out of multicast DNS.")
    click.echo(f"QR text, to be kept like a password:  {shown['qr_text']}")
    unit = shown["control_unit"]
    if unit is not None:
        ski = group_ski(Ski(unit["ski"])) if unit["ski"] else "not connected yet"
        click.echo(f"Control unit:  {unit['ship_id']}  {ski}")


def _show(pairing: dict[str, Any], as_json: bool) -> None:
    if as_json:
        write_json(pairing)
        return
    click.echo(f"This gateway:     {group_ski(Ski(pairing['ski']))}")
    for peer in pairing["trusted"]:
        connected = "connected" if peer["connected"] else "not connected"
        trouble = f"; {peer['trouble']}" if peer["trouble"] else ""
        click.echo(f"Trusted:          {group_ski(Ski(peer['ski']))}  {peer['role']}, {connected}, "
                   f"since {peer['accepted_at']}{trouble}")  # fmt: skip
    for request in pairing["requests"]:
        click.echo(f"Asks to pair:     {group_ski(Ski(request['ski']))}  from {request['address']}, "
                   f"last at {request['seen_at']}")  # fmt: skip
    for peer in pairing["configured"]:
        click.echo(f"Configured:       {group_ski(Ski(peer['ski']))}  at {peer['host']}:{peer['port']}, "
                   "not trusted yet")  # fmt: skip
    if pairing["requests"] or pairing["configured"]:
        click.echo("Trust one with:   hems pair accept SKI --as control-box")
    elif not pairing["trusted"]:
        click.echo("No peer is trusted, and none has asked.")
