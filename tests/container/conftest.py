"""What can only be made with root and overlays."""

import shutil
from collections.abc import Iterator

import pytest

from tests.container.dockerfile import Stage, read_dockerfile
from tests.container.sandbox import Sandbox, sandbox, unavailable
from tests.container.support import DOCKER, ROOT, missing


@pytest.fixture(scope="session")
def stages() -> list[Stage]:
    """The stages of docker/Dockerfile."""
    return read_dockerfile(DOCKER / "Dockerfile")


@pytest.fixture(scope="session")
def engine() -> Iterator[Sandbox]:
    """Where images are built and run; its build context is the project."""
    if reason := unavailable():
        missing(reason)
    with sandbox(ROOT) as made:
        yield made


@pytest.fixture(scope="session")
def gateway_image(engine: Sandbox, stages: list[Stage]) -> str:
    """The name of the built image of docker/Dockerfile."""
    engine.build(stages[0].name, stages[0])
    engine.build("gateway", stages[-1])
    return "gateway"


@pytest.fixture
def broker_programs() -> None:
    """The broker and its tools on this machine."""
    for program in ("mosquitto", "mosquitto_passwd", "mosquitto_pub", "mosquitto_sub"):
        if shutil.which(program) is None:
            missing(f"there is no {program}")
