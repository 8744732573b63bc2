"""Mode initialisation, protocol handshake and PIN: the cases beyond the official ones."""

from typing import Any

import pytest

from eebus.ship.connection import (
    EndCause,
    PeerShipId,
    Phase,
    PhaseReached,
    PinRequired,
    PinState,
    SendMessage,
    ShipRole,
)
from tests.unit.ship.wire import (
    ACCESS,
    ACCESS_REQUEST,
    ANNOUNCE,
    CLOSE,
    CMI,
    CONFIRM,
    OUR_ACCESS,
    PIN_NONE,
    READY,
    SELECT,
    Dut,
    data,
    handshake,
    in_hello,
    in_pin,
    in_protocol,
    protocol_error,
    sent,
)

CLIENT, SERVER = ShipRole.CLIENT, ShipRole.SERVER
both_roles = pytest.mark.parametrize("role", [CLIENT, SERVER])


def pin(state: str) -> bytes:
    return f'\x01{{"connectionPinState":[{{"pinState":"{state}"}},{{"inputPermission":"ok"}}]}}'.encode()


# --- mode initialisation ---


def test_client_takes_the_cmi_of_a_server_that_does_not_wait() -> None:
    dut = Dut(CLIENT)
    assert dut.get(b"\x00\x00") != []
    assert dut.connection.phase is Phase.HELLO


@pytest.mark.parametrize("message", [b"", b"\x00", b"\x01", b"\x01no json", READY, data(), b"\xff\xff"])
def test_cmi_anything_else_is_invalid(message: bytes) -> None:
    server, client = Dut(SERVER), Dut(CLIENT)
    assert server.get(message) == [CMI]
    assert client.get(message) == []
    assert server.closed is not None
    assert client.closed is not None


def test_cmi_with_appended_zeros_is_valid() -> None:
    dut = Dut(SERVER)
    dut.get(b"\x00\x00\x00")
    assert dut.connection.phase is Phase.HELLO


# --- protocol handshake ---


@pytest.mark.parametrize(
    "proposal",
    [
        handshake("announceMax", formats='"JSON-UTF16"'),
        handshake("announceMax", formats=""),
        handshake("announceMax", 0, 9),
        b'\x01{"messageProtocolHandshake":[{"handshakeType":"announceMax"}]}',
    ],
)
def test_server_nothing_in_common_is_error_3(proposal: bytes) -> None:
    dut = in_protocol(SERVER)
    assert dut.get(proposal) == [protocol_error(3)]
    assert dut.closed is not None


@pytest.mark.parametrize(
    "choice",
    [
        handshake("select", 1, 1),
        handshake("select", 2, 0),
        handshake("select", 0, 9),
        handshake("select", formats='"JSON-UTF16"'),
        handshake("select", formats='"JSON-UTF8","JSON-UTF16"'),
        handshake("select", formats=""),
    ],
)
def test_client_choice_that_was_not_offered_is_error_3(choice: bytes) -> None:
    dut = in_protocol(CLIENT)
    assert dut.get(choice) == [protocol_error(3)]


@pytest.mark.parametrize(
    "confirmation", [handshake("select", 1, 1), handshake("select", formats='"JSON-UTF16"')]
)
def test_server_confirmation_that_differs_is_error_3(confirmation: bytes) -> None:
    dut = in_protocol(SERVER)
    dut.get(ANNOUNCE)
    assert dut.get(confirmation) == [protocol_error(3)]


@pytest.mark.parametrize(
    "message", [SELECT, handshake("other"), CMI, PIN_NONE, ACCESS_REQUEST, ACCESS, data()]
)
def test_server_unexpected_message_is_error_2(message: bytes) -> None:
    dut = in_protocol(SERVER)
    assert dut.get(message) == [protocol_error(2)]
    assert dut.end is not None
    assert dut.end.cause is EndCause.PROTOCOL_VIOLATION


@pytest.mark.parametrize("message", [ANNOUNCE, handshake("other"), CMI, PIN_NONE, ACCESS_REQUEST, data()])
def test_client_unexpected_message_is_error_2(message: bytes) -> None:
    assert in_protocol(CLIENT).get(message) == [protocol_error(2)]


def test_server_proposal_where_the_confirmation_is_due_is_error_2() -> None:
    dut = in_protocol(SERVER)
    dut.get(ANNOUNCE)
    assert dut.get(ANNOUNCE) == [protocol_error(2)]


@both_roles
@pytest.mark.parametrize("message", [b"\x01no json", protocol_error(3), b'\x01{"error":3}', CLOSE])
def test_unreadable_message_error_and_close_get_no_answer(role: ShipRole, message: bytes) -> None:
    dut = in_protocol(role)
    assert dut.get(message) == []
    assert dut.closed is not None


@both_roles
@pytest.mark.parametrize("message", [b"\x01", b"\x05\x00", b'\x01{"commissioningRequest":[]}'])
def test_protocol_handshake_ignores_unknown_and_empty_messages(role: ShipRole, message: bytes) -> None:
    dut = in_protocol(role)
    assert dut.get(message) == []
    assert dut.connection.phase is Phase.PROTOCOL


def test_client_that_announced_1_1_takes_1_0() -> None:
    dut = in_hello(CLIENT, version=(1, 1))
    assert dut.get(READY) == [handshake("announceMax", 1, 1)]
    assert dut.get(SELECT) == [SELECT, PIN_NONE]


def test_server_of_1_1_selects_what_both_know() -> None:
    dut = in_protocol(SERVER, version=(1, 1))
    assert dut.get(handshake("announceMax", 1, 7)) == [handshake("select", 1, 1)]


@both_roles
def test_protocol_handshake_lost_by_a_peer_that_is_still_pending(role: ShipRole) -> None:
    dut = in_protocol(role)
    dut.wait(10)
    assert dut.end is not None
    assert dut.end.cause is EndCause.TIMEOUT


# --- PIN ---


@both_roles
@pytest.mark.parametrize("state", ["none", "pinOk"])
def test_pin_not_needed_opens_the_data_exchange(role: ShipRole, state: str) -> None:
    dut = in_pin(role)
    dut.get(pin(state))
    assert dut.connection.phase is Phase.DATA


def test_our_request_goes_out_before_the_shell_can_send_anything() -> None:
    dut = in_pin()
    effects = dut.connection.receive(PIN_NONE, dut.now)
    assert effects == [SendMessage(ACCESS_REQUEST), PhaseReached(Phase.DATA)]


def test_pin_optional_is_reported_and_data_flows() -> None:
    dut = in_pin()
    dut.get(pin("optional"))
    assert PinRequired(PinState.OPTIONAL) in dut.effects
    assert dut.connection.phase is Phase.DATA


def test_pin_required_is_reported_and_does_not_fail_silently() -> None:
    dut = in_pin()
    dut.get(pin("required"))
    assert PinRequired(PinState.REQUIRED) in dut.effects
    assert dut.connection.phase is Phase.PIN
    dut.wait(299)
    assert dut.closed is None
    dut.wait(2)
    assert dut.end is not None
    assert dut.end.cause is EndCause.PIN_REQUIRED


def test_pin_required_that_is_lifted_opens_the_data_exchange() -> None:
    dut = in_pin()
    dut.get(pin("required"), PIN_NONE)
    assert dut.connection.phase is Phase.DATA


def test_pin_demand_in_data_exchange_is_reported() -> None:
    dut = in_pin()
    dut.get(PIN_NONE, pin("required"), pin("optional"))
    assert PinRequired(PinState.REQUIRED) in dut.effects
    assert PinRequired(PinState.OPTIONAL) in dut.effects
    assert dut.connection.phase is Phase.DATA


def test_pin_state_missing_for_10_s_closes() -> None:
    dut = in_pin()
    dut.wait(9.9)
    assert dut.closed is None
    dut.wait(0.2)
    assert dut.end is not None
    assert dut.end.cause is EndCause.TIMEOUT


@pytest.mark.parametrize(
    "message",
    [
        READY,
        b'\x01{"connectionPinInput":[{"pin":"1234ABCD"}]}',
        b'\x01{"connectionPinError":[{"error":1}]}',
        pin("whatever"),
        b"\x01",
        b"\x04\x00",
        ACCESS,
    ],
)
def test_pin_phase_ignores(message: bytes) -> None:
    dut = in_pin()
    assert dut.get(message) == []
    assert dut.connection.phase is Phase.PIN


@pytest.mark.parametrize("message", [CMI, ANNOUNCE, SELECT, b"\x01no json", protocol_error(2)])
def test_pin_phase_closes(message: bytes) -> None:
    dut = in_pin()
    assert dut.get(message) == []
    assert dut.closed is not None


def test_pin_phase_answers_a_peer_that_is_ahead() -> None:
    dut = in_pin()
    assert dut.get(ACCESS_REQUEST) == [OUR_ACCESS]
    assert dut.get(CLOSE) == [CONFIRM]


def test_early_data_is_kept_and_delivered_after_the_phase_is_told() -> None:
    """SHIP 14: NIBE reads before its request is answered."""
    dut = in_pin()
    dut.get(data('["early"]'), data('["second"]'))
    assert dut.datagrams == []
    before = len(dut.effects)
    dut.get(PIN_NONE)
    kinds = [type(effect).__name__ for effect in dut.effects[before:]]
    assert kinds == ["SendMessage", "PhaseReached", "SpineMessage", "SpineMessage"]
    assert dut.datagrams == [["early"], ["second"]]


@pytest.mark.parametrize("bound", [{"max_early_messages": 3}, {"max_early_bytes": 3 * len(data())}])
def test_early_data_is_bounded(bound: dict[str, Any]) -> None:
    """SHIP 15."""
    dut = in_pin(**bound)
    dut.get(data(), data(), data())
    assert dut.closed is None
    dut.get(data())
    assert dut.end is not None
    assert dut.end.text == "too much data before the PIN state"
    assert dut.end.cause is EndCause.PROTOCOL_VIOLATION


def test_ship_id_is_told_cleaned_and_bounded() -> None:
    """SHIP 15: injected texts."""
    dut = in_pin()
    dut.get(PIN_NONE)
    dut.get(b'\x01{"accessMethods":[{"id":"a\\u0000\\u202eb\\n' + b"c" * 80 + b'"}]}')
    assert PeerShipId("ab" + "c" * 61) in dut.effects


@pytest.mark.parametrize("content", ["[]", '[{"id":""}]', '{"id":null}', '[{"id":"\\u0007"}]'])
def test_missing_ship_id_is_no_error(content: str) -> None:
    dut = in_pin()
    dut.get(PIN_NONE, f'\x01{{"accessMethods":{content}}}'.encode())
    assert dut.connection.phase is Phase.DATA
    assert not any(isinstance(effect, PeerShipId) for effect in dut.effects)


def test_unasked_access_methods_are_ignored() -> None:
    dut = in_pin(ask_access_methods=False)
    dut.get(PIN_NONE, ACCESS)
    assert not any(isinstance(effect, PeerShipId) for effect in dut.effects)


def test_nothing_but_our_request_is_sent_unasked_in_data_exchange() -> None:
    """SHIP 14: NIBE closes on what it does not expect."""
    dut = in_pin()
    dut.get(PIN_NONE)
    before = len(sent(dut.effects))
    dut.wait(3600)
    assert len(sent(dut.effects)) == before
    assert dut.connection.next_deadline() is None, "no inactivity limit (field: healthy links were cut)"
