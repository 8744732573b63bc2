"""SHIP 1.1 messages (reference 17): understood as far as needed, never answered, never an error."""

import pytest

from eebus.ship.connection import Phase, ShipRole
from tests.unit.ship.wire import (
    ACCESS_REQUEST,
    CMI,
    OUR_ACCESS,
    OUR_READY,
    PIN_NONE,
    Dut,
    data,
    handshake,
    in_data,
    in_hello,
    in_pin,
)

_ENTRY = '[{"curve":23},{"ski":"B467A3999EB5EFA671DE0032F08A9C9E5EFDA0E1"}'
MESSAGES = {
    "keyMaterialState": '[{"updateCounter":3},{"entry":[[{"currentState":"current"},{"curve":23}]]}]',
    "keyMaterialStateResponse": '[{"accept":true}]',
    "keyMaterialStateRequest": '[{"knownUpdateCounter":2}]',
    "commissioningRequest": "[]",
    "commissioningResponse": '[{"accept":false}]',
    "keyMaterialRequest": "[]",
    "keyMaterial": f'[{{"maxEntries":10}},{{"entry":[{_ENTRY},{{"userTrust":32}},{{"id":"i:1_u:abc"}}]]}}]',
    "keyMaterialResponse": f'[{{"entry":[{_ENTRY},{{"userTrust":32}}]]}}]',
    "keyMaterialDelete": f'[{{"entry":[{_ENTRY}]]}}]',
    "keyMaterialDeleteResponse": f'[{{"entry":[{_ENTRY},{{"userTrust":0}}]]}}]',
}
ALL = pytest.mark.parametrize("name", MESSAGES)


def message(name: str) -> bytes:
    return b"\x01" + f'{{"{name}":{MESSAGES[name]}}}'.encode()


@ALL
def test_SHIP_17_in_the_data_exchange_they_are_ignored_and_the_rest_goes_on(name: str) -> None:
    dut = in_data()
    assert dut.get(message(name)) == []
    assert dut.closed is None
    assert dut.get(ACCESS_REQUEST) == [OUR_ACCESS]
    dut.get(data('[{"after":[]}]'))
    assert dut.datagrams[-1] == [{"after": []}]


@ALL
@pytest.mark.parametrize("role", list(ShipRole))
def test_SHIP_17_in_the_pin_phase_they_do_not_stop_the_handshake(name: str, role: ShipRole) -> None:
    dut = in_pin(role)
    assert dut.get(message(name)) == []
    dut.get(PIN_NONE)
    assert dut.connection.phase is Phase.DATA


@ALL
def test_SHIP_17_many_of_them_do_not_count_as_unreadable(name: str) -> None:
    dut = in_data()
    for _ in range(50):
        dut.get(message(name))
    assert dut.closed is None


@pytest.mark.parametrize("phase", ["ready", "pending"])
def test_SHIP_17_1_a_hello_with_the_state_of_the_key_material_is_a_hello(phase: str) -> None:
    dut = in_hello()
    tail = '{"waiting":60000},{"keyMaterialState":[{"updateCounter":3}]}'
    dut.get(b"\x01" + f'{{"connectionHello":[{{"phase":"{phase}"}},{tail}]}}'.encode())
    assert dut.closed is None
    assert dut.connection.phase is (Phase.PROTOCOL if phase == "ready" else Phase.HELLO)


def test_SHIP_17_a_peer_that_announces_1_1_is_answered_with_1_0() -> None:
    dut = in_hello()
    dut.get(b'\x01{"connectionHello":[{"phase":"ready"},{"waiting":60000}]}')
    assert dut.get(handshake("announceMax", 1, 1)) == [handshake("select", 1, 0)]


def test_SHIP_17_1_we_never_send_key_material() -> None:
    dut = Dut()
    assert dut.get(CMI) == [CMI, OUR_READY]
