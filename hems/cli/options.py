"""What the commands share: finding the configuration, and telling people and scripts about failures."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from hems.config import Configuration, Examine

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CONFIGURATION = 3

_SEARCHED = (Path("hems.yaml"), Path("/etc/eebus-hems/hems.yaml"))


def config_option(command: F) -> F:
    """`--config FILE`, also from HEMS_CONFIG."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="HEMS_CONFIG",
        help="Configuration file; else HEMS_CONFIG, ./hems.yaml or /etc/eebus-hems/hems.yaml.",
    )(command)


def json_option(command: F) -> F:
    """`--json`: one JSON document on standard output instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON for scripts.")(command)


def find_config(path: Path | None) -> Path:
    """The configuration file that counts. Ends the command when there is none."""
    if path is not None:
        return path
    for candidate in _SEARCHED:
        if candidate.is_file():
            return candidate
    places = " nor ".join(str(candidate) for candidate in _SEARCHED)
    raise ConfigurationUnusable(
        f"No configuration file: neither {places} is there. Name yours with --config FILE."
    )


def load_config(
    path: Path | None,
    *,
    as_json: bool = False,
    options: Mapping[str, object] | None = None,
    examine: "Examine | None" = None,
) -> "Configuration":
    """The checked configuration. Ends the command with every mistake when it cannot be used."""
    from adapters.registry import DEFAULT_REGISTRY
    from hems.config import ConfigError, load

    try:
        return load(
            find_config(path), DEFAULT_REGISTRY, environment=os.environ, options=options, examine=examine
        )
    except ConfigError as error:
        if as_json:
            write_json({"ok": False, "mistakes": [_as_dict(mistake) for mistake in error.mistakes]})
        else:
            count = len(error.mistakes)
            click.echo(str(error), err=True)
            click.echo(f"{count} mistake{'s' if count > 1 else ''} in the configuration.", err=True)
        sys.exit(EXIT_CONFIGURATION)


def _as_dict(mistake: Any) -> dict[str, Any]:
    names = ("source", "line", "path", "problem", "remedy")
    return {name: getattr(mistake, name) for name in names}


def write_json(value: object) -> None:
    """Write one JSON document to standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


class CommandFailed(click.ClickException):
    """Ends the command with one plain line on standard error."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the line as it is."""
        click.echo(self.message, file=file or sys.stderr)


class ConfigurationUnusable(CommandFailed):
    """There is no configuration to work with."""

    exit_code = EXIT_CONFIGURATION


class GatewayNotRunning(CommandFailed):
    """The command speaks to the running gateway, and none runs."""

    exit_code = 4
