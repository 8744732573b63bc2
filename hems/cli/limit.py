"""`hems limit`: an own limit on consumption, below what the grid operator allows."""

from pathlib import Path

import click

from hems.cli.client import ask, data_dir_option, find_data_dir
from hems.cli.options import config_option, json_option, write_json
from hems.cli.words import power

_MOST_W = 1_000_000.0


@click.command(context_settings={"ignore_unknown_options": True})  # -100 is a number, though a wrong one
@click.argument("limit", metavar="[WATTS|off]", required=False)
@config_option
@data_dir_option
@json_option
def limit(limit: str | None, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Show, set or lift the own limit of the running gateway.

    The controllable devices then draw at most WATTS from the grid. It can only lower what the grid operator
    allows, and it outlives a restart. "off" lifts it; without an argument it is shown.
    """
    request = ("GET", "/status") if limit is None else ("PUT", "/own-limit", {"limit_w": _watts(limit)})
    answer = ask(find_data_dir(config_path, data_dir), *request)
    limit_w = answer["own_limit_w"]
    if as_json:
        write_json({"own_limit_w": limit_w})
    else:
        click.echo("There is no own limit." if limit_w is None else f"The own limit is {power(limit_w)}.")


def _watts(text: str) -> float | None:
    if text == "off":
        return None
    try:
        value_w = float(text)
    except ValueError as error:
        if text.startswith("-"):
            raise click.NoSuchOption(text) from error
        value_w = -1.0
    if not 0.0 <= value_w <= _MOST_W:
        raise click.UsageError(
            f"'{text}' is not right here: a limit is a number of watts from 0 to {_MOST_W:.0f}, or 'off'"
        )
    return value_w
