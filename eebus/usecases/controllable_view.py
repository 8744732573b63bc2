"""What an energy guard knows of a partner's controllable system, read from the lists that it published.

Numbers of limits and keys differ from device to device: they are found by what they mean (2.2, 2.4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from eebus.errors import DecodeError
from eebus.ids import Ski
from eebus.jsonform import Record
from eebus.spine.device import EntityPath, RemoteDevice, RemoteFeature
from eebus.spine.model.common import Role
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceConfigurationKeyValueListData,
    KeyValue,
)
from eebus.spine.model.electrical_connection import ElectricalConnectionCharacteristicListData
from eebus.spine.model.load_control import (
    LoadControlLimitData,
    LoadControlLimitDescriptionListData,
    LoadControlLimitListData,
)
from eebus.spine.values import parse_duration, to_float
from eebus.usecases.limit_data import (
    CHARACTERISTIC_FUNCTION,
    KEY_DESCRIPTION_FUNCTION,
    KEY_FUNCTION,
    LIMIT_DESCRIPTION_FUNCTION,
    LIMIT_FUNCTION,
)
from eebus.usecases.limitation import FAILSAFE_DURATION_KEY, PROFILES, Direction, Profile


@dataclass(frozen=True, slots=True)
class RemoteLimit:
    """A limit as the partner shows it."""

    value_w: float | None
    """Magnitude."""
    active: bool
    end_time: str | None
    """As written on the wire; some partners never count it down."""


@dataclass(frozen=True, slots=True)
class ControllableSystemView:
    """A partner's controllable system as we know it."""

    ski: Ski
    entity: EntityPath
    limits: Mapping[Direction, RemoteLimit]
    failsafe_w: Mapping[Direction, float]
    failsafe_duration_s: float | None
    maxima_w: Mapping[Direction, float]


def server_feature(
    remote: RemoteDevice, entity: EntityPath, feature_type: str, function: str
) -> RemoteFeature | None:
    """The server feature of an entity that holds a function."""
    servers = remote.find_features(feature_type, Role.SERVER, entity)
    return next((feature for feature in servers if function in feature.functions), None)


def system_entities(remote: RemoteDevice) -> set[EntityPath]:
    """The entities that are controllable systems. Without an entity named, every one that offers limits.

    Whether a server calls its use case available does not matter (SPINE 5.4).
    """
    announced = [
        use_case
        for profile in PROFILES
        for use_case in remote.use_cases(profile.use_case, "ControllableSystem")
    ]
    limiting = {
        feature.entity
        for feature in remote.find_features("LoadControl", Role.SERVER)
        if LIMIT_FUNCTION in feature.functions
    }
    named = {use_case.entity for use_case in announced if use_case.entity is not None}
    if named:
        return limiting & named
    return limiting if announced or not remote.use_cases() else set()


def limit_item(remote: RemoteDevice, entity: EntityPath, profile: Profile) -> LoadControlLimitData | None:
    """The stored limit of a direction; an item with its number only when its value is not known yet."""
    described = cast(
        LoadControlLimitDescriptionListData | None,
        _data(remote, entity, "LoadControl", LIMIT_DESCRIPTION_FUNCTION),
    )
    listed = cast(LoadControlLimitListData | None, _data(remote, entity, "LoadControl", LIMIT_FUNCTION))
    number = next(
        (
            item.limit_id
            for item in (described.load_control_limit_description_data if described else None) or ()
            if (item.limit_direction, item.limit_category, item.scope_type)
            == (profile.limit_direction, "obligation", "activePowerLimit")
        ),
        None,
    )
    if number is None:
        return None
    items = (listed.load_control_limit_data if listed else None) or ()
    return next((item for item in items if item.limit_id == number), LoadControlLimitData(limit_id=number))


def key_id(remote: RemoteDevice, entity: EntityPath, key_name: str) -> int | None:
    """The number of a configuration key."""
    described = cast(
        DeviceConfigurationKeyValueDescriptionListData | None,
        _data(remote, entity, "DeviceConfiguration", KEY_DESCRIPTION_FUNCTION),
    )
    items = (described.device_configuration_key_value_description_data if described else None) or ()
    return next((item.key_id for item in items if item.key_name == key_name), None)


def view(remote: RemoteDevice, ski: Ski, entity: EntityPath) -> ControllableSystemView:
    """Everything known so far."""
    found = {profile.direction: limit_item(remote, entity, profile) for profile in PROFILES}
    failsafe = {profile.direction: _key_value(remote, entity, profile.failsafe_key) for profile in PROFILES}
    watts = {
        direction: to_float(value.scaled_number) if value else None for direction, value in failsafe.items()
    }
    return ControllableSystemView(
        ski=ski,
        entity=entity,
        limits={direction: _limit(item) for direction, item in found.items() if item is not None},
        failsafe_w={direction: value for direction, value in watts.items() if value is not None},
        failsafe_duration_s=_seconds(_key_value(remote, entity, FAILSAFE_DURATION_KEY)),
        maxima_w=_maxima(remote, entity),
    )


def _limit(item: LoadControlLimitData) -> RemoteLimit:
    value_w = to_float(item.value)
    return RemoteLimit(
        value_w=None if value_w is None else abs(value_w),
        active=bool(item.is_limit_active),
        end_time=item.time_period.end_time if item.time_period else None,
    )


def _key_value(remote: RemoteDevice, entity: EntityPath, key_name: str) -> KeyValue | None:
    number = key_id(remote, entity, key_name)
    listed = cast(
        DeviceConfigurationKeyValueListData | None, _data(remote, entity, "DeviceConfiguration", KEY_FUNCTION)
    )
    items = (listed.device_configuration_key_value_data if listed else None) or ()
    return next((item.value for item in items if number is not None and item.key_id == number), None)


def _seconds(value: KeyValue | None) -> float | None:
    if value is None or value.duration is None:
        return None
    try:
        return parse_duration(value.duration)
    except DecodeError:
        return None


def _maxima(remote: RemoteDevice, entity: EntityPath) -> dict[Direction, float]:
    listed = cast(
        ElectricalConnectionCharacteristicListData | None,
        _data(remote, entity, "ElectricalConnection", CHARACTERISTIC_FUNCTION),
    )
    maxima: dict[Direction, float] = {}
    for item in (listed.electrical_connection_characteristic_data if listed else None) or ():
        for profile in PROFILES:
            value_w = to_float(item.value)
            if value_w is not None and item.characteristic_type in (
                profile.contractual_maximum,
                profile.device_maximum,
            ):
                maxima[profile.direction] = value_w
    return maxima


def _data(remote: RemoteDevice, entity: EntityPath, feature_type: str, function: str) -> Record | None:
    feature = server_feature(remote, entity, feature_type, function)
    return feature.data.get(function) if feature else None
