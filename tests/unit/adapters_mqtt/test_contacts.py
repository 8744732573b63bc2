"""Input contacts by MQTT: payloads, silence, what the broker retains, the same decisions as by Modbus."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.registry import DEFAULT_REGISTRY, SettingsError
from adapters.relay.mqtt_contacts import MqttContactsSettings
from hems.devices import Contacts, ContactState, DeviceUnreachable
from hems.limits.ceilings import Ceiling
from hems.limits.sources.relay import WIRINGS, RelaySettings, RelaySource
from hems.limits.sources.relay_inputs import ActiveWhen, InputSettings, Signal
from tests.unit.adapters_mqtt.bench import Bench

DIM = {"dim": {"topic": "io/dim"}}
PRESENT = {"availability_topic": "io/there"}


def contacts_on(bench: Bench, **settings: Any) -> Contacts:
    given_ = {"type": "mqtt-contacts", "inputs": DIM, **(settings or PRESENT)}
    model = MqttContactsSettings.model_validate(given_)
    return DEFAULT_REGISTRY.make_contacts("steuerbox", model, bench.context)


async def closed(contacts: Contacts) -> bool | None:
    return (await contacts.read())["dim"].closed


def present(bench: Bench, **settings: Any) -> Contacts:
    """Contacts of a module that is there."""
    contacts = contacts_on(bench, **{**PRESENT, **settings})
    bench.broker.arrive("io/there", "online", retained=True)
    return contacts


# Payloads


@pytest.mark.parametrize(
    ("payload", "state"),
    [
        ("on", True), ("ON", True), ("true", True), ("1", True), ("closed", True), (" On ", True),
        ("off", False), ("false", False), ("0", False), ("open", False), ("OFF", False),
        ("", None), ("2", None), ("unknown", None), (b"\xff\xfe", None), ("on" * 100, None),
    ],
)  # fmt: skip
async def test_usual_payloads_are_understood_and_others_are_no_state(
    payload: str | bytes, state: bool | None
) -> None:
    bench = Bench()
    contacts = present(bench)
    bench.broker.arrive("io/dim", payload)
    assert await closed(contacts) is state


async def test_the_settings_name_other_payloads() -> None:
    bench = Bench()
    contacts = present(bench, closed=["dimmen"], open=["frei"])
    bench.broker.arrive("io/dim", "DIMMEN")
    assert await closed(contacts) is True
    bench.broker.arrive("io/dim", "frei")
    assert await closed(contacts) is False
    bench.broker.arrive("io/dim", "on")
    assert (await contacts.read())["dim"] == ContactState(
        None, bench.clock.monotonic(), "'on' on io/dim is neither closed nor open"
    )


async def test_members_of_one_json_message_are_several_inputs() -> None:
    bench = Bench()
    where = {name: {"topic": "io/all", "path": f"inputs.{n}"} for n, name in enumerate(("w4", "w3"))}
    contacts = present(bench, inputs=where)
    bench.broker.arrive("io/all", '{"inputs": [true, 0]}')
    states = await contacts.read()
    assert {name: state.closed for name, state in states.items()} == {"w4": True, "w3": False}
    bench.broker.arrive("io/all", '{"temperature": 20}')
    assert (await contacts.read())["w4"].closed is True


# Silence


async def test_a_state_holds_as_long_as_the_module_is_there() -> None:
    bench = Bench()
    contacts = present(bench)
    bench.broker.arrive("io/dim", "off")
    bench.clock.advance(86_400.0)
    assert (await contacts.read())["dim"] == ContactState(False, bench.clock.monotonic())
    heard_s = bench.clock.monotonic()
    bench.broker.arrive("io/dim", "on")
    bench.clock.advance(3.0)
    bench.broker.arrive("io/there", "offline")
    gone = (await contacts.read())["dim"]
    assert (gone.closed, gone.at_s) == (None, heard_s)
    assert gone.why == "io/there does not say that it is there"
    bench.broker.arrive("io/there", "online")
    assert await closed(contacts) is True


async def test_a_module_that_repeats_itself_is_known_until_it_is_silent_for_too_long() -> None:
    bench = Bench()
    contacts = contacts_on(bench, silent_after_s=30.0)
    for _ in range(5):
        bench.broker.arrive("io/dim", "off")
        bench.clock.advance(29.0)
        assert await closed(contacts) is False
    bench.clock.advance(2.0)
    assert (await contacts.read())["dim"].why == "nothing new on io/dim for more than 30 s"


async def test_both_rules_hold_together() -> None:
    bench = Bench()
    contacts = present(bench, silent_after_s=30.0)
    bench.broker.arrive("io/dim", "off")
    assert await closed(contacts) is False
    bench.clock.advance(31.0)
    assert await closed(contacts) is None


async def test_one_silent_input_hides_no_other() -> None:
    bench = Bench()
    contacts = contacts_on(bench, inputs={"a": {"topic": "io/a"}, "dim": DIM["dim"]}, silent_after_s=30.0)
    bench.broker.arrive("io/dim", "on")
    await contacts.connect()
    states = await contacts.read()
    assert (states["a"].closed, states["dim"].closed) == (None, True)
    assert states["a"].why == "nothing was heard on io/a"


async def test_without_a_broker_nothing_is_known_and_what_was_heard_before_does_not_count_afterwards() -> (
    None
):
    bench = Bench()
    contacts = present(bench)
    bench.broker.arrive("io/dim", "off")
    assert await closed(contacts) is False
    bench.broker.trouble = "the connection is gone"
    with pytest.raises(DeviceUnreachable, match="no MQTT broker: the connection is gone"):
        await contacts.read()
    with pytest.raises(DeviceUnreachable):
        await contacts.connect()
    bench.broker.trouble, bench.broker.sessions = "", 2
    await contacts.connect()
    bench.broker.arrive("io/there", "online", retained=True)
    assert (await contacts.read())["dim"].why == "nothing was heard on io/dim"
    bench.broker.arrive("io/dim", "on")
    assert await closed(contacts) is True


# What the broker retains


async def test_a_retained_state_is_not_taken_unless_the_settings_say_so() -> None:
    bench = Bench()
    contacts = present(bench)
    bench.broker.arrive("io/dim", "off", retained=True)
    assert (await contacts.read())["dim"] == ContactState(
        None, 0.0, "nothing was heard on io/dim; what lies at the broker is not taken (accept_retained)"
    )
    bench.broker.arrive("io/dim", "off")
    assert await closed(contacts) is False

    trusting = Bench()
    contacts = present(trusting, accept_retained=True)
    trusting.broker.arrive("io/dim", "on", retained=True)
    assert await closed(contacts) is True


# Between two readings


async def test_a_pulse_between_two_readings_is_shown_once() -> None:
    bench = Bench()
    contacts = present(bench)
    bench.broker.arrive("io/dim", "off")
    assert await closed(contacts) is False
    for payload in ("on", "off"):
        bench.broker.arrive("io/dim", payload)
    assert [await closed(contacts) for _ in range(3)] == [True, False, False]


async def test_a_flood_of_messages_is_bounded_and_ends_with_the_newest() -> None:
    bench = Bench()
    contacts = present(bench)
    for number in range(100_001):
        bench.broker.arrive("io/dim", "on" if number % 2 else "off")
    states = [await closed(contacts) for _ in range(20)]
    assert states[16:] == [False] * 4


# The same decisions as over Modbus

_INPUTS = st.builds(
    InputSettings,
    active_when=st.sampled_from(ActiveWhen),
    signal=st.sampled_from(Signal),
    debounce_s=st.sampled_from([0.0, 0.1, 0.25]),
)
_MOVES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([True, False, None]), st.sampled_from([1, 2, 3, 60])),
    max_size=8,
)


@given(st.sampled_from(sorted(WIRINGS)), _INPUTS, _MOVES)
def test_every_wiring_decides_as_over_modbus(
    wiring: str, inputs: InputSettings, moves: list[tuple[int, bool | None, int]]
) -> None:
    """Both see the same contacts ten times a second; None: the module knows no state."""
    asyncio.run(_decides_alike(wiring, inputs, moves))


async def _decides_alike(
    wiring: str, settings: InputSettings, moves: list[tuple[int, bool | None, int]]
) -> None:
    bench = Bench()
    made = WIRINGS[wiring](4200.0)
    group = RelaySettings("box", made, 10_000.0, dict.fromkeys(made.inputs, settings))
    polled, heard = RelaySource(group), RelaySource(group)
    contacts = present(bench, inputs={name: {"topic": f"io/{name}"} for name in made.inputs})
    level: dict[str, bool | None] = dict.fromkeys(made.inputs, False)
    for number, closed_, readings in [(0, False, 1), *moves]:
        name = made.inputs[number % len(made.inputs)]
        level[name] = closed_
        _publish(bench, level)
        for _ in range(readings):
            now = bench.clock.monotonic()
            states = {each: ContactState(state, now) for each, state in level.items()}
            expected = polled.take(states, now)
            assert _told(heard.take(await contacts.read(), now)) == _told(expected)
            bench.clock.advance(0.1)


def _publish(bench: Bench, level: Mapping[str, bool | None]) -> None:
    words = {True: "closed", False: "open", None: "fault"}
    for name, state in level.items():
        bench.broker.arrive(f"io/{name}", words[state])


def _told(ceilings: list[Ceiling]) -> list[tuple[str, float | None, str, str]]:
    return [(each.source, each.value_w, each.kind.value, each.reason.text) for each in ceilings]


# Settings


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"availability_topic": None}, "a silent module must be noticed"),
        ({"closed": ["on"], "open": ["ON"]}, "cannot mean both"),
        ({"inputs": {"a": {"topic": "x"}, "b": {"topic": "x"}}}, "the same topic and path"),
        ({"inputs": {"a": {"topic": "x/#"}}}, "pattern"),
        ({"inputs": {}}, "at least 1"),
        ({"silent_after_s": 0.0}, "greater than"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        MqttContactsSettings.model_validate({"type": "mqtt-contacts", "inputs": DIM, **PRESENT, **wrong})


def test_contacts_by_mqtt_need_a_broker() -> None:
    with pytest.raises(SettingsError, match="need a section 'mqtt'"):
        contacts_on(Bench(with_broker=False))
