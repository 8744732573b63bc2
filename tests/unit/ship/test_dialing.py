"""When a trusted peer is dialled."""

import pytest

from eebus.errors import LocalError
from eebus.ship.connection import EndCause
from eebus.ship.dialing import SILENT, DialSchedule


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def due_in(schedule: DialSchedule, now: float) -> float | None:
    deadline = schedule.next_deadline()
    return None if deadline is None else deadline - now


def stable(schedule: DialSchedule, now: float) -> float:
    """A connection that lasts two minutes; returns its end."""
    schedule.connection_up()
    schedule.data_exchange(now)
    return now + 120


def test_back_off_by_the_number_of_attempts() -> None:
    """SHIP 14: Wolf Link resets after quick restarts."""
    schedule = DialSchedule(middle, 0.0)
    delays = []
    now = 0.0
    for _ in range(5):
        delays.append(due_in(schedule, now))
        now = schedule.next_deadline() or now
        assert schedule.is_due(now)
        schedule.begin()
        schedule.failed(now)
    assert delays == [2.0, 6.5, 15.0, 15.0, 15.0]


def test_one_attempt_at_a_time() -> None:
    schedule = DialSchedule(middle, 0.0)
    schedule.begin()
    assert schedule.next_deadline() is None
    assert not schedule.is_due(1e9)
    with pytest.raises(LocalError):
        schedule.begin()
    schedule.request(5.0)
    assert schedule.next_deadline() is None


def test_no_dial_while_a_connection_exists() -> None:
    schedule = DialSchedule(middle, 0.0)
    schedule.connection_up()
    assert schedule.next_deadline() is None


def test_after_a_stable_connection_the_first_delay_counts_again() -> None:
    schedule = DialSchedule(middle, 0.0)
    for _ in range(4):
        schedule.begin()
        schedule.failed(0.0)
    now = stable(schedule, 0.0)
    schedule.ended(EndCause.TRANSPORT_LOST, now)
    assert due_in(schedule, now) == 2.0


def test_connections_that_do_not_last_back_off() -> None:
    schedule = DialSchedule(middle, 0.0)
    for _ in range(3):
        schedule.begin()
        schedule.connection_up()
        schedule.data_exchange(0.0)
        schedule.ended(EndCause.REMOTE_CLOSE, 1.0)
    assert due_in(schedule, 1.0) == 15.0


@pytest.mark.parametrize("cause", sorted(set(EndCause) - {EndCause.REMOTE_REMOVAL}, key=str))
def test_trusted_peer_is_dialled_again_after_every_other_end(cause: EndCause) -> None:
    schedule = DialSchedule(middle, 0.0)
    for _ in range(3):
        schedule.begin()
        schedule.connection_up()
        schedule.ended(cause, 10.0)
    assert due_in(schedule, 10.0) == 15.0


def test_removed_pairing_stops_dialling_until_somebody_wants_it() -> None:
    """SHIP 15: storms of dialling."""
    schedule = DialSchedule(middle, 0.0)
    schedule.connection_up()
    schedule.ended(EndCause.REMOTE_REMOVAL, 10.0)
    assert schedule.next_deadline() is None
    schedule.request(20.0)
    assert schedule.is_due(20.0)


def test_dialling_never_ends_but_slows_down_after_half_an_hour() -> None:
    """SHIP 14: Elli refuses for minutes after a restart."""
    schedule = DialSchedule(middle, 0.0)
    now = 0.0
    while now < 1800:
        now = schedule.next_deadline() or now
        schedule.begin()
        schedule.failed(now)
    assert due_in(schedule, now) == 90.0


def test_mute_peer_is_dialled_after_a_short_while() -> None:
    schedule = DialSchedule(middle, 0.0)
    schedule.connection_up()
    schedule.mute(100.0)
    schedule.ended(EndCause.LOCAL_CLOSE, 100.5)
    assert due_in(schedule, 100.0) == 6.5
    schedule.begin()
    schedule.connection_up()
    schedule.ended(EndCause.TRANSPORT_LOST, 110.0)
    assert due_in(schedule, 110.0) == 6.5, "the ordinary back-off again"


def test_double_connections_are_no_error_for_the_user() -> None:
    assert frozenset({EndCause.DOUBLE_CONNECTION, EndCause.CLOSED_AT_UPGRADE}) == SILENT
