"""The history of orders: steps of one event, self-imposed phases apart."""

import itertools
from dataclasses import replace
from uuid import UUID

from eebus.clock import FakeClock
from eebus.ids import Ski
from eebus.usecases.events import LimitKind, LimitStateChanged, OrderReceived
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from hems import devices
from hems.control.progress import Milestone, Progress
from hems.journal.orders import OrderRecorder, Terms
from hems.journal.reading import Event
from hems.journal.record import FIRST_PREDECESSOR, Entry, Record, Step, encode
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason
from hems.metering.energies import Energies
from hems.metering.energy import EnergyCounter

BOX = Ski("b" * 40)
INIT, CONTROLLED, LIMITED, FAILSAFE = (
    LimitState.INIT,
    LimitState.UNLIMITED_CONTROLLED,
    LimitState.LIMITED,
    LimitState.FAILSAFE,
)


class Bench:
    """A recorder, a clock, and everything it appended."""

    def __init__(self, *, drill: bool = False, minimum_w: float | None = 4200.0) -> None:
        self.clock = FakeClock()
        self.entries: list[Entry] = []
        numbers = itertools.count(1)
        self.recorder = OrderRecorder(
            self.entries.append,
            self.clock,
            Energies({"grid/consumed": EnergyCounter(1234.5)}),
            Terms(minimum_w, "house_first"),
            drill=drill,
            new_uuid=lambda: UUID(int=next(numbers)),
        )

    def order(
        self,
        value_w: float | None,
        *,
        active: bool = True,
        accepted: bool = True,
        duration_s: float | None = 900.0,
        ski: Ski = BOX,
        direction: Direction = Direction.CONSUMPTION,
    ) -> None:
        self.recorder.order_received(
            OrderReceived(
                direction=direction,
                peer_ski=ski,
                msg_counter=7,
                value_w=value_w,
                active=active,
                duration_s=duration_s,
                accepted=accepted,
                reason="within what we can do" if accepted else "the value is negative",
                rule="LPC-910",
                at=self.clock.monotonic(),
            )
        )

    def change(self, before: LimitState, after: LimitState, limit_w: float | None) -> None:
        self_imposed = after in (INIT, FAILSAFE)
        kind = LimitKind.SELF_IMPOSED if self_imposed else LimitKind.GRID_OPERATOR
        self.recorder.state_changed(
            LimitStateChanged(
                direction=Direction.CONSUMPTION,
                before=before,
                after=after,
                rule="LPC-9xx",
                reason=f"because of {after}",
                effective_limit_w=limit_w,
                limit_kind=None if limit_w is None else kind,
                until=None,
                at=self.clock.monotonic(),
            )
        )

    def reach(self, milestone: Milestone) -> None:
        reason = Reason(milestone.value, "done", {"taken_w": 4100.04, "device": "box", "devices": 2})
        self.recorder.progress(
            Progress(
                milestone,
                devices.Direction.CONSUMPTION,
                self.clock.monotonic(),
                "eebus/lpc",
                4200.0,
                reason,
                CeilingKind.GRID_OPERATOR,
            )
        )

    def steps(self, event: int = 1) -> list[Step]:
        return [e.step for e in self.entries if e.event.int == event]


def limited() -> Bench:
    bench = Bench()
    bench.order(4200.0)
    bench.change(CONTROLLED, LIMITED, 4200.0)
    return bench


def test_one_order_from_its_arrival_to_its_release() -> None:
    bench = limited()
    for milestone in Milestone:
        bench.clock.advance(0.5)
        bench.reach(milestone)
    bench.order(4200.0, active=False)
    bench.change(LIMITED, CONTROLLED, None)
    assert bench.steps() == [
        Step.RECEIVED,
        Step.ACCEPTED,
        Step.DECIDED,
        Step.FIRST_WRITE,
        Step.CONFIRMED,
        Step.MEASURED_BELOW,
        Step.MEASURED_ABOVE,
        Step.RECEIVED,
        Step.RELEASED,
    ]
    first = bench.entries[0]
    assert first.values == {
        "direction": "consumption",
        "peer_ski": BOX,
        "msg_counter": 7,
        "value_mw": 4_200_000,
        "active": 1,
        "duration_ms": 900_000,
        "minimum_mw": 4_200_000,
        "below_minimum": 0,
        "convention": "house_first",
        "grid_consumed_mwh": 1_234_500,
        "grid_fed_in_mwh": None,
        "instruction": 1,
    }
    assert [e.after_ms for e in bench.entries] == [0, 0, 500, 1000, 1500, 2000, 2500, 2500, 2500]
    assert bench.entries[-1].values["grid_consumed_mwh"] == 1_234_500


def test_figures_are_integers_in_record_form() -> None:
    bench = limited()
    bench.reach(Milestone.MEASURED_BELOW)
    assert bench.entries[-1].values == {
        "allowed_mw": 4_200_000,
        "taken_mw": 4_100_040,
        "device": "box",
        "devices": 2,
        "instruction": 1,
    }
    for number, entry in enumerate(bench.entries):
        encode(Record(number, "hems-1", FIRST_PREDECESSOR, entry))


def test_trap_06_a_changed_value_is_a_step_and_an_instruction_of_its_own() -> None:
    bench = limited()
    bench.order(2000.0)
    bench.change(LIMITED, LIMITED, 2000.0)
    bench.reach(Milestone.DECIDED)
    assert bench.steps() == [Step.RECEIVED, Step.ACCEPTED, Step.CHANGED, Step.DECIDED]
    assert bench.entries[2].values["value_mw"] == 2_000_000
    assert [e.values["instruction"] for e in bench.entries] == [1, 1, 2, 2]


def test_the_same_order_again_is_a_renewal_of_the_same_instruction() -> None:
    bench = limited()
    for _ in range(2):
        bench.clock.advance(60.0)
        bench.order(4200.0)
        bench.change(LIMITED, LIMITED, 4200.0)
    assert bench.steps()[2:] == [Step.RENEWED, Step.RENEWED]
    assert [e.values["instruction"] for e in bench.entries] == [1] * 4
    assert bench.entries[-1].values["msg_counter"] == 7
    assert bench.entries[-1].after_ms == 120_000


def test_another_duration_or_another_box_is_a_change() -> None:
    bench = limited()
    bench.order(4200.0, duration_s=None)
    bench.order(4200.0, duration_s=None)
    bench.order(4200.0, duration_s=None, ski=Ski("c" * 40))
    assert bench.steps()[2:] == [Step.CHANGED, Step.RENEWED, Step.CHANGED]


def test_a_refused_order_is_evidence_and_leaves_the_running_one_alone() -> None:
    bench = limited()
    bench.order(-1.0, accepted=False)
    bench.reach(Milestone.CONFIRMED)
    assert bench.steps(2) == [Step.RECEIVED, Step.REFUSED]
    assert bench.steps(1)[-1] is Step.CONFIRMED
    refused = bench.entries[3]
    assert (refused.text, refused.values["rule"]) == ("the value is negative", "LPC-910")


def test_a_wrong_sign_is_recorded_as_it_was_written() -> None:
    bench = limited()
    bench.order(-3000.0, accepted=False, direction=Direction.PRODUCTION)
    received = bench.entries[-2]
    assert received.text == "the control box limits production to +3000 W as written for 900 s"
    assert received.values["written_mw"] == 3_000_000


def test_an_order_that_nobody_can_read_is_evidence_too() -> None:
    bench = limited()
    bench.recorder.order_received(
        OrderReceived(None, BOX, 8, None, False, None, False, "there is no limit 9", "003/1", 0.0)
    )
    received, refused = bench.entries[-2:]
    assert (received.step, refused.step) == (Step.RECEIVED, Step.REFUSED)
    assert received.text == "the control box wrote a limit that cannot be read"
    assert received.values["direction"] == "unknown"
    assert refused.text == "there is no limit 9"


def test_trap_18_a_failsafe_is_no_order_and_ends_the_one_that_ran() -> None:
    bench = limited()
    bench.change(LIMITED, FAILSAFE, 4200.0)
    bench.reach(Milestone.DECIDED)
    bench.change(FAILSAFE, CONTROLLED, None)
    assert bench.steps(1)[-1] is Step.RELEASED
    assert bench.steps(2) == [Step.SELF_BEGAN, Step.DECIDED, Step.SELF_ENDED]


def test_an_order_that_ends_a_failsafe_is_an_event_of_its_own() -> None:
    bench = Bench()
    bench.change(INIT, INIT, 4200.0)
    bench.order(3000.0)
    bench.change(INIT, LIMITED, 3000.0)
    assert bench.steps(1) == [Step.SELF_BEGAN, Step.SELF_ENDED]
    assert bench.steps(2) == [Step.RECEIVED, Step.ACCEPTED]


def test_a_deactivation_without_a_running_order_is_over_at_once() -> None:
    bench = Bench()
    bench.change(INIT, INIT, 4200.0)
    bench.order(4200.0, active=False)
    bench.change(INIT, CONTROLLED, None)
    assert bench.steps(1) == [Step.SELF_BEGAN, Step.SELF_ENDED]
    assert bench.steps(2) == [Step.RECEIVED, Step.ACCEPTED, Step.RELEASED]


def test_the_end_of_the_duration_releases() -> None:
    bench = limited()
    bench.clock.advance(900.0)
    bench.change(LIMITED, CONTROLLED, None)
    assert bench.entries[-1].step is Step.RELEASED
    assert bench.entries[-1].after_ms == 900_000


def test_trap_19_a_step_of_the_date_gives_no_negative_duration() -> None:
    bench = limited()
    bench.clock.step_utc(-86_400.0)
    bench.clock.advance(1.0)
    bench.reach(Milestone.DECIDED)
    received, decided = bench.entries[0], bench.entries[-1]
    assert decided.unix_ms < received.unix_ms
    assert decided.after_ms == 1000


def test_what_a_dead_gateway_left_open_is_closed_at_the_next_start() -> None:
    before = limited()
    left = Event(UUID(int=1), tuple(Record(1, "hems-1", b"", e) for e in before.entries))
    assert not left.closed
    bench = Bench()
    bench.clock.advance(60.0)
    bench.recorder.close_unfinished([left])
    assert [(e.event.int, e.step, e.after_ms) for e in bench.entries] == [(1, Step.INTERRUPTED, 60_000)]


def test_a_stop_closes_what_is_open() -> None:
    bench = limited()
    bench.recorder.stop()
    bench.recorder.stop()
    assert bench.steps()[2:] == [Step.INTERRUPTED]


def test_a_drill_is_marked() -> None:
    bench = Bench(drill=True)
    bench.order(4200.0)
    assert all(e.drill for e in bench.entries)


def test_progress_without_an_event_is_not_recorded() -> None:
    bench = Bench()
    bench.reach(Milestone.DECIDED)
    assert bench.entries == []


def relay(value_w: float | None, kind: CeilingKind, text: str = "relays box") -> Ceiling:
    return Ceiling("relay/box/consumption", value_w, Basis.CONTROLLABLE, kind, Reason("relay", text), 0.0)


def test_an_order_by_relays_is_an_event_of_its_own_with_steps() -> None:
    bench = Bench()
    for value_w in (None, 4200.0, 0.0, None):
        bench.recorder.ceiling_changed(relay(value_w, CeilingKind.GRID_OPERATOR))
    assert [entry.step for entry in bench.entries] == [
        Step.RECEIVED,
        Step.ACCEPTED,
        Step.CHANGED,
        Step.RELEASED,
    ]
    assert len({entry.event for entry in bench.entries}) == 1


def test_trap_18_an_input_fault_is_recorded_apart_from_the_order_it_interrupts() -> None:
    bench = Bench()
    bench.recorder.ceiling_changed(relay(4200.0, CeilingKind.SELF_IMPOSED))
    bench.recorder.ceiling_changed(relay(4200.0, CeilingKind.GRID_OPERATOR))
    bench.recorder.ceiling_changed(relay(0.0, CeilingKind.SELF_IMPOSED))
    bench.recorder.ceiling_changed(relay(None, CeilingKind.GRID_OPERATOR))
    assert [(entry.event.int, entry.step) for entry in bench.entries] == [
        (1, Step.SELF_BEGAN),
        (1, Step.SELF_ENDED),
        (2, Step.RECEIVED),
        (2, Step.ACCEPTED),
        (2, Step.RELEASED),
        (3, Step.SELF_BEGAN),
        (3, Step.SELF_ENDED),
    ]


def test_wishes_and_fuses_are_no_orders() -> None:
    bench = Bench()
    for kind in (CeilingKind.USER, CeilingKind.PROTECTION, CeilingKind.STATUTORY):
        bench.recorder.ceiling_changed(relay(3000.0, kind))
    assert bench.entries == []


BELOW = "below the minimum power of 7.56 kW that the configuration gives"
TERMS = ("minimum_mw", "below_minimum", "convention")


def test_an_order_below_the_minimum_power_is_marked_in_values_and_text() -> None:
    bench = Bench(minimum_w=7560.0)
    bench.order(7559.0)
    received, accepted = bench.entries
    assert received.text == f"the control box limits consumption to 7559 W for 900 s, {BELOW}"
    assert [received.values[name] for name in TERMS] == [7_560_000, 1, "house_first"]
    assert accepted.step is Step.ACCEPTED


def test_trap_06_each_value_of_an_order_is_compared_with_the_minimum_power() -> None:
    bench = Bench(minimum_w=7560.0)
    for value_w in (7560.0, 0.0, 0.0, 8000.0):
        bench.order(value_w)
    told = [entry for entry in bench.entries if entry.step is not Step.ACCEPTED]
    assert [entry.values["below_minimum"] for entry in told] == [0, 1, 1, 0]
    assert [BELOW in entry.text for entry in told] == [False, True, True, False]
    for number, entry in enumerate(told):
        encode(Record(number, "hems-1", FIRST_PREDECESSOR, entry))


def test_where_no_minimum_power_is_known_nothing_is_called_below_it() -> None:
    bench = Bench(minimum_w=None)
    bench.order(0.0)
    assert bench.entries[0].text == "the control box limits consumption to 0 W for 900 s"
    assert [bench.entries[0].values[name] for name in TERMS] == [None, None, "house_first"]


def test_only_an_order_that_limits_consumption_is_compared_with_the_minimum_power() -> None:
    bench = Bench(minimum_w=7560.0)
    bench.order(0.0, direction=Direction.PRODUCTION)
    bench.order(-1.0, accepted=False)
    bench.order(0.0, active=False)
    for entry in bench.entries:
        assert "below_minimum" not in entry.values
        assert "minimum power" not in entry.text


def test_relays_for_all_controllable_devices_are_compared_with_the_minimum_power() -> None:
    bench = Bench(minimum_w=7560.0)
    for value_w in (0.0, 7560.0, None):
        bench.recorder.ceiling_changed(relay(value_w, CeilingKind.GRID_OPERATOR))
    received, _, changed, released = bench.entries
    assert received.text == f"relays box, {BELOW}"
    assert [received.values[name] for name in TERMS] == [7_560_000, 1, "house_first"]
    assert (changed.text, changed.values["below_minimum"]) == ("relays box", 0)
    assert "below_minimum" not in released.values


def test_relays_for_single_devices_feed_in_and_faults_are_not_compared_with_the_minimum_power() -> None:
    bench = Bench(minimum_w=7560.0)
    ordered = relay(0.0, CeilingKind.GRID_OPERATOR)
    bench.recorder.ceiling_changed(replace(ordered, devices=frozenset({"wallbox"})))
    bench.recorder.ceiling_changed(replace(ordered, source="relay/box/production", basis=Basis.FEED_IN))
    bench.recorder.ceiling_changed(replace(relay(0.0, CeilingKind.SELF_IMPOSED), source="relay/other"))
    assert len(bench.entries) == 5
    assert not any("below_minimum" in entry.values for entry in bench.entries)
