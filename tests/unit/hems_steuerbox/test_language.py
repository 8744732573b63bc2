"""What a person or a scenario may say to the simulated Steuerbox."""

import re
from pathlib import Path

import pytest

from eebus.ids import Ski, group_ski
from eebus.usecases.limitation import Direction
from hems.cli.steuerbox.language import (
    HELP,
    Condition,
    Failsafe,
    Fault,
    Heartbeat,
    Limit,
    Misunderstood,
    Pair,
    Relation,
    Release,
    Simple,
    Unpair,
    Wait,
    parse_command,
    parse_condition,
    parse_partner,
)
from hems.cli.steuerbox.scenario import load_scenario
from hems.config.mistakes import ConfigError

SKI = "a1" * 20
SCENARIOS = Path(__file__).parents[3] / "config" / "scenarios"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("limit 4200", Limit(Direction.CONSUMPTION, 4200.0, None)),
        ("limit production 4,2 kW for 15 min", Limit(Direction.PRODUCTION, 4200.0, 900.0)),
        ("LIMIT  consumption 0 W", Limit(Direction.CONSUMPTION, 0.0, None)),
        ("release", Release(Direction.CONSUMPTION)),
        ("release production", Release(Direction.PRODUCTION)),
        ("failsafe consumption 4.2 kW duration 2 h", Failsafe(4200.0, None, 7200.0)),
        ("failsafe production 0", Failsafe(None, 0.0, None)),
        ("heartbeat off", Heartbeat(on=False)),
        ("fault clock-jump 1 d", Fault("clock-jump", on=True, seconds=86400.0)),
        ("mend all", Fault("all", on=False, seconds=0.0)),
        (f"pair {SKI} [fe80::1%eth0]:4712", Pair(SKI, "fe80::1%eth0", 4712)),
        ("pair A1A1 A1A1 10.0.0.5:4712", Pair("A1A1A1A1", "10.0.0.5", 4712)),
        (f"pair {' '.join(['a1A1'] * 10)} cafe:4712", Pair("a1A1" * 10, "cafe", 4712)),
        (f"pair {':'.join(['1234'] * 10)}", Pair("1234" * 10, "", 0)),
        (f"pair {'-'.join(['1234'] * 10)} box.local:4712", Pair("1234" * 10, "box.local", 4712)),
        (f"pair {SKI}", Pair(SKI, "", 0)),
        ("unpair A1A1 a1:a1", Unpair("A1A1a1a1")),
        ("wait ready", Wait(None)),
        ("wait 90", Wait(90.0)),
        ("status", Simple.STATUS),
    ],
)
def test_commands(text: str, command: object) -> None:
    assert parse_command(text) == command


@pytest.mark.parametrize(
    "text",
    ["", "dance", "limit", "limit much", "limit 5 A", "limit 5 for ever", "release now", "failsafe",
     "failsafe 5", "heartbeat", "heartbeat maybe", "fault", "mend", "pair", "pair 10.0.0.5:4712", "unpair",
     "status please"],
)  # fmt: skip
def test_what_cannot_be_understood_is_told(text: str) -> None:
    with pytest.raises(Misunderstood, match=r"\w"):
        parse_command(text)


@pytest.mark.parametrize(
    "place", ["127.0.0.1:notaport", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "box.local", ":4712"]
)
def test_a_wrong_address_is_named_and_not_the_SKI(place: str) -> None:
    told = f"'{re.escape(place)}' is not an address: write HOST:PORT"
    with pytest.raises(Misunderstood, match=told):
        parse_command(f"pair {SKI} {place}")
    with pytest.raises(Misunderstood, match=told):
        parse_partner(f"{SKI}@{place}")


def test_a_partner_is_an_SKI_with_or_without_its_address() -> None:
    assert parse_partner(SKI) == Pair(SKI, "", 0)
    assert parse_partner(f"{group_ski(Ski(SKI))}@[::1]:4712") == Pair(SKI.upper(), "::1", 4712)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fault clock-jump", "write: fault clock-jump TIME, for example: fault clock-jump 1 d"),
        ("fault lost-heartbeat 1 s", "'lost-heartbeat' takes no time; it lasts until: mend lost-heartbeat"),
        ("fault vanish 1 s", "'vanish' takes no time; it happens once"),
    ],
)
def test_a_fault_takes_a_time_exactly_where_one_means_something(text: str, told: str) -> None:
    with pytest.raises(Misunderstood) as refused:
        parse_command(text)
    assert str(refused.value) == told


def test_every_command_has_a_line_of_help() -> None:
    words = {word for usage, _ in HELP for word in [part.split()[0] for part in usage.split(" | ")]}
    assert {simple.value for simple in Simple} - {"help", "faults"} <= words


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("grid power is at most 4.2 kW", Condition("grid power", Relation.AT_MOST, 4200.0)),
        (
            "unit energy_consumed is at least 1 kWh",
            Condition("unit energy_consumed", Relation.AT_LEAST, 1000.0),
        ),
        ("consumption order is active", Condition("consumption order", Relation.IS, "active")),
        ("failsafe duration is 2 h", Condition("failsafe duration", Relation.IS, 7200.0)),
        ("partner is gone", Condition("partner", Relation.IS, "gone")),
    ],
)
def test_conditions(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition


@pytest.mark.parametrize(
    "text",
    ["power", "sky is blue", "consumption order is at most active", "consumption order is done",
     "consumption limit is active", "grid power is 4 h"],
)  # fmt: skip
def test_conditions_that_make_no_sense(text: str) -> None:
    with pytest.raises(Misunderstood):
        parse_condition(text)


def test_conditions_hold_within_half_a_unit() -> None:
    condition = parse_condition("consumption limit is 4200 W")
    assert condition.holds(4200.4)
    assert not condition.holds(4201.0)
    assert not condition.holds(None)
    assert parse_condition("grid power is at most 4200 W").holds(-3.0)
    assert not parse_condition("grid power is at least 4200 W").holds(4199.0)
    assert not parse_condition("partner is ready").holds("connected")


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_scenarios_are_right(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name != path.stem
    assert len(scenario.steps) >= 5


def test_all_mistakes_of_a_scenario_are_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "name: bad\nspeed: 2\nsteps:\n  - limit much\n  - do: read\n    wait: 5 s\n  - within: 5 s\n"
        "  - expect: accepted\n  - 7\n  - do: read\n    hope: yes\n  - expect: sky is blue\n  - []\n"
    )
    with pytest.raises(ConfigError) as told:
        load_scenario(path)
    assert [mistake.line for mistake in told.value.mistakes] == [2, 4, 5, 7, 8, 9, 10, 12, 13]


@pytest.mark.parametrize("text", ["", "steps: []\n", "steps: limit\n"])
def test_a_scenario_needs_steps(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="no steps"):
        load_scenario(path)


def test_a_wait_may_take_its_time_and_a_write_must_be_accepted(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text("steps:\n  - wait: 1 min\n  - limit 5 kW\n  - do: limit 5 kW\n    expect: refused\n")
    wait, limit, refused = load_scenario(path).steps
    assert wait.within_s > 60
    assert limit.wants_accepted is True
    assert refused.wants_accepted is False
