"""docker/compose.yaml: what it promises about each service, and the broker of it for real."""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.container.dockerfile import Stage
from tests.container.sandbox import Container, Image, Sandbox
from tests.container.support import DOCKER, read_yaml

COMPOSE = read_yaml(DOCKER / "compose.yaml")
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("gateway", "mosquitto")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_comes_back_is_checked_and_keeps_its_log_short(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"] == "10m"
    assert "healthcheck" in service or "build" in service  # the gateway's check is in its image
    assert "latest" not in service["image"]
    assert ":" in service["image"]
    assert "privileged" not in service


@pytest.mark.parametrize("name", OURS)
def test_gateway_and_broker_are_locked_in(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.match(r"[1-9]\d*:[1-9]\d*$", service["user"])
    assert service["pids_limit"] > 0
    assert service["mem_limit"]


def test_the_gateway_is_on_the_network_of_the_house_and_waits_for_nobody(stages: list[Stage]) -> None:
    gateway = SERVICES["gateway"]
    assert gateway["network_mode"] == "host"
    assert "depends_on" not in gateway
    assert gateway["user"] == stages[-1].last("USER")
    assert "gateway-data:/data" in gateway["volumes"]
    assert int(gateway["stop_grace_period"].removesuffix("s")) >= 10


def test_the_broker_is_reached_by_this_machine_only() -> None:
    assert SERVICES["mosquitto"]["ports"] == ["127.0.0.1:1883:1883"]
    assert read_yaml(DOCKER / "hems.yaml")["mqtt"]["host"] == "127.0.0.1"


def test_every_secret_volume_and_file_that_is_named_is_there(tmp_path: Path) -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]
    made = make_secrets(tmp_path)
    for secret in COMPOSE["secrets"].values():
        assert (made / secret["file"]).is_file()


def make_secrets(folder: Path) -> Path:
    """Run make-secrets.sh in a copy of its folder."""
    shutil.copy(DOCKER / "make-secrets.sh", folder)
    subprocess.run([folder / "make-secrets.sh"], check=True, capture_output=True)
    return folder


def test_passwords_are_random_made_once_and_hidden_from_others(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path) / "secrets"
    first = {path.name: path.read_text() for path in secrets.iterdir()}
    assert set(first) == {"mqtt_gateway", "mqtt_home_assistant"}
    assert len(set(first.values())) == 2
    assert all(re.match(r"[0-9a-f]{48}$", text) for text in first.values())
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    make_secrets(tmp_path)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == first


@pytest.fixture(scope="session")
def broker_stage(engine: Sandbox) -> str:
    """A file system in which the broker of this machine stands in for the image's."""
    engine.build("broker", Stage("", ""))
    return "broker"


@pytest.fixture
def broker(
    broker_programs: None, engine: Sandbox, broker_stage: str, tmp_path: Path
) -> Iterator[tuple[Container, Path]]:
    """The broker as compose.yaml starts it, and the folder of its secrets."""
    secrets = make_secrets(tmp_path) / "secrets"
    folders = {"/run/broker": tmp_path / "passwords", "/mosquitto/data": tmp_path / "data"}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
        os.chown(folder, 1883, 1883)
    image = Image(
        broker_stage,
        Stage("", ""),
        mounts={**folders, "/mosquitto/config": DOCKER / "mosquitto", "/run/secrets": secrets},
        writable=frozenset(folders),
        user=SERVICES["mosquitto"]["user"],
        command_line=tuple(SERVICES["mosquitto"]["command"]),
    )
    secrets.chmod(0o755)  # the engine mounts each file, not their folder
    with engine.running(image, tmp_path / "log") as container:
        container.until("mosquitto_pub", *login(secrets, "homeassistant"), "-t", "x", "-m", "1")
        yield container, secrets


def login(secrets: Path, user: str) -> list[str]:
    """Options of the broker's tools."""
    file = {"hems": "mqtt_gateway", "homeassistant": "mqtt_home_assistant"}[user]
    return ["-u", user, "-P", (secrets / file).read_text()]


def test_the_broker_takes_both_users_and_nobody_else(broker: tuple[Container, Path]) -> None:
    container, secrets = broker
    publish = ["mosquitto_pub", "-t", "hems/x", "-m", "1"]
    assert container.inside(*publish, *login(secrets, "hems")).returncode == 0
    assert container.inside(*publish).returncode != 0
    assert container.inside(*publish, "-u", "hems", "-P", "guessed").returncode != 0


@pytest.mark.parametrize(
    ("topic", "arrives"),
    [
        ("hems/abc/state", True),
        ("homeassistant/device/hems_abc/config", True),
        ("homeassistant/sensor/hems_abc/power/config", True),
        ("homeassistant/status", False),
        ("other/x", False),
    ],
)
def test_the_gateway_may_write_what_it_needs_and_no_more(
    broker: tuple[Container, Path], topic: str, arrives: bool
) -> None:
    container, secrets = broker
    publish = ["mosquitto_pub", *login(secrets, "hems"), "-q", "1", "-r", "-t", topic, "-m", "seen"]
    assert container.inside(*publish).returncode == 0  # a broker does not tell
    read = ["mosquitto_sub", *login(secrets, "homeassistant"), "-t", topic, "-C", "1", "-W", "1"]
    assert (container.inside(*read).stdout.strip() == "seen") is arrives
