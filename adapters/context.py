"""What the gateway lends to its adapters."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from adapters.modbus.bus import Buses
from adapters.mqtt.broker import Broker
from eebus.clock import Clock

Sleep = Callable[[float], Awaitable[None]]
"""Waits for a number of seconds; tests pass one that moves their fake clock."""


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to every factory; one per gateway.

    `buses`: the Modbus connections, shared by all devices behind one endpoint.
    `broker`: the connection to the MQTT broker; None when the configuration names none.
    `profile_folders`: folders of the user with device profiles, searched before those of the package.
    """

    clock: Clock
    buses: Buses = field(default_factory=Buses)
    broker: Broker | None = None
    profile_folders: tuple[Path, ...] = field(default=())
    sleep: Sleep = asyncio.sleep
