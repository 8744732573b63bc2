"""What the meter and the inverters show together of house and of other generation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.control.credit import CreditReading
from hems.control.surplus import HouseBeyondGeneration
from hems.metering.measurements import PairedReading


def read(
    follower: HouseBeyondGeneration,
    grid_w: float,
    made_w: float,
    at_s: float,
    unmeasured_w: float = 0.0,
    limit_w: float | None = None,
) -> CreditReading:
    reading = follower.reading(PairedReading(grid_w, made_w, made_w, at_s), unmeasured_w, limit_w)
    assert reading is not None
    return reading


@pytest.mark.parametrize(("grid_w", "most_w"), [(-533.0, 567.0), (-3000.0, 0.0), (-12_000.0, -900.0)])
def test_an_unmeasured_inverter_proves_nothing_of_what_the_house_takes(grid_w: float, most_w: float) -> None:
    """It may be the one that feeds in; what it may not have made is generation of others."""
    assert read(HouseBeyondGeneration(), grid_w, 1100.0, 0.0, unmeasured_w=10_000.0).most_w == most_w


def test_generation_of_others_counts_as_soon_as_no_inverter_can_have_made_it() -> None:
    follower = HouseBeyondGeneration()
    assert read(follower, -3000.0, 3000.0, 0.0).most_w == 0.0
    assert read(follower, -5000.0, 3000.0, 1.0).most_w == -2000.0


def test_what_a_lagging_meter_still_shows_of_an_inverter_is_no_generation_of_others() -> None:
    follower = HouseBeyondGeneration()
    read(follower, -9000.0, 9000.0, 0.0)
    for second in range(1, 11):
        assert read(follower, -9000.0, 3000.0, float(second)).most_w == 0.0
    assert read(follower, -9000.0, 3000.0, 11.0).most_w == -6000.0


def test_an_inverter_that_nobody_measures_counts_as_nothing_once_feed_in_stays_above_the_limit() -> None:
    """Told 8 kW it could be the cause of 7 kW; told 6 kW it would make 5 kW of them. It does not."""
    follower = HouseBeyondGeneration()
    for second in range(12):
        reading = read(follower, -7000.0, 0.0, float(second), unmeasured_w=8000.0, limit_w=5000.0)
        assert reading.most_w == 0.0
    assert read(follower, -7000.0, 0.0, 12.0, unmeasured_w=6000.0, limit_w=5000.0).most_w == -9000.0


def test_a_lag_excuses_nothing_any_more_once_feed_in_stays_above_the_limit() -> None:
    """An inverter gives way by 100 W each second, others make 200 W more: the lag alone would hide them. What
    is too much, 2.2 kW, is taken off once more.
    """
    follower = HouseBeyondGeneration()
    for second in range(13):
        made_w, others_w = 4000.0 - 100.0 * second, 2000.0 + 200.0 * second
        reading = read(follower, -(made_w + others_w), made_w, float(second), limit_w=5000.0)
    assert reading.most_w == -4400.0 - 2200.0


@pytest.mark.parametrize("grid_w", [-5000.0, -5090.0, 300.0])
def test_feed_in_at_the_limit_raises_no_doubt(grid_w: float) -> None:
    follower = HouseBeyondGeneration()
    for second in range(60):
        reading = read(follower, grid_w, 0.0, float(second), unmeasured_w=8000.0, limit_w=5000.0)
        assert reading.most_w >= 0.0


def test_a_reading_at_the_limit_or_none_at_all_begins_the_doubt_anew() -> None:
    follower = HouseBeyondGeneration()
    for second in range(60):
        if second % 10 == 0:
            follower.reading(None, 8000.0, 5000.0)
        grid_w = -4000.0 if second % 10 == 5 else -7000.0
        assert read(follower, grid_w, 0.0, float(second), 8000.0, 5000.0).most_w == 0.0


@given(st.lists(st.tuples(st.floats(0.0, 10_000.0), st.floats(0.0, 10_000.0)), min_size=1, max_size=40))
def test_nothing_is_taken_for_generation_of_others_that_ours_made_while_the_meter_lags(
    course: list[tuple[float, float]],
) -> None:
    """Whatever inverters and house do from second to second, and however late up to 10 s the meter is."""
    for lag_s in (0, 3, 10):
        follower = HouseBeyondGeneration()
        for second, (made_w, _) in enumerate(course):
            shown_made_w, shown_house_w = course[max(0, second - lag_s)]
            reading = read(follower, shown_house_w - shown_made_w, made_w, float(second))
            assert reading.most_w >= 0.0
