"""Control around simulated devices, in virtual time."""

import asyncio
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

import pytest

from hems.control.allocation import Strategy
from hems.control.execution import Obedience
from hems.control.progress import Milestone
from hems.control.runner import Bell
from hems.devices import Direction, Fallback, FeasiblePowers, PowerRange, Setpoint
from hems.limits.ceilings import Basis
from hems.limits.sources.protection import GridFuse, protection_ceilings
from hems.limits.sources.user import user_ceiling
from tests.unit.hems_control.house import (
    CONSUMPTION,
    PRODUCTION,
    House,
    SimulatedDevice,
    heat_pump,
    inverter,
    running,
    wallbox,
)
from tests.unit.hems_control.virtual_time import run


def test_a_limit_reaches_the_device_without_waiting_for_a_cycle() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            await house.watch(5.35)
            now = asyncio.get_running_loop().time()
            house.limit(4200.0)
            await asyncio.sleep(0.01)
            assert box.values() == [4140.0]
            assert box.writes[0][0] == pytest.approx(now, abs=0.001)
            await house.watch(3.0)
            assert house.lane("wallbox").obedience is Obedience.EFFECTIVE

    run(scenario())


def test_trap_01_a_limit_of_zero_watts_stops_the_device() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            await house.watch(2.0)
            house.limit(0.0)
            await house.watch(2.0)
            assert box.values() == [0.0]
            assert house.drawn_w() == 0.0
            assert house.control.status().sides[0].limited

    run(scenario())


def test_trap_02_the_rest_of_the_house_does_not_use_up_the_limit() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box], house_w=6000.0)) as house:
            await house.watch(2.0)
            house.limit(4200.0)
            await house.watch(60.0)
            assert house.drawn_w() == 4140.0

    run(scenario())


def test_the_devices_are_bound_before_they_are_ever_reached() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        house = House([box])
        house.limit(4200.0)
        async with running(house):
            await house.watch(1.0)
            assert box.values() == [4140.0]

    run(scenario())


def test_what_was_decided_before_the_device_was_known_is_decided_anew_before_the_first_write() -> None:
    coarse = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(4554.0, 12144.0)))

    class Wallbox(SimulatedDevice):
        async def connect(self) -> None:
            await super().connect()
            self.capabilities = wallbox()

    async def scenario() -> None:
        guessed = replace(wallbox(), consumption=coarse, accepted_rise_s=60.0)
        box = Wallbox("wallbox", guessed, wanted_w=11040.0)
        house = House([box])
        house.limit(4200.0)
        async with running(house):
            await house.watch(5.0)
            assert box.values() == [4140.0]

    run(scenario())


def test_a_set_point_follows_what_the_device_measures() -> None:
    at_240_v = FeasiblePowers((PowerRange(0.0, 0.0), PowerRange(4320.0, 11520.0, 230.0)))

    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            house.limit(4200.0)
            await house.watch(3.0)
            box.capabilities = replace(box.capabilities, consumption=at_240_v)
            await house.watch(3.0)
            assert box.values() == [4140.0, 0.0]

    run(scenario())


def test_a_release_frees_the_devices_that_were_told_something() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            await house.watch(2.0)
            house.limit(4200.0)
            await house.watch(5.0)
            house.limit(None)
            await house.watch(5.0)
            assert box.values() == [4140.0, None]
            assert not any(side.limited for side in house.control.status().sides)

    run(scenario())


def test_without_any_limit_nothing_is_written() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            house.limit(None)
            await house.watch(30.0)
            assert box.writes == []

    run(scenario())


def test_a_slow_device_does_not_delay_the_others() -> None:
    async def scenario() -> None:
        slow = SimulatedDevice("slow", wallbox(), wanted_w=11040.0)
        quick = SimulatedDevice("quick", heat_pump(), wanted_w=8000.0)
        async with running(House([slow, quick])) as house:
            await house.watch(2.0)
            slow.answers_after_s = 8.0
            house.limit(4200.0)
            await house.watch(0.5)
            assert quick.values() == [60.0]

    run(scenario())


def test_a_rise_spends_only_power_whose_release_was_read_back() -> None:
    async def scenario() -> None:
        first = SimulatedDevice("first", wallbox(), wanted_w=11040.0, demand_w=0.0)
        second = SimulatedDevice("second", heat_pump(), wanted_w=8000.0)
        async with running(House([first, second])) as house:
            await house.watch(2.0)
            house.limit(5000.0)
            await house.watch(10.0)
            assert (first.values()[-1], second.values()[-1]) == (0.0, 5000.0)
            first.demand_w = None  # a car arrives
            second.answers_after_s = 3.0
            await house.watch(20.0)
            assert house.most_drawn_w <= 5000.0
            assert (first.values()[-1], second.values()[-1]) == (4830.0, 170.0)
            lowered_s = second.writes[-1][0]
            assert first.writes[-1][0] >= lowered_s

    run(scenario())


def test_an_unreachable_device_is_charged_with_what_it_may_take() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([box, pump])) as house:
            house.limit(10000.0)
            await house.watch(5.0)
            assert (box.values(), pump.values()) == ([9890.0], [110.0])
            box.reachable = False
            await house.watch(5.0)
            house.limit(4200.0)
            await house.watch(5.0)
            assert pump.values()[-1] == 0.0
            status = house.lane("wallbox")
            assert status.obedience is Obedience.UNREACHABLE
            assert status.charge_w == 9890.0
            assert "unplugged" in status.standing.text
            assert house.control.status().sides[0].overshoot_w == pytest.approx(9890.0 - 4200.0)

    run(scenario())


def test_after_its_own_watchdog_an_unreachable_device_is_charged_with_its_fallback() -> None:
    async def scenario() -> None:
        capabilities = wallbox(fallback=Fallback(after_s=60.0, power_w=1400.0))
        box = SimulatedDevice("wallbox", capabilities, wanted_w=11040.0)
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([box, pump])) as house:
            house.limit(4200.0)
            await house.watch(5.0)
            box.reachable = False
            await house.watch(50.0)
            assert house.lane("wallbox").charge_w == 4140.0
            await house.watch(20.0)
            assert house.lane("wallbox").charge_w == 1400.0
            assert pump.values()[-1] == pytest.approx(2800.0)

    run(scenario())


def test_a_device_whose_answers_are_lost_may_hear_our_refreshes_and_is_charged_with_what_it_may_obey() -> (
    None
):
    async def scenario() -> None:
        capabilities = wallbox(fallback=Fallback(after_s=60.0, power_w=1400.0))
        box = SimulatedDevice("wallbox", capabilities, wanted_w=11040.0)
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([box, pump])) as house:
            house.limit(4200.0)
            await house.watch(5.0)
            box.mute = True
            await house.watch(300.0)
            assert house.lane("wallbox").charge_w == 4140.0
            assert pump.values()[-1] == pytest.approx(60.0)

    run(scenario())


def test_a_fallback_above_the_set_point_is_charged_before_the_watchdog_runs_out() -> None:
    async def scenario() -> None:
        capabilities = wallbox(fallback=Fallback(after_s=60.0, power_w=4140.0))
        box = SimulatedDevice("wallbox", capabilities, wanted_w=11040.0, demand_w=0.0)
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([box, pump])) as house:
            house.limit(4200.0)
            await house.watch(10.0)
            assert pump.values()[-1] == 4200.0
            box.reachable = False
            await house.watch(55.0)
            assert pump.values()[-1] == pytest.approx(60.0)

    run(scenario())


@pytest.mark.parametrize("strategy", [Strategy.PRIORITY, Strategy.EQUAL])
@pytest.mark.parametrize("fallback_w", [0.0, 6000.0])
def test_a_device_that_comes_back_from_its_fallback_never_makes_the_house_exceed_its_limit(
    strategy: Strategy, fallback_w: float
) -> None:
    async def scenario() -> None:
        capabilities = replace(heat_pump(), consumption_fallback=Fallback(30.0, fallback_w))
        pump = SimulatedDevice("pump", capabilities, wanted_w=8000.0)
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0, answers_after_s=2.0)
        async with running(House([pump, box], strategy=strategy)) as house:
            house.limit(10_000.0)
            await house.watch(120.0)
            pump.reachable = False
            await house.watch(31.0)
            pump.held[CONSUMPTION] = fallback_w
            await house.watch(120.0)
            pump.reachable = True
            pump.answers_after_s = 4.0
            await house.watch(120.0)
            assert house.most_drawn_w <= 10_000.0 + 1.0
            assert house.lane("pump").setpoint_w == pump.held[CONSUMPTION]
            assert pump.power_w() + box.power_w() >= 8000.0

    run(scenario())


@dataclass
class Slow(SimulatedDevice):
    """Follows its set-point only after a while, as a compressor does."""

    follows_after_s: float = 15.0

    def power_w(self) -> float:
        told = [(at_s, s.power_w) for at_s, s in self.writes]
        effective = [w for at_s, w in told if at_s <= self.clock.monotonic() - self.follows_after_s]
        return min(self.wanted_w, next((w for w in reversed(effective) if w is not None), self.wanted_w))


def test_a_shift_of_shares_waits_for_a_device_that_follows_late() -> None:
    async def scenario() -> None:
        pump = Slow("pump", heat_pump(reaction_s=20.0), wanted_w=8000.0)
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([pump, box])) as house:
            house.limit(8000.0)
            await house.watch(60.0)
            house.control.promise({"wallbox": 4140.0})
            await house.watch(120.0)
            assert house.most_drawn_w <= 8001.0
            assert box.power_w() == 4140.0

    run(scenario())


@dataclass
class Imprecise(SimulatedDevice):
    """Takes another power than it is told: by a part, and trembling."""

    gain: float = 1.0
    tremble: float = 0.0
    random: Random = field(default_factory=lambda: Random(7))

    def power_w(self) -> float:
        told_w = self.held.get(CONSUMPTION)
        if told_w is None:
            return self.wanted_w
        return min(self.wanted_w, told_w * (self.gain + self.random.uniform(-self.tremble, self.tremble)))


@pytest.mark.parametrize("gain", [1.003, 1.015, 1.04, 1.10])
def test_a_device_that_takes_more_than_it_is_told_is_told_less_until_the_limit_is_true_at_the_meter(
    gain: float,
) -> None:
    async def scenario() -> None:
        pump = Imprecise("pump", heat_pump(), wanted_w=8000.0, gain=gain)
        async with running(House([pump])) as house:
            house.limit(4200.0)
            await house.watch(15.0)
            for _ in range(40):
                await house.watch(10.0)
                assert 4100.0 <= house.most_drawn_w <= 4200.0 + 1.0
            assert house.lane("pump").obedience is Obedience.EFFECTIVE
            assert Milestone.MEASURED_BELOW in [step.milestone for step in house.progress]
            assert len(pump.writes) <= 6
            pump.gain = 1.0
            await asyncio.sleep(900.0)
            assert pump.power_w() >= 4150.0
            assert len(pump.writes) <= 9

    run(scenario())


def test_a_device_that_takes_far_too_much_is_told_less_by_a_bounded_part_and_not_without_end() -> None:
    async def scenario() -> None:
        pump = Imprecise("pump", heat_pump(), wanted_w=8000.0, gain=2.0)
        async with running(House([pump])) as house:
            house.limit(4200.0)
            await house.watch(600.0)
            assert min(w for w in pump.values() if w is not None) >= 0.75 * 4200.0 - 1.0
            assert house.lane("pump").obedience is Obedience.DISOBEYING
            assert len(pump.writes) <= 25

    run(scenario())


def test_a_device_whose_power_trembles_is_not_told_something_else_with_every_reading() -> None:
    async def scenario() -> None:
        pump = Imprecise("pump", heat_pump(), wanted_w=8000.0, gain=1.01, tremble=0.02)
        async with running(House([pump])) as house:
            house.limit(4200.0)
            for _ in range(900):
                await asyncio.sleep(1.0)
            assert len(pump.writes) <= 12

    run(scenario())


def test_a_charge_point_is_not_paused_for_a_trifle_but_for_more_than_that() -> None:
    async def scenario(gain: float, held_w: float) -> None:
        box = Imprecise("wallbox", wallbox(), wanted_w=11040.0, gain=gain)
        async with running(House([box])) as house:
            house.limit(4200.0)
            await house.watch(60.0)
            assert box.held[CONSUMPTION] == held_w

    run(scenario(1.02, 4140.0))
    run(scenario(1.05, 0.0))


def test_a_device_that_comes_back_is_limited_again_at_once() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            await house.watch(2.0)
            box.reachable = False
            await house.watch(30.0)
            house.limit(4200.0)
            await house.watch(30.0)
            assert box.writes == []
            box.reachable = True
            await house.watch(20.0)
            assert box.values() == [4140.0]

    run(scenario())


def test_trap_16_a_device_that_reboots_during_a_limit_is_limited_again() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            house.limit(4200.0)
            await house.watch(10.0)
            box.reboot()
            box.held[Direction.CONSUMPTION] = None
            await house.watch(2.5)
            assert box.values() == [4140.0, 4140.0]
            assert house.drawn_w() == 4140.0

    run(scenario())


def test_a_reboot_that_only_shows_in_the_draw_is_seen_and_others_yield() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=6000.0, tells_what_it_holds=False)
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([box, pump])) as house:
            house.limit(8400.0)
            await house.watch(10.0)
            box.wanted_w, box.deaf = 8400.0, True
            await house.watch(5.0)
            assert house.drawn_w() <= 8400.0

    run(scenario())


def test_a_deaf_device_is_shown_as_disobeying_and_reduces_what_others_get() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=5000.0, deaf=True)
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([box, pump])) as house:
            house.limit(7000.0)
            await house.watch(1.0)
            house.limit(6000.0)
            box.wanted_w = 5900.0
            await house.watch(1.0)
            house.limit(4200.0)
            await house.watch(10.0)
            assert house.lane("wallbox").obedience is Obedience.DISOBEYING
            assert pump.values()[-1] == 0.0
            assert house.control.status().sides[0].overshoot_w == pytest.approx(5900.0 - 4200.0)

    run(scenario())


def test_a_refusing_device_is_tried_again_and_charged_by_measurement() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0, refuses=True)
        async with running(House([box])) as house:
            house.limit(4200.0)
            await house.watch(12.0)
            assert len(box.writes) >= 2
            status = house.lane("wallbox")
            assert status.obedience is Obedience.DISOBEYING
            assert "says no" in status.standing.text
            box.refuses = False
            await house.watch(6.0)
            assert house.lane("wallbox").obedience is Obedience.EFFECTIVE

    run(scenario())


def test_a_device_without_read_back_and_measurement_is_counted_at_its_nameplate() -> None:
    async def scenario() -> None:
        blind = SimulatedDevice(
            "blind", wallbox(measures_power=False), wanted_w=4140.0, tells_what_it_holds=False
        )
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([pump, blind])) as house:
            house.limit(12000.0)
            await house.watch(20.0)
            assert house.lane("blind").charge_w == 11040.0
            assert pump.values()[-1] == pytest.approx(960.0)

    run(scenario())


def test_set_points_are_refreshed_before_the_device_misses_them() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(refresh_s=20.0), wanted_w=11040.0)
        async with running(House([box])) as house:
            house.limit(4200.0)
            await house.watch(61.0)
            times = [at for at, _ in box.writes]
            gaps = [b - a for a, b in pairwise(times)]
            assert box.values() == [4140.0] * 5
            assert max(gaps) < 20.0

    run(scenario())


def test_a_slow_device_keeps_its_next_slot_free_for_a_reduction() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(write_gap_s=30.0), wanted_w=11040.0)
        async with running(House([box])) as house:
            house.limit(6000.0)
            await house.watch(1.0)
            house.limit(9000.0)
            await house.watch(40.0)
            assert box.values() == [5980.0]
            house.limit(4200.0)
            await house.watch(1.0)
            assert box.values() == [5980.0, 4140.0]
            house.limit(9000.0)
            await house.watch(70.0)
            assert box.values() == [5980.0, 4140.0, 8970.0]
            gaps = [b[0] - a[0] for a, b in pairwise(box.writes)]
            assert min(gaps) >= 30.0

    run(scenario())


def test_a_feed_in_limit_always_puts_a_ceiling_on_the_inverter() -> None:
    async def scenario() -> None:
        pv = SimulatedDevice("pv", inverter(), wanted_w=-500.0)
        async with running(House([pv], house_w=1000.0)) as house:
            await house.watch(40.0)
            house.limit(3000.0, Basis.FEED_IN)
            await house.watch(5.0)
            assert pv.values(PRODUCTION)[0] == pytest.approx(4000.0)
            decided = next(p for p in house.progress if p.milestone is Milestone.DECIDED)
            assert decided.reason.values["already_below"] == 1

    run(scenario())


def test_the_inverter_may_cover_the_house_on_top_of_the_feed_in_limit() -> None:
    async def scenario() -> None:
        pv = SimulatedDevice("pv", inverter(), wanted_w=-9000.0)
        async with running(House([pv], house_w=2000.0)) as house:
            await house.watch(40.0)
            house.limit(3000.0, Basis.FEED_IN)
            await house.watch(10.0)
            assert pv.power_w() == pytest.approx(-5000.0)
            house.house_w = 500.0
            await house.watch(10.0)
            assert house.grid_w() >= -3000.0 - 1e-6

    run(scenario())


def test_several_inverters_share_the_ceiling() -> None:
    async def scenario() -> None:
        south = SimulatedDevice("south", inverter(4000.0), wanted_w=-4000.0)
        west = SimulatedDevice("west", inverter(6000.0), wanted_w=-6000.0)
        async with running(House([south, west])) as house:
            await house.watch(2.0)
            house.limit(6000.0, Basis.FEED_IN)
            await house.watch(10.0)
            assert (south.values(PRODUCTION), west.values(PRODUCTION)) == ([4000.0], [2000.0])

    run(scenario())


def test_milestones_of_an_order_in_their_sequence() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            await house.watch(2.0)
            house.limit(4200.0)
            await house.watch(5.0)
            assert [p.milestone for p in house.progress] == list(Milestone)[:4]
            house.limit(4300.0)
            await house.watch(5.0)
            assert house.progress[4].milestone is Milestone.DECIDED

    run(scenario())


def test_shutdown_during_an_order_frees_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            house.limit(4200.0)
            await house.watch(5.0)
            await house.control.shutdown()
            house.limit(None)
            await house.watch(5.0)
            assert box.values() == [4140.0]
            assert box.closed

    run(scenario())
    assert caplog.records == [], "an orderly stop is no trouble"


@pytest.mark.parametrize(("falls_to_w", "lasting"), [(10_000.0, True), (2000.0, False)])
def test_shutdown_during_an_order_lets_last_what_a_fallback_would_raise(
    falls_to_w: float, lasting: bool
) -> None:
    """An inverter that is free again after two minutes would feed in more than the order allows."""

    async def scenario() -> None:
        can = replace(inverter(), production_fallback=Fallback(120.0, falls_to_w))
        south = SimulatedDevice("south", can, wanted_w=-9000.0)
        async with running(House([south])) as house:
            house.limit(3000.0, Basis.FEED_IN)
            await house.watch(5.0)
            await house.control.shutdown()
            written = [setpoint for _, setpoint in south.writes]
            assert written[0] == Setpoint(PRODUCTION, 3000.0)
            assert written[1:] == ([Setpoint(PRODUCTION, 3000.0, lasting=True)] if lasting else [])

    run(scenario())


@pytest.mark.parametrize("fused", [False, True])
def test_shutdown_lifts_what_users_asked_for_but_never_what_protects_the_connection(fused: bool) -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box], house_w=2000.0)) as house:
            now = asyncio.get_running_loop().time()
            house.control.new_ceilings([user_ceiling(5000.0, "an owner's wish", now)])
            if fused:
                house.control.new_ceilings(protection_ceilings(GridFuse(20.0), now))
            await house.watch(30.0)
            assert box.held[CONSUMPTION] == 4830.0
            await house.control.shutdown()
            assert box.held[CONSUMPTION] == (4830.0 if fused else None)

    run(scenario())


def test_a_release_that_arrives_while_stopping_frees_nothing() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            house.limit(4200.0)
            await house.watch(20.0)
            box.answers_after_s = 3.0
            await house.watch(2.0)  # a reading is under way
            assert house.lane("wallbox").obedience is Obedience.EFFECTIVE
            stopping = asyncio.ensure_future(house.control.shutdown())
            await asyncio.sleep(0.1)
            house.limit(None)
            await stopping
            assert box.values() == [4140.0]

    run(scenario())


def test_shutdown_without_an_order_lifts_what_still_stands() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(reaction_s=60.0), wanted_w=11040.0)
        async with running(House([box])) as house:
            house.limit(4200.0)
            await house.watch(5.0)
            house.limit(None)
            await house.watch(5.0)
            assert box.values() == [4140.0]
            await house.control.shutdown()
            assert box.values() == [4140.0, None]

    run(scenario())


def test_shutdown_does_not_wait_for_a_hanging_device() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            await house.watch(2.0)
            box.answers_after_s = 3600.0
            house.limit(4200.0)
            before_s = asyncio.get_running_loop().time()
            await house.control.shutdown()
            assert asyncio.get_running_loop().time() - before_s <= 5.1

    run(scenario())


def test_a_wait_that_is_lost_in_the_rounding_of_the_clock_is_not_repeated_for_ever() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        before_s = loop.time()
        await Bell().wait(1e-14)
        assert loop.time() > before_s

    run(scenario())


def test_the_watchdog_is_fed_by_completed_cycles_only() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0, answers_after_s=3600.0)
        async with running(House([box])) as house:
            await house.watch(10.05)
            assert house.cycles == 11
            assert house.control.status().cycles == 11

    run(scenario())


def test_a_device_that_hangs_is_given_up_and_tried_again() -> None:
    async def scenario() -> None:
        box = SimulatedDevice("wallbox", wallbox(), wanted_w=11040.0)
        async with running(House([box])) as house:
            await house.watch(2.0)
            box.answers_after_s = 3600.0
            await house.watch(15.0)
            assert not house.device("wallbox").connected
            assert "within 10 s" in house.device("wallbox").trouble
            assert box.connects >= 2

    run(scenario())


def test_trap_11_surplus_is_not_used_without_a_fresh_meter() -> None:
    async def scenario() -> None:
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([pump], house_w=1500.0, pv_w=5000.0)) as house:
            await house.watch(60.0)
            house.limit(4200.0)
            await house.watch(2.0)
            assert house.drawn_w() == pytest.approx(4200.0 + 3500.0)
            house.meter.reachable = False
            await house.watch(10.0)
            assert house.drawn_w() == pytest.approx(4200.0)

    run(scenario())


def test_trap_22_the_house_takes_its_part_of_the_generation_first() -> None:
    async def scenario() -> None:
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([pump], house_w=5000.0, pv_w=2000.0)) as house:
            await house.watch(60.0)
            house.limit(4200.0)
            await house.watch(60.0)
            assert house.drawn_w() == pytest.approx(4200.0)

    run(scenario())


@pytest.mark.parametrize("lag_s", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0])
def test_the_draw_never_runs_away_however_the_meter_lags(lag_s: float) -> None:
    async def scenario() -> None:
        first = SimulatedDevice("first", wallbox(), wanted_w=11040.0)
        second = SimulatedDevice("second", heat_pump(), wanted_w=8000.0)
        async with running(House([first, second], house_w=1500.0, pv_w=6000.0, lag_s=lag_s)) as house:
            await house.watch(40.0)
            house.limit(7560.0)
            await house.watch(2.0)
            await house.watch(240.0)
            assert house.most_drawn_w <= 7560.0 + 4500.0 + 1e-6

    run(scenario())


@pytest.mark.parametrize("lag_s", [0.0, 1.0, 2.0, 5.0, 10.0])
def test_credit_is_used_again_within_two_minutes_of_an_order(lag_s: float) -> None:
    async def scenario() -> None:
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([pump], house_w=1500.0, pv_w=4500.0, lag_s=lag_s)) as house:
            await house.watch(40.0)
            house.limit(2000.0)
            await house.watch(120.0)
            assert house.drawn_w() == pytest.approx(5000.0)

    run(scenario())


def test_after_a_rise_new_credit_waits_for_the_reaction_of_the_device() -> None:
    async def scenario() -> None:
        pump = SimulatedDevice("pump", heat_pump(reaction_s=60.0), wanted_w=8000.0)
        async with running(House([pump], house_w=500.0, pv_w=4500.0)) as house:
            await house.watch(40.0)
            house.limit(1000.0)
            house.pv_w = 6500.0
            await house.watch(65.0)
            assert pump.values() == [5000.0, 7000.0]
            house.pv_w = 8500.0
            await house.watch(75.0)
            assert pump.values()[-1] == 7000.0
            await house.watch(25.0)
            assert pump.values()[-1] == 8000.0

    run(scenario())


def test_a_cloud_takes_the_credit_away_at_once() -> None:
    async def scenario() -> None:
        pump = SimulatedDevice("pump", heat_pump(), wanted_w=8000.0)
        async with running(House([pump], house_w=500.0, pv_w=4500.0)) as house:
            await house.watch(60.0)
            house.limit(2000.0)
            await house.watch(5.0)
            assert house.drawn_w() == pytest.approx(6000.0)
            house.pv_w = 0.0
            await house.watch(3.0)
            assert house.drawn_w() == pytest.approx(2000.0)

    run(scenario())
