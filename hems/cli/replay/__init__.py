"""`hems replay`: a recording of EEBUS messages, explained frame by frame."""

from pathlib import Path

import click


@click.command()
@click.argument("recording", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--only", metavar="TEXT", help="Show only frames whose explanation contains this text.")
@click.option("--raw", is_flag=True, help="Show the message itself below each explanation.")
def replay(recording: Path, only: str | None, raw: bool) -> None:
    """Explain RECORDING (JSON lines of `hems steuerbox --record`): who said what, what changed, which rule.

    Lines that begin with ">>" are conclusions: what a controllable system does by the rules of LPC and LPP.
    """
    from eebus.errors import LocalError
    from hems.cli.options import CommandFailed
    from hems.cli.replay.explainer import explain
    from hems.cli.replay.recording import read_recording

    try:
        for lines in explain(read_recording(recording), raw=raw):
            if only is None or any(only.lower() in line.lower() for line in lines):
                for line in lines:
                    click.echo(line)
    except LocalError as error:
        raise CommandFailed(str(error)) from error
