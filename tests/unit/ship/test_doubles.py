"""Several connections to one peer, step by step (reference 12.4)."""

import pytest

from eebus.errors import LocalError
from eebus.ids import Ski
from eebus.ship.doubles import (
    Deliver,
    DropDial,
    PeerConnections,
    PeerMute,
    ProbeSession,
    Retire,
    SessionEnds,
    SessionStarts,
)

SMALL, BIG = Ski("1" * 40), Ski("f" * 40)
OUT, IN = 1, 2


def bigger() -> PeerConnections:
    return PeerConnections(BIG, SMALL)


def smaller() -> PeerConnections:
    return PeerConnections(SMALL, BIG)


def two_in_data(peer: PeerConnections) -> None:
    """Our dial and an accepted connection, both in data exchange; the dial came first."""
    peer.dial_started(OUT, 0.0)
    peer.upgrade_requested(OUT, 0.1)
    peer.incoming_verified(IN, 0.2)
    for connection in (OUT, IN):
        peer.upgraded(connection, 0.3)
        peer.mode_initialised(connection)
    for connection in (OUT, IN):
        peer.data_exchange(connection, 0.4)


def test_no_connection_to_ourselves() -> None:
    """SHIP 15: reflection."""
    with pytest.raises(LocalError):
        PeerConnections(BIG, BIG)


def test_rule_1_no_dial_while_any_connection_exists() -> None:
    peer = bigger()
    assert peer.may_dial()
    peer.incoming_verified(IN, 0.0)
    assert not peer.may_dial()
    peer.ended(IN, 1.0)
    assert peer.may_dial()


def test_rule_2_bigger_drops_its_dial_before_the_upgrade_request() -> None:
    peer = bigger()
    peer.dial_started(OUT, 0.0)
    assert peer.incoming_verified(IN, 0.1) == [DropDial(OUT)]
    assert not peer.upgrade_requested(OUT, 0.2)
    assert peer.ended(OUT, 0.3) == []
    assert peer.next_deadline() is None


def test_rule_2_bigger_never_drops_it_afterwards() -> None:
    peer = bigger()
    peer.dial_started(OUT, 0.0)
    assert peer.upgrade_requested(OUT, 0.1)
    assert peer.incoming_verified(IN, 0.2) == []


def test_rule_2_smaller_never_drops_its_dial() -> None:
    peer = smaller()
    peer.dial_started(OUT, 0.0)
    assert peer.incoming_verified(IN, 0.1) == []
    assert peer.upgrade_requested(OUT, 0.2)


@pytest.mark.parametrize(("peer", "settle"), [(bigger(), 1.5), (smaller(), 3.5)])
def test_rule_3_settle_timer_starts_with_the_second_connection(peer: PeerConnections, settle: float) -> None:
    peer.dial_started(OUT, 0.0)
    peer.upgrade_requested(OUT, 1.0)
    assert peer.next_deadline() is None
    peer.incoming_verified(IN, 2.0)
    assert peer.next_deadline() == 2.0 + settle


@pytest.mark.parametrize("gone", [OUT, IN])
def test_rule_3_whichever_the_peer_closes_the_other_stays(gone: int) -> None:
    peer = bigger()
    two_in_data(peer)
    effects = peer.ended(gone, 1.0)
    assert not any(isinstance(effect, Retire) for effect in effects)
    assert peer.owner == (IN if gone == OUT else OUT)
    peer.spine_received(peer.owner, "answer")
    assert peer.next_deadline() is None


def test_rule_4_TC_SHIP_CONN_001_the_newest_working_connection_is_kept() -> None:
    peer = bigger()
    two_in_data(peer)
    assert peer.on_deadline(1.69) == []
    assert peer.on_deadline(1.7) == [Retire(OUT), SessionStarts(IN, replaces=True)]
    assert peer.owner == IN


def test_rule_4_a_connection_without_life_is_not_kept() -> None:
    peer = bigger()
    peer.incoming_verified(1, 0.0)
    peer.upgraded(1, 0.1)
    peer.mode_initialised(1)
    peer.incoming_verified(2, 0.2)
    peer.upgraded(2, 0.3)
    assert peer.on_deadline(1.7) == [Retire(2)]


def test_rule_4_nothing_is_closed_while_none_works() -> None:
    peer = bigger()
    peer.incoming_verified(1, 0.0)
    peer.incoming_verified(2, 0.0)
    assert peer.on_deadline(1.5) == []
    assert peer.next_deadline() == 2.5


def test_rule_4_a_young_connection_is_not_closed_yet() -> None:
    peer = bigger()
    peer.incoming_verified(1, 0.0)
    peer.incoming_verified(2, 0.5)
    peer.upgraded(2, 0.6)
    peer.mode_initialised(2)
    peer.upgraded(1, 1.9)
    assert peer.on_deadline(2.0) == []
    assert peer.next_deadline() == 3.0
    assert peer.on_deadline(3.0) == [Retire(1)]


def test_rule_5_spine_belongs_to_the_first_in_data_exchange() -> None:
    peer = bigger()
    peer.incoming_verified(1, 0.0)
    peer.incoming_verified(2, 0.0)
    assert peer.data_exchange(2, 0.5) == [SessionStarts(2, replaces=False)]
    assert peer.data_exchange(1, 0.6) == []
    assert peer.spine_received(2, "a") == [Deliver("a")]
    assert peer.spine_received(1, "b") == []


def test_rule_5_buffer_is_replayed_on_the_survivor() -> None:
    peer = bigger()
    two_in_data(peer)
    for number in range(100):
        assert peer.spine_received(IN, number) == []
    effects = peer.ended(OUT, 1.0)
    assert effects[0] == SessionStarts(IN, replaces=True)
    assert effects[1:-1] == [Deliver(number) for number in range(64)], "bounded"
    assert effects[-1] == ProbeSession(IN)


def test_rule_5_survivor_still_in_handshake_takes_over_later() -> None:
    peer = bigger()
    two_in_data(peer)
    peer.ended(IN, 0.5)
    peer.incoming_verified(3, 0.6)
    assert peer.ended(OUT, 0.7) == [SessionEnds()]
    assert peer.data_exchange(3, 0.9) == [SessionStarts(3, replaces=False), ProbeSession(3)]


def test_rule_6_mute_survivor_is_given_up() -> None:
    peer = bigger()
    two_in_data(peer)
    assert peer.ended(OUT, 1.0) == [SessionStarts(IN, replaces=True), ProbeSession(IN)]
    assert peer.next_deadline() == 11.0
    assert peer.on_deadline(10.9) == []
    assert peer.on_deadline(11.0) == [Retire(IN), SessionEnds(), PeerMute()]
    assert peer.ended(IN, 11.5) == []
    assert peer.may_dial()


def test_rule_6_any_answer_proves_life() -> None:
    peer = bigger()
    two_in_data(peer)
    peer.ended(OUT, 1.0)
    assert peer.spine_received(IN, "answer") == [Deliver("answer")]
    assert peer.on_deadline(20.0) == []


def test_rule_6_probe_waits_until_the_retired_connection_is_gone() -> None:
    peer = bigger()
    two_in_data(peer)
    assert ProbeSession(IN) not in peer.on_deadline(1.7)
    assert peer.ended(OUT, 2.2) == [ProbeSession(IN)]


def test_rule_7_connection_that_missed_its_ping_gives_way_at_once() -> None:
    peer = smaller()
    peer.dial_started(OUT, 0.0)
    peer.upgrade_requested(OUT, 0.0)
    peer.upgraded(OUT, 0.1)
    peer.data_exchange(OUT, 0.2)
    peer.ping_missed(OUT)
    peer.incoming_verified(IN, 60.0)
    assert peer.upgraded(IN, 60.1) == [Retire(OUT), SessionEnds()]


def test_rule_8_end_of_an_unknown_connection_changes_nothing() -> None:
    peer = bigger()
    two_in_data(peer)
    assert peer.ended(99, 1.0) == []
    assert peer.owner == OUT


def test_last_connection_ends_the_session() -> None:
    peer = bigger()
    peer.incoming_verified(IN, 0.0)
    peer.data_exchange(IN, 0.1)
    assert peer.ended(IN, 5.0) == [SessionEnds()]
    assert peer.next_deadline() is None


def test_failed_dial_needs_no_probe() -> None:
    peer = bigger()
    peer.dial_started(OUT, 0.0)
    assert peer.ended(OUT, 1.0) == []
    peer.incoming_verified(IN, 2.0)
    assert peer.data_exchange(IN, 2.1) == [SessionStarts(IN, replaces=False)]


# --- strict mode, for certification only ---


def strict(own: Ski = BIG, other: Ski = SMALL) -> PeerConnections:
    return PeerConnections(own, other, strict=True)


def test_TC_SHIP_CONN_001_strict_the_older_connection_ends_when_the_newer_certificate_is_verified() -> None:
    peer = strict()
    peer.dial_started(OUT, 0.0)
    peer.upgrade_requested(OUT, 0.1)
    peer.upgraded(OUT, 0.2)
    peer.mode_initialised(OUT)
    assert peer.incoming_verified(IN, 0.3) == [Retire(OUT)]
    assert peer.upgraded(IN, 0.4) == []
    peer.ended(OUT, 0.5)
    assert peer.data_exchange(IN, 0.6)[0] == SessionStarts(IN, replaces=False)


def test_TC_SHIP_CONN_001_strict_an_older_connection_in_data_exchange_hands_its_session_over() -> None:
    peer = strict()
    peer.incoming_verified(IN, 0.0)
    peer.upgraded(IN, 0.1)
    peer.mode_initialised(IN)
    peer.data_exchange(IN, 0.2)
    assert peer.incoming_verified(3, 10.0) == [Retire(IN), SessionEnds()]
    peer.upgraded(3, 10.1)
    assert SessionStarts(3, replaces=False) in peer.data_exchange(3, 10.5)


def test_TC_SHIP_CONN_001_strict_our_own_newer_dial_ends_the_older_connection_when_it_is_up() -> None:
    peer = strict()
    peer.dial_started(OUT, 0.0)
    peer.upgrade_requested(OUT, 0.1)
    peer.dial_started(4, 1.0)
    peer.upgrade_requested(4, 1.1)
    assert peer.upgraded(4, 1.2) == [Retire(OUT)]


def test_TC_SHIP_CONN_001_strict_a_late_upgrade_of_the_older_one_does_not_end_the_newer_one() -> None:
    peer = strict()
    peer.dial_started(OUT, 0.0)
    peer.upgrade_requested(OUT, 0.1)
    peer.incoming_verified(IN, 0.2)
    peer.upgraded(IN, 0.3)
    assert Retire(IN) not in peer.upgraded(OUT, 0.4)


def test_the_smaller_ski_never_acts_strictly() -> None:
    peer = strict(SMALL, BIG)
    peer.dial_started(OUT, 0.0)
    peer.upgrade_requested(OUT, 0.1)
    assert peer.incoming_verified(IN, 0.3) == []
