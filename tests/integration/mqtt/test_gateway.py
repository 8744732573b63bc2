"""The whole gateway and a real broker: what lies there after anything that can happen."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from hems.northbound.home_assistant.rules import faults_of_all, faults_of_device, faults_of_single
from tests.integration.hems.process import gateway_process
from tests.integration.hems.support import Box, eventually, running_gateway, trusted_box
from tests.integration.mqtt.gateways import TOPICS, write_configuration
from tests.integration.mqtt.mosquitto import Mosquitto, broker, retained_at, watching
from tests.waiting import Stopwatch

DOCUMENT = "homeassistant/device/hems_home/config"
BATTERY = TOPICS.device("battery")
BATTERY_DOCUMENT = "homeassistant/device/hems_home_battery/config"
ALL = {
    DOCUMENT, BATTERY_DOCUMENT, TOPICS.status, TOPICS.state, TOPICS.measurement,
    BATTERY.status, BATTERY.state, BATTERY.measurement,
}  # fmt: skip


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A broker that takes anybody."""
    async with broker(tmp_path) as made:
        yield made


def _is_complete(newest: dict[str, str]) -> bool:
    return (
        newest.keys() >= ALL
        and newest[TOPICS.status] == newest[BATTERY.status] == "online"
        and json.loads(newest[BATTERY.state])["connected"] == "ON"
    )


def _shows_limit(limit_w: float, newest: dict[str, str]) -> bool:
    return bool(json.loads(newest[TOPICS.state])["consumption_limit_w"] == limit_w)


async def test_everything_is_there_retained_and_by_the_rules_and_offline_after_a_clean_stop(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with watching(mosquitto.port) as watcher:
        async with running_gateway(write_configuration(tmp_path, mosquitto.port)):
            await watcher.until(_is_complete)
            order = list(watcher.newest)
        await watcher.until(lambda newest: newest[TOPICS.status] == "offline")
        retained = await retained_at(mosquitto.port)
        documents = {t: p for t, p in watcher.newest.items() if t.startswith("homeassistant/")}
        assert [faults_of_device(*each) for each in documents.items()] == [[], []]
        assert faults_of_all(documents) == []
    assert order[:2] == [TOPICS.status, DOCUMENT]
    assert retained.keys() == ALL
    assert (retained[TOPICS.status], retained[BATTERY.status]) == ("offline", "online")


async def test_a_start_raises_no_false_alarm(tmp_path: Path, mosquitto: Mosquitto) -> None:
    path = write_configuration(tmp_path, mosquitto.port, failsafe_w=5000.0)
    async with watching(mosquitto.port) as watcher, running_gateway(path):
        await watcher.until(_is_complete)
        states = [json.loads(seen.payload) for seen in watcher.seen if seen.topic == TOPICS.state]
    assert {state["consumption_state"] for state in states} == {"starting, waits for the Steuerbox"}
    assert {(state["failsafe"], state["problem"]) for state in states} == {("OFF", "OFF")}


async def test_the_single_form_keeps_the_rules_too(tmp_path: Path, mosquitto: Mosquitto) -> None:
    path = write_configuration(
        tmp_path, mosquitto.port, mqtt=", home_assistant: {form: single, language: de}"
    )
    async with running_gateway(path), watching(mosquitto.port) as watcher:
        await watcher.until(lambda newest: BATTERY.measurement in newest)
        documents = {t: p for t, p in watcher.newest.items() if t.startswith("homeassistant/")}
    assert [faults_of_single(*each) for each in documents.items()] == [[]] * len(documents)
    name = json.loads(documents["homeassistant/sensor/hems_home/consumption_limit/config"])["name"]
    assert name == "Bezugsgrenze"


@pytest.mark.alone
async def test_a_limit_of_the_box_is_visible_with_state_event_and_reason_within_200_ms(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    path = write_configuration(tmp_path, mosquitto.port, failsafe_w=5000.0)
    async with running_gateway(path) as run, trusted_box(run) as box, watching(mosquitto.port) as watcher:
        await watcher.until(_is_complete)
        delays = []
        for value_w in (3000.0, 2500.0, 2000.0):
            since = len(watcher.seen)
            written_at, stopwatch = time.monotonic(), Stopwatch()
            assert (await box.limit(value_w, duration_s=600.0)).accepted
            await watcher.until(partial(_shows_limit, value_w))
            event = await watcher.until_event("limit", since)
            state = next(seen for seen in watcher.seen[since:] if seen.topic == TOPICS.state)
            delays.append(max(event.at_s, state.at_s) - written_at - stopwatch.waited_s)
            says = f"The grid operator limits consumption to {value_w / 1000.0:.2f} kW until "
            assert json.loads(event.payload)["reason"].startswith(says)
        shown = watcher.json(TOPICS.state)
        assert shown["consumption_source"] == "grid operator"
        assert "2.00 kW" in shown["consumption_reason"]
        assert shown["consumption_state"] == "limited by the grid operator"
        assert shown["consumption_until"] is not None
        assert (await box.deactivate()).accepted
        released = json.loads((await watcher.until_event("release")).payload)
        assert released["limit_w"] is None
        assert released["reason"] == "The grid operator no longer limits consumption"
    assert sorted(delays)[1] < 0.2, delays


async def test_an_own_limit_lowers_never_raises_and_survives_a_restart(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    path = write_configuration(tmp_path, mosquitto.port, failsafe_w=5000.0)

    async with watching(mosquitto.port) as watcher:

        def shown(limit_w: float, own_w: float) -> None:
            state = watcher.json(TOPICS.state)
            assert (state["consumption_limit_w"], state["own_limit_w"]) == (limit_w, own_w)

        async with running_gateway(path):
            await watcher.until(_is_complete)
            await watcher.publish(TOPICS.own_limit_set, "2000", qos=1)
            await watcher.until(lambda newest: json.loads(newest[TOPICS.state])["own_limit_w"] == 2000)
            shown(2000, 2000)
            since = len(watcher.seen)
            await watcher.publish(TOPICS.own_limit_set, "9000", qos=1)
            await watcher.until(lambda newest: json.loads(newest[TOPICS.state])["own_limit_w"] == 9000)
            shown(5000, 9000)
            await watcher.publish(TOPICS.own_limit_set, "-5", qos=1)
            await watcher.publish(TOPICS.own_limit_set, "1500", qos=1, retain=True)
            await watcher.until_event("own_limit_refused", since)
            await watcher.until(lambda newest: TOPICS.own_limit_set not in newest)
            await watcher.publish(TOPICS.own_limit_set, "1000", qos=1)
            await watcher.until(lambda newest: json.loads(newest[TOPICS.state])["own_limit_w"] == 1000)
        async with running_gateway(path):
            await watcher.until(_is_complete)
            shown(1000, 1000)
            await watcher.publish(TOPICS.own_limit_set, "None", qos=1)
            await watcher.until(lambda newest: json.loads(newest[TOPICS.state])["own_limit_w"] == 24_150)
            shown(5000, 24_150)


async def test_with_mqtt_3_1_1_no_retained_command_stays_at_the_broker(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    path = write_configuration(tmp_path, mosquitto.port, mqtt=", protocol: '3.1.1'")
    async with watching(mosquitto.port) as watcher, running_gateway(path):
        await watcher.until(_is_complete)
        await watcher.publish(TOPICS.own_limit_set, "1500", qos=1, retain=True)
        await watcher.until(lambda newest: json.loads(newest[TOPICS.state])["own_limit_w"] == 1500)
        await watcher.until(lambda newest: TOPICS.own_limit_set not in newest)
        assert TOPICS.own_limit_set not in await retained_at(mosquitto.port)


async def test_a_flood_on_the_set_topic_is_told_once_and_the_right_command_after_it_is_taken(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_configuration(tmp_path, mosquitto.port)
    async with running_gateway(path), watching(mosquitto.port) as watcher:
        await watcher.until(_is_complete)
        for number in range(1000):
            await watcher.publish(TOPICS.own_limit_set, f"nonsense {number}")
        await watcher.publish(TOPICS.own_limit_set, "4000", qos=1)
        await watcher.until(lambda newest: json.loads(newest[TOPICS.state])["own_limit_w"] == 4000)
        await watcher.until_event("own_limit")
        events = [json.loads(seen.payload) for seen in watcher.seen if seen.topic == TOPICS.event]
    assert [event["event_type"] for event in events] == ["own_limit_refused", "own_limit"]
    assert len([record for record in caplog.records if "was refused" in record.getMessage()]) == 1


async def test_the_birth_of_home_assistant_brings_everything_again(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    path = write_configuration(tmp_path, mosquitto.port)
    async with running_gateway(path), watching(mosquitto.port) as watcher:
        await watcher.until(_is_complete)
        for topic in ALL - {TOPICS.status}:
            await watcher.publish(topic, "", retain=True)
        await watcher.until(lambda newest: DOCUMENT not in newest)
        await watcher.publish("homeassistant/status", "online")
        await watcher.until(_is_complete)


async def test_states_are_right_within_ten_seconds_after_the_broker_was_killed(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with running_gateway(write_configuration(tmp_path, mosquitto.port)) as run, trusted_box(run) as box:
        async with watching(mosquitto.port) as watcher:
            await watcher.until(_is_complete)
        mosquitto.kill()
        stopwatch = Stopwatch()
        assert (await box.limit(2000.0)).accepted, "a limit does not need the broker"
        assert stopwatch.took_s < 1.0
        await asyncio.sleep(1.0)
        await asyncio.to_thread(mosquitto.start)
        async with watching(mosquitto.port) as watcher:
            await watcher.until(_is_complete)
            assert watcher.json(TOPICS.state)["consumption_limit_w"] == 2000
            await watcher.until_event("limit")


async def test_a_killed_gateway_is_offline_at_once_and_right_after_its_restart(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    path = write_configuration(tmp_path, mosquitto.port)
    async with watching(mosquitto.port) as watcher:
        async with gateway_process(path) as process:
            await watcher.until(_is_complete)
            await process.end(signal.SIGKILL)
            await watcher.until(lambda newest: newest[TOPICS.status] == "offline", 1.0)
        async with gateway_process(path) as process:
            await watcher.until(_is_complete)
            assert await process.end(signal.SIGTERM) == 0
            assert watcher.newest[TOPICS.status] == "offline"
            log = process.log.read_text()
    assert "Traceback" not in log


async def test_both_killed_and_started_in_the_worse_order(tmp_path: Path, mosquitto: Mosquitto) -> None:
    path = write_configuration(tmp_path, mosquitto.port)
    async with gateway_process(path) as process:
        async with watching(mosquitto.port) as watcher:
            await watcher.until(_is_complete)
        mosquitto.kill()
        await process.end(signal.SIGKILL)
    async with gateway_process(path) as process:
        await process.until_answering()
        await asyncio.sleep(1.5)
        await asyncio.to_thread(mosquitto.start)
        async with watching(mosquitto.port) as watcher:
            await watcher.publish("homeassistant/status", "online")
            await watcher.until(_is_complete)
        assert await process.end(signal.SIGTERM) == 0
        lines = [line for line in process.log.read_text().splitlines() if "nothing listens there" in line]
    assert len(lines) == 1


async def test_a_renamed_device_leaves_no_duplicate_and_no_orphan(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with watching(mosquitto.port) as watcher:
        async with running_gateway(write_configuration(tmp_path, mosquitto.port)):
            await watcher.until(_is_complete)
        async with running_gateway(write_configuration(tmp_path, mosquitto.port, name="cellar")):
            await watcher.until(lambda newest: TOPICS.device("cellar").measurement in newest)
            await watcher.until(lambda newest: {t for t in newest if "battery" in t} == {BATTERY.status})
            assert watcher.newest[BATTERY.status] == "offline"
        cleared = [seen.topic for seen in watcher.seen if seen.payload == ""]
        documents = await retained_at(mosquitto.port, "homeassistant/#")
        assert documents.keys() == {DOCUMENT, "homeassistant/device/hems_home_cellar/config"}
        assert set(cleared) == {BATTERY_DOCUMENT, BATTERY.state, BATTERY.measurement}


async def test_switched_off_home_assistant_loses_our_documents(tmp_path: Path, mosquitto: Mosquitto) -> None:
    on = write_configuration(tmp_path, mosquitto.port)
    async with running_gateway(on), watching(mosquitto.port) as watcher:
        await watcher.until(_is_complete)
    off = write_configuration(tmp_path, mosquitto.port, mqtt=", home_assistant: {enabled: false}")
    async with running_gateway(off), watching(mosquitto.port) as watcher:
        await watcher.until(lambda newest: not any(topic.startswith("homeassistant/") for topic in newest))
        await watcher.until(lambda newest: newest.keys() == ALL - {DOCUMENT, BATTERY_DOCUMENT})


async def test_a_changed_form_moves_the_documents(tmp_path: Path, mosquitto: Mosquitto) -> None:
    single = write_configuration(tmp_path, mosquitto.port, mqtt=", home_assistant: {form: single}")
    async with running_gateway(single), watching(mosquitto.port) as watcher:
        await watcher.until(lambda newest: BATTERY.measurement in newest)
    async with watching(mosquitto.port) as watcher:
        async with running_gateway(write_configuration(tmp_path, mosquitto.port)):
            await watcher.until(
                lambda newest: (
                    {t for t in newest if t.startswith("homeassistant/")} == {DOCUMENT, BATTERY_DOCUMENT}
                )
            )
        kinds = [
            "flag" if "migrate_discovery" in seen.payload else "clear" if not seen.payload else "document"
            for seen in watcher.seen
            if seen.topic.startswith("homeassistant/") and not seen.retained
        ]
    assert [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before] == [
        "flag", "document", "clear",
    ]  # fmt: skip


@contextlib.asynccontextmanager
async def _limited_without_a_broker(path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[list[str]]:
    """A gateway whose broker is of no use; a limit of the box works all the same."""
    lines: list[str] = []
    async with running_gateway(path) as run, trusted_box(run, Box()) as box:
        stopwatch = Stopwatch()
        assert (await box.limit(2000.0)).accepted
        assert stopwatch.took_s < 1.0
        await eventually(lambda: bool(_broker_lines(caplog)))
        lines += _broker_lines(caplog)
        yield lines
        status = run.gateway.status()
        assert status["limits"][0]["limit_w"] == 2000.0
        assert any(lines[0].startswith(f"{text}. ") for text in status["warnings"]), status["warnings"]
    assert not [record for record in caplog.records if record.exc_info and record.levelname != "DEBUG"]


def _broker_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "MQTT broker" in record.getMessage()
            and record.levelname == "WARNING"]  # fmt: skip


async def test_a_wrong_password_is_one_plain_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    passwords.chmod(0o600)
    (tmp_path / "secret").write_text("not-the-password\n")
    access = f"allow_anonymous false\npassword_file {passwords}"
    async with broker(tmp_path, access=access) as mosquitto:
        path = write_configuration(tmp_path, mosquitto.port, mqtt=", username: hems, password_file: secret")
        async with _limited_without_a_broker(path, caplog) as lines:
            await asyncio.sleep(1.0)
        attempts = mosquitto.log.read_text().count("not authorised")
    assert len(_broker_lines(caplog)) == attempts == 1, "it is not tried again soon"
    assert lines[0].startswith(f"MQTT broker 127.0.0.1:{mosquitto.port}: it refuses the user name")
    assert "not-the-password" not in caplog.text


async def test_a_password_file_that_is_missing_is_one_plain_line(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_configuration(tmp_path, mosquitto.port, mqtt=", username: hems, password_file: secret")
    async with _limited_without_a_broker(path, caplog) as lines:
        pass
    assert "mqtt.password_file cannot be read" in lines[0]


async def test_a_frozen_broker_is_one_plain_line_and_does_not_hold_the_stop(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_configuration(tmp_path, mosquitto.port)
    async with running_gateway(path) as run, trusted_box(run) as box:
        async with watching(mosquitto.port) as watcher:
            await watcher.until(_is_complete)
        mosquitto.freeze()
        try:
            stopwatch = Stopwatch()
            assert (await box.limit(2000.0)).accepted
            assert stopwatch.took_s < 1.0
            await eventually(lambda: bool(_broker_lines(caplog)))
            assert "it does not answer" in _broker_lines(caplog)[0]
            run.stop.set()
            stopped_at = time.monotonic()
            await run.task
            assert time.monotonic() - stopped_at < 5.0
        finally:
            mosquitto.thaw()
    assert len(_broker_lines(caplog)) == 1


async def test_a_frozen_broker_that_goes_on_gets_everything(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with running_gateway(write_configuration(tmp_path, mosquitto.port)) as run, trusted_box(run) as box:
        async with watching(mosquitto.port) as watcher:
            await watcher.until(_is_complete)
        mosquitto.freeze()
        assert (await box.limit(2000.0)).accepted
        await asyncio.sleep(0.5)
        mosquitto.thaw()
        async with watching(mosquitto.port) as watcher:
            await watcher.until(
                lambda newest: (
                    _is_complete(newest) and json.loads(newest[TOPICS.state])["consumption_limit_w"] == 2000
                )
            )


async def test_two_gateways_at_one_broker_do_not_touch_each_other(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    theirs = write_configuration(other, mosquitto.port)
    theirs.write_text(theirs.read_text().replace("gateway_id: home", "gateway_id: home_cellar"))
    async with watching(mosquitto.port) as watcher, running_gateway(theirs):
        await watcher.until(lambda newest: "hems/home_cellar/measurement" in newest)
        async with running_gateway(write_configuration(tmp_path, mosquitto.port)):
            await watcher.until(_is_complete)
        assert "homeassistant/device/hems_home_cellar/config" in watcher.newest
        assert watcher.newest["hems/home_cellar/status"] == "online"
        assert [seen for seen in watcher.seen if not seen.payload] == []
