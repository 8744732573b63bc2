"""SHIP messages to and from bytes: golden bytes, tolerance, bounds."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eebus.errors import DecodeError
from eebus.ship.frames import Data, ExcessiveError, Frame, Ignorable, Init, decode, encode, encode_data
from eebus.ship.messages import (
    AccessMethods,
    AccessMethodsRequest,
    ConnectionClose,
    ConnectionHello,
    ConnectionPinInput,
    ConnectionPinState,
    Dns,
    Message,
    MessageProtocolHandshake,
    MessageProtocolHandshakeError,
    ProtocolFormats,
    ProtocolVersion,
    Tag,
)


def read(message: bytes) -> Frame:
    return decode(message, max_bytes=262_144, max_depth=64, max_elements=32_768)


GOLDEN: list[tuple[Message, bytes]] = [
    (
        ConnectionHello(phase="ready", waiting=60000),
        b'\x01{"connectionHello":[{"phase":"ready"},{"waiting":60000}]}',
    ),
    (
        ConnectionHello(phase="pending", waiting=60000, prolongation_request=True),
        b'\x01{"connectionHello":[{"phase":"pending"},{"waiting":60000},{"prolongationRequest":true}]}',
    ),
    (ConnectionHello(phase="aborted"), b'\x01{"connectionHello":[{"phase":"aborted"}]}'),
    (
        MessageProtocolHandshake(
            handshake_type="announceMax",
            version=ProtocolVersion(major=1, minor=0),
            formats=ProtocolFormats(format=("JSON-UTF8",)),
        ),
        b'\x01{"messageProtocolHandshake":[{"handshakeType":"announceMax"},'
        b'{"version":[{"major":1},{"minor":0}]},{"formats":[{"format":["JSON-UTF8"]}]}]}',
    ),
    (MessageProtocolHandshakeError(error=2), b'\x01{"messageProtocolHandshakeError":[{"error":2}]}'),
    (ConnectionPinState(pin_state="none"), b'\x01{"connectionPinState":[{"pinState":"none"}]}'),
    (
        ConnectionPinState(pin_state="required", input_permission="ok"),
        b'\x01{"connectionPinState":[{"pinState":"required"},{"inputPermission":"ok"}]}',
    ),
    (ConnectionPinInput(pin="1234ABCD"), b'\x01{"connectionPinInput":[{"pin":"1234ABCD"}]}'),
    (AccessMethodsRequest(), b'\x01{"accessMethodsRequest":[]}'),
    (
        AccessMethods(id="i:12345_u:abc", dns_sd_m_dns=Tag(), dns=Dns(uri="wss://10.0.0.5:4712/ship/")),
        b'\x01{"accessMethods":[{"id":"i:12345_u:abc"},{"dnsSd_mDns":[]},'
        b'{"dns":[{"uri":"wss://10.0.0.5:4712/ship/"}]}]}',
    ),
    (
        ConnectionClose(phase="announce", max_time=500, reason="unspecific"),
        b'\x03{"connectionClose":[{"phase":"announce"},{"maxTime":500},{"reason":"unspecific"}]}',
    ),
    (ConnectionClose(phase="confirm"), b'\x03{"connectionClose":[{"phase":"confirm"}]}'),
]
golden = pytest.mark.parametrize(("message", "wire"), GOLDEN)
DATAGRAM = (
    b'{"datagram":[{"header":[{"specificationVersion":"1.3.0"},{"addressSource":[{"device":"d:_i:12345_demo"},'
    b'{"entity":[0]},{"feature":0}]},{"addressDestination":[{"entity":[0]},{"feature":0}]},{"msgCounter":1},'
    b'{"cmdClassifier":"read"}]},{"payload":[{"cmd":[[{"nodeManagementDetailedDiscoveryData":[]}]]}]}]}'
)


@golden
def test_written_form(message: Message, wire: bytes) -> None:
    assert encode(message) == wire


@golden
def test_read_form(message: Message, wire: bytes) -> None:
    assert read(wire) == message


@golden
def test_plain_objects_are_read(message: Message, wire: bytes) -> None:
    def plain(value: object) -> object:
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return {name: plain(content) for item in value for name, content in item.items()}
        return value

    root = {name: plain(content) for name, content in json.loads(wire[1:]).items()}
    assert read(wire[:1] + json.dumps(root).encode()) == message


@golden
@pytest.mark.parametrize("padding", [b"\x00", b"\x00\x00\x00", b" \r\n", b"\x00\n"])
def test_appended_zeros_and_blanks_are_stripped(message: Message, wire: bytes, padding: bytes) -> None:
    """Trap SPINE E4 and SHIP 14: Porsche appends zeros."""
    assert read(wire + padding) == message
    assert read(wire[:1] + padding + wire[1:]) == message


@golden
def test_unknown_members_are_skipped(message: Message, wire: bytes) -> None:
    body = json.loads(wire[1:])
    name = next(iter(body))
    body[name].append({"newer": [{"x": 1}]})
    assert read(wire[:1] + json.dumps(body).encode()) == message


def test_data_message() -> None:
    message = encode_data(DATAGRAM)
    assert message == b'\x02{"data":[{"header":[{"protocolId":"ee1.0"}]},{"payload":' + DATAGRAM + b"}]}"
    assert read(message) == Data(json.loads(DATAGRAM)["datagram"], len(message))


@pytest.mark.parametrize(
    "text",
    [
        '{"data":{"header":{"protocolId":"ee1.0"},"payload":{"datagram":[]}}}',
        '{"data":[{"header":[{"protocolId":"ee1.0"}]},{"payload":[{"datagram":[]}]}]}',
        '{"data":[{"payload":{"datagram":[]}},{"header":[{"protocolId":"ee1.0"}]}]}',
    ],
)
def test_data_in_other_forms_is_read(text: str) -> None:
    frame = read(b"\x02" + text.encode())
    assert isinstance(frame, Data)
    assert frame.datagram == []


@pytest.mark.parametrize("empty", ["{}", "[]", "null"])
def test_empty_forms_are_equal(empty: str) -> None:
    assert read(f'\x01{{"accessMethodsRequest":{empty}}}'.encode()) == AccessMethodsRequest()


def test_flat_protocol_error_of_older_peers() -> None:
    assert read(b'\x01{"error":2}') == MessageProtocolHandshakeError(error=2)


def test_first_known_root_member_counts() -> None:
    assert read(b'\x01{"vendor":1,"accessMethodsRequest":[],"x":2}') == AccessMethodsRequest()


def test_repeated_members_last_wins() -> None:
    wire = b'\x01{"connectionHello":[{"phase":"pending"},{"phase":"ready"}]}'
    assert read(wire) == ConnectionHello(phase="ready")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x01",
        b"\x02\x00",
        b"\x03  ",
        b"\x04{}",
        b"\xff\x00",
        b'\x01{"vendor":[]}',
        b"\x01{}",
        b'\x02{"connectionClose":[]}',
        b'\x01{"connectionClose":[{"phase":"announce"}]}',
    ],
)
def test_nothing_for_us(message: bytes) -> None:
    assert isinstance(read(message), Ignorable)


@pytest.mark.parametrize(
    "message",
    [
        b"\x01x",
        b"\x01[]",
        b"\x01{",
        b'\x01{"connectionHello":[{"phase":1}]}',
        b'\x01{"connectionHello":"ready"}',
        b'\x01{"accessMethodsRequest":[]} x',
        b'\x01\xef\xbb\xbf{"accessMethodsRequest":[]}',
        b'\x01{"connectionHello":[{"phase":"\xff"}]}',
        b"\x02" + b'{"data":' * 50,
    ],
)
def test_unreadable_message(message: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        read(message)
    assert not isinstance(caught.value, ExcessiveError)


@pytest.mark.parametrize("head", [0, 1, 255])
def test_init_carries_its_head(head: int) -> None:
    assert read(bytes((0, head))) == Init(head)


# --- bounds ---


def nested(depth: int) -> bytes:
    """A data message with lists and objects in turn, ``depth`` levels in all."""
    return b"\x02" + b'{"a":[' * (depth // 2) + b"]}" * (depth // 2)


@pytest.mark.parametrize("depth", [2, 30, 64])
def test_depth_within_the_bound(depth: int) -> None:
    assert isinstance(read(nested(depth)), Ignorable)


@pytest.mark.parametrize(
    "message",
    [
        nested(66),
        nested(2000),
        nested(60_000),
        b"\x02" + b"[" * 65 + b"]" * 65,
        b"\x02" + b'["]",' * 500 + b"1" + b"]" * 500,
        b"\x02" + b'["\\"[",' * 500 + b"1" + b"]" * 500,
        b"\x02" + b'["]",' * 500 + b"1" + b',"["]' * 500,
        b"\x02" + b'["\\"]\\"",' * 500 + b"1" + b',"\\"[\\""]' * 500,
        b"\x02" + b'["\\\\","]",' * 500 + b"1" + b',"\\\\","["]' * 500,
        b"\x02[" + b"1," * 40_000 + b"1]",
        b"\x02" + b" " * 262_144,
    ],
)
def test_beyond_the_bounds(message: bytes) -> None:
    """SHIP 15: oversized and deeply nested messages."""
    with pytest.raises(ExcessiveError):
        read(message)


@given(
    st.integers(50, 75).flatmap(lambda levels: st.lists(st.booleans(), min_size=levels, max_size=levels)),
    st.lists(st.sampled_from(["", "]", "[", "}{", '"', "\\"]), min_size=1, max_size=6),
)
def test_strings_cannot_hide_the_depth(lists: list[bool], decoys: list[str]) -> None:
    value: object = []
    depth = 2 + len(lists)
    for level, is_list in enumerate(lists):
        decoy = decoys[level % len(decoys)]
        value = [decoy, value, decoy, []] if is_list else {decoy: value, "k": decoy}
    message = b"\x02" + json.dumps({"x": value}, separators=(",", ":")).encode()
    if depth > 64:
        with pytest.raises(ExcessiveError):
            read(message)
    else:
        assert isinstance(read(message), Ignorable)


def test_brackets_in_strings_do_not_count() -> None:
    text = json.dumps({"x": "[{" * 1000, "y": '\\"[' * 100})
    assert isinstance(read(b"\x02" + text.encode()), Ignorable)


texts = st.text(st.sampled_from('ab"[]{}\\ \nß日😀'), max_size=10)
names = st.sampled_from(["connectionHello", "data", "error", "accessMethods", "x"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(names, json_values))
def test_any_json_gives_a_frame_or_a_decode_error(root: dict[str, object]) -> None:
    for type_ in range(5):
        message = bytes((type_,)) + json.dumps(root).encode()
        with contextlib.suppress(DecodeError):
            read(message)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_frame_or_a_decode_error(message: bytes) -> None:
    with contextlib.suppress(DecodeError):
        read(message)


@given(texts)
def test_ship_id_survives(ship_id: str) -> None:
    assert read(encode(AccessMethods(id=ship_id))) == AccessMethods(id=ship_id)
