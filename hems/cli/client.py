"""Speaking to the running gateway over its socket in the data directory; the standard library suffices."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

import click

from hems.cli.options import CommandFailed, GatewayNotRunning, find_config, load_config
from hems.config import SOCKET_NAME

_TIMEOUT_S = 10.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))


def data_dir_option(command: Any) -> Any:
    """`--data-dir`: speak to the gateway that works there, without a configuration file."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="HEMS_DATA_DIR",
        help="Data directory of the gateway; else the one that the configuration names.",
    )(command)


def find_data_dir(config_path: Path | None, data_dir: Path | None) -> Path:
    """The data directory that counts."""
    return data_dir.absolute() if data_dir is not None else load_config(find_config(config_path)).data_dir


def ask(data_dir: Path, method: str, target: str, body: object = None) -> dict[str, Any]:
    """One call to the running gateway.

    Raises GatewayNotRunning when none runs there, and CommandFailed when it refuses or does not answer.
    """
    connection = _UnixConnection(data_dir / SOCKET_NAME)
    try:
        connection.request(method, target, None if body is None else json.dumps(body))
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise GatewayNotRunning(
            f"No gateway runs with the data directory {data_dir}. Start it with: hems run --config FILE"
        ) from error
    except PermissionError as error:
        raise CommandFailed(
            f"The gateway in {data_dir} belongs to another user: call this command as that user or with sudo."
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CommandFailed(f"The gateway in {data_dir} does not answer: {error}.") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise CommandFailed(str(answer.get("error", f"The gateway answered with {response.status}.")))
    return answer
