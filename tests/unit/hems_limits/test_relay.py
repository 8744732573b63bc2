"""Relays: wirings, polarity, debounce, pulses, and what stands in for contacts that cannot be read."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.devices import ContactState
from hems.limits.ceilings import Ceiling, CeilingKind
from hems.limits.sources.relay import (
    WIRINGS,
    Command,
    OnFault,
    Pattern,
    RelaySettings,
    RelaySource,
    Wiring,
)
from hems.limits.sources.relay_inputs import ActiveWhen, InputSettings, Signal, Standin

MINIMUM_W = 7560.0
INSTALLED_W = 10_000.0
AT_ONCE = InputSettings(debounce_s=0.0)
GRID, SELF = CeilingKind.GRID_OPERATOR, CeilingKind.SELF_IMPOSED


class Box:
    """A Steuerbox with relays, and the source that reads it every 0.1 s."""

    def __init__(
        self,
        wiring: str | Wiring,
        inputs: InputSettings | Mapping[str, InputSettings] = AT_ONCE,
        on_fault: OnFault = OnFault.STRICTEST,
        pulsed_before: str | None = None,
    ) -> None:
        made = WIRINGS[wiring](MINIMUM_W) if isinstance(wiring, str) else wiring
        each = dict.fromkeys(made.inputs, inputs) if isinstance(inputs, InputSettings) else inputs
        self.source = RelaySource(RelaySettings("box", made, INSTALLED_W, each, on_fault), pulsed_before)
        self.disk_is_stuck = False
        self.stored: list[str] = []
        self.closed: dict[str, bool | None] = dict.fromkeys(made.inputs, False)
        self.now = 100.0
        self.ceilings: dict[str, Ceiling] = {}
        self.told = 0
        self._keep(self.source.due(self.now))

    def set(self, **closed: bool | None) -> "Box":
        """Move contacts and read them."""
        self.closed.update(closed)
        return self.read()

    def read(self, seconds: float = 0.0) -> "Box":
        """Let time pass with a reading each 0.1 s."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self._take()
        self._take()
        return self

    def silence(self, seconds: float) -> "Box":
        """Nothing can be read for a while."""
        self.now += seconds
        self._keep(self.source.due(self.now))
        return self

    def pulse(self, name: str, seconds: float = 0.2) -> "Box":
        self.set(**{name: True}).read(seconds)
        return self.set(**{name: False}).read(seconds)

    def _take(self) -> None:
        states = {name: ContactState(closed, self.now) for name, closed in self.closed.items()}
        self._keep(self.source.take(states, self.now))
        if self.source.unstored_pulse is not None and not self.disk_is_stuck:
            self.stored.append(self.source.unstored_pulse)
            self._keep(self.source.pulse_stored(self.now))

    def _keep(self, ceilings: list[Ceiling]) -> None:
        self.told += len(ceilings)
        self.ceilings.update({ceiling.source: ceiling for ceiling in ceilings})

    @property
    def consumption(self) -> tuple[float | None, CeilingKind]:
        ceiling = self.ceilings["relay/box/consumption"]
        return ceiling.value_w, ceiling.kind

    @property
    def feed_in(self) -> tuple[float | None, CeilingKind]:
        ceiling = self.ceilings["relay/box/production"]
        return ceiling.value_w, ceiling.kind


def test_a_single_contact_dims_to_the_minimum_power_and_knows_no_feed_in() -> None:
    box = Box("single_contact").read()
    assert box.consumption == (None, GRID)
    assert box.set(dim=True).consumption == (MINIMUM_W, GRID)
    assert box.set(dim=False).consumption == (None, GRID)
    assert list(box.ceilings) == ["relay/box/consumption"]


@pytest.mark.parametrize(
    ("dim", "off", "value_w"),
    [(False, False, None), (True, False, MINIMUM_W), (False, True, 0.0), (True, True, 0.0)],
)
def test_two_contacts_dim_and_switch_off(dim: bool, off: bool, value_w: float | None) -> None:
    assert Box("two_contacts").set(dim=dim, off=off).consumption == (value_w, GRID)


@pytest.mark.parametrize(
    ("active", "consumption_w", "feed_in_w"),
    [
        ("", None, None),
        ("w4", MINIMUM_W, None),
        ("s1", None, 6000.0),
        ("s2", None, 3000.0),
        ("w3", None, 0.0),
        ("s1 s2", None, 3000.0),
        ("s1 s2 w3", None, 0.0),
        ("w4 s1", MINIMUM_W, 6000.0),
        ("w4 w3 s2 s1", MINIMUM_W, 0.0),
    ],
)
def test_four_contacts_the_strictest_active_one_holds(
    active: str, consumption_w: float | None, feed_in_w: float | None
) -> None:
    box = Box("four_contacts").set(**dict.fromkeys(active.split(), True))
    assert box.consumption == (consumption_w, GRID)
    assert box.feed_in == (feed_in_w, GRID)


@pytest.mark.parametrize(
    ("active", "value_w"), [("p100", None), ("p60", 6000.0), ("p30", 3000.0), ("p0", 0.0)]
)
def test_one_hot_exactly_one_contact_is_an_order(active: str, value_w: float | None) -> None:
    assert Box("one_hot").set(**{active: True}).feed_in == (value_w, GRID)


@pytest.mark.parametrize("active", ["", "p100 p60", "p60 p30", "p100 p60 p30 p0"])
def test_one_hot_none_or_two_closed_is_an_input_fault(active: str) -> None:
    box = Box("one_hot").set(**dict.fromkeys(active.split(), True))
    assert box.feed_in == (0.0, SELF)
    assert box.ceilings["relay/box/production"].reason.code == "relay_input_fault"


@pytest.mark.parametrize(
    ("policy", "value_w"), [(OnFault.STRICTEST, 0.0), (OnFault.KEEP, 6000.0), (OnFault.RELEASE, None)]
)
def test_the_settings_say_what_an_input_fault_does(policy: OnFault, value_w: float | None) -> None:
    box = Box("one_hot", on_fault=policy).set(p60=True)
    assert box.feed_in == (6000.0, GRID)
    assert box.set(p60=False).feed_in == (value_w, SELF)
    assert box.set(p60=True).feed_in == (6000.0, GRID)


def test_a_fault_without_anything_before_it_is_the_strictest_even_with_keep() -> None:
    assert Box("one_hot", on_fault=OnFault.KEEP).read().feed_in == (0.0, SELF)


def test_polarity_an_open_contact_may_be_the_command() -> None:
    box = Box("single_contact", InputSettings(active_when=ActiveWhen.OPEN, debounce_s=0.0))
    assert box.set(dim=True).consumption == (None, GRID)
    assert box.set(dim=False).consumption == (MINIMUM_W, GRID)


def test_bounce_is_no_command_and_no_release() -> None:
    box = Box("single_contact", InputSettings(debounce_s=0.25)).read(1.0)
    box.set(dim=True).read(0.2)
    box.set(dim=False).read(0.2)
    assert box.consumption == (None, GRID)
    assert box.set(dim=True).read(0.3).consumption == (MINIMUM_W, GRID)
    box.set(dim=False).read(0.2)
    assert box.set(dim=True).read(0.2).consumption == (MINIMUM_W, GRID)
    assert box.set(dim=False).read(0.3).consumption == (None, GRID)


def test_trap_17_an_input_that_was_never_read_is_not_free() -> None:
    box = Box("single_contact")
    assert box.consumption == (MINIMUM_W, SELF)
    assert box.ceilings["relay/box/consumption"].reason.code == "relay_unreadable"
    assert box.set(dim=None).consumption == (MINIMUM_W, SELF)
    assert box.set(dim=False).consumption == (None, GRID)


def test_after_a_power_loss_the_settings_may_say_free() -> None:
    box = Box("single_contact", InputSettings(at_start=Standin.INACTIVE))
    assert box.consumption == (None, SELF)


@pytest.mark.parametrize(
    ("standin", "was_active", "value_w"),
    [
        (Standin.ACTIVE, False, MINIMUM_W),
        (Standin.INACTIVE, True, None),
        (Standin.KEEP, True, MINIMUM_W),
        (Standin.KEEP, False, None),
    ],
)
def test_an_input_that_falls_silent_is_replaced_by_its_policy(
    standin: Standin, was_active: bool, value_w: float | None
) -> None:
    box = Box("single_contact", InputSettings(debounce_s=0.0, unreadable=standin))
    before = (MINIMUM_W if was_active else None, GRID)
    assert box.set(dim=was_active).consumption == before
    assert box.silence(4.9).consumption == before
    assert box.silence(0.2).consumption == (value_w, SELF)
    assert box.read().consumption == before


def test_a_module_that_reports_a_fault_of_one_input_is_silence_of_that_input() -> None:
    box = Box("four_contacts").set(s1=True)
    assert box.set(s1=None).read(5.2).feed_in == (6000.0, SELF)
    assert box.consumption == (None, SELF)


def test_trap_18_a_standin_is_never_an_order_of_the_grid_operator() -> None:
    box = Box("single_contact").set(dim=True)
    assert box.silence(10.0).consumption == (MINIMUM_W, SELF)


PULSED = InputSettings(signal=Signal.PULSE, debounce_s=0.1)


def test_pulses_stand_until_another_input_gets_one() -> None:
    box = Box("one_hot", PULSED).read(0.5)
    assert box.feed_in == (0.0, SELF)
    assert box.pulse("p60").feed_in == (6000.0, GRID)
    assert box.read(60.0).feed_in == (6000.0, GRID)
    assert box.pulse("p100").feed_in == (None, GRID)


def test_a_pulse_too_short_is_none() -> None:
    box = Box("dim_and_release", InputSettings(signal=Signal.PULSE, debounce_s=0.3)).read(0.5)
    box.pulse("release", 0.4)
    assert box.pulse("dim", 0.1).consumption == (None, GRID)
    assert box.pulse("dim", 0.4).consumption == (MINIMUM_W, GRID)
    assert box.pulse("release", 0.4).consumption == (None, GRID)


def test_after_a_restart_no_pulse_is_known() -> None:
    assert Box("dim_and_release", PULSED).read(1.0).consumption == (MINIMUM_W, SELF)


KEPT = InputSettings(signal=Signal.PULSE, debounce_s=0.1, at_start=Standin.KEEP)


@pytest.mark.parametrize(("before", "value_w"), [("dim", MINIMUM_W), ("release", None)])
def test_after_a_restart_a_kept_pulse_stands_as_before(before: str, value_w: float | None) -> None:
    box = Box("dim_and_release", KEPT, pulsed_before=before)
    assert box.consumption == (value_w, SELF), "before the contacts were read it is no order"
    assert box.read(0.5).consumption == (value_w, GRID)
    assert box.silence(10.0).consumption == (MINIMUM_W, SELF)
    assert box.read(0.5).consumption == (value_w, GRID)


def test_kept_without_anything_stored_is_active() -> None:
    assert Box("dim_and_release", KEPT).read(1.0).consumption == (MINIMUM_W, SELF)


def test_what_was_stored_for_an_input_that_is_gone_does_not_count() -> None:
    box = Box("dim_and_release", KEPT, pulsed_before="off").read(1.0)
    assert box.consumption == (MINIMUM_W, SELF)


def test_what_was_stored_does_not_count_for_an_input_that_keeps_nothing() -> None:
    each = {"dim": PULSED, "release": KEPT}
    box = Box("dim_and_release", each, pulsed_before="release").read(1.0)
    assert box.consumption == (MINIMUM_W, SELF)


def test_a_kept_pulse_counts_once_it_is_stored() -> None:
    box = Box("dim_and_release", KEPT, pulsed_before="release").read(0.5)
    box.disk_is_stuck = True
    assert box.pulse("dim").consumption == (None, GRID)
    box.disk_is_stuck = False
    assert box.read().consumption == (MINIMUM_W, GRID)
    assert box.stored == ["dim"]


def test_the_same_pulse_again_costs_no_write() -> None:
    box = Box("dim_and_release", KEPT, pulsed_before="dim").read(0.5)
    assert box.pulse("dim").consumption == (MINIMUM_W, GRID)
    box.pulse("dim")
    assert box.stored == []
    box.pulse("release")
    box.pulse("release")
    assert box.stored == ["release"]


def test_a_table_of_ones_own_faults_on_patterns_it_does_not_know() -> None:
    table = {Pattern(): Command(), Pattern({"a", "b"}): Command(5000.0)}
    box = Box(Wiring(("a", "b"), table)).read()
    assert box.set(a=True, b=True).consumption == (5000.0, GRID)
    assert box.set(b=False).consumption == (5000.0, SELF)


def test_nothing_is_told_twice() -> None:
    box = Box("single_contact").set(dim=True)
    told = box.told
    assert box.read(30.0).told == told


@given(st.sampled_from(sorted(WIRINGS)), st.lists(st.integers(0, 80), max_size=12))
def test_whatever_the_contacts_do_only_certain_patterns_are_orders(wiring: str, moves: list[int]) -> None:
    box = Box(wiring)
    names = list(box.closed)
    for move in moves:
        state = (None, False, True)[move % 3]
        box.set(**{names[move // 3 % len(names)]: state})
        for ceiling in box.ceilings.values():
            certain = ceiling.reason.code == "relay"
            assert (ceiling.kind is GRID) == certain
            assert ceiling.value_w is None or ceiling.value_w >= 0.0
