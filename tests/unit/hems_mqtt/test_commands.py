"""The one command: who may send anything must not be able to do harm."""

import pytest

from adapters.mqtt.broker import Message
from hems.northbound.mqtt.commands import MOST_COMMANDS, CommandRefused, Commands, OwnLimit


def _judge(payload: bytes, *, retained: bool = False) -> OwnLimit:
    return Commands(24_150).judge(Message("hems/g1/own_limit/set", payload, retained), 0.0)


@pytest.mark.parametrize(
    ("payload", "value_w"),
    [(b"0", 0.0), (b"4200", 4200.0), (b"7.123456", 7.123456), (b" 1e3\n", 1000.0)],
)
def test_a_number_of_watts_is_taken(payload: bytes, value_w: float) -> None:
    assert _judge(payload) == OwnLimit(value_w)


@pytest.mark.parametrize("payload", [b"None", b"24150", b"24150.0"])
def test_none_and_the_largest_value_lift_the_limit(payload: bytes) -> None:
    assert _judge(payload) == OwnLimit(None)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"-1", "is not between"),
        (b"24151", "is not between"),
        (b"nan", "is not between"),
        (b"inf", "is not between"),
        (b"1,5", "is not a number"),
        (b"null", "is not a number"),
        (b"0x10", "is not a number"),
        (b"\xff\xfe", "not a text in UTF-8"),
        (b"1" * 65, "65 bytes"),
    ],
)
def test_anything_else_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(CommandRefused, match=reason):
        _judge(payload)


def test_a_retained_command_is_refused_whatever_it_says() -> None:
    with pytest.raises(CommandRefused, match="retained"):
        _judge(b"4200", retained=True)


def test_a_flood_is_refused_and_forgotten_after_a_minute() -> None:
    commands, message = Commands(24_150), Message("t", b"4200", False)
    for number in range(MOST_COMMANDS):
        commands.judge(message, float(number))
    with pytest.raises(CommandRefused, match="commands a minute"):
        commands.judge(message, 59.0)
    commands.judge(message, 60.0)
