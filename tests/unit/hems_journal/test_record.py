"""The form of a record: deterministic bytes, integers only."""

from uuid import UUID

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.journal.record import FIRST_PREDECESSOR, Entry, Record, RecordError, Step, decode, encode

EVENT = UUID("01234567-89ab-cdef-0123-456789abcdef")


def record(values: dict[str, int | str | None] | None = None) -> Record:
    entry = Entry(Step.RECEIVED, EVENT, 1_769_853_600_000, 0, "a limit", values or {"value_mw": 4_200_000})
    return Record(1, "hems-1", FIRST_PREDECESSOR, entry)


def test_golden_bytes() -> None:
    """Written by hand from RFC 8949: shorter keys first, then bytewise."""
    expected = (
        "ab"  # 11 pairs
        "64666f726d01"  # form: 1
        "64737465706e6f726465722e7265636569766564"  # step: order.received
        "64746578746761206c696d6974"  # text: a limit
        "656472696c6c00"  # drill: 0
        "656576656e74500123456789abcdef0123456789abcdef"  # event
        "666465766963656668656d732d31"  # device: hems-1
        "666e756d62657201"  # number: 1
        "6676616c756573a16876616c75655f6d771a00401640"  # values: value_mw 4200000
        "67756e69785f6d731b0000019c137ec100"  # unix_ms
        "6861667465725f6d7300"  # after_ms: 0
        "6870726576696f75735820" + "00" * 32  # previous
    )
    assert encode(record()).hex() == expected


@pytest.mark.parametrize("value", [1.0, True, b"bytes", [1]])
def test_anything_but_integers_and_text_is_refused(value: object) -> None:
    with pytest.raises(RecordError, match="integers and text only"):
        encode(record({"value_mw": value}))  # type: ignore[dict-item]


@given(
    st.dictionaries(
        st.text(max_size=8), st.one_of(st.none(), st.integers(-(2**63), 2**63), st.text(max_size=20))
    ),
    st.text(max_size=50),
    st.sampled_from(Step),
    st.integers(0, 2**48),
    st.booleans(),
)
def test_a_record_comes_back_as_it_was(
    values: dict[str, int | str | None], text: str, step: Step, moment: int, drill: bool
) -> None:
    original = Record(
        moment, "hems-1", bytes(range(32)), Entry(step, EVENT, moment, moment, text, values, drill)
    )
    body = encode(original)
    assert decode(body) == original
    assert encode(decode(body)) == body


def test_the_order_of_values_does_not_change_the_bytes() -> None:
    assert encode(record({"a": 1, "bb": 2})) == encode(record({"bb": 2, "a": 1}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        cbor2.dumps([1]),
        cbor2.dumps({"form": 2}),
        cbor2.dumps({"form": 1}),
        encode(record())[:-1],
    ],
)
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(RecordError):
        decode(body)


def test_the_same_content_in_another_order_of_keys_is_refused() -> None:
    content = cbor2.loads(encode(record()))
    with pytest.raises(RecordError, match="one form"):
        decode(cbor2.dumps(dict(reversed(content.items()))))
