"""PIN verification on both sides (SHIP 12.5, 13.4.4.3); our default, no PIN, is in test_handshake.py."""

import pytest

from eebus.errors import LocalError
from eebus.ids import Ski
from eebus.ship.connection import (
    EndCause,
    PeerVerified,
    Phase,
    PinAnswered,
    PinGuard,
    PinRequired,
    PinState,
    ShipConnection,
    ShipRole,
    ShipSettings,
    Trust,
)
from tests.unit.ship.wire import (
    ACCESS_REQUEST,
    ANNOUNCE,
    CMI,
    OUR_ACCESS,
    PEER_SKI,
    PIN_NONE,
    READY,
    SELECT,
    SHIP_ID,
    Dut,
    data,
)

PIN = "1234ABCD"


def state(name: str, permission: str | None = None) -> bytes:
    tail = "" if permission is None else f',{{"inputPermission":"{permission}"}}'
    return f'\x01{{"connectionPinState":[{{"pinState":"{name}"}}{tail}]}}'.encode()


def pin_input(pin: str) -> bytes:
    return f'\x01{{"connectionPinInput":[{{"pin":"{pin}"}}]}}'.encode()


PIN_ERROR = b'\x01{"connectionPinError":[{"error":1}]}'
OUR_REQUIRED, OUR_BUSY = state("required", "ok"), state("required", "busy")


class PinDut(Dut):
    """A connection under test whose node has a PIN; in the PIN phase already."""

    def __init__(self, guard: PinGuard, trust: Trust = Trust.TRUSTED, now: float = 1000.0) -> None:
        super().__init__()
        self.connection = ShipConnection(
            ShipRole.SERVER, ShipSettings(local_ship_id=SHIP_ID), trust, peer_ski=PEER_SKI, pins=guard
        )
        self.now, self.effects = now, []
        self.keep(self.connection.start(self.now))
        self.get(CMI, READY, ANNOUNCE)
        self.opening = self.get(SELECT)

    def enter(self, pin: str) -> list[bytes]:
        effects = self.keep(self.connection.enter_pin(pin, self.now))
        return [e.data for e in effects if hasattr(e, "data")]

    def is_in(self, phase: Phase) -> bool:
        return self.connection.phase is phase

    def told(self, kind: type) -> list[object]:
        return [effect for effect in self.effects if isinstance(effect, kind)]


def required() -> PinDut:
    return PinDut(PinGuard(PIN))


def asked() -> PinDut:
    """The peer demands a PIN; we have none."""
    return PinDut(PinGuard())


# --- CHECK: the peer has to give our PIN ---


def test_SHIP_13_4_4_3_we_demand_the_pin_right_after_the_protocol_handshake() -> None:
    assert required().opening[-1] == OUR_REQUIRED


def test_SHIP_13_4_4_3_no_data_exchange_before_the_pin_and_what_came_early_is_delivered_then() -> None:
    dut = required()
    assert dut.get(PIN_NONE) == []
    assert dut.is_in(Phase.PIN)
    dut.get(data('[{"early":[]}]'))
    assert dut.datagrams == []
    answers = dut.get(pin_input(PIN))
    assert answers == [state("pinOk"), ACCESS_REQUEST]
    assert dut.is_in(Phase.DATA)
    assert dut.datagrams == [[{"early": []}]]
    assert dut.told(PeerVerified) == [PeerVerified()]


def test_SHIP_13_4_4_3_the_pin_may_come_before_the_peers_own_state() -> None:
    dut = required()
    assert dut.get(pin_input(PIN)) == [state("pinOk")]
    assert dut.is_in(Phase.PIN)
    assert dut.get(PIN_NONE) == [ACCESS_REQUEST]
    assert dut.is_in(Phase.DATA)


@pytest.mark.parametrize("pin", ["1234abcd", "1234ABCD"])
def test_SHIP_12_5_the_case_of_the_digits_does_not_matter(pin: str) -> None:
    dut = required()
    dut.get(PIN_NONE, pin_input(pin))
    assert dut.is_in(Phase.DATA)


@pytest.mark.parametrize("pin", ["1234ABCE", "", "1234ABCD0", "pin", "ÄÖ"])
def test_SHIP_13_4_4_3_a_wrong_pin_is_answered_with_error_1_and_opens_nothing(pin: str) -> None:
    dut = required()
    dut.get(PIN_NONE)
    assert dut.get(pin_input(pin)) == [PIN_ERROR]
    assert dut.is_in(Phase.PIN)
    assert dut.get(pin_input(PIN))[0] == state("pinOk")


def test_SHIP_13_4_4_3_an_input_without_a_pin_is_wrong() -> None:
    dut = required()
    dut.get(PIN_NONE)
    assert dut.get(b'\x01{"connectionPinInput":[]}') == [PIN_ERROR]


def test_SHIP_12_5_two_wrong_attempts_cost_nothing_the_third_15_s() -> None:
    dut = required()
    dut.get(PIN_NONE)
    assert dut.get(pin_input("00000000")) == [PIN_ERROR]
    assert dut.get(pin_input("00000000")) == [PIN_ERROR]
    assert dut.get(pin_input("00000000")) == [PIN_ERROR, OUR_BUSY]
    assert dut.wait(14.9) == []
    assert dut.wait(0.2) == [OUR_REQUIRED]


def test_SHIP_12_5_from_the_sixth_wrong_attempt_on_the_penalty_is_90_s() -> None:
    dut = required()
    dut.get(PIN_NONE)
    dut.get(pin_input("00000000"), pin_input("00000000"))
    for _ in range(3):
        assert dut.get(pin_input("00000000")) == [PIN_ERROR, OUR_BUSY]
        assert dut.wait(15.1) == [OUR_REQUIRED]
    assert dut.get(pin_input("00000000")) == [PIN_ERROR, OUR_BUSY]
    assert dut.wait(89.9) == []
    assert dut.wait(0.2) == [OUR_REQUIRED]


def test_SHIP_12_5_during_a_penalty_even_the_right_pin_is_not_looked_at() -> None:
    dut = required()
    dut.get(PIN_NONE)
    for _ in range(3):
        dut.get(pin_input("00000000"))
    assert dut.get(pin_input(PIN)) == [OUR_BUSY]
    assert dut.is_in(Phase.PIN)
    dut.wait(15.1)
    assert dut.get(pin_input(PIN))[0] == state("pinOk")


def test_SHIP_15_a_penalty_survives_a_reconnect() -> None:
    guard = PinGuard(PIN)
    dut = PinDut(guard)
    dut.get(PIN_NONE)
    for _ in range(3):
        dut.get(pin_input("00000000"))
    again = PinDut(guard, now=dut.now + 5.0)
    assert again.opening[-1] == OUR_BUSY
    assert again.get(PIN_NONE, pin_input(PIN)) == [OUR_BUSY]
    assert again.wait(10.1) == [OUR_REQUIRED]
    later = PinDut(guard, now=again.now)
    later.get(PIN_NONE)
    assert later.get(pin_input("00000000")) == [PIN_ERROR, OUR_BUSY]


def test_SHIP_12_5_the_attempts_of_one_peer_do_not_count_for_another() -> None:
    guard = PinGuard(PIN)
    other = Ski("d" * 40)
    for _ in range(5):
        guard.note_wrong(other, 0.0)
    assert guard.busy_until(other, 1.0) == 15.0
    assert guard.busy_until(PEER_SKI, 1.0) is None


def test_SHIP_13_4_4_3_a_peer_that_gave_the_pin_is_not_asked_again() -> None:
    guard = PinGuard(PIN)
    PinDut(guard).get(PIN_NONE, pin_input(PIN))
    again = PinDut(guard)
    assert again.opening[-1] == state("pinOk")
    again.get(PIN_NONE)
    assert again.is_in(Phase.DATA)


def test_SHIP_13_4_4_3_a_pin_given_before_a_restart_holds_where_the_application_kept_it() -> None:
    guard = PinGuard(PIN)
    PinDut(guard).get(PIN_NONE, pin_input(PIN))
    assert PinDut(PinGuard(PIN)).opening[-1] == OUR_REQUIRED
    assert PinDut(PinGuard(PIN, verified=set(guard.verified))).opening[-1] == state("pinOk")


def test_trust_that_ended_ends_the_verification_too() -> None:
    guard = PinGuard(PIN)
    PinDut(guard).get(PIN_NONE, pin_input(PIN))
    guard.forget([PEER_SKI])
    assert PinDut(guard).opening[-1] == OUR_REQUIRED


def test_SHIP_13_4_4_3_optional_opens_the_data_exchange_and_the_pin_may_follow() -> None:
    dut = PinDut(PinGuard(PIN, optional=True))
    assert dut.opening[-1] == state("optional", "ok")
    dut.get(PIN_NONE)
    assert dut.is_in(Phase.DATA)
    assert dut.get(pin_input("00000000")) == [PIN_ERROR]
    assert dut.get(pin_input(PIN)) == [state("pinOk")]
    assert dut.told(PeerVerified) == [PeerVerified()]


def test_a_penalty_goes_on_in_the_data_exchange() -> None:
    dut = PinDut(PinGuard(PIN, optional=True))
    for _ in range(3):
        dut.get(pin_input("00000000"))
    dut.get(PIN_NONE)
    assert dut.is_in(Phase.DATA)
    assert dut.wait(15.1) == [state("optional", "ok")]


def test_a_peer_that_never_gives_the_pin_is_closed() -> None:
    dut = required()
    dut.get(PIN_NONE)
    dut.wait(299.0)
    assert dut.closed is None
    dut.wait(2.0)
    assert dut.end is not None
    assert dut.end.cause is EndCause.PIN_REQUIRED
    assert dut.end.text == "the peer did not give our PIN"


def test_access_methods_are_answered_while_we_wait_for_the_pin() -> None:
    dut = required()
    assert dut.get(PIN_NONE, ACCESS_REQUEST) == [OUR_ACCESS]


def test_early_data_is_bounded_while_we_wait_for_the_pin() -> None:
    dut = required()
    dut.get(PIN_NONE)
    dut.get(*[data()] * 65)
    assert dut.end is not None
    assert dut.end.cause is EndCause.PROTOCOL_VIOLATION
    assert dut.datagrams == []


def test_a_node_without_a_pin_ignores_inputs() -> None:
    dut = asked()
    assert dut.get(pin_input("00000000")) == []
    assert dut.is_in(Phase.PIN)
    dut.get(PIN_NONE)
    assert dut.get(pin_input("00000000")) == []
    assert dut.closed is None


# --- ASK: the peer demands a PIN of us ---


def test_SHIP_13_4_4_3_the_entered_pin_is_sent_and_opens_the_data_exchange() -> None:
    dut = asked()
    assert dut.get(state("required", "ok")) == []
    assert dut.told(PinRequired) == [PinRequired(PinState.REQUIRED)]
    assert dut.enter(PIN) == [pin_input(PIN)]
    assert dut.is_in(Phase.PIN)
    assert dut.get(state("pinOk")) == [ACCESS_REQUEST]
    assert dut.is_in(Phase.DATA)
    assert dut.told(PinAnswered) == [PinAnswered(accepted=True)]


def test_SHIP_13_4_4_3_a_pin_entered_before_the_demand_is_kept_for_it() -> None:
    dut = asked()
    assert dut.enter(PIN) == []
    assert dut.get(state("required", "ok")) == [pin_input(PIN)]


def test_SHIP_13_4_4_3_while_the_peer_is_busy_the_pin_waits() -> None:
    dut = asked()
    dut.get(state("required", "busy"))
    assert dut.enter(PIN) == []
    assert dut.get(state("required", "ok")) == [pin_input(PIN)]
    assert dut.get(state("required", "ok")) == []
    assert dut.told(PinRequired) == [PinRequired(PinState.REQUIRED)]


def test_SHIP_13_4_4_3_a_wrong_pin_is_told_and_another_may_follow() -> None:
    dut = asked()
    dut.get(state("required", "ok"))
    dut.enter("00000000")
    dut.get(PIN_ERROR)
    assert dut.told(PinAnswered) == [PinAnswered(accepted=False)]
    assert dut.enter(PIN) == [pin_input(PIN)]


def test_SHIP_12_5_a_pin_is_sent_only_to_a_peer_that_a_person_accepted() -> None:
    dut = asked()
    dut.get(state("required", "ok"))
    dut.connection._context.trust = Trust.UNDECIDED
    assert dut.enter(PIN) == []


def test_SHIP_13_4_4_3_optional_data_exchange_first_pin_later() -> None:
    dut = asked()
    dut.get(state("optional", "ok"))
    assert dut.is_in(Phase.DATA)
    assert dut.enter(PIN) == [pin_input(PIN)]
    dut.get(state("pinOk"))
    assert dut.told(PinAnswered) == [PinAnswered(accepted=True)]


def test_both_sides_may_demand_a_pin_at_once() -> None:
    dut = required()
    dut.get(state("required", "ok"))
    assert dut.get(pin_input(PIN)) == [state("pinOk")]
    assert dut.is_in(Phase.PIN)
    assert dut.enter("AABBCCDD") == [pin_input("AABBCCDD")]
    dut.get(state("pinOk"))
    assert dut.is_in(Phase.DATA)


def test_both_sides_demand_and_ours_is_given_last() -> None:
    dut = required()
    dut.get(state("required", "ok"))
    dut.enter("AABBCCDD")
    dut.get(state("pinOk"))
    assert dut.is_in(Phase.PIN)
    dut.get(pin_input(PIN))
    assert dut.is_in(Phase.DATA)


@pytest.mark.parametrize("pin", ["1234567", "12345678901234567", "1234567G", "", "٣٣٣٣٣٣٣٣"])
def test_SHIP_12_5_a_pin_has_8_to_16_hexadecimal_digits(pin: str) -> None:
    with pytest.raises(LocalError):
        asked().enter(pin)
    with pytest.raises(LocalError):
        PinGuard(pin)


def test_a_pin_is_read_as_it_is_printed_and_never_shown() -> None:
    guard = PinGuard("1234 abcd")
    assert guard.pin == PIN
    assert PIN not in repr(guard)
