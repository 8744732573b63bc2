"""The one command: who may send anything must not be able to do harm."""

import pytest

from adapters.mqtt.broker import Message
from hems.northbound.mqtt.commands import MOST_COMMANDS, Cause, CommandRefused, Commands, OwnLimit


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
    ("payload", "cause", "told"),
    [
        (b"-1", Cause.OUT_OF_RANGE, "-1"),
        (b"24151", Cause.OUT_OF_RANGE, "24151"),
        (b"nan", Cause.OUT_OF_RANGE, "nan"),
        (b"inf", Cause.OUT_OF_RANGE, "inf"),
        (b"1,5", Cause.NO_NUMBER, "1,5"),
        (b"null", Cause.NO_NUMBER, "null"),
        (b"0x10", Cause.NO_NUMBER, "0x10"),
        (b"4\x1b[2J\n5", Cause.NO_NUMBER, "4 [2J 5"),
        (b"\xff\xfe", Cause.NO_NUMBER, "\ufffd\ufffd"),
        (b"1" * 65, Cause.NO_NUMBER, "1" * 19 + "…"),
    ],
)
def test_anything_else_is_refused(payload: bytes, cause: Cause, told: str) -> None:
    with pytest.raises(CommandRefused) as refused:
        _judge(payload)
    assert (refused.value.cause, refused.value.detail) == (cause, told)


def test_a_retained_command_is_refused_whatever_it_says() -> None:
    with pytest.raises(CommandRefused) as refused:
        _judge(b"4200", retained=True)
    assert refused.value.cause is Cause.RETAINED


def test_a_flood_is_refused_and_forgotten_after_a_minute() -> None:
    commands, message = Commands(24_150), Message("t", b"4200", False)
    for number in range(MOST_COMMANDS):
        commands.judge(message, float(number))
    with pytest.raises(CommandRefused) as refused:
        commands.judge(message, 59.0)
    assert refused.value.cause is Cause.TOO_MANY
    commands.judge(message, 60.0)


def test_nonsense_does_not_use_up_what_is_taken_in_a_minute() -> None:
    commands = Commands(24_150)
    for number in range(10 * MOST_COMMANDS):
        with pytest.raises(CommandRefused):
            commands.judge(Message("t", b"nonsense", False), number / 100.0)
    assert commands.judge(Message("t", b"4000", False), 4.0) == OwnLimit(4000.0)
