"""`hems steuerbox`: a simulated Steuerbox for trying any controllable system."""

import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: Path(click.get_app_dir("eebus-hems")) / "steuerbox",
    help="Where its key and its partners are kept.",
)
@click.option(
    "--partner",
    "partners",
    multiple=True,
    metavar="SKI[@HOST:PORT]",
    help="Trust this system, and dial it there. May be repeated.",
)
@click.option("--host", default="", help="Address to listen on; empty: all.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0: any free port.")
@click.option("--mdns/--no-mdns", default=True, help="Announce itself and find systems in the network.")
@click.option("--interface", "interfaces", multiple=True, help="For discovery, by name or address.")
@click.option("--serial", default="1", help="Tells several boxes apart.")
@click.option(
    "--heartbeat", "heartbeat_s", type=click.FloatRange(0.1, 3600), default=25.0, help="In seconds."
)
@click.option(
    "--opening-write", is_flag=True, help="State the limit after each connection, as the rules ask."
)
@click.option("--fault", "faults", multiple=True, metavar="'NAME [TIME]'", help="Switched on from the start.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep all messages as JSON lines; `hems replay` explains them.",
)
@click.option(
    "--scenario",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Play this file instead of asking for commands; exit code 1 when an expectation fails.",
)
@click.option(
    "--json",
    "json_lines",
    is_flag=True,
    help="Answer each command, and tell each event, as a JSON line with exact numbers.",
)
@click.option("--log", type=click.Choice(["debug", "info", "warning", "error"]), default="error")
def steuerbox(**options: object) -> None:
    """Play a Steuerbox: limit a controllable system, watch what it reports, and misbehave on purpose.

    It tells its own SKI first; accept that at the system. Then type `help`.
    """
    from hems.cli.steuerbox.stage import perform

    sys.exit(perform(options))
