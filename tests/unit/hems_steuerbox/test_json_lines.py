"""What the Steuerbox writes for programs."""

import json
from typing import Any

import pytest

from eebus.ids import ShipId, Ski
from eebus.usecases.controllable_view import ControllableSystemView, RemoteLimit
from eebus.usecases.limitation import Direction
from hems.cli.steuerbox.console import JsonVoice
from hems.cli.steuerbox.desk import Outcome
from hems.cli.steuerbox.telling import view_numbers

_SKI = Ski("ab" * 20)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_line_is_an_object_that_tells_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    voice = JsonVoice()
    voice.introduce(_SKI, ShipId("i:1"), 4712)
    voice.say("nobody\ncalls")
    voice.answer("values", Outcome(("power 2.30 kW",), values={_SKI: {"grid": {"power": 2300.5}}}))
    voice.answer("limit 3 kW", Outcome(("refused",), accepted=False))
    voice.refuse("dance", "'dance' is no command")
    first, told, values, limit, refused = _lines(capsys)
    assert (first["ski"], first["ship_id"], first["port"]) == (_SKI, "i:1", 4712)
    assert told["told"] == "nobody\ncalls"
    assert values["values"][_SKI]["grid"]["power"] == 2300.5
    assert (limit["command"], limit["done"], limit["accepted"]) == ("limit 3 kW", True, False)
    assert (refused["done"], refused["why"]) == (False, "'dance' is no command")
    assert [("command" in line) for line in (first, told, values)] == [False, False, True]


def test_a_system_is_shown_in_exact_numbers() -> None:
    view = ControllableSystemView(
        ski=_SKI,
        entity=(1,),
        limits={Direction.CONSUMPTION: RemoteLimit(4321.5, True, "PT1M")},
        failsafe_w={Direction.CONSUMPTION: 4200.0, Direction.PRODUCTION: 0.0},
        failsafe_duration_s=7200.0,
        maxima_w={Direction.CONSUMPTION: 34500.0},
    )
    shown: Any = view_numbers(view)
    assert shown["consumption"] == {
        "limit_w": 4321.5, "active": True, "failsafe_w": 4200.0, "maximum_w": 34500.0,
    }  # fmt: skip
    assert (shown["production"]["failsafe_w"], shown["production"]["limit_w"]) == (0.0, None)
    assert shown["failsafe_duration_s"] == 7200.0
