"""`python -m adapters.simulated --mqtt`: the simulated house as a person starts it at their broker."""

import asyncio
import shutil
from pathlib import Path

from tests.integration.adapters.test_house_process import house
from tests.integration.hems.support import eventually
from tests.integration.mqtt.mosquitto import Watcher, broker, program, retained_at, watching

HELD, SET = "simulated/heat_pump/max_power_w", "simulated/heat_pump/max_power_w/set"


def _times(watcher: Watcher, topic: str) -> int:
    return sum(seen.topic == topic for seen in watcher.seen)


async def test_a_person_steers_it_by_topics_makes_it_misbehave_and_finds_the_broker_clean_afterwards(
    tmp_path: Path,
) -> None:
    async with broker(tmp_path) as mosquitto:
        async with (
            house("--mqtt", f"127.0.0.1:{mosquitto.port}") as process,
            watching(mosquitto.port) as seen,
        ):
            await seen.until(lambda newest: "openWB/simpleAPI/chargepoint/1/evse_current" in newest)
            await seen.until(lambda newest: {"simulated/meter/power_w", HELD} <= newest.keys())
            await seen.publish(SET, "2000")
            await seen.until(lambda newest: newest[HELD] == "2000")
            assert (await process.event("command"))["meaning"] == "at most 2000 W"
            process.command('{"cmd": "fault", "unit": "mqtt-heat-pump", "fault": "ignore_writes"}')
            await process.event("done")
            await seen.publish(SET, "1000")
            shown = _times(seen, HELD)
            await seen.until(lambda _newest: _times(seen, HELD) > shown)
            assert seen.newest[HELD] == "2000"
            process.command('{"cmd": "fault", "unit": "mqtt-heat-pump", "fault": "busy"}')
            assert "nobody can say" in (await process.event("error"))["text"]
            process.command('{"cmd": "state", "unit": "mqtt-battery"}')
            assert "set, fault, reboot" in (await process.event("error"))["text"]
        assert await retained_at(mosquitto.port) == {}


async def test_one_device_logs_in_and_comes_back_to_a_broker_that_was_away(tmp_path: Path) -> None:
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    passwords.write_text("house:word\n")
    passwords.chmod(0o600)
    secret.write_text("word\n")
    hashing = shutil.which("mosquitto_passwd") or f"{program()}_passwd"
    hashed = await asyncio.create_subprocess_exec(hashing, "-U", str(passwords))
    assert await hashed.wait() == 0
    access = f"allow_anonymous false\npassword_file {passwords}"
    async with broker(tmp_path, access=access) as mosquitto:
        mosquitto.kill()
        where = ("--mqtt", f"127.0.0.1:{mosquitto.port}", "--mqtt-device", "meter")
        async with house(*where, "--mqtt-username", "house", "--mqtt-password-file", str(secret)) as process:
            assert not (await process.event("broker"))["connected"]
            mosquitto.start()
            while not (await process.event("broker"))["connected"]:
                pass
            await eventually(lambda: "'simulated/meter/power_w'" in mosquitto.log.read_text())
        assert "heat_pump" not in mosquitto.log.read_text()
