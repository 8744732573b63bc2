"""`hems run`: the gateway for a real house."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hems.cli.options import config_option, find_config, load_config

if TYPE_CHECKING:
    from hems.config import Configuration


@click.command()
@config_option
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Beats log.level."
)
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Beats log.format.")
def run(config_path: Path | None, log_level: str | None, log_format: str | None) -> None:
    """Run the gateway until it is told to stop (Ctrl-C or SIGTERM).

    Exit code 0: stopped as told. 1: it cannot work, or its core failed. 3: mistakes in the configuration.
    """
    with _nothing_becomes_rubbish():
        configuration = _configuration(config_path, log_level, log_format)
        from hems.app import run_until_told

    sys.exit(run_until_told(configuration))


@contextmanager
def _nothing_becomes_rubbish() -> Iterator[None]:
    """What is imported and read here stays: the collector need not look for rubbish in it, now or later."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _configuration(
    config_path: Path | None, log_level: str | None, log_format: str | None
) -> "Configuration":
    """The checked configuration, with the log set up as it wants."""
    from adapters.registry import DEFAULT_REGISTRY
    from hems.equipment import settings_that_cannot_work
    from hems.logs import set_up_logging

    given = {"log.level": log_level, "log.format": log_format}
    configuration = load_config(
        find_config(config_path),
        options={key: value for key, value in given.items() if value is not None},
        examine=lambda loaded: settings_that_cannot_work(loaded, DEFAULT_REGISTRY),
    )
    set_up_logging(configuration.log.level, configuration.log.format)
    return configuration
