"""What becomes of the devices at an orderly stop, source by source."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time

import pytest

from hems.control.budget import Situation
from hems.control.stopping import bound_at_stop
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason
from hems.limits.sources.feed_in_cap import FeedInCapSource, Plant
from hems.limits.sources.programme import Programme, ProgrammeSource
from hems.limits.sources.protection import GridFuse, protection_ceilings
from hems.limits.sources.time_window import TimeWindow
from hems.limits.sources.user import user_ceiling
from tests.unit.hems_control.house import (
    CONSUMPTION,
    PRODUCTION,
    House,
    SimulatedDevice,
    inverter,
    order,
    running,
    wallbox,
)
from tests.unit.hems_control.virtual_time import START_S, run

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ALWAYS = TimeWindow(time(0, 0), time(0, 0), ())
FAULT = Ceiling(
    "relay/box/consumption",
    4200.0,
    Basis.CONTROLLABLE,
    CeilingKind.SELF_IMPOSED,
    Reason("relay", "input fault"),
    START_S,
)


def kept(device: SimulatedDevice, *in_force: Ceiling, house_w: float = 1000.0) -> float | None:
    """What a device holds after a stop with these ceilings; None when it was freed."""

    async def scenario() -> float | None:
        async with running(House([device], house_w=house_w)) as house:
            await house.watch(5.0)
            house.control.new_ceilings(in_force)
            await house.watch(60.0)
            await house.control.shutdown()
            (direction,) = {setpoint.direction for _, setpoint in device.writes}
            return device.held[direction]

    return run(scenario())


def charging(**changes: object) -> SimulatedDevice:
    return SimulatedDevice("wallbox", replace(wallbox(), **changes), wanted_w=11_040.0)  # type: ignore[arg-type]


def making() -> SimulatedDevice:
    return SimulatedDevice("south", inverter(), wanted_w=-9000.0)


@pytest.mark.parametrize("ceiling", [order(4200.0, START_S), FAULT], ids=["order", "input fault"])
def test_an_order_or_what_stands_in_for_it_holds_beyond_the_stop(ceiling: Ceiling) -> None:
    assert kept(charging(), ceiling) == 4140.0


def test_the_cap_on_feed_in_holds_beyond_the_stop_because_the_law_does() -> None:
    (cap,) = FeedInCapSource(Plant(5000.0), NOON.date).due(START_S)
    assert kept(making(), cap) == pytest.approx(4000.0)


def people() -> Sequence[Ceiling]:
    programme = Programme("evening", (ALWAYS,), Basis.CONTROLLABLE, 5000.0)
    return [
        user_ceiling(4500.0, "a test", START_S),
        *ProgrammeSource(programme, lambda: NOON).due(START_S),
    ]


@pytest.mark.parametrize("ceiling", people(), ids=["own limit", "programme"])
def test_what_people_set_ends_with_the_gateway(ceiling: Ceiling) -> None:
    assert kept(charging(), ceiling) is None


def test_under_an_order_an_own_limit_is_no_reason_to_rise() -> None:
    assert kept(charging(), order(9000.0, START_S), user_ceiling(4500.0, "a test", START_S)) == 4370.0


def test_beside_a_small_fuse_devices_keep_their_set_points_for_nobody_watches_it_any_more() -> None:
    assert kept(charging(), *protection_ceilings(GridFuse(16.0), START_S)) is not None


def test_where_all_devices_fit_into_the_fuse_they_are_freed() -> None:
    fuse = protection_ceilings(GridFuse(35.0), START_S)
    assert kept(charging(), *fuse, user_ceiling(4500.0, "a test", START_S)) is None


def test_a_box_that_switches_its_phases_is_judged_by_the_one_that_it_may_run_on() -> None:
    unbalance = next(c for c in protection_ceilings(GridFuse(63.0), START_S) if c.basis is Basis.UNBALANCE_1)
    on_first = Situation(spread={"car": (1.0, 0.0, 0.0)}, switching={"box": (1, 4140.0)})
    together = {"car": 3680.0, "box": 11_040.0}
    assert bound_at_stop([unbalance], on_first, together) == dict.fromkeys(together, unbalance)
    assert bound_at_stop([unbalance], on_first, {"box": 11_040.0}) == {}
    on_second = replace(on_first, switching={"box": (2, 4140.0)})
    assert bound_at_stop([unbalance], on_second, together) == {}


def test_a_device_whose_profile_says_so_keeps_its_set_point() -> None:
    assert kept(charging(freed_at_stop=False), user_ceiling(4500.0, "a test", START_S)) == 4370.0


def test_an_order_on_one_side_binds_nothing_on_the_other() -> None:
    box, south = charging(), making()

    async def scenario() -> None:
        async with running(House([box, south], house_w=1000.0)) as house:
            await house.watch(5.0)
            house.control.new_ceilings(
                [user_ceiling(4500.0, "a test", START_S), order(3000.0, START_S, Basis.FEED_IN)]
            )
            await house.watch(60.0)
            await house.control.shutdown()

    run(scenario())
    assert box.held[CONSUMPTION] is None
    assert south.held[PRODUCTION] is not None
