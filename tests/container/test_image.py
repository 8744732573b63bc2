"""docker/Dockerfile: its form, its steps, and the image that they make, run as the engine would run it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.container.dockerfile import Stage, command, read_copy
from tests.container.sandbox import Container, Image, Sandbox
from tests.container.support import DOCKER, ROOT, missing

CONFIGURATION = """
site: {name: Container}
eebus: {announce: false}
devices:
  - name: wallbox
    adapter: {type: modbus, profile: heidelberg-energy-control, host: 127.0.0.1, port: 9}
"""


def test_every_stage_is_built_on_a_slim_image_of_a_named_version(stages: list[Stage]) -> None:
    assert {stage.base for stage in stages} == {"python:3.13-slim-trixie"}


def test_packages_are_installed_by_hash_and_nothing_else_is_fetched(stages: list[Stage]) -> None:
    for stage in stages:
        for step in stage.values("RUN"):
            for part in step.split("&&"):
                if " install " in part and "pip" in part:
                    assert "--require-hashes" in part or "--no-deps /wheels/*.whl" in part, part
                assert not {"curl", "wget", "apt-get", "git"} & set(part.split()), part


def test_the_image_runs_as_a_numbered_user_with_a_health_check_and_without_a_shell(
    stages: list[Stage],
) -> None:
    final = stages[-1]
    assert final.last("USER") == "10001:10001"
    assert final.last("VOLUME") == "/data"
    assert command(final.last("HEALTHCHECK")) == ["hems", "status"]
    assert command(final.last("ENTRYPOINT")) == ["hems"]
    assert command(final.last("CMD")) == ["run"]


def test_the_context_holds_exactly_what_is_copied(stages: list[Stage]) -> None:
    allowed = {
        line.removeprefix("!")
        for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = [read_copy(value) for stage in stages for value in stage.values("COPY")]
    copied = {source for copy in copies if not copy.stage for source in copy.sources}
    assert copied == allowed
    assert all((ROOT / path).exists() for path in copied)


def test_the_tools_that_build_are_those_that_the_project_asks_for() -> None:
    pinned = (DOCKER / "requirements-build.txt").read_text()
    assert "hatchling==" in pinned
    assert pinned.count("--hash=sha256:") >= pinned.count("==")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A new volume: the engine gives it the owner of the folder in the image."""
    folder = tmp_path / "volume"
    folder.mkdir(mode=0o700)
    os.chown(folder, 10001, 10001)
    return folder


@pytest.fixture
def image(gateway_image: str, stages: list[Stage], volume: Path, tmp_path: Path) -> Image:
    """The built image with a configuration and a volume."""
    configuration = tmp_path / "hems.yaml"
    configuration.write_text(CONFIGURATION)
    return Image(
        gateway_image,
        stages[-1],
        mounts={"/config/hems.yaml": configuration, "/data": volume},
        writable=frozenset({"/data"}),
    )


def status_of(container: Container) -> dict[str, object]:
    """What the running gateway says, once it is healthy."""
    container.until(*command(container.image.stage.last("HEALTHCHECK")))
    answer: dict[str, object] = json.loads(container.inside("hems", "status", "--json").stdout)
    return answer


def test_the_image_is_healthy_stops_in_order_and_keeps_its_identity(
    engine: Sandbox, image: Image, tmp_path: Path, volume: Path
) -> None:
    log = tmp_path / "log"
    with engine.running(image, log) as container:
        first = status_of(container)
        assert first["port"] == 4712
        assert first["data_dir"] == "/data"
        assert container.end() == 0, log.read_text()
    assert (volume / "state.db").exists()
    with engine.running(image, log) as container:
        assert status_of(container)["ski"] == first["ski"]
        assert container.end() == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_gateway_is_process_1_without_rights_and_can_write_to_its_volume_only(
    engine: Sandbox, image: Image, tmp_path: Path
) -> None:
    with engine.running(image, tmp_path / "log") as container:
        status_of(container)
        facts = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{container.first_process}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert b"hems\0run" in Path(f"/proc/{container.first_process}/cmdline").read_bytes()
        assert facts["NSpid"].split()[-1] == "1"
        assert facts["Uid"].split() == ["10001"] * 4
        assert {int(facts[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {0}
        assert facts["NoNewPrivs"] == "1"
        for place in ("/", "/opt/hems", "/config", "/usr/local", "/etc", "/run", "/home"):
            refused = container.inside("touch", f"{place}/x")
            assert refused.returncode != 0, place
        assert container.inside("touch", "/data/x").returncode == 0
        assert container.inside("touch", "/tmp/x").returncode == 0


def test_the_health_check_fails_when_no_gateway_answers(
    engine: Sandbox, image: Image, tmp_path: Path, volume: Path
) -> None:
    idle = Image(image.name, image.stage, image.mounts, image.writable, command_line=("sleep", "60"))
    with engine.running(idle, tmp_path / "log") as container:
        container.until("true")
        assert container.inside("hems", "status").returncode == 4


def test_the_image_contains_the_wheel_and_no_installer(engine: Sandbox, gateway_image: str) -> None:
    root = engine.root(gateway_image)
    found = engine.shell(f"ls {root}/opt/hems/lib/python3*/site-packages {root}/opt/hems/bin").split()
    assert {"hems", "eebus", "adapters", "python3"} <= set(found)
    assert not {"pip", "pip3", "hatchling", "pytest"} & set(found)


def test_the_example_configuration_is_free_of_mistakes(engine: Sandbox, image: Image, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a password")
    checking = Image(
        image.name,
        image.stage,
        mounts={
            **image.mounts,
            "/config/hems.yaml": DOCKER / "hems.yaml",
            "/run/secrets/mqtt_gateway": secret,
        },
        writable=image.writable,
        command_line=("hems", "check"),
    )
    with engine.running(checking, tmp_path / "log") as container:
        assert container.process.wait(30) == 0, (tmp_path / "log").read_text()


def test_the_service_unit_is_correct(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("there is no systemd-analyze")
    unit = tmp_path / "eebus-hems.service"
    text = (DOCKER / "systemd" / "eebus-hems.service").read_text()
    unit.write_text(text.replace("/opt/eebus-hems/bin/hems", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
