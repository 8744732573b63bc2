"""Several sources at once: for every pair of kinds and bases the strictest holds, and none lifts another."""

import itertools

import pytest

from hems.control.allocation import allocate
from hems.control.budget import Situation, budgets
from hems.control.candidates import Candidate
from hems.devices import Direction, FeasiblePowers, PowerRange
from hems.limits.arbiter import Arbiter
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason

SMOOTH = FeasiblePowers((PowerRange(0.0, 20_000.0),))
KINDS = list(CeilingKind)
BASES = list(Basis)
SPREAD = {"box": (1.0, 0.0, 0.0)}


def ceiling(kind: CeilingKind, basis: Basis, value_w: float | None, since_s: float = 0.0) -> Ceiling:
    source = f"{kind}/{basis}"
    return Ceiling(source, value_w, basis, kind, Reason("said", f"{source} says so"), since_s)


def allowed_w(direction: Direction, *ceilings: Ceiling) -> float | None:
    """What a single-phase device on the first phase may take, and nothing else being there."""
    arbiter = Arbiter()
    for each in ceilings:
        arbiter.put(each)
    found = budgets(direction, arbiter.in_force(1.0), Situation(spread=SPREAD))
    (share,) = allocate(found, [Candidate("box", SMOOTH)]).shares
    return share.power_w


@pytest.mark.parametrize(("first", "second"), list(itertools.product(KINDS, KINDS)))
@pytest.mark.parametrize(("low", "high"), list(itertools.combinations_with_replacement(BASES, 2)))
def test_the_strictest_of_two_sources_holds_in_its_own_direction(
    first: CeilingKind, second: CeilingKind, low: Basis, high: Basis
) -> None:
    strict, mild = ceiling(first, low, 3000.0), ceiling(second, high, 8000.0)
    if strict.source == mild.source:
        return
    for direction in Direction:
        mine = [each for each in (strict, mild) if allowed_w(direction, each) is not None]
        expected = min((each.value_w for each in mine if each.value_w is not None), default=None)
        assert allowed_w(direction, strict, mild) == expected
        assert allowed_w(direction, mild, strict) == expected


@pytest.mark.parametrize(("kind", "other"), list(itertools.permutations(KINDS, 2)))
@pytest.mark.parametrize("basis", [Basis.CONTROLLABLE, Basis.FEED_IN])
def test_a_release_by_one_kind_never_releases_another(
    kind: CeilingKind, other: CeilingKind, basis: Basis
) -> None:
    held = ceiling(kind, basis, 3000.0)
    assert allowed_w(basis.direction, held, ceiling(other, basis, 1000.0)) == 1000.0
    assert allowed_w(basis.direction, held, ceiling(other, basis, None)) == 3000.0


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(KINDS, 2)))
def test_of_two_equal_limits_the_one_of_the_higher_kind_gives_the_reason(
    first: CeilingKind, second: CeilingKind
) -> None:
    pair = [ceiling(second, Basis.CONTROLLABLE, 4200.0, 0.0), ceiling(first, Basis.CONTROLLABLE, 4200.0, 5.0)]
    (budget,) = budgets(Direction.CONSUMPTION, pair)
    assert budget.source == f"{first}/controllable"
    assert "says so" in budget.reason.text


def test_feed_in_and_inverter_are_compared_after_what_the_house_takes() -> None:
    at_the_grid = ceiling(CeilingKind.STATUTORY, Basis.FEED_IN, 4000.0)
    at_the_inverter = ceiling(CeilingKind.GRID_OPERATOR, Basis.INVERTER, 5000.0)
    for taken_w, binding in ((500.0, "statutory/feed_in"), (2000.0, "grid_operator/inverter")):
        (budget,) = budgets(Direction.PRODUCTION, [at_the_grid, at_the_inverter], Situation(taken_w))
        assert budget.source == binding


def test_consumption_and_feed_in_do_not_touch_each_other() -> None:
    pair = [ceiling(CeilingKind.USER, Basis.CONTROLLABLE, 0.0), ceiling(CeilingKind.USER, Basis.FEED_IN, 0.0)]
    assert [len(budgets(direction, pair)) for direction in Direction] == [1, 1]
