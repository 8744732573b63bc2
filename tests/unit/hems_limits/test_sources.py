"""Sources that need no connection: time programmes, the cap on feed-in, fuse and phase protection."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.devices import Direction
from hems.limits.ceilings import Basis, CeilingKind
from hems.limits.sources.feed_in_cap import FeedInCapSource, Plant, cap_of
from hems.limits.sources.programme import Programme, ProgrammeSource
from hems.limits.sources.protection import GridFuse, protection_ceilings
from hems.limits.sources.time_window import DAYS, TimeWindow

NIGHT = TimeWindow(time(22), time(6))
WEEKNIGHTS = TimeWindow(time(22), time(6), ("mon", "tue", "wed", "thu", "fri"))
FRIDAY = datetime(2026, 11, 27, tzinfo=UTC)
TODAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [
        (NIGHT, FRIDAY.replace(hour=22), True),
        (NIGHT, FRIDAY.replace(hour=5, minute=59), True),
        (NIGHT, FRIDAY.replace(hour=6), False),
        (NIGHT, FRIDAY.replace(hour=21, minute=59), False),
        (WEEKNIGHTS, FRIDAY + timedelta(hours=23), True),
        (WEEKNIGHTS, FRIDAY + timedelta(hours=29), True),
        (WEEKNIGHTS, FRIDAY + timedelta(days=1, hours=23), False),
        (WEEKNIGHTS, FRIDAY + timedelta(days=3, hours=5), False),
        (TimeWindow(time(8), time(18)), FRIDAY.replace(hour=18), False),
        (TimeWindow(time(0), time(0)), FRIDAY.replace(hour=12), True),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts(
    window: TimeWindow, moment: datetime, inside: bool
) -> None:
    assert window.contains(moment) is inside


@given(
    st.times(),
    st.times(),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.sampled_from(DAYS),
)
def test_a_window_of_each_day_holds_wherever_one_of_a_single_day_holds(
    start: time, end: time, moment: datetime, day: str
) -> None:
    if TimeWindow(start, end, (day,)).contains(moment):
        assert TimeWindow(start, end).contains(moment)


def test_a_programme_limits_in_its_windows_and_says_so_once() -> None:
    moments = iter([21, 22, 23, 6, 7])
    programme = Programme("night", (NIGHT,), Basis.CONTROLLABLE, 3000.0)
    source = ProgrammeSource(programme, lambda: FRIDAY.replace(hour=next(moments)))
    told = [[c.value_w for c in source.due(now)] for now in range(5)]
    assert told == [[None], [3000.0], [], [None], []]


def test_a_programme_is_a_wish_of_the_user_for_the_devices_it_names() -> None:
    programme = Programme("car", (NIGHT,), Basis.CONTROLLABLE, 0.0, frozenset({"wallbox"}))
    (ceiling,) = ProgrammeSource(programme, lambda: FRIDAY.replace(hour=23)).due(1.0)
    assert (ceiling.value_w, ceiling.kind) == (0.0, CeilingKind.USER)
    assert ceiling.devices == frozenset({"wallbox"})
    assert ceiling.reason.text == "the programme car (22:00 to 06:00) limits to 0 W"


@pytest.mark.parametrize(
    ("plant", "share"),
    [
        (Plant(10_000.0, date(2025, 2, 25)), 0.6),
        (Plant(10_000.0), 0.6),
        (Plant(10_000.0, date(2025, 2, 24)), None),
        (Plant(10_000.0, date(2023, 1, 1)), None),
        (Plant(10_000.0, date(2022, 12, 31)), 0.7),
        (Plant(10_000.0, date(2022, 12, 31), remotely_reducible=True), None),
        (Plant(99_999.0), 0.6),
        (Plant(100_000.0), None),
        (Plant(10_000.0, subsidised=False), None),
        (Plant(2_000.0, inverter_va=800.0), None),
        (Plant(2_000.0), 0.6),
        (Plant(2_001.0, inverter_va=800.0), 0.6),
        (Plant(10_000.0, share=0.5), 0.5),
    ],
)
def test_the_cap_follows_size_age_and_payment(plant: Plant, share: float | None) -> None:
    assert cap_of(plant, TODAY).share == share


def test_9_9_kwp_may_feed_in_5_94_kw() -> None:
    (ceiling,) = FeedInCapSource(Plant(9_900.0), lambda: TODAY).due(0.0)
    assert ceiling.value_w == pytest.approx(5940.0)
    assert (ceiling.basis, ceiling.kind) == (Basis.FEED_IN, CeilingKind.STATUTORY)
    assert "5.94 kW: control not yet tested" in ceiling.reason.text


def test_the_cap_ends_on_the_day_of_the_test_and_not_before() -> None:
    days = iter([date(2026, 11, 24), date(2026, 11, 24), date(2026, 11, 25), date(2026, 11, 26)])
    source = FeedInCapSource(Plant(10_000.0, tested_on=date(2026, 11, 25)), lambda: next(days))
    assert [[c.value_w for c in source.due(0.0)] for _ in range(4)] == [[6000.0], [], [None], []]


def test_the_fuse_protects_the_sum_each_phase_and_the_balance() -> None:
    ceilings = {c.basis: c for c in protection_ceilings(GridFuse(35.0), 0.0)}
    assert ceilings[Basis.CONNECTION].value_w == 3 * 35 * 207
    phases = [ceilings[b] for b in (Basis.PHASE_1, Basis.PHASE_2, Basis.PHASE_3)]
    assert [(c.value_w, c.fuse and c.fuse.lines) for c in phases] == [
        (7245.0, (1,)), (7245.0, (2,)), (7245.0, (3,)),
    ]  # fmt: skip
    assert ceilings[Basis.UNBALANCE_2].value_w == 4600.0
    assert {c.kind for c in ceilings.values()} == {CeilingKind.PROTECTION}
    assert len({c.source for c in ceilings.values()}) == len(ceilings)


def test_a_connection_with_one_phase_has_no_balance_to_keep() -> None:
    (only,) = protection_ceilings(GridFuse(63.0, phases=1), 0.0)
    assert only.value_w == 63 * 207


def test_every_basis_knows_its_direction_and_phase() -> None:
    assert {b for b in Basis if b.direction is Direction.PRODUCTION} == {Basis.FEED_IN, Basis.INVERTER}
    assert [b.phase for b in (Basis.PHASE_1, Basis.UNBALANCE_3, Basis.CONNECTION)] == [1, 3, None]
