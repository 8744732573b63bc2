"""Contacts on their way from one pattern to the next: no order, no release and no fault in between."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.devices import ContactState
from hems.limits.ceilings import Ceiling, CeilingKind
from hems.limits.sources.relay import WIRINGS, Command, OnFault, Pattern, RelaySettings, RelaySource, Wiring
from hems.limits.sources.relay_inputs import InputSettings, Signal, Standin

MINIMUM_W = 4200.0
INSTALLED_W = 10_000.0
TICK_S = 1 / 128
"""Exact in binary, so that times can be compared."""
DEBOUNCE = 10
"""In ticks, as all times below."""
UNREADABLE = 5 * 128


def debounced(
    ticks: int, signal: Signal = Signal.LEVEL, unreadable: Standin = Standin.ACTIVE
) -> InputSettings:
    return InputSettings(signal=signal, debounce_s=ticks * TICK_S, unreadable=unreadable)


@dataclass(frozen=True)
class Told:
    """A ceiling, and after how many ticks since the last `mark` it was told."""

    at: int
    ceiling: Ceiling

    @property
    def value_w(self) -> float | None:
        return self.ceiling.value_w


class Group:
    """Contacts that are read each tick, and everything their source told since `mark`."""

    def __init__(
        self,
        wiring: str | Wiring,
        active: str | Pattern = "",
        *,
        inputs: Mapping[str, InputSettings] | None = None,
        on_fault: OnFault = OnFault.STRICTEST,
    ) -> None:
        made = WIRINGS[wiring](MINIMUM_W) if isinstance(wiring, str) else wiring
        each = dict.fromkeys(made.inputs, debounced(DEBOUNCE)) | dict(inputs or {})
        self.source = RelaySource(RelaySettings("box", made, INSTALLED_W, each, on_fault))
        self.closed: dict[str, bool | None] = dict.fromkeys(made.inputs, False)
        self.tick = 10_000
        self.told: list[Told] = []
        self._marked_at = 0
        self._keep(self.source.due(self.now))
        self.show(active).wait(200).mark()

    @property
    def now(self) -> float:
        return self.tick * TICK_S

    def show(self, active: str | Pattern) -> "Group":
        """Exactly these contacts are active from now on."""
        names = active.split() if isinstance(active, str) else active
        for name in self.closed:
            self.closed[name] = name in names
        return self.read()

    def wait(self, ticks: int) -> "Group":
        for _ in range(ticks):
            self.tick += 1
            self.read()
        return self

    def silence(self, ticks: int) -> "Group":
        """Nothing is read; the cycle of control asks."""
        for _ in range(ticks):
            self.tick += 1
            self._keep(self.source.due(self.now))
        return self

    def mark(self) -> "Group":
        self.told.clear()
        self._marked_at = self.tick
        return self

    def read(self) -> "Group":
        states = {name: ContactState(closed, self.now) for name, closed in self.closed.items()}
        self._keep(self.source.take(states, self.now))
        return self

    def _keep(self, ceilings: list[Ceiling]) -> None:
        self.told += [Told(self.tick - self._marked_at, ceiling) for ceiling in ceilings]

    def of(self, direction: str) -> list[tuple[int, float | None]]:
        """When which value was told for one direction."""
        return [(t.at, t.value_w) for t in self.told if t.ceiling.source == f"relay/box/{direction}"]

    @property
    def feed_in(self) -> list[tuple[int, float | None]]:
        return self.of("production")

    @property
    def consumption(self) -> list[tuple[int, float | None]]:
        return self.of("consumption")


@pytest.mark.parametrize("gap", [1, 5, 9])
@pytest.mark.parametrize(("before", "after", "value_w"), [("s1", "s2", 3000.0), ("s2", "s1", 6000.0)])
def test_four_contacts_a_gap_between_two_steps_releases_nothing(
    before: str, after: str, value_w: float, gap: int
) -> None:
    group = Group("four_contacts", before).show("").wait(gap).show(after).wait(100)
    assert group.feed_in == [(gap + DEBOUNCE, value_w)]


@pytest.mark.parametrize("overlap", [1, 5, 9])
@pytest.mark.parametrize(("before", "after", "value_w"), [("s1", "s2", 3000.0), ("s2", "s1", 6000.0)])
def test_four_contacts_an_overlap_of_two_steps_is_no_step_of_its_own(
    before: str, after: str, value_w: float, overlap: int
) -> None:
    group = Group("four_contacts", before).show(f"{before} {after}").wait(overlap).show(after).wait(100)
    assert group.feed_in == [(overlap + DEBOUNCE, value_w)]


@pytest.mark.parametrize("between", ["", "p60 p30"])
@pytest.mark.parametrize("ticks", [1, 5, 9])
@pytest.mark.parametrize(("before", "after", "value_w"), [("p60", "p30", 3000.0), ("p30", "p60", 6000.0)])
def test_one_hot_a_gap_or_an_overlap_is_no_input_fault(
    before: str, after: str, value_w: float, ticks: int, between: str
) -> None:
    group = Group("one_hot", before).show(between).wait(ticks).show(after).wait(100)
    assert group.feed_in == [(ticks + DEBOUNCE, value_w)]
    assert group.told[0].ceiling.kind is CeilingKind.GRID_OPERATOR


@pytest.mark.parametrize("between", ["", "dim off"])
def test_two_contacts_from_off_to_dim_the_stricter_holds_until_the_other_stands(between: str) -> None:
    group = Group("two_contacts", "off").show(between).wait(5).show("dim").wait(100)
    assert group.consumption == [(5 + DEBOUNCE, MINIMUM_W)]


def test_dim_and_release_with_levels_an_overlap_is_no_fault() -> None:
    group = Group("dim_and_release", "dim").show("dim release").wait(5).show("release").wait(100)
    assert group.consumption == [(5 + DEBOUNCE, None)]


def test_a_code_of_two_bits_passes_its_strictest_pattern_without_ordering_it() -> None:
    code = {
        Pattern(): Command(),
        Pattern({"a"}): Command(feed_in_share=0.6),
        Pattern({"b"}): Command(feed_in_share=0.3),
        Pattern({"a", "b"}): Command(feed_in_share=0.0),
    }
    group = Group(Wiring(("a", "b"), code), "a").show("a b").wait(5).show("b").wait(100)
    assert group.feed_in == [(5 + DEBOUNCE, 3000.0)]


def test_what_one_direction_orders_does_not_tell_the_other_anew_in_the_gap() -> None:
    group = Group("four_contacts", "w4 s1").show("w4").wait(5).show("w4 s2").wait(100)
    assert group.consumption == [(5 + DEBOUNCE, MINIMUM_W)]
    assert "s2, w4 active" in group.told[0].ceiling.reason.text


@pytest.mark.parametrize(
    ("wiring", "active", "direction"),
    [
        ("single_contact", "dim", "consumption"),
        ("two_contacts", "off", "consumption"),
        ("four_contacts", "w4", "consumption"),
        ("four_contacts", "s1", "production"),
    ],
)
def test_a_stricter_order_and_a_release_count_after_one_debounce(
    wiring: str, active: str, direction: str
) -> None:
    group = Group(wiring).show(active).wait(100)
    ((at, value_w),) = group.of(direction)
    assert at == DEBOUNCE
    assert value_w is not None
    assert group.mark().show("").wait(100).of(direction) == [(DEBOUNCE, None)]


@pytest.mark.parametrize("shown", ["", "p60 p30"])
def test_a_pattern_that_cannot_be_is_a_fault_after_the_debounce(shown: str) -> None:
    group = Group("one_hot", "p60").show(shown).wait(100)
    assert group.feed_in == [(DEBOUNCE, 0.0)]
    assert group.told[0].ceiling.reason.code == "relay_input_fault"


def test_contacts_that_bounce_on_the_way_are_waited_for() -> None:
    group = Group("four_contacts", "s1").show("").wait(8)
    for _ in range(4):
        group.show("s2").wait(1).show("").wait(4)
    assert group.feed_in == []
    assert group.show("s2").wait(100).feed_in == [(28 + DEBOUNCE, 3000.0)]


def chatter(group: Group, name: str, active: str, ticks: int) -> None:
    """One contact opens and closes with every tick, the others show `active`."""
    for tick in range(ticks):
        group.show(f"{active} {name}" if tick % 2 else active).wait(1)


def test_a_contact_that_chatters_delays_no_stricter_order() -> None:
    group = Group("four_contacts", "s1")
    chatter(group, "s2", "s1", 30)
    chatter(group.mark(), "s2", "s1 w4", 30)
    assert group.consumption[0][1] == MINIMUM_W
    assert group.consumption[0][0] <= DEBOUNCE + 1
    assert group.feed_in == []


def test_a_contact_that_chatters_for_ever_keeps_no_limit_of_the_others() -> None:
    group = Group("four_contacts", "w4 s1")
    chatter(group, "s2", "s1", 200)
    assert [value_w for _, value_w in group.consumption] == [None]
    assert group.consumption[0][0] > 10 * DEBOUNCE
    assert {value_w for _, value_w in group.feed_in} == {6000.0}


def test_the_slowest_input_says_how_long_a_release_must_stand() -> None:
    inputs = {"s1": debounced(0), "s2": debounced(30)}
    group = Group("four_contacts", "s1", inputs=inputs).show("").wait(20).show("s2").wait(100)
    assert group.feed_in == [(50, 3000.0)]
    assert group.mark().show("s1").wait(100).feed_in == [(30, 6000.0)]


def test_a_stricter_order_by_a_quick_input_does_not_wait_for_a_slow_one_at_rest() -> None:
    inputs = {"w3": debounced(2), "s1": debounced(100)}
    group = Group("four_contacts", "s1", inputs=inputs).show("s1 w3").wait(50)
    assert group.feed_in[0] == (2, 0.0)


def test_a_release_that_was_read_once_before_silence_is_none() -> None:
    group = Group("four_contacts", "s1", inputs={"s1": debounced(0)}).show("")
    group.silence(UNREADABLE - 10)
    assert group.feed_in == []
    assert group.silence(20).feed_in[-1][1] == 0.0
    assert group.told[-1].ceiling.reason.code == "relay_unreadable"


def test_an_input_that_falls_silent_while_it_moves_is_not_waited_for_any_longer() -> None:
    ignored = debounced(DEBOUNCE, unreadable=Standin.INACTIVE)
    group = Group("four_contacts", "w4", inputs={"s1": ignored}).show("w4 s1").wait(5)
    group.closed.update(s1=None, w4=False)
    group.wait(UNREADABLE + 20)
    assert group.consumption[0][1] is None


def test_a_kept_command_is_the_one_that_stood_not_one_on_the_way() -> None:
    table = {
        Pattern(): Command(),
        Pattern({"a"}): Command(feed_in_share=0.6),
        Pattern({"b"}): Command(feed_in_share=0.3),
    }
    group = Group(Wiring(("a", "b"), table), "a", on_fault=OnFault.KEEP)
    group.show("").wait(5).show("a b").wait(100)
    assert [value_w for _, value_w in group.feed_in] == [6000.0]
    assert group.told[-1].ceiling.kind is CeilingKind.SELF_IMPOSED


def test_a_group_of_pulses_has_nothing_to_wait_for() -> None:
    pulse = debounced(2, signal=Signal.PULSE)
    group = Group("one_hot", inputs=dict.fromkeys(("p100", "p60", "p30", "p0"), pulse))
    group.show("p60").wait(5).show("").wait(5)
    assert group.feed_in == [(2, 6000.0)]
    assert group.mark().show("p100").wait(5).show("").wait(5).feed_in == [(2, None)]


def test_a_pulse_during_the_movement_of_a_level_is_not_lost() -> None:
    table = {Pattern(each): Command(4200.0 if "dim" in each else None, 0.6 if "s1" in each else None)
             for each in ((), ("dim",), ("release",), ("dim", "s1"), ("release", "s1"), ("s1",))}  # fmt: skip
    pulse = debounced(2, signal=Signal.PULSE)
    wiring = Wiring(("dim", "release", "s1"), table)
    group = Group(wiring, inputs={"dim": pulse, "release": pulse})
    group.show("dim").wait(5).show("").wait(20).mark()
    group.show("s1").wait(3).show("s1 release").wait(5).show("s1").wait(100)
    assert group.consumption[-1][1] is None
    assert group.feed_in[-1][1] == 6000.0


def loosest(values: list[float | None]) -> float:
    return max(float("inf") if value is None else value for value in values)


def one_by_one(before: Pattern, order: list[str]) -> Iterator[Pattern]:
    """The patterns on the way while the inputs in `order` change one after the other."""
    shown = before
    for name in order:
        shown ^= {name}
        yield shown


Journey = tuple[str, list[Pattern], list[list[tuple[Pattern, int]]]]


@st.composite
def journeys(draw: st.DrawFn) -> Journey:
    """A wiring, valid patterns, and how contacts go from each to the next, with the ticks that it takes."""
    wiring = draw(st.sampled_from(sorted(WIRINGS)))
    made = WIRINGS[wiring](MINIMUM_W)
    patterns = sorted(made.commands, key=sorted)
    stops = draw(st.lists(st.sampled_from(patterns), min_size=2, max_size=4))
    ways = []
    for before, after in pairwise(stops):
        order = draw(st.permutations(sorted(before ^ after)))
        steps = list(one_by_one(before, list(order)))
        ways.append([(each, draw(st.integers(1, DEBOUNCE - 1))) for each in steps])
    return wiring, stops, ways


@given(journeys())
def test_no_way_between_two_valid_patterns_is_ever_a_release_or_a_fault(
    journey: Journey,
) -> None:
    wiring, stops, ways = journey
    commands = WIRINGS[wiring](MINIMUM_W).commands
    group = Group(wiring, stops[0])
    for (before, after), way in zip(pairwise(stops), ways, strict=True):
        group.mark()
        for shown, ticks in way:
            group.show(shown).wait(ticks)
        group.wait(DEBOUNCE)
        ends = [commands[before], commands[after]]
        expected = {
            "consumption": [each.consumption_w for each in ends],
            "production": [
                None if each.feed_in_share is None else each.feed_in_share * INSTALLED_W for each in ends
            ],
        }
        for told in group.told:
            assert told.ceiling.kind is CeilingKind.GRID_OPERATOR
            assert told.ceiling.reason.code == "relay"
        for direction, values in expected.items():
            found = [value_w for _, value_w in group.of(direction)]
            assert all(loosest([value_w]) <= loosest(values) for value_w in found)
            assert not found or found[-1] == values[-1]
            assert found or values[0] == values[-1]
