"""Data exchange, access methods, and the many ends of a connection."""

import pytest

from eebus.errors import LocalError
from eebus.ship.connection import CloseTransport, EndCause, Phase, SendMessage, ShipRole, Trust
from tests.unit.ship.wire import (
    ABORTED,
    ACCESS_REQUEST,
    ANNOUNCE,
    CLOSE,
    CMI,
    CONFIRM,
    OUR_ACCESS,
    PENDING,
    PIN_NONE,
    READY,
    REMOVED,
    SELECT,
    Dut,
    data,
    in_data,
    in_hello,
    in_pin,
    in_protocol,
    protocol_error,
)

CLIENT, SERVER = ShipRole.CLIENT, ShipRole.SERVER


def cause(dut: Dut) -> EndCause | None:
    return dut.end.cause if dut.end else None


# --- data exchange ---


def test_send_spine_frames_the_datagram() -> None:
    dut = in_data()
    assert dut.connection.send_spine(b'{"datagram":[]}', dut.now) == [SendMessage(data())]


@pytest.mark.parametrize("make", [Dut, in_hello, in_protocol, in_pin])
def test_send_spine_outside_the_data_exchange_is_our_mistake(make: type[Dut]) -> None:
    dut = make(SERVER)
    with pytest.raises(LocalError):
        dut.connection.send_spine(b"{}", dut.now)


@pytest.mark.parametrize(
    "message",
    [
        CMI,
        READY,
        PENDING,
        ABORTED,
        ANNOUNCE,
        SELECT,
        PIN_NONE,
        b"\x02",
        b"\x07abc",
        b'\x01{"keyMaterialState":[]}',
        data(protocol="ee2.0"),
        b'\x02{"data":[{"header":[{"protocolId":"ee1.0"}]},{"payload":{"other":1}}]}',
        b'\x02{"data":[]}',
        b'\x02{"other":[]}',
    ],
)
def test_data_exchange_ignores(message: bytes) -> None:
    dut = in_data()
    assert dut.get(message) == []
    assert dut.connection.phase is Phase.DATA
    assert dut.datagrams == []


def test_extension_of_a_data_message_is_skipped() -> None:
    dut = in_data()
    message = data('["x"]')[:-2] + b',{"extension":[{"extensionId":"vendor.example"},{"string":"x"}]}]}'
    dut.get(message)
    assert dut.datagrams == [["x"]]


def test_absurd_error_number_is_told_like_any_other() -> None:
    dut = in_data()
    dut.get(b'\x01{"messageProtocolHandshakeError":[{"error":' + b"9" * 10_000 + b"}]}")
    assert dut.connection.phase in (Phase.DATA, Phase.CLOSED)


def test_protocol_error_in_data_exchange_closes() -> None:
    dut = in_data()
    assert dut.get(protocol_error(2)) == []
    assert dut.closed is not None


def test_unreadable_messages_are_ignored_until_they_repeat() -> None:
    dut = in_data(max_consecutive_unparsable=3)
    dut.get(b"\x02{", b"\x02{", data(), b"\x02{", b"\x02{")
    assert dut.closed is None
    dut.get(b"\x02{")
    assert cause(dut) is EndCause.PROTOCOL_VIOLATION


@pytest.mark.parametrize("state", ["hello", "protocol", "pin", "data"])
def test_excessive_message_closes_in_every_phase(state: str) -> None:
    make = {"hello": in_hello, "protocol": in_protocol, "pin": in_pin, "data": in_data}[state]
    dut = make(SERVER)
    dut.get(b"\x02" + b"[" * 200 + b"]" * 200)
    assert cause(dut) is EndCause.PROTOCOL_VIOLATION
    assert dut.closed is not None


@pytest.mark.parametrize("make", [Dut, in_hello, in_protocol, in_pin, in_data])
def test_text_message_closes_with_1003(make: type[Dut]) -> None:
    dut = make(SERVER)
    dut.keep(dut.connection.receive_text(dut.now))
    assert dut.closed is not None
    assert dut.closed.code == 1003


# --- we close ---


def test_we_announce_wait_for_the_confirmation_and_close() -> None:
    dut = in_data()
    assert dut.close() == [CLOSE]
    assert dut.connection.phase is Phase.CLOSING
    assert dut.get(data(), ACCESS_REQUEST, b"\x02", PIN_NONE) == []
    assert dut.get(CONFIRM) == []
    assert dut.closed == CloseTransport(4001, "close")
    assert cause(dut) is EndCause.LOCAL_CLOSE


def test_crossing_announcements_are_confirmed_and_closed() -> None:
    dut = in_data()
    dut.close()
    assert dut.get(CLOSE) == [CONFIRM]
    assert cause(dut) is EndCause.LOCAL_CLOSE


def test_nothing_can_be_sent_after_the_announcement() -> None:
    dut = in_data()
    dut.close()
    with pytest.raises(LocalError):
        dut.connection.send_spine(b"{}", dut.now)
    assert dut.close() == []


@pytest.mark.parametrize("make", [Dut, in_hello, in_protocol, in_pin])
def test_close_before_data_exchange_refuses_nobody(make: type[Dut]) -> None:
    dut = make(SERVER)
    assert dut.close(text="double connection") == []
    assert dut.closed == CloseTransport(4001, "double connection")
    assert cause(dut) is EndCause.LOCAL_CLOSE


@pytest.mark.parametrize("make", [Dut, in_protocol, in_pin])
def test_removed_pairing_closes_with_4452(make: type[Dut]) -> None:
    dut = make(SERVER)
    assert dut.close(removed=True) == []
    assert dut.closed == CloseTransport(4452, "Node rejected by application")


def test_removed_pairing_aborts_hello() -> None:
    assert in_hello().close(removed=True) == [ABORTED]


def test_undecided_again_changes_nothing_on_a_running_connection() -> None:
    dut = in_data()
    assert dut.trust(Trust.UNDECIDED) == []
    assert dut.connection.phase is Phase.DATA


# --- the peer closes ---


@pytest.mark.parametrize("make", [in_pin, in_data])
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (CLOSE, EndCause.REMOTE_CLOSE),
        (REMOVED, EndCause.REMOTE_REMOVAL),
        (b'\x03{"connectionClose":[{"phase":"announce"}]}', EndCause.REMOTE_CLOSE),
        (b'\x03{"connectionClose":[{"phase":"announce"},{"reason":"User close"}]}', EndCause.REMOTE_CLOSE),
    ],
)
def test_announcement_is_confirmed(make: type[Dut], message: bytes, expected: EndCause) -> None:
    dut = make(SERVER)
    assert dut.get(message) == [CONFIRM]
    assert dut.closed == CloseTransport(4001, "close")
    assert cause(dut) is expected


def test_confirmation_without_announcement_closes() -> None:
    dut = in_data()
    assert dut.get(CONFIRM) == []
    assert cause(dut) is EndCause.REMOTE_CLOSE


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (4450, "SHIP id mismatch", EndCause.SHIP_ID_MISMATCH),
        (4001, "SHIP id mismatch", EndCause.SHIP_ID_MISMATCH),
        (4452, "Node rejected by application", EndCause.REMOTE_REFUSAL),
        (1000, "double connection", EndCause.DOUBLE_CONNECTION),
        (4001, "double connection", EndCause.DOUBLE_CONNECTION),
        (4001, "close", EndCause.REMOTE_CLOSE),
        (4500, "User close", EndCause.REMOTE_CLOSE),
        (None, "", EndCause.TRANSPORT_LOST),
    ],
)
def test_meaning_of_a_close(code: int | None, reason: str, expected: EndCause) -> None:
    dut = in_protocol()
    dut.lose(code, reason)
    assert cause(dut) is expected
    assert dut.connection.phase is Phase.CLOSED
    assert dut.connection.next_deadline() is None


def test_end_right_after_the_upgrade_without_any_message() -> None:
    dut = Dut(CLIENT)
    dut.lose()
    assert cause(dut) is EndCause.CLOSED_AT_UPGRADE
    late = Dut(CLIENT)
    late.wait(9)
    late.lose()
    assert cause(late) is EndCause.TRANSPORT_LOST


def test_transport_closed_while_closing_keeps_the_first_cause() -> None:
    dut = in_data()
    dut.close()
    dut.lose(1006, "")
    assert cause(dut) is EndCause.LOCAL_CLOSE
    aborting = in_hello()
    aborting.trust(Trust.REFUSED)
    aborting.lose()
    assert cause(aborting) is EndCause.LOCAL_REFUSAL


def test_after_the_end_nothing_happens_any_more() -> None:
    dut = in_data()
    dut.lose()
    assert dut.get(ACCESS_REQUEST, CLOSE) == []
    assert dut.close() == []
    assert dut.trust(Trust.REFUSED) == []
    dut.lose()
    assert dut.effects.count(dut.effects[-1]) == 1
    assert dut.end is dut.effects[-1]


def test_late_deadline_call_runs_everything_that_is_due() -> None:
    dut = in_hello(SERVER, Trust.UNDECIDED)
    dut.keep(dut.connection.on_deadline(dut.now + 100_000))
    assert cause(dut) is None, "the abort delay starts when the abort is sent"
    dut.keep(dut.connection.on_deadline(dut.now + 200_000))
    assert cause(dut) is EndCause.TIMEOUT


def test_answers_are_the_same_in_data_exchange_after_many_requests() -> None:
    assert in_data().get(*[ACCESS_REQUEST] * 3) == [OUR_ACCESS] * 3
