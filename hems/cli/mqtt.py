"""`hems mqtt`: what the gateway publishes, without a broker."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hems.cli.options import CommandFailed, config_option, json_option, load_config, write_json

if TYPE_CHECKING:
    from eebus.ids import Ski
    from hems.config import HomeAssistantSettings
    from hems.northbound.home_assistant.site import Site


@click.group()
def mqtt() -> None:
    """Show what is published by MQTT."""


@mqtt.command()
@config_option
@json_option
@click.option(
    "--docs",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Bring the table in this page of the documentation up to date instead.",
)
def topics(config_path: Path | None, as_json: bool, docs: Path | None) -> None:
    """Print topics and entities; those of a configuration with --config, else with placeholders."""
    from dataclasses import asdict

    from hems.config import HomeAssistantSettings
    from hems.northbound.mqtt.reference import (
        entity_rows,
        entity_table,
        example_site,
        topic_rows,
        topic_table,
        with_generated_part,
    )

    if docs is not None:
        docs.write_text(with_generated_part(docs.read_text(encoding="utf-8")), encoding="utf-8")
        return
    site, settings = (
        (example_site(), HomeAssistantSettings()) if config_path is None else _configured(config_path)
    )
    rows = topic_rows(site.topics, settings.prefix, settings.status_topic, "<device>")
    if as_json:
        write_json(
            {"topics": [asdict(row) for row in rows], "entities": [asdict(row) for row in entity_rows(site)]}
        )
        return
    click.echo(topic_table(rows))
    click.echo()
    click.echo(entity_table(entity_rows(site)))


@mqtt.command()
@config_option
def documents(config_path: Path | None) -> None:
    """Print the discovery documents of a configuration, topic by topic, as they would be published."""
    import json

    from hems.northbound.home_assistant.documents import device_messages, single_messages
    from hems.northbound.home_assistant.documents import documents as documents_of
    from hems.northbound.home_assistant.words import Language

    site, settings = _configured(config_path)
    messages = single_messages if settings.form == "single" else device_messages
    written: dict[str, object] = {}
    for document in documents_of(site, Language(settings.language)):
        written |= {
            topic: json.loads(payload) for topic, payload in messages(document, settings.prefix).items()
        }
    write_json(written)


def _configured(config_path: Path | None) -> "tuple[Site, HomeAssistantSettings]":
    """The shape of the configured gateway, and how it shows itself."""
    from adapters.registry import DEFAULT_REGISTRY
    from hems.equipment import make_devices, unconnected
    from hems.northbound.mqtt.making import appliance_of, site_of

    configuration = load_config(config_path)
    if configuration.mqtt is None:
        raise CommandFailed("The configuration has no section 'mqtt'.")
    devices = make_devices(configuration, DEFAULT_REGISTRY, unconnected(configuration))
    appliances = tuple(appliance_of(device.name, device.capabilities) for device in devices)
    return site_of(configuration, _ski(configuration.data_dir), appliances), configuration.mqtt.home_assistant


def _ski(data_dir: Path) -> "Ski":
    """Of the gateway that has run with this data directory; zeros before its first start."""
    from eebus.ids import Ski
    from hems.store.errors import StoreError
    from hems.store.state import STATE_NAME, stored_state

    unknown = Ski("0" * 40)
    if not (data_dir / STATE_NAME).exists():
        return unknown
    try:
        identity = stored_state(data_dir).identity
    except StoreError as error:
        raise CommandFailed(f"{error}.") from error
    return unknown if identity is None else identity.ski
