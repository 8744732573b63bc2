"""Function data in plain words: what it says, and what has changed since it was told last."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from eebus.errors import DecodeError
from eebus.jsonform import Record
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import FeatureAddress, ScaledNumber
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceDiagnosisHeartbeatData,
)
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitDescriptionListData
from eebus.spine.model.measurement import MeasurementData, MeasurementDescriptionListData
from eebus.spine.model.node_management import NodeManagementDetailedDiscoveryData, NodeManagementUseCaseData
from eebus.spine.values import parse_duration, to_float
from eebus.usecases.limit_data import KEY_DESCRIPTION_FUNCTION, LIMIT_DESCRIPTION_FUNCTION
from eebus.usecases.limitation import PROFILES, Direction
from eebus.usecases.monitoring_data import MEASUREMENT_DESCRIPTION_FUNCTION
from hems.cli.replay.knowledge import Side
from hems.cli.words import power, span

FUNCTION_WORDS = {
    "nodeManagementDetailedDiscoveryData": "its entities and features",
    "nodeManagementUseCaseData": "its use cases",
    "nodeManagementSubscriptionRequestCall": "a subscription",
    "nodeManagementSubscriptionDeleteCall": "the end of a subscription",
    "nodeManagementBindingRequestCall": "a binding",
    "nodeManagementBindingDeleteCall": "the end of a binding",
    "deviceClassificationManufacturerData": "the name plate",
    "deviceConfigurationKeyValueDescriptionListData": "what its configuration values are",
    "deviceConfigurationKeyValueListData": "configuration values",
    "deviceDiagnosisHeartbeatData": "the heartbeat",
    "deviceDiagnosisStateData": "the operating state",
    "loadControlLimitDescriptionListData": "what its limits are",
    "loadControlLimitListData": "limits",
    "electricalConnectionCharacteristicListData": "the nominal maxima",
    "electricalConnectionDescriptionListData": "how it is connected",
    "electricalConnectionParameterDescriptionListData": "what is measured on which phase",
    "measurementDescriptionListData": "what its measured values are",
    "measurementConstraintsListData": "the ranges of its measured values",
    "measurementListData": "measured values",
}
RULES = {
    "nodeManagementBindingRequestCall": "only a bound client may write",
    "nodeManagementSubscriptionRequestCall": "changes are told from now on",
    "loadControlLimitListData": "LPC/LPP scenario 1",
    "loadControlLimitDescriptionListData": "LPC/LPP scenario 1",
    "deviceConfigurationKeyValueListData": "LPC/LPP scenario 2",
    "deviceConfigurationKeyValueDescriptionListData": "LPC/LPP scenario 2",
    "deviceDiagnosisHeartbeatData": "LPC/LPP scenario 3",
    "electricalConnectionCharacteristicListData": "LPC/LPP scenario 4",
    "measurementListData": "MPC/MGCP",
    "measurementDescriptionListData": "MPC/MGCP",
}
_MOST_LINES = 12

_Describe = Callable[[Record, Side, FeatureAddress | None], str]


def function_words(function: str) -> str:
    """What a function is about; unknown ones by their name."""
    return FUNCTION_WORDS.get(function, function or "nothing")


def change_lines(
    function: str, before: Record | None, after: Record | None, side: Side, address: FeatureAddress | None
) -> list[str]:
    """What is new in the data of a function; at most a dozen lines."""
    if after is None:
        return []
    lines = list(_changes(function, before, after, side, address))
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], f"and {len(lines) - _MOST_LINES + 1} more"]
    return lines


def _changes(
    function: str, before: Record | None, after: Record, side: Side, address: FeatureAddress | None
) -> Iterator[str]:
    match after:
        case DeviceDiagnosisHeartbeatData():
            promise = after.heartbeat_timeout or "no time"
            yield f"heartbeat {after.heartbeat_counter}, the next one within {promise}"
        case NodeManagementDetailedDiscoveryData():
            yield from _tree_lines(side)
        case NodeManagementUseCaseData():
            yield from _use_case_lines(side)
        case _:
            yield from _item_changes(function, before, after, side, address)


def _tree_lines(side: Side) -> Iterator[str]:
    yield f"type {side.tree.device_type or 'not told'}, address {side.tree.address or 'not told'}"
    for path, entity in side.tree.entities.items():
        features = ", ".join(f"{feature.feature_type} {feature.role}" for feature in entity.features.values())
        yield f"[{'.'.join(map(str, path))}] {entity.entity_type}: {features or 'no features'}"


def _use_case_lines(side: Side) -> Iterator[str]:
    for use_case in side.tree.use_cases():
        scenarios = ", ".join(map(str, sorted(use_case.scenarios)))
        off = "" if use_case.available else ", not available"
        yield f"{use_case.name} as {use_case.actor}, scenarios {scenarios}{off}"


def _item_changes(
    function: str, before: Record | None, after: Record, side: Side, address: FeatureAddress | None
) -> Iterator[str]:
    spec = FUNCTIONS.get(function)
    if spec is None:
        return
    old = {spec.key_of(item): item for item in _items(function, before)}
    new = {spec.key_of(item): item for item in _items(function, after)}
    for key, item in new.items():
        shown = _item_text(item, side, address)
        if key not in old:
            yield shown
        elif old[key] != item:
            yield f"{shown}, was: {_value_text(old[key])}"
    for key in old.keys() - new.keys():
        yield f"gone: {_item_text(old[key], side, address)}"
    if before is not None and old == new:
        yield "nothing new"


def _items(function: str, data: Record | None) -> Iterable[Record]:
    spec = FUNCTIONS[function]
    if data is None:
        return ()
    return (data,) if spec.item is None else spec.items(data)


def _item_text(item: Record, side: Side, address: FeatureAddress | None) -> str:
    match item:
        case LoadControlLimitData():
            direction = direction_of(item.limit_id, side, address)
            name = f"{direction} limit" if direction else f"limit {item.limit_id}"
        case DeviceConfigurationKeyValueData():
            name = _key_name(item.key_id, side, address)
        case MeasurementData():
            name = _measurement_name(item.measurement_id, side, address)
        case _:
            return _plain(item)
    return f"{name}: {_value_text(item)}"


def direction_of(limit_id: int | None, side: Side, address: FeatureAddress | None) -> Direction | None:
    """Which flow a limit concerns, by the description that was told earlier."""
    described = side.neighbour(address, LIMIT_DESCRIPTION_FUNCTION)
    if not isinstance(described, LoadControlLimitDescriptionListData):
        return None
    for item in described.load_control_limit_description_data or ():
        for profile in PROFILES:
            if item.limit_id == limit_id and item.limit_direction == profile.limit_direction:
                return profile.direction
    return None


def _key_name(key_id: int | None, side: Side, address: FeatureAddress | None) -> str:
    described = side.neighbour(address, KEY_DESCRIPTION_FUNCTION)
    if isinstance(described, DeviceConfigurationKeyValueDescriptionListData):
        for item in described.device_configuration_key_value_description_data or ():
            if item.key_id == key_id and item.key_name:
                return item.key_name
    return f"key {key_id}"


def _measurement_name(number: int | None, side: Side, address: FeatureAddress | None) -> str:
    described = side.neighbour(address, MEASUREMENT_DESCRIPTION_FUNCTION)
    if isinstance(described, MeasurementDescriptionListData):
        for item in described.measurement_description_data or ():
            if item.measurement_id == number:
                return f"{item.scope_type or item.measurement_type or 'value'} ({item.unit or 'no unit'})"
    return f"value {number}"


def _value_text(item: Record) -> str:
    match item:
        case LoadControlLimitData():
            end = item.time_period.end_time if item.time_period else None
            active = {True: "active", False: "not active", None: "activity not told"}[item.is_limit_active]
            return f"{_watts(item.value)}, {active}{f', for {_time(end)}' if end else ''}"
        case DeviceConfigurationKeyValueData(value=value) if value is not None:
            if value.scaled_number is not None:
                return _watts(value.scaled_number)
            return _time(value.duration) if value.duration else _plain(value)
        case MeasurementData():
            number = to_float(item.value)
            state = f", {item.value_state}" if item.value_state not in (None, "normal") else ""
            return ("no value" if number is None else f"{number:g}") + state
        case _:
            return _plain(item)


def _watts(value: ScaledNumber | None) -> str:
    number = to_float(value)
    return "no value" if number is None else power(number)


def _time(text: str) -> str:
    try:
        return span(parse_duration(text))
    except DecodeError:
        return text


def _plain(value: object) -> str:
    """Any record as `name value, name value`; nested ones in brackets."""
    if isinstance(value, ScaledNumber):
        number = to_float(value)
        return "no value" if number is None else f"{number:g}"
    if isinstance(value, msgspec.Struct):
        parts = [
            f"{field.encode_name} {_plain(getattr(value, field.name))}".strip()
            for field in msgspec.structs.fields(type(value))
            if field.name != "unknown" and getattr(value, field.name) is not None
        ]
        parts += [f"{name} (unknown)" for name, _ in getattr(value, "unknown", ())]
        return f"({', '.join(parts)})" if parts else ""
    if isinstance(value, tuple):
        return f"[{'; '.join(map(_plain, value))}]"
    return str(value)
