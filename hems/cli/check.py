"""`hems check`: is the configuration right, and what does it mean? No socket is opened."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hems.cli.options import CommandFailed, config_option, find_config, json_option, load_config, write_json

if TYPE_CHECKING:
    from eebus.usecases.events import StoredFailsafe

_NOT_SAFE = 1


@click.command()
@config_option
@json_option
def check(config_path: Path | None, as_json: bool) -> None:
    """Check the configuration and tell what it means.

    Exit code 0: right and safe. 1: right, but the devices left alone may exceed the failsafe limit.
    3: mistakes.
    """
    from adapters.registry import DEFAULT_REGISTRY
    from eebus.clock import SystemClock
    from hems.equipment import make_devices, settings_that_cannot_work, unconnected
    from hems.explanation import explain
    from hems.not_there import not_there

    path = find_config(config_path)
    configuration = load_config(
        path,
        as_json=as_json,
        examine=lambda configuration: settings_that_cannot_work(configuration, DEFAULT_REGISTRY),
    )
    devices = make_devices(configuration, DEFAULT_REGISTRY, unconnected(configuration))
    today = SystemClock().utc_now().astimezone().date()
    explanation = explain(configuration, devices, _written(configuration.data_dir), today=today)
    warnings = [*not_there(configuration), *explanation.warnings]
    if as_json:
        write_json(
            {
                "ok": True,
                "safe_when_left_alone": explanation.safe,
                "lines": [{"label": label, "text": text} for label, text in explanation.lines],
                "fallback_proofs": [asdict(proof) for proof in explanation.proofs],
                "warnings": warnings,
            }
        )
    else:
        click.echo(f"{path} is right. It means:")
        for label, text in explanation.lines:
            click.echo(f"  {label:<15}{text}")
        for warning in warnings:
            click.echo(f"  Attention      {warning}")
    sys.exit(0 if explanation.safe else _NOT_SAFE)


def _written(data_dir: Path) -> "StoredFailsafe":
    """What a Steuerbox has written at a gateway with this data directory."""
    from hems.explanation import NOTHING_WRITTEN
    from hems.store.errors import StoreError
    from hems.store.state import STATE_NAME, stored_state

    if not (data_dir / STATE_NAME).exists():
        return NOTHING_WRITTEN
    try:
        return stored_state(data_dir).failsafe
    except StoreError as error:
        raise CommandFailed(f"{error}.") from error
