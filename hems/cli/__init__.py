"""The command line."""

import signal


def main() -> None:
    """The command `hems`. Ctrl-C ends it without a word until a command knows better."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    from hems.cli.root import hems

    hems(prog_name="hems")
