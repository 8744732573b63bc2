"""`hems config`: the description of the configuration file."""

from pathlib import Path

import click


@click.group()
def config() -> None:
    """Describe the configuration file."""


@config.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead.")
def schema(output: Path | None) -> None:
    """Print the JSON schema of the configuration file, for editors."""
    from adapters.registry import DEFAULT_REGISTRY
    from hems.config import schema_text

    text = schema_text(DEFAULT_REGISTRY)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
