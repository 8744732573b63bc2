"""Every row of the hello tables (reference 6.3 to 6.7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eebus.ship.connection import (
    CloseTransport,
    EndCause,
    PeerPending,
    Phase,
    ShipRole,
    Trust,
    WaitingForUser,
)
from tests.unit.ship.wire import (
    ABORTED,
    ACCESS_REQUEST,
    ANNOUNCE,
    CLOSE,
    OUR_PENDING,
    OUR_READY,
    PENDING,
    PIN_NONE,
    PROLONG,
    READY,
    READY_BARE,
    SELECT,
    Dut,
    data,
    in_hello,
    protocol_error,
    sent,
)

CLIENT, SERVER = ShipRole.CLIENT, ShipRole.SERVER
both_roles = pytest.mark.parametrize("role", [CLIENT, SERVER])
READY_SHORT = b'\x01{"connectionHello":[{"phase":"ready"},{"waiting":29999}]}'
REJECTED = CloseTransport(4452, "Node rejected by application")


def pending_dut(role: ShipRole = SERVER) -> Dut:
    return in_hello(role, Trust.UNDECIDED)


def ended(dut: Dut) -> EndCause | None:
    return dut.end.cause if dut.end else None


def hello(phase: str, waiting_ms: int) -> bytes:
    return f'\x01{{"connectionHello":[{{"phase":"{phase}"}},{{"waiting":{waiting_ms}}}]}}'.encode()


# --- 6.3 start state ---


@both_roles
def test_trusted_peer_starts_ready(role: ShipRole) -> None:
    assert sent(in_hello(role).effects)[-1] == OUR_READY


@both_roles
def test_undecided_peer_starts_pending_and_the_user_is_told(role: ShipRole) -> None:
    dut = pending_dut(role)
    assert sent(dut.effects)[-1] == OUR_PENDING
    assert WaitingForUser() in dut.effects


@both_roles
@pytest.mark.parametrize(("trust", "wait"), [(Trust.REFUSED, True), (Trust.UNDECIDED, False)])
def test_refused_peer_is_aborted(role: ShipRole, trust: Trust, wait: bool) -> None:
    dut = in_hello(role, trust, wait_for_trust=wait)
    assert sent(dut.effects)[-1] == ABORTED
    assert dut.connection.phase is Phase.CLOSING
    dut.wait(1)
    assert dut.closed == REJECTED
    assert ended(dut) is EndCause.LOCAL_REFUSAL


def test_trust_given_before_hello_counts() -> None:
    dut = Dut(SERVER, Trust.UNDECIDED)
    dut.trust(Trust.TRUSTED)
    dut.get(b"\x00\x00")
    assert sent(dut.effects)[-1] == OUR_READY


# --- 6.5 own state READY ---


@both_roles
def test_ready_on_ready_leaves_hello(role: ShipRole) -> None:
    dut = in_hello(role)
    dut.get(READY)
    assert dut.connection.phase is Phase.PROTOCOL


def test_ready_tells_once_that_the_peer_is_pending() -> None:
    dut = in_hello()
    assert dut.get(PENDING, PENDING, PROLONG) == [hello("ready", 240_000)]
    assert dut.effects.count(PeerPending()) == 1


def test_ready_ignores_prolongation_request_false() -> None:
    dut = in_hello()
    assert dut.get(b'\x01{"connectionHello":[{"phase":"pending"},{"prolongationRequest":false}]}') == []
    assert dut.connection.phase is Phase.HELLO


def test_ready_grants_two_prolongations_and_then_keeps_to_the_bound() -> None:
    """SHIP 15: endless prolongation."""
    dut = in_hello()
    granted = [dut.get(PROLONG) for _ in range(6)]
    assert granted[:4] == [[hello("ready", 120_000 * n)] for n in (2, 3, 4, 5)]
    assert granted[4:] == [[hello("ready", 600_000)]] * 2, "an update is sent, the timer stays"
    assert dut.wait(601) == [ABORTED]


def test_two_prolongations_are_granted_even_beyond_the_bound() -> None:
    dut = in_hello(hello_total_s=120)
    assert dut.get(PROLONG, PROLONG, PROLONG) == [
        hello("ready", 240_000),
        hello("ready", 360_000),
        hello("ready", 360_000),
    ]


@pytest.mark.parametrize("state", [Trust.TRUSTED, Trust.UNDECIDED])
def test_remote_abort_closes_without_a_word(state: Trust) -> None:
    dut = in_hello(SERVER, state)
    assert dut.get(ABORTED) == []
    assert dut.closed is not None
    assert ended(dut) is EndCause.REMOTE_REFUSAL


@pytest.mark.parametrize("state", [Trust.TRUSTED, Trust.UNDECIDED])
@pytest.mark.parametrize(
    "message",
    [
        b"\x01no json",
        b'\x01{"connectionHello":[{"phase":"perhaps"}]}',
        b'\x01{"connectionHello":[]}',
        b'\x01{"connectionHello":[{"phase":"ready"},{"waiting":"long"}]}',
        b"\x00\x00",
        ANNOUNCE,
        PIN_NONE,
        ACCESS_REQUEST,
        data(),
    ],
)
def test_unexpected_message_aborts(state: Trust, message: bytes) -> None:
    dut = in_hello(SERVER, state)
    assert dut.get(message) == [ABORTED]
    dut.wait(1)
    assert dut.closed == REJECTED
    assert ended(dut) is EndCause.PROTOCOL_VIOLATION


@pytest.mark.parametrize("state", [Trust.TRUSTED, Trust.UNDECIDED])
@pytest.mark.parametrize(
    "message",
    [b"\x01", b"\x02", b"\x01\x00", b"\x04\x00", b'\x01{"keyMaterialState":[{"updateCounter":3}]}'],
)
def test_unknown_or_empty_message_is_ignored(state: Trust, message: bytes) -> None:
    dut = in_hello(SERVER, state)
    assert dut.get(message) == []
    assert dut.connection.phase is Phase.HELLO


@pytest.mark.parametrize("state", [Trust.TRUSTED, Trust.UNDECIDED])
@pytest.mark.parametrize("message", [CLOSE, protocol_error(2), b'\x01{"error":2}'])
def test_close_and_protocol_error_close_without_a_word(state: Trust, message: bytes) -> None:
    dut = in_hello(SERVER, state)
    assert dut.get(message) == []
    assert dut.closed is not None


def test_ready_peer_that_closes_after_pending_does_not_trust_us_yet() -> None:
    dut = in_hello()
    dut.get(PENDING)
    dut.lose()
    assert ended(dut) is EndCause.REMOTE_UNDECIDED


def test_ready_peer_that_vanishes_without_a_word_is_lost() -> None:
    dut = in_hello()
    dut.lose()
    assert ended(dut) is EndCause.TRANSPORT_LOST


def test_withdrawn_trust_aborts() -> None:
    dut = in_hello()
    assert dut.trust(Trust.REFUSED) == [ABORTED]


def test_unknown_members_of_hello_are_skipped() -> None:
    message = b'\x01{"connectionHello":[{"phase":"ready"},{"keyMaterialState":[{"updateCounter":3}]}]}'
    dut = in_hello()
    dut.get(message)
    assert dut.connection.phase is Phase.PROTOCOL


# --- 6.6 own state PENDING ---


def test_pending_asks_for_more_time_15_s_before_the_peers_time_ends() -> None:
    dut = pending_dut()
    dut.get(READY)
    assert dut.wait(44.9) == []
    assert dut.wait(0.2) == [PROLONG]
    dut.get(hello("ready", 75_000))
    assert dut.wait(59.8) == []
    assert dut.wait(0.3) == [PROLONG]


def test_pending_peer_ready_stops_our_own_timer() -> None:
    dut = pending_dut()
    dut.get(hello("ready", 240_000))
    dut.wait(200)
    assert dut.closed is None


def test_pending_takes_ready_without_waiting_as_the_usual_time() -> None:
    dut = pending_dut()
    assert dut.get(READY_BARE) == []
    assert dut.wait(104.9) == []
    assert dut.wait(0.2) == [PROLONG]


def test_pending_does_not_prolong_short_times() -> None:
    dut = pending_dut()
    dut.get(READY_SHORT)
    assert dut.wait(60) == []
    dut = pending_dut()
    dut.get(hello("ready", 30_000))
    assert dut.wait(15) == [PROLONG]


@pytest.mark.parametrize("waiting", [-5, 0, 1, 2**62, 10**30, 10**400, 10**4000])
def test_hostile_waiting_values_are_clamped(waiting: int) -> None:
    """SHIP 15."""
    dut = pending_dut()
    dut.get(hello("ready", waiting))
    deadline = dut.connection.next_deadline()
    if dut.connection.phase is Phase.HELLO:
        assert deadline is not None
        assert dut.now + 1 <= deadline <= dut.now + 600


def test_pending_update_of_a_pending_peer_keeps_our_timer_running() -> None:
    dut = pending_dut()
    dut.get(hello("pending", 240_000))
    assert dut.effects.count(PeerPending()) == 1
    assert dut.wait(120) == [ABORTED]
    dut.wait(1)
    assert ended(dut) is EndCause.TIMEOUT


def test_pending_grants_prolongations_with_and_without_waiting() -> None:
    dut = pending_dut()
    both = b'\x01{"connectionHello":[{"phase":"pending"},{"waiting":60000},{"prolongationRequest":true}]}'
    granted = dut.get(PROLONG, both, PROLONG)
    assert granted == [hello("pending", 240_000), hello("pending", 360_000), hello("pending", 480_000)]


def test_pending_aborts_on_pending_with_nothing_else() -> None:
    dut = pending_dut()
    assert dut.get(b'\x01{"connectionHello":[{"phase":"pending"}]}') == [ABORTED]


def test_pending_unanswered_request_for_more_time_aborts() -> None:
    dut = pending_dut()
    dut.get(READY)
    assert dut.wait(45) == [PROLONG]
    assert dut.wait(59.9) == []
    assert dut.wait(0.2) == [ABORTED]
    dut.wait(1)
    assert ended(dut) is EndCause.TIMEOUT


def test_pending_user_accepts_a_ready_peer() -> None:
    dut = pending_dut(CLIENT)
    dut.get(READY)
    dut.wait(20)
    assert dut.trust(Trust.TRUSTED) == [OUR_READY, ANNOUNCE]
    assert dut.connection.phase is Phase.PROTOCOL


def test_pending_user_accepts_a_pending_peer_which_gets_a_full_waiting_time() -> None:
    dut = pending_dut()
    dut.get(PENDING)
    dut.wait(30)
    assert dut.trust(Trust.TRUSTED) == [OUR_READY]
    assert dut.connection.phase is Phase.HELLO
    assert dut.get(READY, ANNOUNCE) == [SELECT]


def test_pending_user_denies() -> None:
    dut = pending_dut()
    assert dut.trust(Trust.REFUSED) == [ABORTED]
    dut.wait(1)
    assert ended(dut) is EndCause.LOCAL_REFUSAL


def test_a_second_approval_sends_no_second_ready() -> None:
    dut = pending_dut()
    assert dut.trust(Trust.TRUSTED) == [OUR_READY]
    assert dut.trust(Trust.TRUSTED) == []


def test_nobody_decides_for_ten_minutes_and_the_peer_is_not_refused() -> None:
    """SHIP 14: Elli Charger 2 waits for a person."""
    dut = pending_dut()
    dut.get(READY)
    answers = []
    for _ in range(20):
        answers += dut.wait(45)
        dut.get(READY)
    assert ABORTED not in answers
    assert dut.closed == CloseTransport(4001, "nobody has decided about the peer")
    assert ended(dut) is EndCause.TIMEOUT


# --- sticky ready, crossings ---


def test_ready_is_sticky_although_the_peer_echoes_our_phase() -> None:
    dut = pending_dut()
    dut.get(READY)
    assert dut.wait(45) == [PROLONG]
    dut.get(PENDING)
    assert PeerPending() not in dut.effects
    assert dut.wait(45) == [PROLONG], "the update still tells how long the peer waits"
    dut.trust(Trust.TRUSTED)
    assert dut.connection.phase is Phase.PROTOCOL


def test_pending_and_ready_in_the_same_second() -> None:
    """SHIP 14: Elli."""
    dut = in_hello(CLIENT)
    assert dut.get(PENDING, READY) == [ANNOUNCE]


def test_late_answer_to_our_request_is_swallowed_once() -> None:
    dut = pending_dut()
    dut.get(READY)
    assert dut.wait(45) == [PROLONG]
    dut.trust(Trust.TRUSTED)
    assert dut.get(hello("ready", 75_000)) == []
    assert dut.get(ANNOUNCE) == [SELECT]
    assert dut.get(READY) == [protocol_error(2)]


def test_second_ready_of_a_formerly_pending_peer_is_swallowed_once() -> None:
    dut = in_hello(CLIENT)
    dut.get(PENDING, READY)
    assert dut.get(READY) == []
    assert dut.get(READY) == [protocol_error(2)]


def test_answered_request_leaves_no_excuse_for_a_late_ready() -> None:
    dut = pending_dut()
    dut.get(READY)
    dut.wait(45)
    dut.get(hello("ready", 75_000))
    dut.trust(Trust.TRUSTED)
    assert dut.get(READY) == [protocol_error(2)]


@given(st.lists(st.sampled_from([READY, READY_BARE, READY_SHORT, PENDING, PROLONG]), max_size=8))
def test_every_ready_and_pending_of_ours_says_at_least_a_minute(messages: list[bytes]) -> None:
    dut = in_hello(SERVER, Trust.UNDECIDED)
    dut.get(*messages)
    dut.trust(Trust.TRUSTED)
    for message in sent(dut.effects):
        if b'"phase"' in message and b"aborted" not in message:
            waiting = int(message.split(b'"waiting":')[1].split(b"}")[0])
            assert waiting >= 60_000
            assert b"prolongationRequest" not in message
