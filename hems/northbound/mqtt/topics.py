"""The topics of one gateway. Pure; the names are a contract and never change."""

from dataclasses import dataclass

GATEWAY_ID_DIGITS = 8


@dataclass(frozen=True, slots=True)
class DeviceTopics:
    """Where one device shows itself."""

    root: str

    @property
    def status(self) -> str:
        """`online` while the device answers."""
        return f"{self.root}/status"

    @property
    def state(self) -> str:
        """What it was told, and why."""
        return f"{self.root}/state"

    @property
    def measurement(self) -> str:
        """Power and energy."""
        return f"{self.root}/measurement"


@dataclass(frozen=True, slots=True)
class Topics:
    """Where one gateway shows itself. `base` and `gateway` are settings."""

    base: str
    gateway: str

    @property
    def root(self) -> str:
        """What all topics begin with."""
        return f"{self.base}/{self.gateway}"

    @property
    def status(self) -> str:
        """`online` while the gateway is connected; its last will says `offline`."""
        return f"{self.root}/status"

    @property
    def state(self) -> str:
        """Limits, their sources and reasons."""
        return f"{self.root}/state"

    @property
    def measurement(self) -> str:
        """Grid and house."""
        return f"{self.root}/measurement"

    @property
    def event(self) -> str:
        """Orders and commands, one message each."""
        return f"{self.root}/event"

    @property
    def own_limit_set(self) -> str:
        """Takes an own limit in watts, if commands are switched on."""
        return f"{self.root}/own_limit/set"

    def device(self, name: str) -> DeviceTopics:
        """The topics of the device with this name."""
        return DeviceTopics(f"{self.root}/devices/{name}")


def gateway_id(configured: str, ski: str) -> str:
    """The configured id, else the first digits of the SKI: it lasts as long as the identity."""
    return configured or ski[:GATEWAY_ID_DIGITS].lower()
