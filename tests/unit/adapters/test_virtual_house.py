"""The house without sockets: its devices behave like devices, and a seed gives the same day every time."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulated.battery import Battery
from adapters.simulated.faults import Fault
from adapters.simulated.heat_pump import HeatPump
from adapters.simulated.house import House
from adapters.simulated.inverter import Inverter
from adapters.simulated.random_house import random_house
from adapters.simulated.surroundings import Household, Sky
from adapters.simulated.virtual import ScheduledFault, VirtualHouse, VirtualMeter
from adapters.simulated.virtual_device import BOOT_S, Habits
from adapters.simulated.virtual_kinds import (
    SwitchingWallbox,
    VirtualBattery,
    VirtualHeatPump,
    VirtualInverter,
    VirtualWallbox,
)
from adapters.simulated.wallbox import Car, Wallbox
from eebus.clock import FakeClock
from hems.devices import DeviceUnreachable, Direction, Fallback, Setpoint, WriteRefused

CONSUMPTION, PRODUCTION = Direction.CONSUMPTION, Direction.PRODUCTION


def limit(power_w: float | None, direction: Direction = CONSUMPTION) -> Setpoint:
    return Setpoint(direction, power_w)


@dataclass
class Place:
    """A house with one device of each kind, and its clock."""

    habits: Habits = field(default_factory=Habits)
    faults: tuple[ScheduledFault, ...] = ()
    meter_lag_s: float = 0.0
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.models = House(
            load_w=400.0,
            heat_pumps=[HeatPump(store_wh=1_000.0)],
            batteries=[Battery(energy_wh=0.0)],
            meter_lag_s=self.meter_lag_s,
        )
        self.wallbox = VirtualWallbox("wallbox", self.models.wallbox, self.habits)
        self.heat_pump = VirtualHeatPump("heat-pump", self.models.heat_pumps[0], self.habits)
        self.battery = VirtualBattery("battery", self.models.battery, self.habits)
        self.inverter = VirtualInverter("inverter", self.models.inverter, self.habits)
        self.meter = VirtualMeter()
        devices = (self.wallbox, self.heat_pump, self.battery, self.inverter)
        self.house = VirtualHouse(
            self.models, devices, self.meter, self.clock, sleep=self.sleep, faults=self.faults
        )

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.house.advance()


async def test_a_limit_is_held_at_once_and_followed_after_the_inertia_of_the_device() -> None:
    place = Place(Habits(effect_s=3.0, answer_s=0.0))
    place.pass_time(20.0)
    assert (await place.wallbox.read()).power_w == 11_040.0
    readback = await place.wallbox.write(limit(4_200.0))
    assert (readback.written_w, readback.held_w, readback.confirmed) == (4_140.0, 4_140.0, True)
    place.pass_time(2.0)
    sample = await place.wallbox.read()
    assert (sample.power_w, sample.ceilings_w) == (11_040.0, {CONSUMPTION: 4_140.0})
    place.pass_time(place.wallbox.capabilities.reaction_s)
    assert (await place.wallbox.read()).power_w == 4_140.0
    await place.wallbox.write(limit(None))
    place.pass_time(place.wallbox.capabilities.reaction_s)
    assert (await place.wallbox.read()).power_w == 11_040.0


async def test_a_wallbox_pauses_and_rests_before_its_phases_are_switched_and_keeps_to_them_for_a_while() -> (
    None
):
    place = Place()
    models = Wallbox()
    box = SwitchingWallbox("box", models, Habits(answer_s=0.0))
    house = VirtualHouse(House(wallboxes=[models]), [box], None, place.clock, sleep=place.sleep)

    async def told(power_w: float | None, seconds: int) -> tuple[int, int]:
        for _ in range(seconds // 15):
            await box.write(limit(power_w))
            place.clock.advance(15.0)
            house.advance()
        return models.switched_phases, round(models.power_w)

    assert await told(None, 60) == (3, 11_040)
    assert await told(2_300.0, 45) == (3, 0)
    assert await told(2_300.0, 45) == (1, 0)
    assert await told(2_300.0, 75) == (1, 2_300)
    assert await told(None, 300) == (1, 3_680)
    assert await told(None, 360) == (3, 11_040)
    assert models.hard_switches == 0
    pause, on_one, on_all = box.capabilities.consumption.ranges if box.capabilities.consumption else ()
    assert (pause.high_w, on_one.low_w, on_all.low_w) == (0.0, 1_380.0, 4_140.0)
    assert on_one.high_w < on_all.low_w


async def test_a_heat_pump_keeps_below_its_value_and_the_house_cools_while_it_may_not_run() -> None:
    place = Place()
    place.pass_time(1_200.0)
    assert place.heat_pump.power_w == 4_000.0
    await place.heat_pump.write(limit(2_050.0))
    place.pass_time(60.0)
    assert (await place.heat_pump.read()).power_w == 2_000.0
    await place.heat_pump.write(limit(1_000.0))
    place.pass_time(3_600.0)
    assert place.heat_pump.power_w == 0.0
    assert place.models.heat_pumps[0].missed_wh > 0.0
    assert place.heat_pump.wants_w == 4_000.0


async def test_a_heat_pump_by_contact_knows_two_powers_only() -> None:
    place = Place()
    contact = VirtualHeatPump("contact", HeatPump(), Habits(), stages_w=(0.0, 4_000.0))
    VirtualHouse(place.models, [contact], None, place.clock, sleep=place.sleep)
    assert (await contact.write(limit(3_999.0))).held_w == 0.0
    assert (await contact.write(limit(4_000.0))).held_w == 4_000.0


async def test_a_heat_pump_rests_after_a_run_that_was_cut_short() -> None:
    heat_pump = HeatPump(store_wh=1_000.0)
    heat_pump.step(1.0)
    heat_pump.ceiling_w = 0.0
    heat_pump.step(1.0)
    heat_pump.ceiling_w = None
    heat_pump.step(500.0)
    assert not heat_pump.running
    heat_pump.step(100.0)
    assert heat_pump.running


async def test_charging_from_the_grid_is_limited_and_discharge_stays_free() -> None:
    place = Place()
    place.models.wallbox.car.connected = False
    place.models.battery.grid_charge_w = 5_000.0
    place.pass_time(10.0)
    assert place.battery.power_w == 5_000.0
    await place.battery.write(limit(1_000.0))
    place.pass_time(10.0)
    assert place.battery.power_w == 1_000.0
    place.models.battery.grid_charge_w = -5_000.0
    await place.battery.write(limit(0.0))
    place.pass_time(10.0)
    assert place.battery.power_w < 0.0


async def test_production_is_limited_and_its_consumption_is_not() -> None:
    place = Place()
    place.models.inverter.sun_w = 9_000.0
    place.pass_time(10.0)
    assert place.inverter.power_w == -9_000.0
    await place.inverter.write(limit(3_000.0, PRODUCTION))
    place.pass_time(10.0)
    assert (place.inverter.power_w, place.inverter.wants_w) == (-3_000.0, -9_000.0)
    with pytest.raises(WriteRefused, match="consumption cannot be limited"):
        await place.inverter.write(limit(0.0))


async def test_its_own_watchdog_takes_over_when_nobody_asks_and_ends_with_the_next_question() -> None:
    place = Place(Habits(fallback=Fallback(30.0, 4_140.0)))
    await place.wallbox.read()
    place.pass_time(29.0)
    assert place.wallbox.power_w == 11_040.0
    place.pass_time(10.0)
    assert place.wallbox.power_w == 4_140.0
    await place.wallbox.read()
    place.pass_time(10.0)
    assert place.wallbox.power_w == 11_040.0


async def test_a_write_too_soon_after_the_last_one_is_refused() -> None:
    place = Place(Habits(write_gap_s=5.0, answer_s=0.0))
    await place.wallbox.write(limit(8_000.0))
    place.pass_time(4.9)
    with pytest.raises(WriteRefused, match=r"the last write was 4\.9 s ago"):
        await place.wallbox.write(limit(4_200.0))
    place.pass_time(0.1)
    await place.wallbox.write(limit(4_200.0))


async def test_a_restart_forgets_the_limit_and_takes_a_while() -> None:
    place = Place()
    await place.wallbox.write(limit(0.0))
    place.wallbox.restart()
    with pytest.raises(DeviceUnreachable):
        await place.wallbox.read()
    place.pass_time(BOOT_S)
    assert (await place.wallbox.read()).ceilings_w == {CONSUMPTION: None}
    place.pass_time(10.0)
    assert place.wallbox.power_w == 11_040.0


@pytest.mark.parametrize(
    ("fault", "held_w", "flows_w"),
    [(Fault.IGNORE_WRITES, None, 11_040.0), (Fault.CLIP, 8_000.0, 8_000.0), (Fault.BUSY, None, 11_040.0)],
)
async def test_a_write_that_does_not_stick_is_refused_as_a_read_back_would_find_it(
    fault: Fault, held_w: float | None, flows_w: float
) -> None:
    place = Place(Habits(clip_w=8_000.0))
    place.pass_time(10.0)
    place.wallbox.faults.add(fault)
    with pytest.raises(WriteRefused):
        await place.wallbox.write(limit(4_200.0))
    place.pass_time(10.0)
    assert (place.wallbox.held_w, round(place.wallbox.power_w)) == (held_w, flows_w)


async def test_a_mute_device_hears_and_obeys_and_its_watchdog_is_fed() -> None:
    place = Place(Habits(fallback=Fallback(60.0, 4_140.0)))
    place.wallbox.faults.add(Fault.MUTE)
    for _ in range(3):
        with pytest.raises(DeviceUnreachable):
            await place.wallbox.write(limit(0.0))
        place.pass_time(50.0)
    assert (place.wallbox.held_w, place.wallbox.power_w) == (0.0, 0.0)
    place.pass_time(20.0)
    assert place.wallbox.power_w == pytest.approx(4_140.0)


async def test_what_is_confirmed_and_not_followed_shows_only_in_what_flows() -> None:
    place = Place()
    place.wallbox.faults.add(Fault.NO_EFFECT)
    assert (await place.wallbox.write(limit(0.0))).confirmed
    place.pass_time(10.0)
    assert (await place.wallbox.read()).power_w == 11_040.0


async def test_a_stuck_device_shows_old_values_with_new_times() -> None:
    place = Place()
    place.pass_time(10.0)
    place.wallbox.faults.add(Fault.STUCK)
    before = await place.wallbox.read()
    await place.wallbox.write(limit(0.0))
    place.pass_time(10.0)
    after = await place.wallbox.read()
    assert (after.power_w, place.wallbox.power_w) == (before.power_w, 0.0)
    assert after.at_s > before.at_s
    place.wallbox.faults.clear()
    assert (await place.wallbox.read()).power_w == 0.0


async def test_the_meter_shows_what_flowed_before_and_the_truth_what_flows() -> None:
    place = Place(meter_lag_s=5.0)
    place.models.battery_installed = False
    place.pass_time(60.0)
    await place.wallbox.write(limit(0.0))
    place.pass_time(5.0)
    shown_w = (await place.meter.read()).power_w
    flows_w = place.house.truth().grid_w
    assert shown_w - flows_w == pytest.approx(11_040.0)
    place.pass_time(8.0)
    assert (await place.meter.read()).power_w == pytest.approx(place.house.truth().grid_w, abs=200.0)


async def test_scheduled_faults_begin_and_end_by_themselves_whoever_looks() -> None:
    start_s = FakeClock().monotonic()
    faults = (
        ScheduledFault(start_s + 10.0, start_s + 20.0, "meter", Fault.UNREACHABLE),
        ScheduledFault(start_s + 10.0, start_s + 30.0, "wallbox", None),
    )
    place = Place(faults=faults)
    await place.wallbox.write(limit(0.0))
    place.pass_time(11.0)
    assert place.wallbox.held_w is None
    assert place.house.faulty("wallbox", place.house.now())
    with pytest.raises(DeviceUnreachable):
        await place.meter.read()
    place.pass_time(30.0)
    await place.meter.read()
    assert not place.house.faulty("wallbox", place.house.now())
    assert place.house.faulty("wallbox", place.house.now(), settle_s=60.0)
    assert not place.house.faulty("battery", place.house.now(), settle_s=60.0)


def test_a_car_takes_what_still_fits_and_a_choosy_one_nothing_below_its_least() -> None:
    wallbox = Wallbox(watchdog_s=0.0, car=Car(room_wh=1_000.0, least_a=8.0))
    wallbox.max_current_a = 7.0
    wallbox.step(10.0)
    assert wallbox.power_w == 0.0
    wallbox.max_current_a = 16.0
    for _ in range(1_000):
        wallbox.step(1.0)
    assert wallbox.energy_wh == pytest.approx(1_000.0, abs=20.0)
    assert (wallbox.power_w, wallbox.wants_w) == (0.0, 0.0)


def test_a_single_phase_car_loads_its_own_phase() -> None:
    house = House(load_w=300.0, wallboxes=[Wallbox(line=1, watchdog_s=0.0, car=Car(phases=1))])
    house.battery_installed = False
    house.step(20.0)
    assert house.shown.phases_w == pytest.approx((100.0, 3_780.0, 100.0))


def test_several_batteries_and_inverters_share_one_balance() -> None:
    house = House(
        load_w=0.0,
        sky=Sky(peak_w=9_000.0, cloudiness=0.0),
        at_s=13.0 * 3600.0,
        wallboxes=[],
        inverters=[Inverter(nameplate_w=3_000.0), Inverter(nameplate_w=6_000.0)],
        batteries=[Battery(max_power_w=2_000.0), Battery(max_power_w=2_000.0)],
    )
    house.step(10.0)
    assert [round(inverter.power_w, -2) for inverter in house.inverters] == [3_000.0, 6_000.0]
    assert round(house.grid_w, -2) == -5_000.0


@given(st.floats(0.0, 172_800.0), st.integers(0, 1 << 40), st.floats(0.0, 1.0))
def test_sun_and_people_are_pure_functions_within_their_bounds(at_s: float, seed: int, share: float) -> None:
    sky = Sky(peak_w=10_000.0, cloudiness=share, seed=seed)
    household = Household(busyness=share, seed=seed)
    assert 0.0 <= sky.power_w(at_s) <= 10_000.0
    assert household.base_w <= household.power_w(at_s) <= household.base_w + 300.0 + 2_200.0
    assert sky.power_w(at_s) == Sky(peak_w=10_000.0, cloudiness=share, seed=seed).power_w(at_s)


def test_clouds_pass_within_seconds_and_the_night_is_dark() -> None:
    sky = Sky(peak_w=10_000.0, cloudiness=0.5, seed=3)
    noon = [sky.power_w(12.0 * 3600.0 + second) for second in range(3_600)]
    assert max(noon) > 9_000.0
    assert min(noon) < 3_000.0
    steepest = max(abs(after - before) for before, after in itertools.pairwise(noon))
    assert 300.0 < steepest < 1_500.0
    assert sky.power_w(3.0 * 3600.0) == 0.0


def _day(seed: int, step_s: float) -> list[object]:
    clock = FakeClock()

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    house = random_house(seed, clock, sleep=sleep)
    for _ in range(round(900.0 / step_s)):
        clock.advance(step_s)
        house.advance()
    names = [(device.name, device.capabilities) for device in house.devices]
    return [names, house.faults, house.truth().draws_w, house.house.imported_wh]


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_a_seed_gives_the_same_house_and_the_same_day(seed: int) -> None:
    assert _day(seed, 4.0) == _day(seed, 4.0)


def test_houses_differ_and_all_kinds_of_devices_and_mishaps_occur() -> None:
    houses = [random_house(seed, FakeClock()) for seed in range(200)]
    kinds = {device.name.rsplit("-", 1)[0] for house in houses for device in house.devices}
    assert kinds == {"wallbox", "heat-pump", "battery", "inverter"}
    assert {fault.fault for house in houses for fault in house.faults} == {*Fault, None}
    assert {house.meter is None for house in houses} == {True, False}
    assert len({str([device.capabilities for device in house.devices]) for house in houses}) > 150
    assert all(not random_house(seed, FakeClock(), mishaps=0).faults for seed in range(20))
