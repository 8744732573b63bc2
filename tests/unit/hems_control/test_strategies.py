"""Each strategy against an exact solver that knows nothing but its definition, and what holds for all."""

import itertools
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hems.control.allocation import Allocation, Strategy, allocate
from hems.control.budget import Budget, Situation, budget_of
from hems.control.candidates import Candidate
from hems.devices import FeasiblePowers, PowerRange
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason

WHY = Reason("test", "because")
WALLBOX = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(4140.0, 11040.0, 690.0)))
ONE_OR_THREE_PHASES = FeasiblePowers(
    (PowerRange(0.0, 0.0), PowerRange(1380.0, 3680.0, 230.0), PowerRange(4140.0, 11040.0, 690.0))
)
CONTACT = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(3000.0, 3000.0)))
HEAT_PUMP = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(2000.0, 8000.0, 500.0)))
SMOOTH = FeasiblePowers((PowerRange(0.0, 8000.0),))
KINDS = (WALLBOX, ONE_OR_THREE_PHASES, CONTACT, HEAT_PUMP)


def budget(allowed_w: float, devices: frozenset[str] | None = None, **weights: float) -> Budget:
    return Budget("eebus/lpc", allowed_w, devices, WHY, weights)


def powers(allocation: Allocation) -> list[float | None]:
    return [share.power_w for share in allocation.shares]


# --- the definitions, solved by trying everything -------------------------------------------------------

Division = Sequence[Fraction]
Rank = list[tuple[Fraction, int, tuple[int, ...]]]


def options(candidate: Candidate) -> list[Fraction]:
    """Every power that a device with steps can be told and has use for."""
    assert candidate.feasible is not None
    useful_w = 1e9 if candidate.most_useful_w is None else candidate.most_useful_w
    found = {candidate.floor_w}
    for each in candidate.feasible.ranges:
        count = round((each.high_w - each.low_w) / each.step_w) + 1 if each.step_w else 1
        found |= {each.low_w + n * each.step_w for n in range(count)}
    floor_w = candidate.floor_w
    return [Fraction(w) for w in sorted(found) if floor_w <= w and (w <= useful_w or w == floor_w)]


def rank(strategy: Strategy, candidates: Sequence[Candidate], division: Division) -> list[Fraction] | Rank:
    """What a strategy makes as large as possible, the first difference counting."""
    shares = list(zip(candidates, division, strict=True))
    match strategy:
        case Strategy.PRIORITY:
            return list(division)
        case Strategy.EQUAL:
            return levels([(c, w) for c, w in shares])
        case Strategy.PROPORTIONAL:
            return levels([(c, w / Fraction(c.nameplate_w)) for c, w in shares])
        case Strategy.NEED:
            classes = sorted({c.need for c in candidates})
            parts = [(c, w / Fraction(c.nameplate_w)) for c, w in shares]
            return [
                each
                for need in classes
                for each in levels([(c, part) for c, part in parts if c.need == need])
            ]


def levels(shares: Sequence[tuple[Candidate, Fraction]]) -> Rank:
    """From below: the level, how many stay at it, and who, those that come first by turn and priority
    counting most.
    """
    in_turn = sorted(shares, key=lambda share: share[0].turn)
    found: Rank = []
    for level in sorted({level for _, level in shares}):
        stay = tuple(-int(each == level) for _, each in in_turn)
        found.append((level, sum(stay), stay))
    return found


def within(pots: Sequence[Budget], candidates: Sequence[Candidate], division: Division) -> bool:
    return all(
        sum(
            counted(pot, c.name, max(w, Fraction(c.charged_w)))
            for c, w in zip(candidates, division, strict=True)
        )
        <= Fraction(pot.allowed_w)
        for pot in pots
    )


def counted(pot: Budget, name: str, power_w: Fraction) -> Fraction:
    """One that switches its phases runs on one below its least on all; from there on the worse counts."""
    if pot.devices is not None and name not in pot.devices:
        return Fraction(0)
    on_all = power_w * Fraction(pot.part(name).weight).limit_denominator(9)
    if name not in pot.switching:
        return on_all
    from_w, on_one = (Fraction(number) for number in pot.switching[name])
    return on_one * power_w if power_w < from_w else max(on_one * from_w, on_all)


def exact(strategy: Strategy, pots: Sequence[Budget], candidates: Sequence[Candidate]) -> Division:
    """The best of all divisions there are, by nothing but the definition."""
    fitting = (
        division
        for division in itertools.product(*(options(c) for c in candidates))
        if within(pots, candidates, division)
    )
    return max(fitting, key=lambda division: rank(strategy, candidates, division))


@st.composite
def stepped(draw: st.DrawFn) -> FeasiblePowers:
    """A set of powers with gaps: points, or a pause and a range with steps."""
    if draw(st.booleans()):
        points = draw(st.sets(st.integers(0, 12), min_size=1, max_size=4))
        return FeasiblePowers(tuple(PowerRange(float(p), float(p)) for p in sorted(points)))
    step, count = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    low = draw(st.integers(1, 8))
    high = float(low + step * count)
    return FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(float(low), high, float(step))))


@st.composite
def small_houses(draw: st.DrawFn, most: int = 4) -> list[Candidate]:
    return [
        Candidate(
            f"d{number}",
            draw(stepped()),
            charged_w=float(draw(st.sampled_from([0, 0, 0, 2, 5]))),
            most_useful_w=draw(st.sampled_from([None, None, 3.0, 6.0])),
            nameplate_w=float(draw(st.integers(4, 16))),
            need=draw(st.integers(0, 1)),
            turn=draw(st.integers(0, 2)),
        )
        for number in range(draw(st.integers(1, most)))
    ]


@pytest.mark.parametrize("strategy", list(Strategy))
@given(small_houses(), st.integers(0, 40))
def test_the_sum_is_divided_as_the_exact_solver_does(
    strategy: Strategy, candidates: list[Candidate], allowed_w: int
) -> None:
    pots = [budget(float(allowed_w))]
    assume(within(pots, candidates, [Fraction(c.floor_w) for c in candidates]))
    best = exact(strategy, pots, candidates)
    assert powers(allocate(pots, candidates, strategy)) == pytest.approx([float(w) for w in best])


FUSES = (Basis.PHASE_1, Basis.PHASE_2, Basis.PHASE_3)
UNBALANCES = (Basis.UNBALANCE_1, Basis.UNBALANCE_2, Basis.UNBALANCE_3)
SPREADS = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1 / 3, 1 / 3, 1 / 3), (0.5, 0.5, 0.0)]


@pytest.mark.parametrize("strategy", list(Strategy))
@given(
    st.data(),
    small_houses(),
    st.integers(0, 40),
    st.tuples(*[st.integers(0, 14)] * 3),
    st.integers(1, 12),
)
def test_phases_and_unbalance_beside_the_sum_are_divided_as_the_exact_solver_does(
    strategy: Strategy,
    data: st.DataObject,
    candidates: list[Candidate],
    allowed_w: int,
    phases_w: tuple[int, int, int],
    unbalance_w: int,
) -> None:
    situation = Situation(
        spread={c.name: data.draw(st.sampled_from(SPREADS)) for c in candidates},
        switching={
            c.name: (data.draw(st.integers(1, 3)), float(data.draw(st.integers(2, 9))))
            for c in candidates
            if data.draw(st.booleans())
        },
    )
    pots = [budget(float(allowed_w))]
    for fuse, unbalance, phase_w in zip(FUSES, UNBALANCES, phases_w, strict=True):
        for basis, value_w in ((fuse, phase_w), (unbalance, unbalance_w)):
            ceiling = Ceiling(basis.value, float(value_w), basis, CeilingKind.PROTECTION, WHY, since_s=0.0)
            pots.append(budget_of(ceiling, situation))
    assume(within(pots, candidates, [Fraction(c.floor_w) for c in candidates]))
    best = exact(strategy, pots, candidates)
    assert powers(allocate(pots, candidates, strategy)) == pytest.approx([float(w) for w in best])


@pytest.mark.parametrize("strategy", [Strategy.EQUAL, Strategy.PROPORTIONAL])
@given(small_houses(3), st.lists(st.integers(4, 16), min_size=1, max_size=2), st.integers(1, 40))
def test_devices_that_take_any_power_fill_up_what_steps_leave(
    strategy: Strategy, candidates: list[Candidate], tops: list[int], allowed_w: int
) -> None:
    """For every choice of steps, those that take any power share the rest evenly; the best choice counts."""
    stepped_ones = [replace(c, charged_w=0.0) for c in candidates]
    smooth = [
        Candidate(f"s{n}", FeasiblePowers((PowerRange(0.0, float(top)),)), nameplate_w=float(top))
        for n, top in enumerate(tops)
    ]
    everyone = [*stepped_ones, *smooth]
    # Half a watt beside whole ones, so that no rest is exactly nothing.
    allowed = Fraction(2 * allowed_w + 1, 2)
    assume(sum(Fraction(c.floor_w) for c in stepped_ones) <= allowed)
    divisions = [
        [*steps, *evenly(strategy, smooth, allowed - sum(steps))]
        for steps in itertools.product(*(options(c) for c in stepped_ones))
        if sum(steps) <= allowed
    ]
    best = max(divisions, key=lambda division: rank(strategy, everyone, division))
    found = powers(allocate([budget(float(allowed))], everyone, strategy))
    assert found == pytest.approx([float(w) for w in best], abs=0.01)


def evenly(strategy: Strategy, smooth: Sequence[Candidate], left_w: Fraction) -> list[Fraction]:
    """The rest, levelled by hand: whoever is full leaves the others more."""
    scale = {c.name: Fraction(1) if strategy is Strategy.EQUAL else Fraction(c.nameplate_w) for c in smooth}
    found: dict[str, Fraction] = {}
    for candidate in sorted(smooth, key=lambda c: Fraction(c.top_w) / scale[c.name]):
        level = left_w / sum(scale[c.name] for c in smooth if c.name not in found)
        found[candidate.name] = min(Fraction(candidate.top_w), level * scale[candidate.name])
        left_w -= found[candidate.name]
    return [found[c.name] for c in smooth]


def test_who_stays_behind_is_decided_by_turn_then_priority_whatever_the_others_then_reach() -> None:
    """The one place where this differs from looking for the largest shares alone: `docs/rules.md`."""
    first, second = Candidate("contact", CONTACT), Candidate("box", WALLBOX)
    assert powers(allocate([budget(5000.0)], [first, second], Strategy.EQUAL)) == [3000.0, 0.0]
    assert powers(allocate([budget(5000.0)], [second, first], Strategy.EQUAL)) == [4830.0, 0.0]
    waiting = replace(first, turn=2)
    assert powers(allocate([budget(5000.0)], [waiting, second], Strategy.EQUAL)) == [0.0, 4830.0]


@pytest.mark.alone
@pytest.mark.parametrize("three_phase", [False, True], ids=["sum", "phases"])
@pytest.mark.parametrize("strategy", list(Strategy))
def test_twenty_devices_are_divided_in_less_than_5_ms(strategy: Strategy, three_phase: bool) -> None:
    """The median, on any machine; `python -m tests.bench division` tells the slowest of many."""
    took_s = sorted(division_times_s(20, strategy, three_phase))
    assert took_s[len(took_s) // 2] < 0.005


def division_times_s(seed: int, strategy: Strategy, three_phase: bool) -> Iterator[float]:
    """Processor time of one division after the other between twenty devices, from nothing to plenty."""
    chance = random.Random(seed)
    candidates = [
        Candidate(f"d{n}", chance.choice([*KINDS, SMOOTH]), nameplate_w=8000.0 + n, need=n % 3)
        for n in range(20)
    ]
    spread = {c.name: chance.choice(SPREADS) for c in candidates}
    for allowed_w in range(0, 150_000, 7_500):
        pots = [budget(float(allowed_w)), *(_phases(spread, allowed_w / 3.0) if three_phase else ())]
        spent_s = []
        for _ in range(3):
            began = time.process_time()
            allocate(pots, candidates, strategy)
            spent_s.append(time.process_time() - began)
        yield min(spent_s)


def _phases(spread: Mapping[str, tuple[float, float, float]], phase_w: float) -> Iterator[Budget]:
    for phase in range(3):
        weights = {name: parts[phase] for name, parts in spread.items()}
        yield budget(phase_w, None, **weights)
        yield budget(4600.0, frozenset(name for name, weight in weights.items() if weight == 1.0))


# --- examples of the reference --------------------------------------------------------------------------


def test_domain_9_1_equal_share_goes_to_single_phase() -> None:
    candidates = [Candidate("pump", SMOOTH), Candidate("box", ONE_OR_THREE_PHASES)]
    allocation = allocate([budget(7560.0)], candidates, Strategy.EQUAL)
    assert powers(allocation) == [pytest.approx(3880.0), 3680.0]


def test_domain_9_1_proportional_to_the_type_plate() -> None:
    pump = Candidate("pump", SMOOTH, nameplate_w=8000.0)
    box = Candidate("box", WALLBOX, nameplate_w=11_000.0)
    allocation = allocate([budget(7560.0)], [pump, box], Strategy.PROPORTIONAL)
    assert powers(allocation) == [pytest.approx(3420.0), 4140.0]


def test_need_serves_its_first_class_in_full() -> None:
    box = Candidate("box", WALLBOX, nameplate_w=11_040.0, need=1)
    pump = Candidate("pump", SMOOTH, nameplate_w=8000.0, need=0, most_useful_w=3000.0)
    assert powers(allocate([budget(7560.0)], [box, pump], Strategy.NEED)) == [4140.0, 3000.0]


def test_equal_levels_what_can_take_any_power_and_hands_on_what_one_cannot_use() -> None:
    candidates = [Candidate(name, SMOOTH) for name in "abc"]
    candidates.append(Candidate("idle", SMOOTH, most_useful_w=600.0))
    allocation = allocate([budget(6000.0)], candidates, Strategy.EQUAL)
    assert powers(allocation) == [1800.0, 1800.0, 1800.0, 600.0]
    assert allocation.of("a").reason.text == "1.80 kW: its equal share of the budget"


def test_where_not_all_can_run_turns_decide_who_pauses() -> None:
    def divide(turns: dict[str, int]) -> list[float | None]:
        candidates = [Candidate(name, WALLBOX, turn=turn) for name, turn in turns.items()]
        return powers(allocate([budget(5000.0)], candidates, Strategy.EQUAL))

    assert divide({"a": 0, "b": 1}) == [4830.0, 0.0]
    assert divide({"a": 1, "b": 0}) == [0.0, 4830.0]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_what_is_promised_comes_before_every_strategy(strategy: Strategy) -> None:
    pump = Candidate("pump", SMOOTH, nameplate_w=8000.0)
    box = Candidate("box", ONE_OR_THREE_PHASES, nameplate_w=11_040.0, need=2, promised_w=1300.0)
    shares = powers(allocate([budget(2000.0)], [pump, box], strategy))
    assert shares[1] is not None
    assert shares[1] >= 1380.0
    assert powers(allocate([budget(1000.0)], [pump, box], strategy)) == [1000.0, 0.0]


def test_phases_and_unbalance_hold_beside_the_sum() -> None:
    """Two single-phase cars on the first phase: together at most 4.6 kW, whatever the sum allows."""
    cars = frozenset({"a", "b"})
    pots = [budget(20_000.0), budget(4600.0, cars), budget(4000.0, None, a=1.0, b=1.0, pump=1 / 3)]
    single = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(1380.0, 7360.0, 230.0)))
    candidates = [Candidate("a", single), Candidate("b", single), Candidate("pump", SMOOTH)]
    a_w, b_w, pump_w = (w or 0.0 for w in powers(allocate(pots, candidates, Strategy.EQUAL)))
    assert a_w + b_w <= 4600.0
    assert a_w + b_w + pump_w / 3 <= 4000.0 + 1e-6
    assert min(a_w, b_w) >= 1380.0
    assert pump_w > 1600.0


def test_a_box_on_one_phase_counts_on_that_phase_and_for_the_unbalance() -> None:
    """8 A or more would be three-phase; beside a single-phase car only so much of the first phase is left."""
    situation = Situation(
        spread={"car": (1.0, 0.0, 0.0), "box": (1 / 3, 1 / 3, 1 / 3)}, switching={"box": (1, 4140.0)}
    )

    def divide(basis: Basis, value_w: float, sum_w: float) -> list[float | None]:
        ceiling = Ceiling(basis.value, value_w, basis, CeilingKind.PROTECTION, WHY, since_s=0.0)
        car = Candidate("car", FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(1380.0, 3680.0, 230.0))))
        box = Candidate("box", ONE_OR_THREE_PHASES)
        return powers(allocate([budget(sum_w), budget_of(ceiling, situation)], [car, box]))

    assert divide(Basis.PHASE_1, 6000.0, 20_000.0) == [3680.0, 2300.0]
    assert divide(Basis.PHASE_2, 1000.0, 20_000.0) == [3680.0, 3680.0]
    assert divide(Basis.PHASE_2, 2000.0, 20_000.0) == [3680.0, 5520.0]
    assert divide(Basis.UNBALANCE_1, 4600.0, 20_000.0) == [3680.0, 0.0]
    assert divide(Basis.UNBALANCE_1, 8000.0, 20_000.0) == [3680.0, 11_040.0]
    assert divide(Basis.UNBALANCE_2, 1000.0, 20_000.0) == [3680.0, 11_040.0]
    assert divide(Basis.PHASE_1, 20_000.0, 5980.0) == [3680.0, 2300.0]


# --- what holds for every strategy ----------------------------------------------------------------------


@st.composite
def houses(draw: st.DrawFn) -> list[Candidate]:
    found = []
    for number in range(draw(st.integers(1, 8))):
        feasible = draw(st.sampled_from([*KINDS, SMOOTH, FeasiblePowers((PowerRange(-5000.0, 5000.0),))]))
        found.append(
            Candidate(
                f"d{number}",
                feasible,
                charged_w=draw(st.one_of(st.just(0.0), st.floats(0.0, 12_000.0))),
                most_useful_w=draw(st.one_of(st.none(), st.floats(0.0, 12_000.0))),
                nameplate_w=feasible.most_w,
                need=draw(st.integers(0, 2)),
                turn=draw(st.integers(0, 3)),
                promised_w=draw(st.one_of(st.just(0.0), st.floats(0.0, 4000.0))),
            )
        )
    return found


@given(houses(), st.floats(0.0, 60_000.0), st.floats(0.0, 20_000.0), st.sampled_from(list(Strategy)))
def test_no_strategy_exceeds_any_budget_or_tells_what_a_device_cannot_hold(
    candidates: list[Candidate], allowed_w: float, phase_w: float, strategy: Strategy
) -> None:
    weights = {c.name: (1.0, 0.0, 1 / 3)[n % 3] for n, c in enumerate(candidates)}
    pots = [budget(allowed_w), budget(phase_w, None, **weights)]
    allocation = allocate(pots, candidates, strategy)
    for pot in pots:
        charged_w = sum(share.charge_w * pot.part(share.name).weight for share in allocation.shares)
        assert charged_w <= pot.allowed_w + allocation.overshoot_w + 1e-3
    for candidate, share in zip(candidates, allocation.shares, strict=True):
        assert candidate.feasible is not None
        assert share.power_w is not None
        assert candidate.feasible.at_most(share.power_w + 1e-6) == pytest.approx(share.power_w, abs=1e-3)


@given(houses(), st.floats(0.0, 60_000.0), st.sampled_from(list(Strategy)))
def test_nobody_could_be_given_more(
    candidates: list[Candidate], allowed_w: float, strategy: Strategy
) -> None:
    """What is left is too little for the next value of every device that still has use for more."""
    allocation = allocate([budget(allowed_w)], candidates, strategy)
    if allocation.overshoot_w:
        return
    left_w = allowed_w - sum(share.charge_w for share in allocation.shares)
    for candidate, share in zip(candidates, allocation.shares, strict=True):
        assert share.power_w is not None
        next_w = candidate.above(share.power_w + 0.1, candidate.top_w)
        if next_w is not None:
            assert max(next_w, candidate.charged_w) - share.charge_w > left_w - 0.5


@given(houses(), st.floats(0.0, 60_000.0), st.sampled_from(list(Strategy)))
def test_the_same_input_gives_the_same_division(
    candidates: list[Candidate], allowed_w: float, strategy: Strategy
) -> None:
    first, second = (allocate([budget(allowed_w)], candidates, strategy) for _ in range(2))
    assert first == second
