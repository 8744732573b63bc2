"""Files and serial lines that a configuration names and that cannot be used on this machine, now.

The gateway starts without them all the same, since the limits of the Steuerbox come first: they are told, and
are no mistakes.
"""

from collections.abc import Iterator
from pathlib import Path

from hems.config import Configuration, MqttSettings


def not_there(configuration: Configuration) -> list[str]:
    """A line for each of them: the setting, what is wrong, and what to do."""
    found = [] if configuration.mqtt is None else list(_files(configuration.mqtt))
    for index, settings in enumerate(configuration.devices):
        line = getattr(settings.adapter, "serial", None)
        if line is not None and not Path(line).exists():
            found.append(
                f"devices[{index}].adapter.serial: there is no {line} now, so {settings.name} cannot be "
                "reached. Plug its adapter in, or name another; ls /dev/serial/by-id lists those there."
            )
    return found


def _files(mqtt: MqttSettings) -> Iterator[str]:
    named = {"mqtt.password_file": mqtt.password_file}
    if mqtt.tls is not None:
        named |= {
            "mqtt.tls.ca_file": mqtt.tls.ca_file,
            "mqtt.tls.certificate_file": mqtt.tls.certificate_file,
            "mqtt.tls.key_file": mqtt.tls.key_file,
        }
    for setting, file in named.items():
        trouble = "" if file is None else _trouble(file)
        if trouble:
            yield (
                f"{setting}: {file} cannot be read ({trouble}), and without it the broker is not reached. "
                "Put the file there, let the user of the gateway read it, or name another one."
            )


def _trouble(file: Path) -> str:
    try:
        file.read_bytes()
    except OSError as error:
        return error.strerror or str(error)
    return ""
