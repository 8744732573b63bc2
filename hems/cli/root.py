"""The command `hems`. Exit codes: 0 done, 1 not done, 2 wrong usage, 3 mistakes in the configuration,
4 the gateway does not run."""

import click

from hems import __version__
from hems.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "run": ("hems.cli.run:run", "Run the gateway for a real house."),
        "demo": ("hems.cli.demo:demo", "Show a whole day's work in three minutes, with a simulated house."),
        "check": ("hems.cli.check:check", "Check the configuration and tell what it means."),
        "config": ("hems.cli.config:config", "Describe the configuration file."),
        "status": ("hems.cli.status:status", "Show limits, states and devices of the running gateway."),
        "journal": (
            "hems.cli.journal:journal",
            "Show the orders on record, and whether the record is whole.",
        ),
        "limit": ("hems.cli.limit:limit", "Show, set or lift an own limit on consumption."),
        "minimum-power": (
            "hems.cli.minimum_power:minimum_power_command",
            "Calculate the minimum power that the grid operator must leave.",
        ),
        "pair": ("hems.cli.pair:pair", "Decide which peers are trusted."),
        "factory-reset": (
            "hems.cli.factory_reset:factory_reset",
            "Forget what the Steuerbox wrote.",
        ),
        "steuerbox": ("hems.cli.steuerbox:steuerbox", "Play a Steuerbox, with commands or a scenario."),
        "replay": ("hems.cli.replay:replay", "Explain recorded messages in plain words."),
        "mqtt": ("hems.cli.mqtt:mqtt", "Show what is published by MQTT."),
        "conformance": (
            "hems.cli.conformance:conformance",
            "Run the official EEBUS test cases against any device.",
        ),
        "identity": ("hems.cli.identity:identity", "Show what the installer of the Steuerbox needs."),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="hems")
def hems() -> None:
    """Gateway between a Steuerbox (EEBUS) and the devices of a house."""
