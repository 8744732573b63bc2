"""The profile format: found, checked, filled in, and its controls obeyed."""

import itertools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.context import Context
from adapters.modbus.blocks import plan_blocks
from adapters.modbus.bus import Pacing
from adapters.modbus.codec import NumberType, WordOrder, decode, encode
from adapters.modbus.conversion import Steps, line_voltage
from adapters.modbus.endpoint import TcpEndpoint
from adapters.modbus.profile import Point
from adapters.modbus.profile_device import ProfileDevice
from adapters.modbus.profile_files import load_profile, parse_profile, profile_ids
from adapters.modbus.registers import reading_of
from adapters.modbus.requests import Table
from adapters.modbus.settings import ModbusSettings, make_profile_device
from adapters.settings import SettingsError
from eebus.clock import FakeClock
from hems.devices import DeviceError, Direction, Setpoint, WriteRefused
from tests.unit.adapters.modbus_stub import RegisterPeer, tcp_stub

HEATER = """
profile:
  schema: 1
  id: test-heater
  vendor: Nobody
  family: Test heater
  kind: heat_pump
  evidence: unverified
  status: control_experimental
  sources: [{document: none}]
params:
  most_w: {default: 6000, min: 1000, max: 9000, unit: W, help: Largest power}
transport: {framings: [tcp], unit: 7}
points:
  power_w: {table: hr, addr: 10, type: s32, word_order: little, scale: 10, sign: -1}
  set_w: {table: hr, addr: 20, type: u16, scale: 100}
controls:
  max_power_w:
    write: {fc: 16, addr: 20, type: u16, scale: 100}
    range: {min: 1000, max: "${most_w}"}
    quantize: 100
    verify: {point: set_w, tolerance: 1}
    release: "${most_w}"
    persistence: volatile
    min_interval_s: 30
"""


def changed(text: str, before: str, after: str) -> str:
    assert before in text
    return text.replace(before, after)


# Finding.


def test_every_profile_of_the_package_is_valid_and_named_like_its_file() -> None:
    assert "heidelberg-energy-control" in profile_ids()
    for profile_id in profile_ids():
        assert load_profile(profile_id, {}).profile.id == profile_id


def test_the_folder_of_the_user_comes_before_the_package(tmp_path: Path) -> None:
    (tmp_path / "heidelberg-energy-control.yaml").write_text(HEATER, encoding="utf-8")
    assert load_profile("heidelberg-energy-control", {}, [tmp_path]).profile.family == "Test heater"
    assert load_profile("heidelberg-energy-control", {}, [tmp_path / "none"]).profile.vendor.startswith(
        "Heid"
    )


@pytest.mark.parametrize("profile_id", ["", "../secret", "A", "x/y", "no-such-profile"])
def test_a_profile_that_does_not_exist_is_told_with_those_that_do(profile_id: str) -> None:
    with pytest.raises(SettingsError, match=r"not a profile id|known are: .*heidelberg-energy-control"):
        load_profile(profile_id, {})


# Checking.


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("kind: heat_pump", "kind: heat_pump\n  colour: red", "profile.colour"),
        ("min_interval_s: 30", "min_intervall_s: 30", "min_intervall_s"),
        ("persistence: volatile", "persistence: stored", "persistence"),
        ("point: set_w", "point: set_v", "not declared: set_v"),
        (
            "addr: 20, type: u16, scale: 100}\n    range",
            "addr: 70000, type: u16}\n    range",
            "less than or equal",
        ),
        ('max: "${most_w}"', 'max: "${least_w}"', "not a declared parameter"),
        ('max: "${most_w}"', 'max: "up to ${most_w}"', "not a declared parameter"),
        ("fc: 16", "fc: 5", "fc"),
        ("schema: 1", "schema: 2", "schema"),
        ("profile:\n", "profile: [\n", "not YAML"),
    ],
)
def test_mistakes_in_a_profile_are_told_with_their_place(before: str, after: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as error:
        parse_profile(changed(HEATER, before, after), {}, "profile test-heater")
    assert str(error.value).startswith("profile test-heater:")


def test_parameters_are_checked_against_their_declaration() -> None:
    with pytest.raises(SettingsError, match="no parameter 'max_w'; it has: most_w"):
        parse_profile(HEATER, {"max_w": 1}, "profile")
    with pytest.raises(SettingsError, match="most_w = 99000 is outside 1000 to 9000"):
        parse_profile(HEATER, {"most_w": 99_000}, "profile")
    control = parse_profile(HEATER, {"most_w": 4500}, "profile").controls.max_power_w
    assert control is not None
    assert (control.range.max, control.release) == (4500.0, 4500.0)


def test_a_failsafe_between_pause_and_minimum_is_no_value_of_the_wallbox() -> None:
    with pytest.raises(SettingsError, match="failsafe value 3 is neither the pause nor within the range"):
        load_profile("heidelberg-energy-control", {"failsafe_current_a": 3})


@pytest.mark.parametrize("given", [{}, {"host": "h", "serial": "/dev/ttyUSB0"}])
def test_settings_need_exactly_one_way_to_the_device(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either host"):
        ModbusSettings(type="modbus", profile="x", **given)


async def test_a_framing_that_the_family_has_not_got_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test-heater.yaml").write_text(HEATER, encoding="utf-8")
    context = Context(clock=FakeClock(), profile_folders=(tmp_path,))
    settings = ModbusSettings(type="modbus", profile="test-heater", serial="/dev/ttyUSB0")
    with pytest.raises(SettingsError, match="cannot be reached by serial, but by tcp"):
        make_profile_device("heater", settings, context)


# Reading.


@given(st.sampled_from(NumberType), st.sampled_from(WordOrder), st.data())
def test_numbers_survive_the_way_through_registers(
    number_type: NumberType, order: WordOrder, data: st.DataObject
) -> None:
    bits = 16 * number_type.size
    if number_type.is_float:
        number = data.draw(st.floats(allow_nan=False, allow_infinity=False, width=32))
    elif number_type is NumberType.BIT:
        number = float(data.draw(st.integers(0, 1)))
    elif number_type.value.startswith("s"):
        number = float(data.draw(st.integers(-(2 ** min(bits - 1, 53)), 2 ** min(bits - 1, 53) - 1)))
    else:
        number = float(data.draw(st.integers(0, 2 ** min(bits, 53) - 1)))
    registers = encode(number, number_type, order)
    assert len(registers) == number_type.size
    assert decode(registers, number_type, order) == number


def test_word_orders_are_what_their_names_say() -> None:
    assert encode(0x00010002, NumberType.U32) == (1, 2)
    assert encode(0x00010002, NumberType.U32, WordOrder.LITTLE) == (2, 1)


@pytest.mark.parametrize("number", [-1.0, 65_536.0, 0.5, math.nan, math.inf])
def test_what_a_register_cannot_hold_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match=r"cannot be written|whole number|does not fit"):
        encode(number, NumberType.U16)


def test_points_know_sentinels_signs_strides_and_believable_values() -> None:
    point = Point.model_validate(
        {
            "table": "ir",
            "addr": 4,
            "type": "u16",
            "count": 3,
            "stride": 2,
            "scale": 0.1,
            "sign": -1,
            "nan": [65535],
            "valid": {"min": -30, "max": 0},
        }
    )
    assert [span.start for span in point.spans] == [4, 6, 8]
    assert reading_of(point, dict(enumerate([0, 100, 9, 65535, 9, 400], 3))) == (-10.0, None, None)


def test_a_float_that_is_no_number_is_no_value() -> None:
    point = Point.model_validate({"table": "hr", "addr": 0, "type": "f32"})
    assert reading_of(point, {0: 0x7FC0, 1: 0}) == (None,)


def test_an_unknown_state_is_shown_as_its_number() -> None:
    point = Point.model_validate({"table": "hr", "addr": 0, "type": "u16", "map": {1: "on"}})
    assert reading_of(point, {0: 1}) == "on"
    assert reading_of(point, {0: 9}) == "unknown (9)"


@given(st.dictionaries(st.integers(0, 300), st.integers(1, 4), min_size=1), st.integers(4, 125))
def test_blocks_read_every_point_whole_and_never_span_a_gap(sizes: dict[int, int], most: int) -> None:
    points = {
        str(addr): Point(table=Table.HOLDING, addr=addr, type=NumberType.U16, count=size)
        for addr, size in sizes.items()
    }
    blocks = plan_blocks(points.items(), most)
    named = [name for block in blocks for name in block.points]
    assert sorted(named) == sorted(points)
    wanted = {register for point in points.values() for register in range(point.addr, point.end)}
    for block in blocks:
        assert block.count <= most
        assert set(range(block.address, block.address + block.count)) <= wanted
        for name in block.points:
            assert block.address <= points[name].addr
            assert points[name].end <= block.address + block.count
    assert all(a.address <= b.address for a, b in itertools.pairwise(blocks))


# Limiting.


@given(
    power_w=st.floats(0, 40_000),
    volts=st.floats(180, 280),
    phases=st.sampled_from([1, 3]),
    step=st.sampled_from([0.001, 0.1, 0.5, 1.0]),
    most=st.integers(6, 32),
)
def test_a_current_is_never_above_the_ceiling_and_never_below_six_ampere(
    power_w: float, volts: float, phases: int, step: float, most: int
) -> None:
    steps = Steps(6.0, float(most), step, 0.0, line_voltage((volts,) * phases, phases, 253.0))
    value = steps.value_at_most(power_w)
    assert value is not None
    assert value == 0.0 or 6.0 <= value <= most
    assert steps.power_of(value) <= power_w + 1e-5 * steps.power_of(step) + 1e-6 * power_w / 100
    if value == 0.0:
        assert power_w < steps.power_of(6.0)
    elif value < most:
        assert steps.power_of(value + step) > power_w * (1 - 1e-9)


@given(st.floats(0, 20_000), st.floats(200, 253))
def test_what_the_allocation_may_choose_is_what_the_register_takes(budget_w: float, volts: float) -> None:
    steps = Steps(6.0, 16.0, 0.1, 0.0, 3 * volts)
    chosen_w = steps.feasible().at_most(budget_w)
    assert chosen_w is not None
    value = steps.value_at_most(chosen_w)
    assert value is not None
    assert steps.power_of(value) == pytest.approx(chosen_w, abs=1e-6 + 1e-6 * chosen_w)


def test_a_phase_without_voltage_counts_with_the_highest() -> None:
    assert line_voltage((230.0, None, 231.0), 3, 253.0) == 714.0
    assert line_voltage((), 3, 253.0) == 759.0
    assert line_voltage((230.0, 231.0, 232.0), 1, 253.0) == 230.0


@asynccontextmanager
async def heater(peer: RegisterPeer, clock: FakeClock, text: str = HEATER) -> AsyncIterator[ProfileDevice]:
    async with tcp_stub(peer.answer) as stub:
        context = Context(clock=clock)
        profile = parse_profile(text, {}, "test")
        unit = context.buses.unit(TcpEndpoint("127.0.0.1", stub.port), "heater", 7, Pacing(timeout_s=0.5))
        yield ProfileDevice("heater", profile, unit, clock, context.sleep)
        await context.buses.close()


def consumption(power_w: float | None) -> Setpoint:
    return Setpoint(Direction.CONSUMPTION, power_w)


@pytest.mark.parametrize("word", ["keep", "release"])
async def test_a_profile_says_what_becomes_of_the_set_point_when_the_gateway_stops(word: str) -> None:
    text = changed(HEATER, "min_interval_s: 30", f"on_shutdown: {word}")
    async with heater(RegisterPeer({}), FakeClock(), text) as device:
        assert device.capabilities.freed_at_stop == (word == "release")


async def test_golden_frames_of_a_power_control() -> None:
    peer = RegisterPeer({10: 0xFFFE, 11: 0xFFFF, 20: 60})
    async with heater(peer, FakeClock()) as device:
        sample = await device.read()
        assert sample.power_w == 20.0  # −2 × 10 W with the device's sign turned
        assert (await device.write(consumption(4299.0))).held_w == 4200.0
    assert peer.writes == [(16, 20, (42,))]


async def test_tightening_bypasses_the_interval_and_loosening_waits_for_it() -> None:
    clock = FakeClock()
    peer = RegisterPeer({10: 0, 11: 0, 20: 60})
    async with heater(peer, clock) as device:
        await device.write(consumption(4000.0))
        clock.advance(1.0)
        assert (await device.write(consumption(3000.0))).confirmed
        clock.advance(1.0)
        early = await device.write(consumption(5000.0))
        assert (early.held_w, early.confirmed) == (3000.0, False)
        assert [values for _, _, values in peer.writes] == [(40,), (30,)]
        clock.advance(30.0)
        assert (await device.write(consumption(5000.0))).held_w == 5000.0


async def test_a_device_that_can_neither_pause_nor_go_that_low_says_so() -> None:
    async with heater(RegisterPeer({10: 0, 11: 0, 20: 60}), FakeClock()) as device:
        with pytest.raises(WriteRefused, match="can neither pause nor go below 1000 W, 400 W was asked for"):
            await device.write(consumption(400.0))


async def test_a_read_only_profile_offers_no_control() -> None:
    text = changed(HEATER, "status: control_experimental", "status: read_only")
    async with heater(RegisterPeer({10: 0, 11: 0, 20: 60}), FakeClock(), text) as device:
        assert device.capabilities.consumption is None
        with pytest.raises(WriteRefused, match="no control that limits consumption"):
            await device.write(consumption(4000.0))


async def test_reading_writes_nothing_that_was_read() -> None:
    """The zero-ampere trap: a value that was merely read is never written back."""
    peer = RegisterPeer({10: 0, 11: 0, 20: 0})
    async with heater(peer, FakeClock()) as device:
        await device.connect()
        await device.read()
    assert peer.writes == []


WITH_SETUP = changed(
    HEATER,
    "controls:",
    """on_connect:
  - {name: mode, fc: 6, addr: 30, type: u16, value: 3}
  - {name: lock, fc: 6, addr: 31, type: u16, value: 1, optional: true}
controls:""",
)


async def test_a_setup_register_that_a_model_has_not_got_is_skipped_where_the_profile_says_so() -> None:
    peer = RegisterPeer({10: 0, 11: 0, 20: 60, 30: 0})
    async with heater(peer, FakeClock(), WITH_SETUP) as device:
        await device.connect()
    assert peer.writes == [(6, 30, (3,))]


async def test_a_setup_register_that_must_exist_is_missed() -> None:
    peer = RegisterPeer({10: 0, 11: 0, 20: 60, 31: 0})
    async with heater(peer, FakeClock(), WITH_SETUP) as device:
        with pytest.raises(DeviceError, match="no such register"):
            await device.connect()
