"""Fifty devices with new values all the time: no backlog, and memory stays as it is."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.integration.hems.process import gateway_process
from tests.integration.mqtt.gateways import TOPICS
from tests.integration.mqtt.mosquitto import Watcher, broker, watching

DEVICES = 50
ROUNDS_A_SECOND = 5
"""Five times what is asked for, so that a few seconds show what a minute does."""
WARM_UP_S, MEASURED_S = 2.0, 4.0
MOST_GROWTH_BYTES = 3_000_000

CONFIGURATION = """
site: {{name: Test}}
eebus: {{host: 127.0.0.1, port: 0, announce: false}}
mqtt: {{host: 127.0.0.1, port: {port}, gateway_id: home, measurement_interval_s: 1}}
grid_connection_point:
  meter: {{type: mqtt-meter, params: {{topic: meter}}}}
devices:
{devices}
"""


def _configuration(folder: Path, port: int) -> Path:
    devices = "\n".join(
        f"  - {{name: d{number}, adapter: {{type: mqtt, params: {{topic: d{number}}}}}}}"
        for number in range(DEVICES)
    )
    path = folder / "hems.yaml"
    path.write_text(CONFIGURATION.format(port=port, devices=devices))
    return path


@asynccontextmanager
async def _publishing(watcher: Watcher) -> AsyncIterator[None]:
    """Every device and the meter publish new values several times a second."""

    async def publish() -> None:
        for round_ in range(10_000):
            await watcher.publish("meter/power_w", str(1000 + round_ % 50))
            for number in range(DEVICES):
                await watcher.publish(f"d{number}/power_w", str(100 + (round_ + number) % 100))
            await asyncio.sleep(1.0 / ROUNDS_A_SECOND)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _shown(watcher: Watcher, since: int) -> dict[str, int]:
    """How often each device's power was published from a position on."""
    topics = [TOPICS.device(f"d{number}").measurement for number in range(DEVICES)]
    seen = [entry.topic for entry in watcher.seen[since:]]
    return {topic: seen.count(topic) for topic in topics}


@pytest.mark.alone
async def test_fifty_devices_with_values_each_second_make_no_backlog_and_no_growth(tmp_path: Path) -> None:
    async with (
        broker(tmp_path) as mosquitto,
        watching(mosquitto.port, "hems/#") as watcher,
        gateway_process(_configuration(tmp_path, mosquitto.port)) as process,
        _publishing(watcher),
    ):
        await process.until_answering()
        await watcher.until(
            lambda newest: all(
                newest.get(TOPICS.device(f"d{number}").status) == "online" for number in range(DEVICES)
            ),
            20.0,
        )
        await asyncio.sleep(WARM_UP_S)
        memory = psutil.Process(process.process.pid).memory_info
        before_bytes, since = memory().rss, len(watcher.seen)
        await asyncio.sleep(MEASURED_S)
        growth_bytes = memory().rss - before_bytes
        counts = _shown(watcher, since)
        newest_w = json.loads(watcher.newest[TOPICS.device("d0").measurement])["power_w"]
        assert await process.end(signal.SIGTERM) == 0
        log = process.log.read_text()
    assert growth_bytes < MOST_GROWTH_BYTES, f"{growth_bytes} bytes in {MEASURED_S} s"
    assert min(counts.values()) >= MEASURED_S / 2, counts
    assert newest_w is not None
    assert "queue is full" not in log
    assert "Traceback" not in log
