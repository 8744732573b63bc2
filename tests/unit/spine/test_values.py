"""Numbers, durations and times (SPINE 3)."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eebus.errors import DecodeError, LocalError
from eebus.spine.model.common import ScaledNumber
from eebus.spine.values import (
    format_date_time,
    format_duration,
    in_scale,
    parse_date_time,
    parse_duration,
    seconds_until,
    to_float,
    to_scaled,
)

NOW = datetime(2026, 1, 31, 10, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (ScaledNumber(number=2304, scale=-1), 230.4),
        (ScaledNumber(number=42, scale=2), 4200.0),
        (ScaledNumber(number=-1530), -1530.0),
        (ScaledNumber(scale=3), 0.0),
        (ScaledNumber(number=7, scale=20), 7e20),
    ],
)
def test_number_times_ten_to_the_scale(number: ScaledNumber, value: float) -> None:
    assert to_float(number) == value


@pytest.mark.parametrize("number", [None, ScaledNumber()])
def test_openeebus_empty_number_is_no_value(number: ScaledNumber | None) -> None:
    assert to_float(number) is None


@pytest.mark.parametrize("scale", [21, -21, 32767, -32768])
def test_absurd_scales_are_no_value_and_cost_nothing(scale: int) -> None:
    assert to_float(ScaledNumber(number=1, scale=scale)) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (4200, ScaledNumber(number=4200, scale=0)),
        (230.4, ScaledNumber(number=2304, scale=-1)),
        (-0.00004, ScaledNumber(number=0, scale=0)),
        (1.23456, ScaledNumber(number=12346, scale=-4)),
        (0, ScaledNumber(number=0, scale=0)),
    ],
)
def test_G13_numbers_are_sent_with_number_and_scale_and_four_decimals(
    value: float, number: ScaledNumber
) -> None:
    assert to_scaled(value) == number


@given(st.floats(-1e9, 1e9))
def test_written_numbers_read_back(value: float) -> None:
    assert to_float(to_scaled(value)) == pytest.approx(value, abs=0.5e-4)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_an_error_of_ours(value: float) -> None:
    with pytest.raises(LocalError):
        to_scaled(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT60S", 60),
        ("PT1M", 60),
        ("PT2H", 7200),
        ("P1D", 86400),
        ("P1DT30M", 88200),
        ("PT7200S", 7200),
        ("PT1H2M3S", 3723),
        ("PT0S", 0),
        ("P0D", 0),
        ("PT0.5S", 0.5),
        ("-PT5M", -300),
        ("PT120S", 120),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["P", "PT", "-P", "P1Y", "P1M", "PT1", "1H", "", "PT1H ", "P1DT", "PT1S1M", "+PT1S", "PT9999999999999S"],
)
def test_bare_and_calendar_durations_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(60, "PT1M"), (7200, "PT2H"), (3723, "PT1H2M3S"), (0, "PT0S"), (0.5, "PT0.5S"), (-300, "-PT5M")],
)
def test_durations_are_sent_normalised(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(-(10**9), 10**9).map(lambda ms: ms / 1000))
def test_written_durations_read_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T10:15:30Z", NOW),
        ("2026-01-31T10:15:30", NOW),
        ("2026-01-31T11:15:30+01:00", NOW),
        ("2026-01-31T10:15:30.5Z", NOW.replace(microsecond=500_000)),
        ("2026-01-31T24:00:00Z", datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_date_times_are_read_as_utc(text: str, moment: datetime) -> None:
    assert parse_date_time(text) == moment


@pytest.mark.parametrize(
    "text", ["", "2026-01-31", "2026-13-01T00:00:00Z", "2026-01-31T25:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_other_texts_are_no_date_times(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_date_time(text)


def test_date_times_are_sent_in_utc_with_z_and_whole_seconds() -> None:
    assert format_date_time(NOW.replace(microsecond=999)) == "2026-01-31T10:15:30Z"


def test_a_leading_p_means_relative_to_reception() -> None:
    assert seconds_until("PT5M", NOW) == 300
    assert seconds_until("-PT5M", NOW) == -300
    assert seconds_until("2026-01-31T10:16:30Z", NOW) == 60


@pytest.mark.parametrize(
    ("value", "scale", "number"),
    [(4200.0, 2, 42), (4200.0, 0, 4200), (1.5, -3, 1500), (0.0, 2, 0)],
)
def test_a_value_in_a_given_scale(value: float, scale: int, number: int) -> None:
    assert in_scale(value, scale) == ScaledNumber(number=number, scale=scale)


def test_a_scale_that_would_round_the_value_is_not_used() -> None:
    assert in_scale(4250.0, 2) == ScaledNumber(number=4250, scale=0)
