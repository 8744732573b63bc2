"""The official SHIP cases as far as the pure layer decides them, with fake time and in both roles."""

import pytest

from eebus.ship.connection import EndCause, Phase, ShipRole, Trust
from tests.unit.ship.wire import (
    ABORTED,
    ACCESS,
    ACCESS_REQUEST,
    ANNOUNCE,
    CMI,
    OUR_ACCESS,
    OUR_READY,
    PIN_NONE,
    PROLONG,
    READY,
    READY_BARE,
    SELECT,
    Dut,
    data,
    handshake,
    in_data,
    in_hello,
    in_pin,
    in_protocol,
    protocol_error,
    sent,
)

CLIENT, SERVER = ShipRole.CLIENT, ShipRole.SERVER
both_roles = pytest.mark.parametrize("role", [CLIENT, SERVER])


def test_TC_SHIP_ROLE_001_server_waits_for_a_late_cmi() -> None:
    dut = Dut(SERVER)
    assert dut.wait(7) == []
    assert dut.closed is None
    assert dut.get(CMI) == [CMI, OUR_READY]


def test_TC_SHIP_ROLE_002_client_starts_and_waits_for_a_late_cmi() -> None:
    dut = Dut(CLIENT)
    assert sent(dut.effects) == [CMI]
    assert dut.wait(7) == []
    assert dut.closed is None
    assert dut.get(CMI) == [OUR_READY]


def test_TC_SHIP_ROLE_003_both_roles_at_once_do_not_touch_each_other() -> None:
    client, server = Dut(CLIENT), Dut(SERVER)
    assert client.get(CMI) == [OUR_READY]
    assert server.get(CMI) == [CMI, OUR_READY]


@both_roles
def test_TC_SHIP_MSG_001_message_without_value_is_ignored(role: ShipRole) -> None:
    dut = in_data(role)
    assert dut.get(b"\x02") == []
    assert dut.get(ACCESS_REQUEST) == [OUR_ACCESS]


@both_roles
def test_TC_SHIP_MSG_002_unknown_message_type_is_ignored(role: ShipRole) -> None:
    dut = in_data(role)
    assert dut.get(b"\xff\x00") == []
    assert dut.get(ACCESS_REQUEST) == [OUR_ACCESS]


@both_roles
@pytest.mark.parametrize("blank", [b" ", b"\t", b"\r\n", b" \t\r\n "])
def test_TC_SHIP_MSG_003_json_whitespace(role: ShipRole, blank: bytes) -> None:
    dut = in_data(role)
    message = b"\x01" + blank.join([b"", b"{", b'"accessMethodsRequest"', b":", b"[", b"]", b"}", b""])
    assert dut.get(message) == [OUR_ACCESS]


def test_TC_SHIP_CMI_001_server_answers_a_wrong_type_and_closes() -> None:
    dut = Dut(SERVER)
    assert dut.get(b"\x01\x00") == [CMI]
    assert dut.connection.phase is Phase.CLOSED


def test_TC_SHIP_CMI_002_client_closes_on_a_wrong_type_without_a_word() -> None:
    dut = Dut(CLIENT)
    assert dut.get(b"\x01\x00") == []
    assert dut.closed is not None


@both_roles
def test_TC_SHIP_CMI_003_004_timeout(role: ShipRole) -> None:
    dut = Dut(role)
    dut.wait(7)
    assert dut.closed is None
    assert dut.wait(25) == []
    assert dut.end is not None
    assert dut.end.cause is EndCause.TIMEOUT


def test_TC_SHIP_CMI_005_server_answers_a_wrong_head_and_closes() -> None:
    dut = Dut(SERVER)
    assert dut.get(b"\x00\x01") == [CMI]
    assert dut.closed is not None


def test_TC_SHIP_CMI_006_client_closes_on_a_wrong_head_without_a_word() -> None:
    dut = Dut(CLIENT)
    assert dut.get(b"\x00\x01") == []
    assert dut.closed is not None


def test_TC_SHIP_HELLO_001_ready_leads_into_the_protocol_handshake() -> None:
    dut = in_hello(SERVER)
    assert dut.get(READY_BARE) == []
    assert dut.get(ANNOUNCE) == [SELECT]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_TC_SHIP_HELLO_002_prolongation_requests_are_accepted(count: int) -> None:
    dut = in_hello(SERVER)
    assert dut.wait(45) == []
    for number in range(count):
        remaining_ms = 120_000 - 45_000 + number * 60_000 + 120_000
        expected = f'\x01{{"connectionHello":[{{"phase":"ready"}},{{"waiting":{remaining_ms}}}]}}'
        assert dut.get(PROLONG) == [expected.encode()], "increased, not restarted"
        assert dut.wait(60) == []
        assert dut.closed is None
    dut.get(READY_BARE)
    assert dut.get(ANNOUNCE) == [SELECT]


def test_TC_SHIP_HELLO_003_wait_for_ready_timeout() -> None:
    dut = in_hello(SERVER)
    assert dut.wait(119.9) == []
    assert dut.wait(2.1) == [ABORTED], "not later than waiting + 2 s"
    assert dut.closed is not None
    assert dut.closed.code == 4452


def test_TC_SHIP_HELLO_004_pending_is_ignored_while_ready() -> None:
    dut = in_hello(SERVER)
    assert dut.get(b'\x01{"connectionHello":[{"phase":"pending"},{"waiting":120000}]}') == []
    assert dut.wait(30) == []
    assert dut.get(READY_BARE) == []
    assert dut.get(ANNOUNCE) == [SELECT]


@pytest.mark.parametrize("version", [(1, 0), (1, 1), (2, 0)])
def test_TC_SHIP_PROT_001_server_selects_the_smaller_version_and_json_utf8(version: tuple[int, int]) -> None:
    dut = in_protocol(SERVER)
    assert dut.get(handshake("announceMax", *version, formats='"JSON-UTF16","JSON-UTF8"')) == [SELECT]
    assert dut.get(SELECT) == [PIN_NONE]


def test_TC_SHIP_PROT_002_client_announces_and_confirms_the_same_selection() -> None:
    dut = in_hello(CLIENT)
    assert dut.get(READY) == [ANNOUNCE]
    assert dut.get(SELECT) == [SELECT, PIN_NONE]


@both_roles
def test_TC_SHIP_PROT_003_004_wait_timer(role: ShipRole) -> None:
    dut = in_protocol(role)
    assert dut.wait(9.9) == []
    assert dut.wait(2.1) == [protocol_error(1)]
    assert dut.closed is not None


def test_TC_SHIP_PROT_003_wait_timer_of_the_confirmation() -> None:
    dut = in_protocol(SERVER)
    dut.get(ANNOUNCE)
    assert dut.wait(10) == [protocol_error(1)]


@both_roles
def test_TC_SHIP_PROT_005_006_hello_in_the_protocol_handshake(role: ShipRole) -> None:
    dut = in_protocol(role)
    assert dut.get(READY) == [protocol_error(2)]
    assert dut.closed is not None


@both_roles
def test_TC_SHIP_PIN_001_pin_state_none(role: ShipRole) -> None:
    dut = in_pin(role)
    assert sent(dut.effects)[-1] == PIN_NONE
    dut.get(PIN_NONE)
    assert dut.get(ACCESS_REQUEST) == [OUR_ACCESS]


@both_roles
def test_TC_SHIP_TERM_001_max_time_without_confirmation(role: ShipRole) -> None:
    dut = in_data(role)
    assert dut.trust(Trust.REFUSED) == [
        b'\x03{"connectionClose":[{"phase":"announce"},{"maxTime":500},{"reason":"removedConnection"}]}'
    ]
    assert dut.closed is None
    dut.wait(0.5)
    assert dut.closed is not None


@both_roles
def test_TC_SHIP_AM_001_ship_id_in_the_answer(role: ShipRole) -> None:
    assert in_data(role).get(ACCESS_REQUEST) == [OUR_ACCESS]


@both_roles
def test_TC_SHIP_AMDATA_001_data_around_a_request(role: ShipRole) -> None:
    dut = in_data(role)
    assert dut.get(data('["a"]'), ACCESS_REQUEST, data('["b"]')) == [OUR_ACCESS]
    assert dut.datagrams == [["a"], ["b"]]


@both_roles
def test_TC_SHIP_AMDATA_002_data_while_our_request_is_unanswered(role: ShipRole) -> None:
    dut = in_data(role)
    assert ACCESS_REQUEST in sent(dut.effects)
    dut.get(data('["a"]'))
    assert dut.get(ACCESS_REQUEST) == [OUR_ACCESS]
    dut.wait(8)
    dut.get(ACCESS, data('["b"]'))
    assert dut.datagrams == [["a"], ["b"]]


@both_roles
def test_TC_SHIP_AMDATA_003_request_while_our_data_is_unanswered(role: ShipRole) -> None:
    dut = in_data(role)
    dut.connection.send_spine(b'{"datagram":[]}', dut.now)
    dut.wait(4)
    assert dut.get(ACCESS_REQUEST) == [OUR_ACCESS]
    dut.wait(4)
    dut.get(data('["late"]'))
    assert dut.datagrams == [["late"]]


@both_roles
def test_TC_SHIP_AMDATA_004_no_request_when_declared_so(role: ShipRole) -> None:
    dut = in_data(role, ask_access_methods=False)
    assert dut.wait(120) == []
    assert ACCESS_REQUEST not in sent(dut.effects)
    assert dut.connection.phase is Phase.DATA
