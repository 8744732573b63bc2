"""Types, sentinels, scale factors and rounding of SunSpec, with a second opinion from pysunspec2."""

import math
import struct
from typing import Any

import pytest
import sunspec2.device
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sunspec.definitions import model_definition
from adapters.sunspec.limiting import limit_write, percent_raw_at_most, power_of
from adapters.sunspec.model import decode_model
from adapters.sunspec.values import Counter, decode_point, encode_point, raw_at_most, scaled

NOT_IMPLEMENTED: dict[str, tuple[int, ...]] = {
    "int16": (0x8000,),
    "uint16": (0xFFFF,),
    "enum16": (0xFFFF,),
    "bitfield16": (0xFFFF,),
    "count": (0xFFFF,),
    "acc16": (0,),
    "sunssf": (0x8000,),
    "pad": (0x8000,),
    "int32": (0x8000, 0),
    "uint32": (0xFFFF, 0xFFFF),
    "enum32": (0xFFFF, 0xFFFF),
    "bitfield32": (0xFFFF, 0xFFFF),
    "acc32": (0, 0),
    "ipaddr": (0, 0),
    "int64": (0x8000, 0, 0, 0),
    "uint64": (0xFFFF,) * 4,
    "bitfield64": (0xFFFF,) * 4,
    "acc64": (0,) * 4,
    "float32": (0x7FC0, 0),
    "float64": (0x7FF8, 0, 0, 0),
    "string": (0, 0),
    "ipv6addr": (0,) * 8,
    "eui48": (0xFFFF,) * 4,
}


@pytest.mark.parametrize(("point_type", "registers"), NOT_IMPLEMENTED.items())
def test_2_2_every_sentinel_is_no_value(point_type: str, registers: tuple[int, ...]) -> None:
    assert decode_point(point_type, registers) is None


def test_any_nan_and_infinity_are_no_value() -> None:
    assert decode_point("float32", (0x7F80, 0x0001)) is None
    assert decode_point("float32", (0x7F80, 0)) is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Fronius\x00\x00\x00", "Fronius"),
        (b"Fronius GmbH", "Fronius GmbH"),
        (b"KSEM\xff\xff\xff\xff", "KSEM"),
        (b"M\xfcller  \x00junk!", "Müller"),
        (b"\xff\xff\xff\xff", None),
    ],
)
def test_strings_end_at_nul_or_filler_and_never_fail(data: bytes, text: str | None) -> None:
    padded = data + b"\x00" * (len(data) % 2)
    registers = struct.unpack(f">{len(padded) // 2}H", padded)
    assert decode_point("string", registers) == text


@pytest.mark.parametrize("exponent", range(-10, 11))
def test_scale_factors_from_minus_10_to_10(exponent: int) -> None:
    assert scaled(5, exponent) == pytest.approx(5 * 10.0**exponent, rel=1e-15)


@pytest.mark.parametrize("exponent", [None, 11, -11])
def test_a_missing_or_impossible_scale_factor_makes_the_point_unavailable(exponent: int | None) -> None:
    assert scaled(5, exponent) is None


def test_an_unimplemented_scale_factor_is_neither_zero_nor_raw() -> None:
    registers = [103, 50, *[0] * 50]
    registers[14], registers[15] = 1234, 0x8000
    assert decode_model(model_definition(103), registers).number("W") is None
    registers[15] = 11
    assert decode_model(model_definition(103), registers).number("W") is None


def test_points_beyond_a_short_length_are_left_out() -> None:
    registers = [103, 13, *[1] * 13]
    registers[6] = 0
    group = decode_model(model_definition(103), registers)
    assert group.number("A") == 1.0
    assert group.number("W") is None  # its scale factor is cut off
    assert group.text("nothing") == ""


def test_acc_wraps_restarts_and_never_runs_backwards() -> None:
    counter = Counter()
    assert counter.update(None) is None
    assert counter.update(2.0**32 - 10) == 2.0**32 - 10
    assert counter.update(5.0) == 2.0**32 + 5  # wrapped
    assert counter.update(1000.0) == 2.0**32 + 1000
    assert counter.update(20.0) == 2.0**32 + 1020  # restarted at zero


@given(st.sampled_from(["int16", "uint16", "int32", "uint32", "uint64", "enum16"]), st.integers())
def test_what_is_encoded_is_read_back(point_type: str, raw: int) -> None:
    size = int(point_type.removeprefix("u").removeprefix("int").removeprefix("enum")) // 16
    try:
        registers = encode_point(point_type, size, raw)
    except ValueError:
        signed = point_type.startswith("int")
        bits = 16 * size
        low, high = (-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 2)
        assert not low <= raw <= high
    else:
        assert decode_point(point_type, registers) == raw


@pytest.mark.parametrize(("point_type", "raw"), [("uint16", 0xFFFF), ("int16", -0x8000), ("uint16", -1)])
def test_values_that_mean_not_implemented_are_not_written(point_type: str, raw: int) -> None:
    with pytest.raises(ValueError, match=r"not implemented|does not fit"):
        encode_point(point_type, 1, raw)


@given(st.floats(0, 1e6), st.integers(-10, 10))
def test_rounding_is_downwards(value: float, exponent: int) -> None:
    raw = raw_at_most(value, exponent)
    low, high = scaled(raw, exponent), scaled(raw + 1, exponent)
    assert low is not None
    assert high is not None
    assert low <= value or math.isclose(low, value, rel_tol=1e-15)
    assert value < high or math.isclose(high, value, rel_tol=1e-15)


@given(st.floats(0, 1e6), st.floats(100, 1e6), st.integers(-4, 2))
def test_a_production_limit_is_never_above_the_ceiling(limit_w: float, rated_w: float, exponent: int) -> None:
    raw = percent_raw_at_most(limit_w, rated_w, exponent)
    assert 0 <= raw <= 0xFFFE
    assert power_of(raw, rated_w, exponent) <= limit_w * (1 + 1e-12)
    assert power_of(raw, rated_w, exponent) <= rated_w * (1 + 1e-12)


def test_704_golden_frame_the_seconds_are_in_the_low_word() -> None:
    write = limit_write(704, 4200, 300)
    assert (write.first, write.registers) == ("WMaxLimPctEna", (1, 4200, 4200, 0, 0, 300))
    assert limit_write(704, 4200, 70_000).registers[-2:] == (1, 4464)
    assert limit_write(704, 4200, 300, after_revert_raw=6000).registers == (1, 4200, 6000, 1, 0, 300)


SCALES = {
    103: "A_SF V_SF W_SF Hz_SF WH_SF",
    203: "A_SF V_SF W_SF Hz_SF TotWh_SF",
    704: "WMaxLimPct_SF WSet_SF",
}


@settings(max_examples=25)
@given(st.data(), st.sampled_from([103, 203, 704]))
def test_a_second_opinion_on_whole_models(data: st.DataObject, model_id: int) -> None:
    """pysunspec2 decodes the same registers to the same values, where it is right (scale factors present)."""
    definition = model_definition(model_id)
    length = definition.group.size - 2
    body = data.draw(st.lists(st.integers(1, 0x7FFF), min_size=length, max_size=length))
    registers = [model_id, length, *body]
    for name in SCALES[model_id].split():
        exponent = data.draw(st.integers(-10, 10))
        registers[definition.offset_of(name)] = exponent & 0xFFFF
    ours = decode_model(definition, registers)
    packed = struct.pack(f">{len(registers)}H", *registers)
    theirs: Any = sunspec2.device.Model(model_id, data=packed)
    for point in definition.group.points:
        if isinstance(point.scale, str) and point.scale in SCALES[model_id].split():
            assert ours.number(point.name) == pytest.approx(theirs.points[point.name].cvalue, rel=1e-12)
