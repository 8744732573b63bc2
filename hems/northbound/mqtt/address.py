"""Where the broker of the house is. Pure."""

from hems.config import MqttSettings


def port_of(settings: MqttSettings) -> int:
    """The port, where it is not given the usual one."""
    return settings.port or (1883 if settings.tls is None else 8883)


def address_of(settings: MqttSettings) -> str:
    """Host and port, for people."""
    return f"{settings.host}:{port_of(settings)}"
