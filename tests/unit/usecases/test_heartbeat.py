"""Heartbeat helpers: when to send, and which answer shows a living partner."""

from datetime import UTC, datetime, timedelta

import pytest

from eebus.spine.model.device import DeviceDiagnosisHeartbeatData
from eebus.spine.values import format_date_time
from eebus.usecases.heartbeat import HeartbeatSender, reply_is_fresh

UTC_NOW = datetime(2026, 1, 31, 10, 15, 30, tzinfo=UTC)


def test_nothing_is_due_before_the_start() -> None:
    sender = HeartbeatSender(25.0, None)
    sender.hasten(10.0)
    assert sender.next_deadline() is None
    assert sender.beat(10.0, UTC_NOW) is None


def test_beats_come_every_interval_and_count_up() -> None:
    sender = HeartbeatSender(25.0, None)
    sender.start(100.0)
    first = sender.beat(100.0, UTC_NOW)
    assert first == DeviceDiagnosisHeartbeatData(
        timestamp="2026-01-31T10:15:30Z", heartbeat_counter=1, heartbeat_timeout="PT1M"
    )
    assert sender.beat(124.9, UTC_NOW) is None
    second = sender.beat(125.0, UTC_NOW)
    assert second is not None
    assert second.heartbeat_counter == 2


def test_without_food_there_is_no_beat_and_food_brings_it_back_within_a_second() -> None:
    sender = HeartbeatSender(25.0, 10.0)
    sender.start(0.0)
    sender.beat(0.0, UTC_NOW)
    assert sender.beat(25.0, UTC_NOW) is None
    assert sender.next_deadline() == 26.0
    sender.feed(25.5)
    assert sender.beat(26.0, UTC_NOW) is not None
    assert not sender.starving(35.5)
    assert sender.starving(35.6)


@pytest.mark.parametrize(
    ("age_s", "counter", "last", "fresh"),
    [
        (0, 1, None, True),
        (60, 1, None, True),
        (61, 1, None, False),
        (-60, 1, None, True),
        (-61, 1, None, False),
        (5, 7, 7, False),
        (5, 8, 7, True),
        (5, 3, 7, True),
        (5, 0, None, True),
        (5, None, None, False),
    ],
)
def test_an_answer_is_fresh_by_time_stamp_and_counter(
    age_s: int, counter: int | None, last: int | None, fresh: bool
) -> None:
    data = DeviceDiagnosisHeartbeatData(
        timestamp=format_date_time(UTC_NOW - timedelta(seconds=age_s)), heartbeat_counter=counter
    )
    assert reply_is_fresh(data, last, UTC_NOW) is fresh


@pytest.mark.parametrize("timestamp", [None, "PT5S", "nonsense"])
def test_an_answer_without_a_usable_time_stamp_is_not_fresh(timestamp: str | None) -> None:
    data = DeviceDiagnosisHeartbeatData(timestamp=timestamp, heartbeat_counter=1)
    assert not reply_is_fresh(data, None, UTC_NOW)
