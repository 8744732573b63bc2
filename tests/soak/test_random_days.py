"""Three hundred random days: no decision over a budget, no limit exceeded beyond the reaction time."""

import pytest

from tests.soak.days import live_through
from tests.soak.pool import outcomes

HOUSES = 300


def test_the_same_seed_is_the_same_day() -> None:
    assert live_through(7) == live_through(7)


@pytest.mark.slow
@pytest.mark.alone  # it takes every core
def test_random_days_keep_both_promises() -> None:
    found = list(outcomes(range(HOUSES), live_through))
    assert [f"house {each.seed}: {each.complaint}" for each in found if not each.good] == []
    assert sum(each.judged for each in found) > 2000 * HOUSES
    assert sum(each.kills for each in found) > HOUSES // 10
    assert max(each.worst_w for each in found) > 1000.0
