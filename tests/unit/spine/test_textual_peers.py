"""Peers that convert JSON by replacing text (SHIP reference 4.4): everything that we send survives it.

They replace `[{` by `{`, `},{` by `,`, `}]` by `}` and `[]` by `{}` on the whole text, then parse it.
"""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eebus.errors import LocalError
from eebus.jsonform import Record, from_wire, to_wire
from eebus.ship.frames import encode, encode_data
from eebus.ship.messages import (
    AccessMethods,
    AccessMethodsRequest,
    ConnectionClose,
    ConnectionHello,
    ConnectionPinError,
    ConnectionPinInput,
    ConnectionPinState,
    Message,
    MessageProtocolHandshake,
    MessageProtocolHandshakeError,
    ProtocolFormats,
    ProtocolVersion,
)
from eebus.spine.datagram import (
    Command,
    Datagram,
    Filter,
    Header,
    command_for,
    decode_datagram,
    encode_datagram,
)
from eebus.spine.device import READ, LocalDevice
from eebus.spine.functions import FUNCTIONS, FunctionSpec
from eebus.spine.model.common import FeatureAddress, ResultData
from eebus.spine.model.device import DeviceClassificationManufacturerData
from eebus.spine.safety import is_peer_safe, peer_safe_text
from eebus.spine.update import PARTIAL, apply, delete_filter
from tests.unit.spine.strategies import records


def convert(text: bytes) -> bytes:
    """What such a peer makes of a message before it parses it."""
    for old, new in ((b"[{", b"{"), (b"},{", b","), (b"}]", b"}"), (b"[]", b"{}")):
        text = text.replace(old, new)
    return text.strip(b"\x00")


def understood(message: bytes) -> object:
    return json.loads(convert(message[1:]))


# --- SHIP messages ---

SHIP_MESSAGES: list[Message] = [
    ConnectionHello(phase="ready", waiting=60000),
    ConnectionHello(phase="pending", prolongation_request=True),
    ConnectionHello(phase="aborted"),
    MessageProtocolHandshake(
        handshake_type="announceMax",
        version=ProtocolVersion(major=1, minor=0),
        formats=ProtocolFormats(format=("JSON-UTF8",)),
    ),
    MessageProtocolHandshakeError(error=2),
    ConnectionPinState(pin_state="required", input_permission="ok"),
    ConnectionPinInput(pin="1234ABCD"),
    ConnectionPinError(error=1),
    AccessMethodsRequest(),
    AccessMethods(id="i:12345_u:abc"),
    ConnectionClose(phase="announce", max_time=500, reason="unspecific"),
    ConnectionClose(phase="confirm"),
]


@pytest.mark.parametrize("message", SHIP_MESSAGES, ids=lambda m: type(m).__name__)
def test_generation_A_every_ship_message_survives_the_textual_conversion(message: Message) -> None:
    root = understood(encode(message))
    assert isinstance(root, dict)
    [content] = root.values()
    assert from_wire(type(message), content) == message
    assert isinstance(content, dict)


def _wire_name(spec: FunctionSpec, field: str) -> str:
    return next(f.encode_name for f in msgspec.structs.fields(spec.item_type) if f.name == field)


def _plain(wire: object) -> object:
    """The ordinary form of filters, where no list of records occurs."""
    if isinstance(wire, list):
        return {name: _plain(value) for member in wire for name, value in member.items()}
    if isinstance(wire, dict):
        return {name: _plain(value) for name, value in wire.items()}
    return wire


# --- SPINE datagrams ---


def safe(value: Record) -> Record:
    """The record as we would have built it: texts that we send are made safe."""
    changes: dict[str, object] = {
        name: _safe(getattr(value, name)) for name in value.__struct_fields__ if name != "unknown"
    }
    return msgspec.structs.replace(value, unknown=(), **changes)


def _safe(value: object) -> object:
    if isinstance(value, str):
        return peer_safe_text(value)
    if isinstance(value, Record):
        return safe(value)
    if isinstance(value, tuple):
        return tuple(map(_safe, value))
    return value


def survives(datagram: Datagram) -> None:
    message = encode_data(encode_datagram(datagram))
    root = understood(message)
    assert isinstance(root, dict)
    plain = root["data"]["payload"]["datagram"]
    assert decode_datagram(plain) == decode_datagram(json.loads(encode_datagram(datagram))["datagram"])


HEADER = Header(
    specification_version="1.3.0",
    address_source=FeatureAddress(device="d:_n:Acme_Gate-1", entity=(1,), feature=2),
    address_destination=FeatureAddress(device="d:_n:Box-1", entity=(1, 2), feature=3),
    msg_counter=7,
    msg_counter_reference=6,
    cmd_classifier="notify",
    ack_request=True,
)


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_generation_A_all_function_data_survives_the_textual_conversion(function: str) -> None:
    @given(records(FUNCTIONS[function].data, False))
    def check(data: Record) -> None:
        survives(Datagram(HEADER, command_for(safe(data))))

    check()


@pytest.mark.parametrize("function", sorted(name for name, spec in FUNCTIONS.items() if spec.keys))
def test_generation_A_filters_survive_the_textual_conversion(function: str) -> None:
    spec = FUNCTIONS[function]
    selecting = msgspec.convert({_wire_name(spec, spec.keys[0]): 1}, spec.item_type)

    def check(filters: tuple[Filter, ...]) -> None:
        datagram = Datagram(HEADER, Command(function, spec.data(), filters, function))
        root = understood(encode_data(encode_datagram(datagram)))
        assert isinstance(root, dict)
        received = decode_datagram(root["data"]["payload"]["datagram"]).command
        assert received.named == function
        assert [_plain(to_wire(item)) for item in received.filters] == [_plain(to_wire(f)) for f in filters]
        for filter_, sent in zip(received.filters, filters, strict=True):
            command = command_for(spec.data(), (filter_,))
            assert apply(spec, spec.data(), command) == apply(
                spec, spec.data(), command_for(spec.data(), (sent,))
            )

    check((PARTIAL,))
    check((delete_filter(spec, selecting), PARTIAL))
    check((delete_filter(spec, selecting, "timePeriod"), PARTIAL))
    check((delete_filter(spec, None, "value"),))


@given(st.text(max_size=60))
def test_generation_A_an_error_text_that_repeats_what_a_peer_sent_survives(text: str) -> None:
    result = ResultData(error_number=7, description=peer_safe_text(text))
    survives(Datagram(HEADER, command_for(result)))


@given(st.text(alphabet='[]{},"a\\', max_size=12))
def test_generation_A_a_safe_text_is_one_that_the_conversion_leaves_alone(text: str) -> None:
    assert is_peer_safe(peer_safe_text(text))
    if is_peer_safe(text):
        data = DeviceClassificationManufacturerData(device_name=text)
        survives(Datagram(HEADER, command_for(data)))


@pytest.mark.parametrize("text", ["[{", "a},{b", "}]", "[]"])
def test_generation_A_texts_that_would_be_altered_cannot_be_set(text: str) -> None:
    device = LocalDevice("d:_n:Acme_Gate-1", "EnergyManagementSystem")
    feature = device.add_entity("CEM").add_feature(
        "DeviceClassification", "server", {"deviceClassificationManufacturerData": READ}
    )
    with pytest.raises(LocalError):
        feature.preset(DeviceClassificationManufacturerData(device_name=text))
    plain = json.loads(
        convert(json.dumps(to_wire(DeviceClassificationManufacturerData(device_name=text))).encode())
    )
    assert plain != {"deviceName": text}
