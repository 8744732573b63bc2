"""What a trusted peer can cost at most: time and memory for the worst messages that are allowed."""

import json
import time
from collections.abc import Iterable

import pytest

from eebus.ids import PeerRole, Ski
from eebus.jsonform import Elements
from eebus.spine.datagram import Filter, command_for
from eebus.spine.events import DatagramDropped
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import ScaledNumber
from eebus.spine.model.electrical_connection import (
    ElectricalConnectionParameterDescriptionData,
    ElectricalConnectionParameterDescriptionListData,
)
from eebus.spine.model.measurement import MeasurementData, MeasurementListData
from eebus.spine.stack import Emit, Peer, SpineStack
from eebus.spine.update import PARTIAL, ExchangeError, apply
from tests.unit.spine.support import EPOCH, gateway_device

_BOUND_S = 2.0
"""Quadratic work took between fourteen seconds and five minutes; a busy machine needs some room."""
_MANY = 4000
_PEER = Peer(Ski("a" * 40), PeerRole.DEVICE)
_FUNCTION = "measurementListData"
_WIRE_PARTIAL = [{"function": _FUNCTION}, {"filter": [[{"cmdControl": [{"partial": []}]}]]}]


def _list(numbers: Iterable[int | None], value: int = 0) -> MeasurementListData:
    items = tuple(MeasurementData(measurement_id=n, value=ScaledNumber(number=value)) for n in numbers)
    return MeasurementListData(measurement_data=items)


@pytest.mark.parametrize(
    "second", [range(_MANY), range(_MANY, 2 * _MANY)], ids=["the same items", "new items"]
)
def test_thousands_of_items_are_merged_in_time_that_grows_with_them(second: range) -> None:
    spec = FUNCTIONS[_FUNCTION]
    stored = _list(range(_MANY))
    began = time.process_time()
    merged = apply(spec, stored, command_for(_list(second, value=7), (PARTIAL,)))
    assert time.process_time() - began < _BOUND_S
    items = spec.items(merged)
    assert len(items) == len({*range(_MANY), *second})
    assert all(
        isinstance(item, MeasurementData) and item.value == ScaledNumber(number=7) for item in items[-_MANY:]
    )


def test_an_item_that_comes_twice_is_merged_twice() -> None:
    spec = FUNCTIONS[_FUNCTION]
    first = MeasurementData(measurement_id=9, value_type="value")
    second = MeasurementData(measurement_id=9, value=ScaledNumber(number=1))
    both = MeasurementListData(measurement_data=(first, second))
    (item,) = spec.items(apply(spec, _list(()), command_for(both, (PARTIAL,))))
    assert item == MeasurementData(measurement_id=9, value_type="value", value=ScaledNumber(number=1))


def test_an_incomplete_identifier_concerns_all_that_agree_in_it() -> None:
    spec = FUNCTIONS["electricalConnectionParameterDescriptionListData"]
    make = ElectricalConnectionParameterDescriptionData
    stored = ElectricalConnectionParameterDescriptionListData(
        electrical_connection_parameter_description_data=(
            make(electrical_connection_id=0, parameter_id=0),
            make(electrical_connection_id=0, parameter_id=1),
            make(electrical_connection_id=1, parameter_id=0),
        )
    )
    change = ElectricalConnectionParameterDescriptionListData(
        electrical_connection_parameter_description_data=(make(electrical_connection_id=0, label="x"),)
    )
    merged = spec.items(apply(spec, stored, command_for(change, (PARTIAL,))))
    assert [getattr(item, "label", None) for item in merged] == ["x", "x", None]


def test_many_items_without_identifier_are_refused() -> None:
    spec = FUNCTIONS[_FUNCTION]
    with pytest.raises(ExchangeError, match="too many items"):
        apply(spec, _list(range(_MANY)), command_for(_list([None] * _MANY), (PARTIAL,)))


def test_one_item_cannot_make_something_huge_of_a_small_message() -> None:
    spec = FUNCTIONS[_FUNCTION]
    heavy = MeasurementData(unknown=Elements((f"future{n}", n) for n in range(5000)))
    change = MeasurementListData(measurement_data=(heavy,))
    with pytest.raises(ExchangeError, match="spread"):
        apply(spec, _list(range(_MANY)), command_for(change, (PARTIAL,)))
    by_selectors = Filter(
        cmd_control=PARTIAL.cmd_control, unknown=Elements([(spec.selectors_name, [{"measurementType": "x"}])])
    )
    with pytest.raises(ExchangeError):
        apply(spec, _list(range(_MANY)), command_for(change, (by_selectors,)))


# -- a whole node ------------------------------------------------------------------------------------


def _wire(entity: int, feature: int, command: list[object]) -> object:
    header = [
        {"specificationVersion": "1.3.0"},
        {"addressSource": [{"device": "d:_n:Peer"}, {"entity": [entity]}, {"feature": feature}]},
        {"addressDestination": [{"entity": [0]}, {"feature": 0}]},
        {"msgCounter": 5},
        {"cmdClassifier": "notify"},
    ]
    return [{"header": header}, {"payload": [{"cmd": [command]}]}]


def _node(features: int = 40) -> SpineStack:
    """A node that knows a peer with many measurement servers."""
    stack = SpineStack(gateway_device(), utc_now=lambda: EPOCH)
    stack.connect(_PEER, 0.0)
    described = [
        [{"description": [{"featureAddress": [{"entity": [1]}, {"feature": number}]},
                          {"featureType": "Measurement"}, {"role": "server"}]}]
        for number in range(1, features)
    ]  # fmt: skip
    discovery = [
        {"deviceInformation": [{"description": [{"deviceAddress": [{"device": "d:_n:Peer"}]}]}]},
        {
            "entityInformation": [
                [{"description": [{"entityAddress": [{"entity": [1]}]}, {"entityType": "CEM"}]}]
            ]
        },
        {"featureInformation": described},
    ]
    stack.receive(_PEER.ski, _wire(0, 0, [{"nodeManagementDetailedDiscoveryData": discovery}]), 1.0)
    return stack


def _remembered(stack: SpineStack) -> int:
    return stack.peers()[_PEER.ski].remote.remembered_bytes()


def test_the_memory_of_a_peer_is_bounded_over_all_its_features() -> None:
    stack = _node()
    text = "x" * 200_000
    dropped = 0
    for feature in range(1, 40):
        items = [{"measurementData": [[{"measurementId": 0}, {"futureElement": text}]]}]
        effects = stack.receive(_PEER.ski, _wire(1, feature, [{_FUNCTION: items}]), 2.0)
        dropped += any(isinstance(e, Emit) and isinstance(e.event, DatagramDropped) for e in effects)
    assert 1_800_000 < _remembered(stack) <= 2 * 1024 * 1024
    assert dropped > 20


def test_the_memory_comes_back_when_data_is_replaced() -> None:
    stack = _node()
    items = [{"measurementData": [[{"measurementId": 0}, {"futureElement": "x" * 200_000}]]}]
    for _ in range(30):
        stack.receive(_PEER.ski, _wire(1, 1, [{_FUNCTION: items}]), 2.0)
    assert 200_000 < _remembered(stack) < 210_000
    stack.receive(_PEER.ski, _wire(1, 1, [{_FUNCTION: [{"measurementData": [[{"measurementId": 0}]]}]}]), 3.0)
    assert _remembered(stack) < 200


_ENTITIES = [
    [
        {
            "description": [
                {"entityAddress": [{"entity": [number]}]},
                {"entityType": "X"},
                {"lastStateChange": change},
            ]
        }
    ]
    for change in ("added", "removed")
    for number in range(900)
]


@pytest.mark.parametrize(
    "command",
    [
        [{_FUNCTION: [{"measurementData": [[{"measurementId": n}] for n in range(6000)]}]}],
        [*_WIRE_PARTIAL, {_FUNCTION: [{"measurementData": [[{"measurementId": n}] for n in range(4000)]}]}],
        [*_WIRE_PARTIAL, {_FUNCTION: [{"measurementData": [[{"value": []}]] * 8000}]}],
        [{_FUNCTION: [{"measurementData": [[{f"future{n}": n} for n in range(9000)]]}]}],
        [{"nodeManagementDetailedDiscoveryData": [{"entityInformation": _ENTITIES}]}],
        [{"function": "nodeManagementDetailedDiscoveryData"}, _WIRE_PARTIAL[1],
         {"nodeManagementDetailedDiscoveryData": [{"entityInformation": _ENTITIES}]}],
        [{"nodeManagementUseCaseData": [{"useCaseInformation": [[{"actor": "X"}]] * 9000}]}],
    ],
)  # fmt: skip
def test_the_worst_datagrams_of_the_largest_size_hold_nobody_up(command: list[object]) -> None:
    stack = _node()
    for feature, entity in ((0, 0), (1, 1)):
        wire = _wire(entity, feature, command)
        assert len(json.dumps(wire)) < 256 * 1024
        for _ in range(2):
            began = time.process_time()
            stack.receive(_PEER.ski, wire, 2.0)
            assert time.process_time() - began < _BOUND_S
