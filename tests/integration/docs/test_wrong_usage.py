"""The programs beside `hems`: whoever starts them wrongly reads what is right, and no traceback."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_EXAMPLE = str(_ROOT / "docs" / "examples" / "heat_pump.py")


def _told(*arguments: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=_ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("-m", "adapters.simulated", "--port", "65536"), 2, "'65536' is not a port: 0 to 65535"),
        (("-m", "adapters.simulated", "--mqtt", "broker:x"), 2, "'x' is not a port"),
        (("-m", "tests.soak", "--help"), 0, "COUNT"),
        (("-m", "tests.soak", "many"), 2, "invalid int value: 'many'"),
        ((_EXAMPLE,), 1, "python heat_pump.py FOLDER SKI_OF_THE_MANAGER [PORT]"),
        ((_EXAMPLE, "/tmp", "a1" * 20, "port"), 1, "python heat_pump.py FOLDER SKI_OF_THE_MANAGER [PORT]"),
        ((_EXAMPLE, "/tmp", "xx"), 1, "'xx' is not an SKI"),
    ],
)
def test_wrong_arguments_are_answered_with_the_right_ones(
    arguments: tuple[str, ...], code: int, text: str
) -> None:
    returned, told = _told(*arguments)
    assert text in told
    assert "Traceback" not in told
    assert returned == code


def test_a_simulated_house_names_the_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        returned, told = _told("-m", "adapters.simulated", "--port", str(port))
    assert f"The simulated house cannot listen on 127.0.0.1:{port}: end what listens there" in told
    assert "Traceback" not in told
    assert returned == 1
