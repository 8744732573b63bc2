# mypy: disable-error-code="import-not-found"
"""Runs inside the environment of Home Assistant: starts it, and tells what it made of our documents.

    python driver.py FOLDER BROKER_PORT HTTP_PORT

Reads one JSON object a line and answers with one each: {"do": "state"}, {"do": "call", …},
{"do": "energy", …}, {"do": "stop"}. Nothing else is written to standard output.
"""

import asyncio
import json
import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from homeassistant import bootstrap, config_entries, core
from homeassistant.helpers import device_registry, entity_registry
from homeassistant.runner import RuntimeConfig
from homeassistant.util import dt

Json = dict[str, Any]

CONFIGURATION = """
homeassistant: {{name: Test, latitude: 52, longitude: 13, elevation: 40, unit_system: metric, time_zone: UTC}}
http: {{server_host: 127.0.0.1, server_port: {http_port}}}
recorder: {{commit_interval: 1}}
energy:
"""


class Remembered(logging.Handler):
    """Keeps warnings and worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")


async def main(folder: Path, broker_port: int) -> None:
    """Start, answer until told to stop, stop in order."""
    remembered = Remembered()
    logging.getLogger().addHandler(remembered)
    bootstrap.CRITICAL_INTEGRATIONS = set()  # it may run without its pages
    hass = await bootstrap.async_setup_hass(RuntimeConfig(config_dir=str(folder), skip_pip=True))
    assert hass is not None
    await hass.async_start()
    await connect_broker(hass, broker_port)
    answer({"ready": True})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order: Json = json.loads(line)
        if order["do"] == "stop":
            break
        answer(await obey(hass, order, remembered))
    await hass.async_stop()
    answer({"stopped": True, "log": remembered.lines})


def answer(value: Json) -> None:
    """One line to whoever started us."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()


async def connect_broker(hass: core.HomeAssistant, port: int) -> None:
    """Set MQTT up as a person does it, unless it was set up before."""
    if hass.config_entries.async_entries("mqtt"):
        return
    flow = await hass.config_entries.flow.async_init("mqtt", context={"source": config_entries.SOURCE_USER})
    while flow["type"] == "menu":
        flow = await hass.config_entries.flow.async_configure(flow["flow_id"], {"next_step_id": "broker"})
    done = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"broker": "127.0.0.1", "port": port}
    )
    assert done["type"] == "create_entry", done


async def obey(hass: core.HomeAssistant, order: Json, remembered: Remembered) -> Json:
    """Carry out one order."""
    match order["do"]:
        case "state":
            return {**picture(hass), "log": remembered.lines}
        case "call":
            await hass.services.async_call(order["domain"], order["service"], order["data"], blocking=True)
            return {"done": True}
        case "energy":
            return await energy_check(hass, order["preferences"])
    raise ValueError(order["do"])


def picture(hass: core.HomeAssistant) -> Json:
    """States, entities and devices of MQTT."""
    entities = entity_registry.async_get(hass)
    devices = device_registry.async_get(hass)
    mine = [entry for entry in entities.entities.values() if entry.platform == "mqtt"]
    return {
        "entities": {
            entry.entity_id: {
                "unique_id": entry.unique_id,
                "device": entry.device_id,
                "category": entry.entity_category,
                "name": entry.name or entry.original_name,
                **state_of(hass, entry.entity_id),
            }
            for entry in mine
        },
        "devices": {
            device.id: {
                "name": device.name,
                "identifiers": sorted(str(name) for _, name in device.identifiers),
                "via": device.via_device_id,
            }
            for device in devices.devices.values()
        },
    }


def state_of(hass: core.HomeAssistant, entity_id: str) -> Json:
    """State and attributes; None when the entity has no provider."""
    state = hass.states.get(entity_id)
    if state is None:
        return {"state": None, "attributes": {}}
    return {"state": state.state, "attributes": dict(state.attributes)}


async def energy_check(hass: core.HomeAssistant, preferences: Json) -> Json:
    """Set the Energy dashboard up, compile statistics as each five minutes, and let it check itself."""
    from homeassistant.components.energy import data, validate
    from homeassistant.components.recorder import get_instance
    from homeassistant.components.recorder.tasks import StatisticsTask

    manager = await data.async_get_manager(hass)
    await manager.async_update(preferences)
    recorder = get_instance(hass)
    await recorder.async_block_till_done()
    now = dt.utcnow()
    start = now.replace(minute=now.minute - now.minute % 5, second=0, microsecond=0)
    for earlier in (timedelta(minutes=5), timedelta(0)):
        recorder.queue_task(StatisticsTask(start - earlier, False))
    await recorder.async_block_till_done()
    found = await validate.async_validate(hass)
    return {"issues": found.as_dict()}


if __name__ == "__main__":
    configured = Path(sys.argv[1])
    configured.mkdir(exist_ok=True)
    (configured / "configuration.yaml").write_text(CONFIGURATION.format(http_port=int(sys.argv[3])))
    asyncio.run(main(configured, int(sys.argv[2])))
