"""Log lines for people and for machines."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from hems.logs import set_up_logging

LIBRARIES = ("asyncio", "uvicorn", "zeroconf", "websockets", "pymodbus")


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {each: each.level for each in (root, *map(logging.getLogger, LIBRARIES))}
    yield
    root.handlers[:] = handlers
    for logger, level in levels.items():
        logger.setLevel(level)


def test_text_lines_show_severity_only_where_it_matters() -> None:
    stream = io.StringIO()
    set_up_logging("info", "text", stream)
    logging.getLogger("hems").info("limit of %s accepted", "4.20 kW")
    logging.getLogger("hems").warning("wallbox does not answer")
    logging.getLogger("hems").debug("not shown")
    first, second = stream.getvalue().splitlines()
    assert first[19:] == " limit of 4.20 kW accepted"
    assert second[19:] == " WARNING wallbox does not answer"


def test_json_lines_carry_the_figures() -> None:
    stream = io.StringIO()
    set_up_logging("info", "json", stream)
    logging.getLogger("hems").info("limit accepted", extra={"data": {"limit_w": 4200.0}})
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("hems").exception("core failed")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["message"], first["level"], first["data"]) == (
        "limit accepted",
        "info",
        {"limit_w": 4200.0},
    )
    assert first["at"].endswith("+00:00")
    assert "ValueError: broken" in second["exception"]


def test_libraries_are_quiet_unless_one_looks_for_a_fault() -> None:
    set_up_logging("info", "text", io.StringIO())
    assert not logging.getLogger("zeroconf").isEnabledFor(logging.INFO)
    assert not logging.getLogger("pymodbus").isEnabledFor(logging.ERROR)
    set_up_logging("debug", "text", io.StringIO())
    assert logging.getLogger("zeroconf").isEnabledFor(logging.DEBUG)
