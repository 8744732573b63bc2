"""Every trouble with a broker in one plain line, and told once."""

import pytest
from aiomqtt import MqttError
from aiomqtt.exceptions import MqttConnectError

from eebus.clock import FakeClock
from hems.northbound.mqtt.retries import HOPELESS_PAUSE_S, LONGEST_PAUSE_S, SILENCE_S, Retries
from hems.northbound.mqtt.troubles import explain, is_wrong_password, is_wrong_version

_VERIFY = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
_FOREIGN = "Hostname mismatch, certificate is not valid for 'x'. (_ssl.c:1006)"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("[Errno 111] Connection refused", "nothing listens there"),
        ("[Errno -2] Name or service not known", "its name is not known; see mqtt.host"),
        ("[Errno 113] No route to host", "there is no way to it in the network"),
        ("Operation timed out", "it does not answer"),
        ("[code:7] The connection was lost.", "the connection is gone"),
        ("[code:128] Unspecified error", "it ended the connection without a reason"),
        ("[code:139] Server shutting down", "it was stopped"),
        ("[code:142] Session taken over", "another client has our name"),
        (f"{_VERIFY}self-signed certificate (_ssl.c:1006)", "its certificate is not trusted (self-signed"),
        (f"{_VERIFY}{_FOREIGN}", "its certificate is for another name; see mqtt.host"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "it speaks no TLS on this port"),
        (
            "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol (_ssl.c:1006)",
            "TLS fails (unsupported protocol)",
        ),
        ("something new", "something new"),
    ],
)
def test_a_trouble_is_told_in_plain_words(text: str, plain: str) -> None:
    assert explain(MqttError(text)).startswith(plain)


@pytest.mark.parametrize("code", [4, 5, 134, 135])
def test_a_refused_password_names_the_settings(code: int) -> None:
    error = MqttConnectError(code)
    assert is_wrong_password(error)
    assert "mqtt.password_file" in explain(error)


@pytest.mark.parametrize("code", [1, 132])
def test_an_old_broker_is_known_by_its_answer(code: int) -> None:
    assert is_wrong_version(MqttConnectError(code))
    assert not is_wrong_version(MqttError("x"))


def _retries() -> tuple[FakeClock, Retries]:
    clock = FakeClock()
    return clock, Retries(clock, lambda low, high: 1.0)


def test_pauses_double_up_to_the_longest() -> None:
    _, retries = _retries()
    pauses = [retries.pause_s(hopeless=False) for _ in range(6)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_states_are_right_within_ten_seconds_after_the_broker_returns() -> None:
    assert LONGEST_PAUSE_S * 1.2 < 8.0


def test_a_connection_that_held_for_a_minute_starts_anew_and_a_short_one_does_not() -> None:
    clock, retries = _retries()
    for _ in range(3):
        retries.pause_s(hopeless=False)
    retries.connected()
    clock.advance(59.0)
    assert retries.pause_s(hopeless=False) == 4.0
    retries.connected()
    clock.advance(60.0)
    assert retries.pause_s(hopeless=False) == 0.5


def test_a_refused_password_is_not_tried_again_soon() -> None:
    assert _retries()[1].pause_s(hopeless=True) == HOPELESS_PAUSE_S


def test_the_same_trouble_is_told_once_in_ten_minutes() -> None:
    clock, retries = _retries()
    assert retries.worth_telling("a")
    assert not retries.worth_telling("a")
    assert retries.worth_telling("b")
    clock.advance(SILENCE_S)
    assert retries.worth_telling("b")
    retries.connected()
    assert retries.worth_telling("b")
