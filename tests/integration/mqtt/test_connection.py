"""The connection alone at a real broker: TLS, passwords, another client of our name, events over a gap."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.mqtt.broker import BrokerUnavailable
from eebus.clock import SystemClock
from hems.config import MqttSettings
from hems.northbound.mqtt.connection import BrokerConnection
from hems.northbound.mqtt.outbox import Outgoing
from tests.integration.hems.support import eventually
from tests.integration.mqtt.certificates import write_certificates
from tests.integration.mqtt.mosquitto import broker, program, watching

STATUS = "hems/g1/status"
_UNCLOSED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The MQTT library leaves the socket of a failed TLS handshake to the garbage collector."""


def _connection(port: int, **settings: Any) -> BrokerConnection:
    made = MqttSettings.model_validate({"host": "localhost", "port": port, **settings})
    return BrokerConnection(made, "eebus-hems-g1", STATUS, SystemClock())


@asynccontextmanager
async def _running(connection: BrokerConnection) -> AsyncIterator[BrokerConnection]:
    task = asyncio.create_task(connection.run())
    try:
        yield connection
    finally:
        connection.stop()
        await asyncio.wait_for(task, 10.0)


def _is_connected(connection: BrokerConnection) -> bool:
    return connection.trouble == ""


async def _first_trouble(connection: BrokerConnection, caplog: pytest.LogCaptureFixture) -> str:
    """The one line that the log shows, without the address."""
    with caplog.at_level(logging.WARNING):
        async with _running(connection):
            await eventually(lambda: bool(caplog.records))
    (line,) = [record.getMessage() for record in caplog.records]
    assert "Traceback" not in caplog.text
    return line.partition(": ")[2]


async def test_a_broker_with_tls_and_a_known_authority_is_taken(tmp_path: Path) -> None:
    files = write_certificates(tmp_path / "tls", "localhost")
    async with (
        broker(tmp_path, listener=files.listener) as mosquitto,
        _running(_connection(mosquitto.port, tls={"ca_file": files.authority})) as connection,
    ):
        await eventually(lambda: _is_connected(connection))


@_UNCLOSED
async def test_an_unknown_authority_is_one_plain_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = write_certificates(tmp_path / "tls", "localhost")
    other = write_certificates(tmp_path / "other", "localhost")
    async with broker(tmp_path, listener=files.listener) as mosquitto:
        line = await _first_trouble(_connection(mosquitto.port, tls={"ca_file": other.authority}), caplog)
    assert line.startswith("its certificate is not trusted (")
    assert "mqtt.tls.ca_file" in line


@_UNCLOSED
async def test_a_certificate_for_another_name_is_one_plain_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = write_certificates(tmp_path / "tls", "broker.example")
    async with broker(tmp_path, listener=files.listener) as mosquitto:
        line = await _first_trouble(_connection(mosquitto.port, tls={"ca_file": files.authority}), caplog)
    assert line.startswith("its certificate is for another name; see mqtt.host")


async def test_the_certificate_is_only_not_checked_when_that_is_wanted(tmp_path: Path) -> None:
    files = write_certificates(tmp_path / "tls", "broker.example")
    settings = {"check_certificate": False}
    async with (
        broker(tmp_path, listener=files.listener) as mosquitto,
        _running(_connection(mosquitto.port, tls=settings)) as connection,
    ):
        await eventually(lambda: _is_connected(connection))


@_UNCLOSED
async def test_a_port_without_tls_is_one_plain_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with broker(tmp_path) as mosquitto:
        line = await _first_trouble(_connection(mosquitto.port, tls={}), caplog)
    assert "TLS" in line or line.startswith("the connection is gone")


async def test_a_missing_authority_file_is_one_plain_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = await _first_trouble(_connection(1, tls={"ca_file": tmp_path / "none.pem"}), caplog)
    assert line.startswith("a file of mqtt.tls cannot be used")


async def test_a_right_password_is_read_from_its_file(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("hems:secret\n")
    passwords.chmod(0o600)
    hashing = shutil.which("mosquitto_passwd") or f"{program()}_passwd"
    process = await asyncio.create_subprocess_exec(hashing, "-U", str(passwords))
    assert await process.wait() == 0
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    access = f"allow_anonymous false\npassword_file {passwords}"
    async with (
        broker(tmp_path, access=access) as mosquitto,
        _running(_connection(mosquitto.port, username="hems", password_file=secret)) as connection,
    ):
        await eventually(lambda: _is_connected(connection))


async def test_mqtt_3_1_1_works_too(tmp_path: Path) -> None:
    async with (
        broker(tmp_path) as mosquitto,
        watching(mosquitto.port) as watcher,
        _running(_connection(mosquitto.port, protocol="3.1.1")),
    ):
        await watcher.until(lambda newest: newest.get(STATUS) == "online")


async def test_the_last_will_tells_that_we_are_gone(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto, watching(mosquitto.port) as watcher:
        first, second = _connection(mosquitto.port), _connection(mosquitto.port)
        async with _running(first):
            await watcher.until(lambda newest: newest.get(STATUS) == "online")
            task = asyncio.create_task(second.run())
            await watcher.until(lambda _newest: any(seen.payload == "offline" for seen in watcher.seen))
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_events_of_a_gap_are_told_afterwards_and_old_states_are_not(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto, watching(mosquitto.port) as watcher:
        connection = _connection(mosquitto.port)
        connection.put(Outgoing("hems/g1/event", "order 1", retain=False))
        connection.put(Outgoing("hems/g1/state", "old"))
        connection.put(Outgoing("hems/g1/event", "order 2", retain=False))
        async with _running(connection):
            await watcher.until(lambda newest: newest.get("hems/g1/event") == "order 2")
        assert [seen.payload for seen in watcher.seen if seen.topic != STATUS] == ["order 1", "order 2"]


async def test_a_command_is_sent_now_or_not_at_all(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto, _running(_connection(mosquitto.port)) as connection:
        await eventually(lambda: _is_connected(connection))
        async with watching(mosquitto.port) as watcher:
            await connection.send("wallbox/set", "6")
            await watcher.until(lambda newest: newest.get("wallbox/set") == "6")
        mosquitto.kill()
        await eventually(lambda: connection.trouble != "")
        with pytest.raises(BrokerUnavailable):
            await connection.send("wallbox/set", "16")
        await asyncio.to_thread(mosquitto.start)
        await eventually(lambda: _is_connected(connection))
        async with watching(mosquitto.port) as watcher:
            await connection.send("wallbox/set", "8")
            await watcher.until(lambda newest: newest.get("wallbox/set") == "8")
        assert [seen.payload for seen in watcher.seen if seen.topic == "wallbox/set"] == ["8"]
