"""`hems identity`: what the installer of the Steuerbox needs, and the consent to another SKI."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hems.cli.options import CommandFailed, config_option, find_config, json_option, load_config, write_json

if TYPE_CHECKING:
    from eebus.ids import Ski
    from hems.config import Configuration


@click.group()
def identity() -> None:
    """Show what the installer of the Steuerbox needs."""


@identity.command()
@config_option
@json_option
@click.option("--create", is_flag=True, help="Make the identity now if there is none yet.")
def show(config_path: Path | None, as_json: bool, create: bool) -> None:
    """Print SKI, SHIP ID, QR text and where the key is kept."""
    from hems.store.errors import StoreError
    from hems.store.state import STATE_NAME, stored_state
    from hems.vault import IdentityError, known_identity

    configuration = load_config(find_config(config_path), as_json=as_json)
    data_dir = configuration.data_dir
    try:
        stored = stored_state(data_dir).identity if (data_dir / STATE_NAME).exists() else None
        known = known_identity(stored, data_dir)
    except StoreError as error:
        raise CommandFailed(f"{error}.") from error
    except IdentityError as error:
        raise CommandFailed(str(error)) from error
    if known is not None:
        _print(known.ski, configuration, as_json)
    elif create:
        _print(_open_vault(configuration, renew=False), configuration, as_json)
    else:
        raise CommandFailed(
            f"There is no identity in {data_dir} yet. The first 'hems run' makes it, "
            "or now: hems identity show --create"
        )


@identity.command()
@config_option
@json_option
@click.confirmation_option(
    prompt="The metering operator must register the new SKI, which can take weeks. Continue?"
)
def renew(config_path: Path | None, as_json: bool) -> None:
    """Accept the key that is there now, or make a new one where it is gone. Stop the gateway first."""
    configuration = load_config(find_config(config_path), as_json=as_json)
    _print(_open_vault(configuration, renew=True), configuration, as_json)


def _passphrase_option(command: Any) -> Any:
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="File whose first line is the passphrase; without it you are asked.",
    )(command)


@identity.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_passphrase_option
@config_option
@json_option
def export_command(file: Path, passphrase_file: Path | None, config_path: Path | None, as_json: bool) -> None:
    """Write key, certificate and SHIP ID to FILE, encrypted with a passphrase. The gateway may run."""
    from hems.identity_backup import export_identity
    from hems.store.errors import StoreError
    from hems.vault import IdentityError

    configuration = load_config(find_config(config_path), as_json=as_json)
    try:
        ski = export_identity(configuration, file, _passphrase(passphrase_file, confirm=True))
    except (IdentityError, StoreError) as error:
        raise CommandFailed(str(error)) from error
    if as_json:
        write_json({"ski": ski, "file": str(file)})
    else:
        click.echo(f"The identity is in {file}. Keep file and passphrase apart.")


@identity.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--replace", is_flag=True, help="Also when there is another identity, which is lost then.")
@_passphrase_option
@config_option
@json_option
def import_command(
    file: Path, replace: bool, passphrase_file: Path | None, config_path: Path | None, as_json: bool
) -> None:
    """Take the identity from FILE. Stop the gateway first, and never run two with the same identity."""
    from eebus.clock import SystemClock
    from hems.data_dir import DataDirError
    from hems.identity_backup import import_identity
    from hems.store.errors import StoreError
    from hems.vault import IdentityError

    configuration = load_config(find_config(config_path), as_json=as_json)
    passphrase = _passphrase(passphrase_file, confirm=False)
    work = import_identity(configuration, SystemClock(), file, passphrase, replace=replace)
    try:
        _print(asyncio.run(work), configuration, as_json)
    except (DataDirError, IdentityError, StoreError) as error:
        raise CommandFailed(str(error)) from error


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").partition("\n")[0]
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm))


def _open_vault(configuration: "Configuration", *, renew: bool) -> "Ski":
    from eebus.clock import SystemClock
    from hems.data_dir import DataDirError
    from hems.store.errors import StoreError
    from hems.vault import IdentityError, open_vault

    try:
        return asyncio.run(open_vault(configuration, SystemClock(), renew=renew)).ski
    except (DataDirError, IdentityError, StoreError) as error:
        raise CommandFailed(str(error)) from error


def _print(ski: "Ski", configuration: "Configuration", as_json: bool) -> None:
    from hems.vault import identity_card

    card = identity_card(ski, configuration)
    if as_json:
        write_json(
            {
                "ski": card.ski,
                "ship_id": card.ship_id,
                "qr_text": card.qr,
                "data_dir": str(configuration.data_dir),
            }
        )
    else:
        click.echo(f"{card.text()}Kept in  {configuration.data_dir}")
