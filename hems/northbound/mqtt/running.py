"""The MQTT side as one job of the gateway."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from eebus.clock import Clock
from eebus.ids import Ski
from hems.config import Configuration
from hems.northbound.mqtt.connection import BrokerConnection
from hems.northbound.mqtt.making import most_own_limit_w, topics_of
from hems.northbound.mqtt.service import MqttService, Shown
from hems.supervision import keep_running

GOODBYE_WAIT_S = 3.0
"""A frozen broker must not hold the stop of the gateway."""


class Watched(Shown, Protocol):
    """The gateway: it can be shown, and tells what happens."""

    @property
    def ski(self) -> Ski:
        """Its SKI."""

    def watch(self, observer: Callable[[object], None]) -> None:
        """Let `observer` hear every event."""


async def serve_mqtt(
    gateway: Watched,
    connection: BrokerConnection,
    configuration: Configuration,
    clock: Clock,
    stop: asyncio.Event,
) -> None:
    """Keep the connection and show the gateway until `stop`, then say goodbye."""
    assert configuration.mqtt is not None
    topics = topics_of(configuration, gateway.ski)
    service = MqttService(
        gateway, connection, configuration.mqtt, topics, most_own_limit_w(configuration), clock
    )
    gateway.watch(service.hear)
    async with asyncio.TaskGroup() as tasks:
        showing = tasks.create_task(keep_running("MQTT service", service.run, clock=clock))
        connecting = tasks.create_task(keep_running("MQTT connection", connection.run, clock=clock))
        await stop.wait()
        service.turn()
        showing.cancel()
        connection.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_WAIT_S):
                await asyncio.shield(connecting)
        connecting.cancel()
