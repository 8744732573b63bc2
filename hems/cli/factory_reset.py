"""`hems factory-reset`: forget what the Steuerbox wrote."""

from pathlib import Path

import click

from hems.cli.client import ask, data_dir_option, find_data_dir
from hems.cli.options import config_option, json_option, write_json


@click.command("factory-reset")
@click.option("--forget-peers", is_flag=True, help="Also trust no peer any longer; all must be paired again.")
@click.confirmation_option(
    prompt="Failsafe values and limits that the Steuerbox wrote are deleted. Continue?"
)
@config_option
@data_dir_option
@json_option
def factory_reset(forget_peers: bool, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Bring back the failsafe values of the configuration, in the running gateway and on disk.

    The identity stays: the SKI is the one that the metering operator has registered.
    """
    order = {"confirm": "factory-reset", "forget_peers": forget_peers}
    status = ask(find_data_dir(config_path, data_dir), "POST", "/factory-reset", order)
    if as_json:
        write_json(status)
        return
    click.echo("The failsafe values of the configuration are in force again.")
    click.echo("No peer is trusted any more." if forget_peers else "The trusted peers have been kept.")
