"""Dividing a budget by priority, checked against every division there is."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.control.allocation import Allocation, Strategy, allocate
from hems.control.budget import Budget
from hems.control.candidates import Candidate
from hems.devices import FeasiblePowers, PowerRange
from hems.limits.reason import Reason

WHY = Reason("test", "because")
WALLBOX_3P = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(4140.0, 11040.0, 690.0)))
WALLBOX_1P_3P = FeasiblePowers(
    (PowerRange(0.0, 0.0), PowerRange(1380.0, 3680.0, 230.0), PowerRange(4140.0, 11040.0, 690.0))
)
HEAT_PUMP = FeasiblePowers((PowerRange(0.0, 8000.0),))
BATTERY = FeasiblePowers((PowerRange(-5000.0, 5000.0),))
STAGES = FeasiblePowers(tuple(PowerRange(w, w) for w in (0.0, 3000.0, 6000.0, 9000.0)))


def budget(allowed_w: float, devices: frozenset[str] | None = None, source: str = "eebus/lpc") -> Budget:
    return Budget(source, allowed_w, devices, WHY)


def powers(allocation: Allocation) -> list[float | None]:
    return [share.power_w for share in allocation.shares]


@pytest.mark.parametrize(("need_w", "expected"), [(2000.0, [2000.0, 5520.0]), (5000.0, [5000.0, 2530.0])])
def test_heat_pump_first_then_wallbox_in_whole_amperes(need_w: float, expected: list[float]) -> None:
    """Domain reference 9.1, with steps of 1 A."""
    pump = Candidate("pump", HEAT_PUMP, most_useful_w=need_w)
    assert powers(allocate([budget(7560.0)], [pump, Candidate("box", WALLBOX_1P_3P)])) == expected


def test_what_cannot_be_used_is_handed_on() -> None:
    allocation = allocate([budget(7560.0)], [Candidate("box", WALLBOX_3P), Candidate("pump", HEAT_PUMP)])
    assert powers(allocation) == [7590.0 - 690.0, 660.0]
    assert allocation.of("box").reason.code == "rounded_down"
    assert allocation.of("pump").reason.code == "gets_the_rest"


def test_trap_10_a_wallbox_is_never_rounded_up_to_six_amperes() -> None:
    allocation = allocate([budget(4139.9)], [Candidate("box", WALLBOX_3P)])
    assert powers(allocation) == [0.0]


def test_trap_10_six_amperes_cost_what_the_voltage_says() -> None:
    at_240_v = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(4320.0, 11520.0, 720.0)))
    assert powers(allocate([budget(4200.0)], [Candidate("box", at_240_v)])) == [0.0]


@pytest.mark.parametrize(("allowed_w", "expected_w"), [(8999.0, 6000.0), (2999.0, 0.0), (9000.0, 9000.0)])
def test_trap_09_watts_map_to_the_next_lower_stage(allowed_w: float, expected_w: float) -> None:
    assert powers(allocate([budget(allowed_w)], [Candidate("heater", STAGES)])) == [expected_w]


def test_trap_12_a_battery_is_stopped_from_charging_but_never_forced_to_discharge() -> None:
    candidates = [Candidate("box", WALLBOX_3P), Candidate("battery", BATTERY)]
    assert powers(allocate([budget(4200.0)], candidates)) == [4140.0, 60.0]
    assert powers(allocate([budget(0.0)], candidates)) == [0.0, 0.0]


def test_a_charge_point_without_a_car_reserves_nothing() -> None:
    empty = Candidate("box", WALLBOX_3P, most_useful_w=0.0)
    allocation = allocate([budget(5000.0)], [empty, Candidate("pump", HEAT_PUMP)])
    assert powers(allocation) == [0.0, 5000.0]
    assert allocation.of("box").reason.code == "no_use_for_more"


def test_a_device_that_ignores_us_reduces_what_the_others_get() -> None:
    deaf = Candidate("box", WALLBOX_3P, charged_w=5000.0, most_useful_w=0.0)
    allocation = allocate([budget(6000.0)], [Candidate("pump", HEAT_PUMP), deaf])
    assert powers(allocation) == [1000.0, 0.0]


def test_a_device_that_cannot_be_told_anything_is_set_aside_first() -> None:
    fixed = Candidate("old pump", None, charged_w=3000.0)
    allocation = allocate([budget(4200.0)], [Candidate("pump", HEAT_PUMP), fixed])
    assert powers(allocation) == [1200.0, None]
    assert allocation.of("old pump").reason.code == "not_steerable"


def test_floors_above_the_budget_are_reported_and_nobody_gets_more() -> None:
    stubborn = FeasiblePowers((PowerRange(1500.0, 3000.0),))
    allocation = allocate([budget(2000.0)], [Candidate("a", stubborn), Candidate("b", stubborn)])
    assert powers(allocation) == [1500.0, 1500.0]
    assert allocation.overshoot_w == 1000.0
    assert allocation.of("a").reason.code == "at_floor"


def test_an_unreachable_device_is_not_promised_more_than_the_budget() -> None:
    lost = Candidate("box", WALLBOX_3P, charged_w=11040.0, most_useful_w=11040.0)
    allocation = allocate([budget(4200.0)], [lost, Candidate("pump", HEAT_PUMP)])
    assert powers(allocation) == [4140.0, 0.0]
    assert allocation.overshoot_w == pytest.approx(6840.0)


def test_without_a_budget_everybody_is_free() -> None:
    allocation = allocate([], [Candidate("box", WALLBOX_3P)])
    assert powers(allocation) == [None]
    assert allocation.of("box").reason.code == "free"


def test_a_value_for_one_device_holds_beside_the_sum() -> None:
    direct = budget(2000.0, frozenset({"pump"}), "direct")
    candidates = [Candidate("pump", HEAT_PUMP), Candidate("box", WALLBOX_3P)]
    assert powers(allocate([budget(7560.0), direct], candidates)) == [2000.0, 5520.0]
    assert powers(allocate([direct], candidates)) == [2000.0, None]


def test_a_top_that_is_missed_by_rounding_is_reached() -> None:
    """3355.47… W / 5000 · 5000 is a trifle less than 3355.47… W: nothing more can be given."""
    top_w = 3355.471853852834
    gap = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(4140.0, 11_040.0, 69.0)))
    battery = Candidate(
        "battery",
        FeasiblePowers((PowerRange(-5000.0, 5000.0),)),
        most_useful_w=top_w,
        nameplate_w=5000.0,
        turn=2,
    )
    boxes = [Candidate(f"box{n}", gap, nameplate_w=11_040.0, turn=1) for n in range(3)]
    found = allocate([budget(4008.935979544385)], [boxes[0], battery, *boxes[1:]], Strategy.PROPORTIONAL)
    assert found.of("battery").power_w == pytest.approx(top_w)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        allocate([], []).of("nobody")


@st.composite
def sets_of_powers(draw: st.DrawFn) -> FeasiblePowers:
    points = sorted(draw(st.sets(st.integers(-4, 12), min_size=1, max_size=4)))
    return FeasiblePowers(tuple(PowerRange(float(p), float(p)) for p in points))


@st.composite
def candidates_strategy(draw: st.DrawFn) -> list[Candidate]:
    return [
        Candidate(
            f"d{number}",
            draw(sets_of_powers()),
            most_useful_w=draw(st.one_of(st.none(), st.integers(0, 12).map(float))),
        )
        for number in range(draw(st.integers(1, 4)))
    ]


@given(candidates_strategy(), st.integers(0, 40), st.one_of(st.none(), st.integers(0, 20)))
def test_priority_is_the_lexicographically_largest_division_there_is(
    candidates: list[Candidate], allowed: int, for_first: int | None
) -> None:
    pots = [budget(float(allowed))]
    if for_first is not None:
        pots.append(budget(float(for_first), frozenset({"d0"}), "direct"))
    divisions = [
        division
        for division in itertools.product(*(_options(c) for c in candidates))
        if sum(division) <= allowed and (for_first is None or division[0] <= for_first)
    ]
    allocation = allocate(pots, candidates)
    assert (allocation.overshoot_w > 0.0) == (not divisions)
    if divisions:
        assert powers(allocation) == list(max(divisions))
    elif sum(c.floor_w for c in candidates) > allowed:
        assert powers(allocation) == [c.floor_w for c in candidates]
    else:
        assert powers(allocation)[0] == candidates[0].floor_w


def _options(candidate: Candidate) -> list[float]:
    """Every power the device could be told: not negative, and of use to it unless it is the least."""
    assert candidate.feasible is not None
    useful_w = 99.0 if candidate.most_useful_w is None else candidate.most_useful_w
    own = {max(0.0, r.low_w) for r in candidate.feasible.ranges}
    floor_w = candidate.floor_w
    return [floor_w, *(p for p in own if floor_w < p <= useful_w)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([WALLBOX_3P, WALLBOX_1P_3P, HEAT_PUMP, BATTERY, STAGES]),
            st.one_of(st.just(0.0), st.floats(0.0, 12000.0)),
        ),
        min_size=1,
        max_size=6,
    ),
    st.floats(0.0, 60000.0),
)
def test_set_points_and_charges_never_exceed_the_budget(
    devices: list[tuple[FeasiblePowers, float]], allowed_w: float
) -> None:
    candidates = [
        Candidate(f"d{number}", feasible, charged_w=charged_w, most_useful_w=charged_w or None)
        for number, (feasible, charged_w) in enumerate(devices)
    ]
    allocation = allocate([budget(allowed_w)], candidates)
    told_w = sum(share.power_w or 0.0 for share in allocation.shares)
    charged_w = sum(share.charge_w for share in allocation.shares)
    assert told_w <= allowed_w + 1e-6
    assert charged_w <= allowed_w + allocation.overshoot_w + 1e-6
    for candidate, share in zip(candidates, allocation.shares, strict=True):
        assert candidate.feasible is not None
        assert share.power_w is not None
        assert candidate.feasible.at_most(share.power_w) == pytest.approx(share.power_w)
