"""As many wishes as fit, checked against every choice there is."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hems.control.choice import Choice


def fits(granted: tuple[int, ...], costs: list[list[float]], left: list[float]) -> bool:
    return all(sum(costs[wish][i] for wish in granted) <= each for i, each in enumerate(left))


@given(
    st.integers(1, 3).flatmap(
        lambda pots: st.tuples(
            st.lists(st.lists(st.integers(0, 9).map(float), min_size=pots, max_size=pots), max_size=8),
            st.lists(st.integers(0, 25).map(float), min_size=pots, max_size=pots),
        )
    )
)
def test_most_wishes_are_granted_and_of_equally_many_the_first_ones(
    case: tuple[list[list[float]], list[float]],
) -> None:
    costs, left = case
    wishes = range(len(costs))
    best: tuple[int, ...] = next(
        granted
        for count in range(len(costs), -1, -1)
        for granted in itertools.combinations(wishes, count)
        if fits(granted, costs, left)
    )
    choice = Choice(costs, left)
    assert choice.most() == best
    assert choice.exact


def test_one_budget_never_needs_a_second_look() -> None:
    costs = [[float(100 - number)] for number in range(100)]
    choice = Choice(costs, [2500.0])
    granted = choice.most()
    assert choice.exact
    assert len(granted) == 70
    assert sum(costs[wish][0] for wish in granted) <= 2500.0


def test_a_search_without_an_end_is_cut_off_and_still_grants_what_fits() -> None:
    """Four budgets by which each time others are the cheapest, and wishes that hardly differ in the sum."""
    costs = [[1000.0 + step * n % most for step, most in ((43, 101), (53, 97), (13, 47))] for n in range(60)]
    costs = [[*cost, 1000.0 + 29 * n * n % 71] for n, cost in enumerate(costs)]
    left = [30_900.0] * 4
    choice = Choice(costs, left)
    granted = choice.most()
    assert not choice.exact
    assert fits(granted, costs, left)
    assert len(granted) >= 29
