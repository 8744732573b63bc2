"""The program of the app: turns its options into settings of the gateway, and runs the gateway as its user.

It begins as root because the Supervisor's folders belong to root, gives the gateway its own data folder, and
stays only to pass on signals and the acceptance of the Steuerbox.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPTIONS = Path("/data/options.json")
CONFIGURATION = Path("/config/hems.yaml")
FIRST_CONFIGURATION = Path(__file__).with_name("first.yaml")
DATA_DIR = Path("/data/hems")
PASSWORD_FILE = Path("/run/eebus-hems/mqtt_password")
USER, GROUP = 10001, 10001
STOPPING = (signal.SIGTERM, signal.SIGINT)
MISTAKES = 3
"""Exit code of the gateway's commands: mistakes in the configuration; they have been shown."""
NOT_RUNNING = 4
"""… and: there is no running gateway to speak to."""

_SUPERVISOR_WAIT_S = 10.0
_ACCEPT_TRIES = 60
_ACCEPT_PAUSE_S = 2.0


@dataclass(frozen=True)
class Broker:
    """How the MQTT broker is reached."""

    host: str
    port: int
    username: str
    password: str
    tls: bool


def main() -> int:
    """Run the gateway until it ends; returns its exit code."""
    # The first process of a container ignores what it does not handle.
    for number in STOPPING:
        signal.signal(number, lambda _received, _frame: sys.exit(0))
    options: dict[str, Any] = json.loads(OPTIONS.read_text())
    broker = broker_of(options)
    prepare_files(broker)
    inherited = {name: value for name, value in os.environ.items() if name != "SUPERVISOR_TOKEN"}
    variables = {**inherited, **environment_of(options, broker)}
    # The installer of the Steuerbox needs what this shows; it also makes the key at the first start.
    if start_as_user(["hems", "identity", "show", "--create"], variables).wait() == MISTAKES:
        return MISTAKES
    gateway = start_as_user(["hems", "run"], variables)
    for number in STOPPING:
        signal.signal(number, lambda received, _frame: gateway.send_signal(received))
    if ski := options.get("control_box_ski"):
        accept_control_box(ski, gateway)
    return gateway.wait()


def start_as_user(command: list[str], variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a program as the user of the gateway."""
    return subprocess.Popen(command, env=variables, user=USER, group=GROUP, extra_groups=[], cwd="/")


def environment_of(options: Mapping[str, Any], broker: Broker | None) -> dict[str, str]:
    """The settings of the gateway, as variables, for these options."""
    settings: dict[str, object] = {
        "DATA_DIR": str(DATA_DIR),
        "LOG__LEVEL": options["log_level"],
    }
    if broker is not None:
        settings |= {
            "MQTT__HOST": broker.host,
            "MQTT__PORT": broker.port,
            "MQTT__COMMANDS": options["commands"],
            "MQTT__HOME_ASSISTANT__LANGUAGE": options["language"],
        }
        if broker.username:
            settings |= {"MQTT__USERNAME": broker.username, "MQTT__PASSWORD_FILE": str(PASSWORD_FILE)}
        if broker.tls:
            settings["MQTT__TLS__CHECK_CERTIFICATE"] = True
    # JSON is YAML: a user name of digits stays a text.
    return {f"HEMS__{name}": json.dumps(value) for name, value in settings.items()}


def broker_of(options: Mapping[str, Any]) -> Broker | None:
    """The broker that the options name; None leaves the word to the configuration file."""
    if options["mqtt"] == "file":
        return None
    if options["mqtt"] == "automatic":
        return supervisors_broker()
    if not options.get("mqtt_host"):
        say("mqtt is 'manual', but mqtt_host is empty: the gateway runs without a broker")
        return None
    return Broker(
        host=options["mqtt_host"],
        port=options.get("mqtt_port") or 1883,
        username=options.get("mqtt_username") or "",
        password=options.get("mqtt_password") or "",
        tls=False,
    )


def supervisors_broker() -> Broker | None:
    """The broker that another app offers; None when there is none."""
    address = os.environ.get("SUPERVISOR_ADDRESS", "http://supervisor")
    request = urllib.request.Request(
        f"{address}/services/mqtt",
        headers={"Authorization": f"Bearer {os.environ.get('SUPERVISOR_TOKEN', '')}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SUPERVISOR_WAIT_S) as response:
            data = json.load(response)["data"]
    except (OSError, ValueError, KeyError) as error:
        reason = "no app offers one" if isinstance(error, urllib.error.HTTPError) else str(error)
        say(f"No MQTT broker ({reason}): the gateway runs without Home Assistant until the next start")
        return None
    return Broker(
        host=data["host"],
        port=int(data["port"]),
        username=data.get("username") or "",
        password=data.get("password") or "",
        tls=bool(data.get("ssl")),
    )


def prepare_files(broker: Broker | None) -> None:
    """The first configuration, the data folder, and the password where only the gateway reads it."""
    if not CONFIGURATION.exists():
        shutil.copyfile(FIRST_CONFIGURATION, CONFIGURATION)
        say("hems.yaml is new in the folder of this app: put in your devices and restart the app")
    CONFIGURATION.chmod(0o644)
    DATA_DIR.mkdir(mode=0o700, exist_ok=True)
    # after a restored backup the files may belong to another number
    for path in (DATA_DIR, *DATA_DIR.rglob("*")):
        os.chown(path, USER, GROUP, follow_symlinks=False)
    PASSWORD_FILE.parent.mkdir(mode=0o755, exist_ok=True)
    PASSWORD_FILE.unlink(missing_ok=True)
    if broker is not None and broker.username:
        PASSWORD_FILE.touch(0o600)
        os.chown(PASSWORD_FILE, USER, GROUP)
        PASSWORD_FILE.write_text(broker.password)


def accept_control_box(ski: str, gateway: "subprocess.Popen[bytes]") -> None:
    """Trust the Steuerbox that the options name as soon as the gateway listens; it must be the only one."""
    command = ["hems", "pair", "accept", ski, "--as", "control-box"]
    for _ in range(_ACCEPT_TRIES):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != NOT_RUNNING:
            break
        time.sleep(_ACCEPT_PAUSE_S)
        if gateway.poll() is not None:
            return
    trusted = done.returncode == 0
    say(
        f"Trusts the Steuerbox {ski}" if trusted else f"Steuerbox {ski} is not trusted: {done.stderr.strip()}"
    )


def say(text: str) -> None:
    """One line into the log of the app."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
