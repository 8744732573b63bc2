"""`hems demo`: a gateway, a Steuerbox and a house on this machine, and what happens between them."""

import sys

import click


@click.command()
@click.option("--short", is_flag=True, help="End after the first minute, before the Steuerbox is cut off.")
def demo(short: bool) -> None:
    """Show a limit, its effect and the failsafe, with a simulated Steuerbox and house.

    Everything runs on 127.0.0.1 in a throw-away folder; nothing outside is touched. Ctrl-C ends it.
    """
    from hems.cli.demo.stage import perform

    sys.exit(perform(short=short))
