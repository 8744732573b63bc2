"""Mistakes that only the devices show: the configuration asks of them what they cannot do. Pure."""

from collections.abc import Iterator, Mapping

from hems.config import Configuration, Finding
from hems.devices import Capabilities
from hems.wiring import wrong_phases


def contradictions(configuration: Configuration, devices: Mapping[str, Capabilities]) -> Iterator[Finding]:
    """Every such mistake. `devices`: by name, what those can do that could be made."""
    yield from _phases(configuration, devices)


def _phases(configuration: Configuration, devices: Mapping[str, Capabilities]) -> Iterator[Finding]:
    for index, settings in enumerate(configuration.devices):
        wrong = wrong_phases(settings, devices[settings.name]) if settings.name in devices else None
        if wrong is not None:
            yield ("devices", index, "phases"), *wrong
