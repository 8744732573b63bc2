"""What is known of a device, what it is charged with, and what is written next."""

from dataclasses import replace

import pytest

from hems.control.execution import DeviceCore, LaneView, Obedience
from hems.devices import Capabilities, DeviceSample, Direction, Fallback, Kind, Readback, Setpoint
from hems.limits.reason import Reason
from tests.unit.hems_control.house import CONSUMPTION, HEAT_PUMP, PRODUCTION, inverter, wallbox

WHY = Reason("test", "because")


class Bench:
    """A core with a hand on the clock."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.now = 0.0
        self.capabilities = capabilities or wallbox()
        self.core = DeviceCore("box", self.capabilities, self.now)

    def connect(self) -> None:
        self.core.connection_made(self.capabilities, self.now)

    def tell(self, power_w: float | None, direction: Direction = CONSUMPTION) -> bool:
        return self.core.tell(direction, power_w, WHY, self.now)

    def due(self) -> Setpoint | None:
        return self.core.next_write(self.now)

    def write(self, held_w: float | None = None, *, confirmed: bool = True) -> float | None:
        """Carry out the write that is due."""
        setpoint = self.due()
        assert setpoint is not None
        self.core.write_started(setpoint, self.now)
        held = setpoint.power_w if confirmed else held_w
        self.core.write_done(setpoint, Readback(setpoint.power_w, held, confirmed), self.now)
        return setpoint.power_w

    def sample(self, power_w: float | None, **fields: object) -> None:
        self.core.sample_taken(DeviceSample(self.now, power_w, **fields), self.now)  # type: ignore[arg-type]

    def view(self, direction: Direction = CONSUMPTION) -> LaneView:
        return self.core.view(direction, self.now)


def limited(power_w: float = 4140.0, capabilities: Capabilities | None = None) -> Bench:
    """A connected device that holds a set-point."""
    bench = Bench(capabilities)
    bench.connect()
    bench.tell(power_w)
    bench.write()
    return bench


def test_a_device_that_was_never_told_anything_may_take_everything() -> None:
    bench = Bench()
    bench.connect()
    assert bench.view().charge_w == 11040.0
    assert bench.view().reserved_w == 0.0
    assert bench.view().obedience is Obedience.FREE
    assert bench.due() is None


def test_a_set_point_counts_only_after_it_was_read_back() -> None:
    bench = Bench()
    bench.connect()
    assert bench.tell(4140.0)
    setpoint = bench.due()
    assert setpoint == Setpoint(CONSUMPTION, 4140.0)
    bench.core.write_started(setpoint, bench.now)
    assert bench.view().charge_w == 11040.0
    assert bench.view().obedience is Obedience.PENDING
    bench.core.write_done(setpoint, Readback(4140.0, 4140.0, True), bench.now)
    assert bench.view().obedience is Obedience.CONFIRMED
    bench.sample(4100.0)
    assert bench.view().charge_w == 4140.0


def test_the_same_set_point_is_not_news() -> None:
    bench = limited()
    assert not bench.tell(4140.0)
    assert bench.due() is None


def test_a_device_that_cannot_be_read_back_proves_itself_by_measurement() -> None:
    bench = Bench()
    bench.connect()
    bench.tell(4140.0)
    bench.write(confirmed=False)
    assert bench.view().obedience is Obedience.APPLIED
    bench.sample(4000.0)
    assert bench.view().charge_w == 11040.0, "too early: still the old power by chance"
    bench.now = 1.0
    bench.sample(4000.0)
    assert bench.view().charge_w == 4140.0
    assert bench.view().obedience is Obedience.EFFECTIVE


def test_measured_at_or_below_makes_it_effective() -> None:
    bench = limited()
    bench.now = 2.0
    bench.sample(4180.0)
    assert bench.view().obedience is Obedience.EFFECTIVE
    assert bench.view().charge_w == 4180.0, "what is measured counts, without tolerance"


def test_measured_above_is_disobeying_once_the_reaction_time_is_over() -> None:
    bench = limited(capabilities=wallbox(reaction_s=5.0))
    bench.now = 4.0
    bench.sample(9000.0)
    assert bench.view().obedience is Obedience.CONFIRMED
    assert (bench.view().charge_w, bench.view().reserved_w) == (9000.0, 0.0)
    bench.now = 5.0
    bench.sample(9000.0)
    assert bench.view().obedience is Obedience.DISOBEYING
    assert (bench.view().charge_w, bench.view().reserved_w) == (9000.0, 9000.0)
    assert "9.00 kW" in bench.view().reason.text


@pytest.mark.parametrize("measured_w", [8000.0, None])
def test_a_reduction_frees_power_only_when_the_device_had_its_time_to_react(measured_w: float | None) -> None:
    bench = limited(8000.0, wallbox(reaction_s=20.0))
    bench.now = 100.0
    bench.sample(measured_w)
    bench.tell(4140.0)
    bench.write()
    bench.now = 119.9
    bench.sample(measured_w)
    assert bench.view().charge_w == 8000.0
    bench.now = 120.0
    bench.sample(None if measured_w is None else 4140.0)
    assert bench.view().charge_w == 4140.0


def test_a_reduction_that_is_measured_frees_power_before_the_reaction_time_is_over() -> None:
    bench = limited(8000.0, wallbox(reaction_s=20.0))
    bench.now = 100.0
    bench.tell(4140.0)
    bench.write()
    bench.now = 103.0
    bench.sample(4000.0)
    assert bench.view().charge_w == 4140.0


def test_a_device_that_comes_back_from_a_higher_fallback_is_charged_with_it_until_read_back() -> None:
    bench = limited(capabilities=wallbox(fallback=Fallback(60.0, 6000.0)))
    bench.core.connection_lost("gone")
    bench.now = 100.0
    bench.connect()
    assert bench.view().charge_w == 6000.0
    bench.write()
    bench.sample(4140.0)
    assert bench.view().charge_w == 4140.0


def test_a_device_that_comes_back_from_a_lower_fallback_may_not_rise_as_if_it_still_held_its_set_point() -> (
    None
):
    bench = limited(capabilities=wallbox(fallback=Fallback(60.0, 0.0)))
    bench.core.connection_lost("gone")
    bench.now = 100.0
    bench.connect()
    assert (bench.view().charge_w, bench.view().told_w) == (0.0, 0.0)


def test_a_device_that_comes_back_when_its_watchdog_may_have_run_out_is_charged_with_both() -> None:
    for fallback_w, charged_w in ((0.0, 4140.0), (6000.0, 6000.0)):
        bench = limited(capabilities=wallbox(fallback=Fallback(60.0, fallback_w)))
        bench.core.connection_lost("gone")
        bench.now = 55.0
        bench.connect()
        assert (bench.view().charge_w, bench.view().told_w) == (charged_w, 4140.0)


def test_a_reboot_that_only_shows_in_the_draw_is_answered() -> None:
    bench = limited()
    bench.now = 100.0
    bench.sample(9000.0)
    assert bench.due() == Setpoint(CONSUMPTION, 4140.0)


def test_reading_back_more_than_was_written_is_disobeying_and_written_again_later() -> None:
    bench = Bench()
    bench.connect()
    bench.tell(4140.0)
    bench.write(6000.0, confirmed=False)
    assert bench.view().obedience is Obedience.DISOBEYING
    bench.now = 1.0
    assert bench.view().charge_w == 6000.0
    assert bench.due() is None
    bench.now = 5.0
    assert bench.due() == Setpoint(CONSUMPTION, 4140.0)


def test_reading_back_less_is_as_good_as_confirmed() -> None:
    bench = Bench()
    bench.connect()
    bench.tell(4140.0)
    bench.write(3900.0, confirmed=False)
    assert bench.view().obedience is Obedience.CONFIRMED
    bench.now = 1.0
    assert bench.view().charge_w == 4140.0


def test_trap_16_a_forgotten_set_point_is_written_again_at_once() -> None:
    bench = limited()
    bench.now = 100.0
    bench.sample(9000.0, ceilings_w={CONSUMPTION: None})
    assert bench.view().obedience is Obedience.DISOBEYING
    assert bench.due() == Setpoint(CONSUMPTION, 4140.0)


def test_a_foreign_writer_is_answered_but_not_fought_every_second() -> None:
    bench = limited()
    written_at = []
    for second in range(100, 130):
        bench.now = float(second)
        bench.sample(9000.0, ceilings_w={CONSUMPTION: 9000.0})
        if bench.due() is not None:
            bench.write()
            written_at.append(second)
    assert written_at == [100, 105, 110, 115, 120, 125]


def test_a_device_that_holds_less_is_told_again_after_a_minute() -> None:
    bench = limited()
    bench.now = 100.0
    bench.sample(0.0, ceilings_w={CONSUMPTION: 0.0})
    assert bench.due() is None
    bench.now = 160.0
    assert bench.due() == Setpoint(CONSUMPTION, 4140.0)


def test_a_device_that_was_told_less_than_it_may_is_told_again_even_where_nothing_can_be_read_back() -> None:
    """A box that pauses before it switches its phases: its pause cannot be read, only measured."""
    bench = Bench()
    bench.connect()
    bench.tell(2300.0)
    setpoint = bench.due()
    assert setpoint is not None
    bench.core.write_started(setpoint, bench.now)
    bench.core.write_done(setpoint, Readback(0.0, None, confirmed=False), bench.now)
    assert bench.due() is None
    bench.now = 60.0
    assert bench.due() == setpoint


def test_a_value_that_was_merely_read_is_never_refreshed() -> None:
    bench = Bench(wallbox(refresh_s=20.0))
    bench.connect()
    assert bench.due() == Setpoint(CONSUMPTION, None)
    bench.write()
    bench.sample(0.0, ceilings_w={CONSUMPTION: 0.0})
    bench.now = 15.0
    assert bench.due() == Setpoint(CONSUMPTION, None)


def test_the_refresh_comes_before_the_watchdog() -> None:
    bench = limited(capabilities=wallbox(refresh_s=20.0))
    assert bench.core.next_write_at(bench.now) == 15.0
    bench.now = 14.9
    assert bench.due() is None
    bench.now = 15.0
    assert bench.write() == 4140.0
    assert bench.view().obedience is Obedience.CONFIRMED


def test_after_a_new_connection_everything_is_written_again() -> None:
    bench = limited()
    bench.core.connection_lost("gone")
    assert bench.due() is None
    bench.now = 10.0
    bench.connect()
    assert bench.due() == Setpoint(CONSUMPTION, 4140.0)
    assert bench.view().charge_w == 4140.0


def test_a_short_silence_is_not_unreachable_yet() -> None:
    bench = limited()
    bench.core.connection_lost("gone")
    bench.now = 2.9
    assert bench.view().obedience is not Obedience.UNREACHABLE
    bench.now = 3.0
    assert bench.view().obedience is Obedience.UNREACHABLE


def test_unreachable_charges_the_largest_of_measured_confirmed_and_unconfirmed() -> None:
    bench = limited(2000.0)
    bench.now = 5.0
    bench.sample(2500.0)
    bench.tell(5000.0)
    setpoint = bench.due()
    assert setpoint is not None
    bench.core.write_started(setpoint, bench.now)
    bench.core.connection_lost("gone")
    bench.now = 100.0
    assert bench.view().charge_w == 5000.0
    assert bench.view().reserved_w == 5000.0
    assert not bench.view().may_rise


def test_unreachable_charges_what_was_measured_above_the_set_point() -> None:
    bench = limited(2000.0)
    bench.now = 5.0
    bench.sample(9000.0)
    bench.core.connection_lost("gone")
    bench.now = 100.0
    assert bench.view().charge_w == 9000.0


def test_of_two_set_points_the_reduction_is_written_first() -> None:
    both = Capabilities(Kind.BATTERY, 5000.0, consumption=HEAT_PUMP, production=HEAT_PUMP, reaction_s=1.0)
    bench = limited(1000.0, both)
    bench.tell(3000.0)
    bench.tell(500.0, PRODUCTION)
    assert bench.due() == Setpoint(PRODUCTION, 500.0)


def test_unreachable_after_its_watchdog_charges_the_fallback() -> None:
    bench = limited(capabilities=wallbox(fallback=Fallback(60.0, 1380.0)))
    bench.core.connection_lost("gone")
    bench.now = 60.9
    assert bench.view().charge_w == 4140.0
    bench.now = 61.0
    assert bench.view().charge_w == 1380.0


def test_the_watchdog_of_a_device_that_may_hear_us_has_not_run_out() -> None:
    """Its answers are lost, our requests may arrive and feed it: it may obey, or be in its fallback."""
    for fallback_w, charged_w in ((1380.0, 4140.0), (6000.0, 6000.0)):
        bench = limited(capabilities=wallbox(fallback=Fallback(60.0, fallback_w)))
        bench.core.connection_lost("no answer")
        bench.now = 55.0
        bench.core.asked_in_vain(bench.now)
        bench.now = 115.9
        assert bench.view().charge_w == charged_w
        bench.now = 116.0
        assert bench.view().charge_w == fallback_w


def test_a_fallback_counts_only_once_the_device_was_reached() -> None:
    bench = Bench(wallbox(fallback=Fallback(60.0, 1380.0)))
    bench.now = 1000.0
    assert bench.view().charge_w == 11040.0


def test_never_reached_means_everything_is_possible_but_not_at_the_very_start() -> None:
    bench = Bench()
    bench.tell(4140.0)
    assert bench.view().reserved_w == 0.0
    bench.now = 3.0
    assert bench.view().reserved_w == 11040.0


def test_an_unproven_device_is_charged_in_full_after_a_while() -> None:
    bench = Bench(wallbox(measures_power=False))
    bench.connect()
    bench.tell(4140.0)
    bench.write(confirmed=False)
    for second in range(1, 6):
        bench.now = float(second)
        bench.tell(4140.0 - second)
        bench.write(confirmed=False)
        bench.sample(None)
    assert bench.view().reserved_w == 0.0
    bench.now = 6.0
    assert bench.view().reserved_w == 11040.0


def test_a_refusal_is_shown_and_tried_again() -> None:
    bench = Bench()
    bench.connect()
    bench.tell(4140.0)
    setpoint = bench.due()
    assert setpoint is not None
    bench.core.write_started(setpoint, bench.now)
    bench.core.write_refused(setpoint, "locked by the installer", bench.now)
    assert bench.view().obedience is Obedience.DISOBEYING
    assert "locked by the installer" in bench.view().reason.text
    assert bench.view().charge_w == 11040.0
    assert bench.core.next_write_at(bench.now) == 5.0


def test_a_refused_refresh_makes_a_proven_device_doubtful() -> None:
    bench = limited(capabilities=wallbox(refresh_s=20.0, measures_power=False))
    bench.now = 15.0
    setpoint = bench.due()
    assert setpoint is not None
    bench.core.write_started(setpoint, bench.now)
    bench.core.write_refused(setpoint, "locked", bench.now)
    assert bench.view().reserved_w == 0.0
    bench.now = 21.0
    assert bench.view().reserved_w == 4140.0


def test_a_rise_waits_for_the_effect_of_the_last_change() -> None:
    bench = limited(capabilities=wallbox(reaction_s=5.0))
    assert not bench.view().may_rise
    bench.now = 5.0
    assert bench.view().may_rise


@pytest.mark.parametrize(("held_w", "rest_s"), [(0.0, 60.0), (4140.0, 5.0)])
def test_only_a_paused_device_rests_before_it_rises(held_w: float, rest_s: float) -> None:
    capabilities = replace(wallbox(reaction_s=5.0), accepted_rise_s=60.0)
    bench = limited(held_w, capabilities)
    bench.now = rest_s - 0.1
    assert not bench.view().may_rise
    bench.now = rest_s
    assert bench.view().may_rise


def test_refreshing_a_device_without_read_back_does_not_put_off_its_proof() -> None:
    bench = Bench(wallbox(refresh_s=4.0, reaction_s=5.0))
    bench.connect()
    bench.tell(4140.0)
    bench.write(confirmed=False)
    bench.now = 3.0
    bench.write(confirmed=False)
    bench.now = 5.0
    bench.sample(4000.0)
    assert bench.view().obedience is Obedience.EFFECTIVE


def test_credit_is_frozen_while_a_rise_is_under_way_and_for_the_reaction_time() -> None:
    bench = limited(2000.0, wallbox(reaction_s=5.0))
    assert bench.core.frozen_until_s(CONSUMPTION) < 0.0
    bench.now = 10.0
    bench.tell(5000.0)
    setpoint = bench.due()
    assert setpoint is not None
    bench.core.write_started(setpoint, bench.now)
    assert bench.core.frozen_until_s(CONSUMPTION) == float("inf")
    bench.now = 12.0
    bench.core.write_done(setpoint, Readback(5000.0, 5000.0, True), bench.now)
    assert bench.core.frozen_until_s(CONSUMPTION) == 17.0


def test_a_set_point_that_is_only_renewed_is_not_pending_meanwhile() -> None:
    """What people are shown would change there and back at every renewal."""
    bench = limited(capabilities=wallbox(refresh_s=10.0))
    assert bench.view().obedience is Obedience.CONFIRMED
    bench.now += 10.0
    setpoint = bench.due()
    assert setpoint is not None
    bench.core.write_started(setpoint, bench.now)
    assert bench.view().obedience is Obedience.CONFIRMED
    bench.tell(2000.0)
    assert bench.view().obedience is Obedience.PENDING


@pytest.mark.parametrize(("shown_w", "excess_w"), [(4000.0, 0.0), (2000.0, 500.0)])
def test_a_device_that_shows_another_value_teaches_nothing_about_its_precision(
    shown_w: float, excess_w: float
) -> None:
    """One that ignored its set-point for a while is not charged for minutes after it obeys again."""
    bench = limited(2000.0, wallbox(reaction_s=5.0))
    for bench.now in range(6, 30):
        bench.sample(4000.0, ceilings_w={CONSUMPTION: shown_w})
    assert bench.view().excess_w == excess_w


def test_a_refresh_of_an_earlier_rise_does_not_freeze_credit_again() -> None:
    """A device by MQTT answers late: each refresh would start the hold time of credit anew, for ever."""
    bench = limited(2000.0, wallbox(reaction_s=5.0, refresh_s=20.0))
    bench.tell(5000.0)
    bench.write()
    bench.now = 15.0
    refresh = bench.due()
    assert refresh == Setpoint(CONSUMPTION, 5000.0)
    bench.core.write_started(refresh, bench.now)
    assert bench.core.frozen_until_s(CONSUMPTION) == 5.0


def test_a_slow_device_takes_a_reduction_in_the_next_slot_and_a_rise_in_the_one_after() -> None:
    bench = limited(capabilities=wallbox(write_gap_s=30.0))
    bench.now = 30.0
    assert not bench.view().may_rise
    bench.tell(0.0)
    assert bench.due() == Setpoint(CONSUMPTION, 0.0)
    bench.now = 60.0
    assert bench.view().may_rise


def test_a_reduction_waits_for_the_slot_and_the_old_value_counts_until_then() -> None:
    bench = limited(capabilities=wallbox(write_gap_s=30.0))
    bench.now = 10.0
    bench.tell(0.0)
    assert bench.due() is None
    assert bench.core.next_write_at(bench.now) == 30.0
    assert bench.view().charge_w == 4140.0


def test_production_is_a_magnitude_of_its_own() -> None:
    bench = Bench(inverter())
    bench.connect()
    bench.tell(3000.0, PRODUCTION)
    bench.write()
    bench.now = 2.0
    bench.sample(-2900.0)
    view = bench.view(PRODUCTION)
    assert (view.charge_w, view.measured_w, view.obedience) == (3000.0, 2900.0, Obedience.EFFECTIVE)


def test_in_a_direction_without_control_the_measurement_counts_else_the_type_plate() -> None:
    bench = Bench(inverter())
    bench.connect()
    assert bench.view(CONSUMPTION).charge_w == 10000.0
    bench.sample(50.0)
    assert bench.view(CONSUMPTION).charge_w == 50.0
    bench.now = 6.0
    assert bench.view(CONSUMPTION).charge_w == 10000.0


def test_what_connecting_reveals_is_used() -> None:
    bench = Bench(Capabilities(inverter().kind, 10000.0))
    assert PRODUCTION not in bench.core.directions
    bench.capabilities = inverter(8000.0)
    bench.connect()
    assert PRODUCTION in bench.core.directions
    assert bench.view(PRODUCTION).charge_w == 8000.0


@pytest.mark.parametrize("fresh", [True, False])
def test_demand_counts_only_while_it_is_fresh(fresh: bool) -> None:
    bench = Bench()
    bench.connect()
    bench.sample(0.0, demand_w=0.0)
    bench.now = 5.0 if fresh else 5.1
    assert bench.core.demand_w(bench.now) == (0.0 if fresh else None)
