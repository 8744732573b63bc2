"""docker/addon: the app for Home Assistant, against the Supervisor's rules, put together, built and run."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from adapters.registry import DEFAULT_REGISTRY
from eebus.clock import SystemClock
from eebus.ship.identity import make_identity
from hems import __version__
from hems.config import load
from tests.container.dockerfile import Stage, read_dockerfile
from tests.container.sandbox import Container, Image, Sandbox, sandbox
from tests.container.support import DOCKER, read_yaml

ADDON = DOCKER / "addon"
CONFIG: dict[str, Any] = read_yaml(ADDON / "config.yaml")
LANGUAGES = ("en", "de")

_KNOWN = {
    "name", "version", "slug", "description", "arch", "startup", "boot", "init", "timeout", "homeassistant",
    "host_network", "services", "map", "backup", "ingress", "ingress_port", "panel_title", "panel_icon",
    "options", "schema",
}  # fmt: skip
_TYPES = re.compile(
    r"^(str|bool|email|url|password|port|device|int(\(-?\d*,-?\d*\))?|float(\(-?\d*,-?\d*\))?"
    r"|match\(.+\)|list\([^|()]+(\|[^|()]+)*\))\??$"
)
_FILES = {
    "config.yaml", "Dockerfile", "run.py", "first.yaml", "README.md", "DOCS.md", "CHANGELOG.md",
    "translations", "runtime.txt", f"eebus_hems-{__version__}-py3-none-any.whl",
}  # fmt: skip


def test_the_required_keys_are_there_and_no_unknown_one() -> None:
    assert {"name", "version", "slug", "description", "arch"} <= set(CONFIG) <= _KNOWN
    assert set(CONFIG["arch"]) == {"amd64", "aarch64"}
    assert re.match(r"[a-z0-9_]+$", CONFIG["slug"])
    assert CONFIG["startup"] in ("services", "application")
    assert CONFIG["backup"] in ("hot", "cold")
    assert 10 <= CONFIG["timeout"] <= 300
    assert all(re.match(r"mqtt:(need|want|provide)$", service) for service in CONFIG["services"])
    assert {entry["type"] for entry in CONFIG["map"]} == {"app_config"}


def test_the_version_is_that_of_the_gateway() -> None:
    assert CONFIG["version"] == __version__
    assert f"BUILD_VERSION={__version__}\n" in (ADDON / "Dockerfile").read_text()
    assert f"## {__version__}\n" in (ADDON / "CHANGELOG.md").read_text()


def test_a_page_on_the_network_of_the_host_gets_its_port_from_the_supervisor() -> None:
    assert CONFIG["host_network"] is True
    assert CONFIG["ingress_port"] == 0
    assert "ports" not in CONFIG


def test_every_option_has_a_type_and_a_default_exactly_when_it_is_not_optional() -> None:
    for name, kind in CONFIG["schema"].items():
        assert _TYPES.match(kind), f"{name}: {kind}"
        assert (name in CONFIG["options"]) is not kind.endswith("?"), name
    assert set(CONFIG["options"]) <= set(CONFIG["schema"])
    for name, value in CONFIG["options"].items():
        kind = CONFIG["schema"][name]
        assert isinstance(value, bool) if kind == "bool" else value in kind[5:-1].split("|"), name


def test_the_pattern_of_the_ski_takes_what_labels_show() -> None:
    found = re.match(r"match\((.+)\)\?$", CONFIG["schema"]["control_box_ski"])
    assert found is not None
    ski = make_identity("box", now=SystemClock().utc_now()).ski
    grouped = " ".join(ski[start : start + 4] for start in range(0, 40, 4))
    assert all(re.match(found[1], text) for text in (ski, ski.upper(), grouped))
    assert not re.match(found[1], ski[:-1])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_option_is_named_and_described_in_both_languages(language: str) -> None:
    words = read_yaml(ADDON / "translations" / f"{language}.yaml")["configuration"]
    assert set(words) == set(CONFIG["schema"])
    assert all(entry["name"].strip() and entry["description"].strip() for entry in words.values())


def test_the_image_is_labelled_for_the_supervisor() -> None:
    labels = "".join(read_dockerfile(ADDON / "Dockerfile")[-1].values("LABEL"))
    assert all(label in labels for label in ("io.hass.version", 'io.hass.type="app"', "io.hass.arch"))


@pytest.fixture(scope="session")
def program() -> ModuleType:
    """run.py as a module."""
    specification = importlib.util.spec_from_file_location("addon_run", ADDON / "run.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["addon_run"] = module
    specification.loader.exec_module(module)
    return module


def test_the_options_become_settings_of_a_configuration_without_mistakes(
    program: ModuleType, tmp_path: Path
) -> None:
    configuration = tmp_path / "hems.yaml"
    configuration.write_text((ADDON / "first.yaml").read_text())
    options = {
        **CONFIG["options"],
        "mqtt": "manual",
        "mqtt_host": "192.168.178.5",
        "mqtt_username": "1234",
        "mqtt_password": "geheim: #1",
        "commands": True,
        "log_level": "warning",
    }
    loaded = load(
        configuration,
        DEFAULT_REGISTRY,
        environment=program.environment_of(options, program.broker_of(options)),
    )
    assert loaded.log.level == "warning"
    assert loaded.data_dir == Path("/data/hems")
    assert loaded.mqtt is not None
    assert (loaded.mqtt.host, loaded.mqtt.port, loaded.mqtt.username) == ("192.168.178.5", 1883, "1234")
    assert loaded.mqtt.password_file == Path("/run/eebus-hems/mqtt_password").resolve()
    assert loaded.mqtt.commands is True
    assert loaded.mqtt.home_assistant.language == "de"


def test_the_configuration_file_has_the_word_about_the_broker_when_the_options_say_so(
    program: ModuleType, tmp_path: Path
) -> None:
    configuration = tmp_path / "hems.yaml"
    configuration.write_text("mqtt: {host: broker.home, home_assistant: {language: en}}\n")
    options = {**CONFIG["options"], "mqtt": "file", "mqtt_host": "elsewhere"}
    loaded = load(
        configuration,
        DEFAULT_REGISTRY,
        environment=program.environment_of(options, program.broker_of(options)),
    )
    assert loaded.mqtt is not None
    assert (loaded.mqtt.host, loaded.mqtt.home_assistant.language) == ("broker.home", "en")


@dataclass
class Supervisor:
    """The part of the Supervisor that the app asks. `broker`: None when no app offers one."""

    broker: dict[str, Any] | None = None
    tokens: list[str] = field(default_factory=list)
    port: int = 0


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """A Supervisor on loopback."""
    asked = Supervisor()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.tokens.append(self.headers["Authorization"])
            offered = asked.broker is not None and self.path == "/services/mqtt"
            body = json.dumps({"result": "ok" if offered else "error", "data": asked.broker}).encode()
            self.send_response(200 if offered else 400)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    asked.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


OFFERED = {
    "host": "127.0.0.1",
    "port": 9,
    "ssl": False,
    "username": "addons",
    "password": "from the supervisor",
    "protocol": "3.1.1",
    "addon": "core_mosquitto",
}


def test_a_broker_that_another_app_offers_is_taken(
    program: ModuleType, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERVISOR_ADDRESS", f"http://127.0.0.1:{supervisor.port}")
    monkeypatch.setenv("SUPERVISOR_TOKEN", "secret")
    supervisor.broker = OFFERED
    found = program.broker_of(CONFIG["options"])
    assert (found.host, found.port, found.username, found.tls) == ("127.0.0.1", 9, "addons", False)
    assert supervisor.tokens == ["Bearer secret"]


def test_without_a_broker_the_gateway_runs_all_the_same(
    program: ModuleType,
    supervisor: Supervisor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SUPERVISOR_ADDRESS", f"http://127.0.0.1:{supervisor.port}")
    assert program.broker_of(CONFIG["options"]) is None
    assert "no app offers one" in capsys.readouterr().err
    assert not any("MQTT" in name for name in program.environment_of(CONFIG["options"], None))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the app as make-app.sh puts it together."""
    made = tmp_path_factory.mktemp("addons") / "eebus_hems"
    subprocess.run(
        [ADDON / "make-app.sh", made],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHON": sys.executable},
    )
    return made


def test_the_folder_is_complete(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == _FILES


@dataclass(frozen=True)
class App:
    """The built image with its folders, ready to be started."""

    engine: Sandbox
    stage: Stage
    supervisor: Supervisor
    data: Path
    config: Path

    def running(self, output: Path, **options: object) -> Any:
        """Start it with these options, as the Supervisor does: as root, on the network of the host."""
        (self.data / "options.json").write_text(json.dumps({**CONFIG["options"], **options}))
        image = Image(
            "app",
            self.stage,
            mounts={"/data": self.data, "/config": self.config},
            writable=frozenset({"/data", "/config"}),
            user="0:0",
            locked_in=False,
            variables={
                "SUPERVISOR_ADDRESS": f"http://127.0.0.1:{self.supervisor.port}",
                "SUPERVISOR_TOKEN": "secret",
            },
        )
        return self.engine.running(image, output)


@pytest.fixture(scope="session")
def built(engine: Sandbox, folder: Path) -> Iterator[tuple[Sandbox, Stage]]:
    """The image of the app."""
    stage = read_dockerfile(folder / "Dockerfile")[-1]
    with sandbox(folder) as made:
        made.build("app", stage)
        yield made, stage


@pytest.fixture
def app(built: tuple[Sandbox, Stage], supervisor: Supervisor, tmp_path: Path) -> App:
    """The app with empty folders and a configuration that stays on loopback."""
    data, config = tmp_path / "data", tmp_path / "config"
    data.mkdir()
    config.mkdir()
    return App(*built, supervisor, data, config)


def children_of(pid: int) -> list[int]:
    """The numbers of a process's children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


ON_LOOPBACK = "eebus: {host: 127.0.0.1, port: 0, announce: false}\n"


def status_of(container: Container) -> dict[str, Any]:
    """What the running gateway says."""
    container.until("hems", "status")
    answer: dict[str, Any] = json.loads(container.inside("hems", "status", "--json").stdout)
    return answer


def test_the_app_runs_the_gateway_as_its_user_with_the_broker_of_the_supervisor(
    app: App, tmp_path: Path
) -> None:
    (app.config / "hems.yaml").write_text(ON_LOOPBACK)
    app.supervisor.broker = OFFERED
    with app.running(tmp_path / "log") as container:
        assert status_of(container)["data_dir"] == "/data/hems"
        password = container.inside("stat", "--format=%u %a", "/run/eebus-hems/mqtt_password").stdout
        assert password.split() == ["10001", "600"]
        gateway = children_of(container.first_process)[0]
        assert Path(f"/proc/{gateway}/status").read_text().count("\t10001\t10001\t10001\t10001") == 2
        assert b"SUPERVISOR_TOKEN" not in Path(f"/proc/{gateway}/environ").read_bytes()
        assert str(status_of(container)["ski"])[:4].upper() in (tmp_path / "log").read_text().upper()
        assert container.end() == 0, container.output.read_text()


def test_the_steuerbox_of_the_options_is_trusted_and_stays_so(app: App, tmp_path: Path) -> None:
    (app.config / "hems.yaml").write_text(ON_LOOPBACK)
    ski = make_identity("box", now=SystemClock().utc_now()).ski
    for _ in range(2):
        with app.running(tmp_path / "log", control_box_ski=ski) as container:
            container.until("sh", "-c", f"hems pair list | grep -qi {ski[:4]}")
            assert status_of(container)["control_box"]["ski"] == ski
            assert container.end() == 0, container.output.read_text()
    assert "is not trusted" not in (tmp_path / "log").read_text()


def test_the_first_start_leaves_a_configuration_for_people(app: App, tmp_path: Path) -> None:
    with app.running(tmp_path / "log") as container:
        container.until("test", "-s", "/config/hems.yaml")
        container.end()
    assert (app.config / "hems.yaml").read_text() == (ADDON / "first.yaml").read_text()
    assert load(app.config / "hems.yaml", DEFAULT_REGISTRY, environment={}).devices == ()
    assert "hems.yaml is new" in (tmp_path / "log").read_text()


def test_a_mistake_in_the_configuration_ends_the_app_with_its_line(app: App, tmp_path: Path) -> None:
    (app.config / "hems.yaml").write_text("eebus: {prot: 4712}\n")
    with app.running(tmp_path / "log") as container:
        assert container.process.wait(30) == 3
    assert "hems.yaml:1" in (tmp_path / "log").read_text()
