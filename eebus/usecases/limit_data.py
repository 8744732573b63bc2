"""LPC and LPP on the wire: what a controllable system publishes (reference 2.2 to 2.5), always complete.

The partners read more than the rules ask for: a limit without value, a description without measurementId or a
key without unit makes some of them silently give up.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from eebus.spine.model.common import ScaledNumber, TimePeriod
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueDescriptionData,
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceConfigurationKeyValueListData,
    KeyValue,
)
from eebus.spine.model.electrical_connection import (
    ElectricalConnectionCharacteristicData,
    ElectricalConnectionCharacteristicListData,
)
from eebus.spine.model.load_control import (
    LoadControlLimitData,
    LoadControlLimitDescriptionData,
    LoadControlLimitDescriptionListData,
    LoadControlLimitListData,
)
from eebus.spine.values import format_duration, to_float, to_scaled
from eebus.usecases.limit_rules import LIMITED, LimitPair
from eebus.usecases.limitation import (
    FAILSAFE_DURATION_KEY,
    FAILSAFE_DURATION_KEY_ID,
    Direction,
    Profile,
)

LIMIT_FUNCTION: Final = "loadControlLimitListData"
LIMIT_DESCRIPTION_FUNCTION: Final = "loadControlLimitDescriptionListData"
KEY_FUNCTION: Final = "deviceConfigurationKeyValueListData"
KEY_DESCRIPTION_FUNCTION: Final = "deviceConfigurationKeyValueDescriptionListData"
CHARACTERISTIC_FUNCTION: Final = "electricalConnectionCharacteristicListData"

_UNUSED_MEASUREMENT_ID = 0
"""Demanded in the description even where no measurement belongs to the limit."""


def wire_value(profile: Profile, magnitude_w: float) -> ScaledNumber:
    """A limit as it is sent: production is negative."""
    return to_scaled(magnitude_w * profile.wire_sign)


def magnitude(profile: Profile, value: ScaledNumber | None, *, accept_positive: bool = False) -> float | None:
    """A received limit in watts; negative for a wrong sign, None for no usable value.

    ``accept_positive`` reads a positive production limit as a magnitude, for boxes that do not conform.
    """
    watts = to_float(value)
    if watts is None:
        return None
    if watts == 0 or accept_positive:
        return abs(watts)
    return watts * profile.wire_sign


def limit_descriptions(profiles: Iterable[Profile]) -> LoadControlLimitDescriptionListData:
    """One description per direction (reference 2.2)."""
    return LoadControlLimitDescriptionListData(
        load_control_limit_description_data=tuple(
            LoadControlLimitDescriptionData(
                limit_id=profile.limit_id,
                limit_type="signDependentAbsValueLimit",
                limit_category="obligation",
                limit_direction=profile.limit_direction,
                measurement_id=_UNUSED_MEASUREMENT_ID,
                unit="W",
                scope_type="activePowerLimit",
            )
            for profile in profiles
        )
    )


def limits(pair: LimitPair, values: Mapping[Direction, ScaledNumber], now: float) -> LoadControlLimitListData:
    """All limits as they stand (reference 2.3): the flag follows the state, the end is the remaining time.

    ``values`` are the numbers as they were written: a partner may later send a number without its scale.
    """
    return LoadControlLimitListData(
        load_control_limit_data=tuple(
            LoadControlLimitData(
                limit_id=machine.profile.limit_id,
                is_limit_changeable=True,
                is_limit_active=machine.state is LIMITED,
                time_period=None
                if machine.limit_ends_at is None
                else TimePeriod(end_time=format_duration(max(0.0, machine.limit_ends_at - now))),
                value=values[machine.profile.direction],
            )
            for machine in pair.machines
        )
    )


def key_descriptions(profiles: Iterable[Profile]) -> DeviceConfigurationKeyValueDescriptionListData:
    """The failsafe limits and the one duration that both directions share (reference 2.4)."""
    keys = [
        DeviceConfigurationKeyValueDescriptionData(
            key_id=profile.failsafe_key_id, key_name=profile.failsafe_key, value_type="scaledNumber", unit="W"
        )
        for profile in profiles
    ]
    duration = DeviceConfigurationKeyValueDescriptionData(
        key_id=FAILSAFE_DURATION_KEY_ID, key_name=FAILSAFE_DURATION_KEY, value_type="duration"
    )
    return DeviceConfigurationKeyValueDescriptionListData(
        device_configuration_key_value_description_data=tuple(
            sorted([*keys, duration], key=lambda key: key.key_id or 0)
        )
    )


def key_values(
    profiles: Iterable[Profile], limits_w: Mapping[Direction, ScaledNumber], duration_s: float
) -> DeviceConfigurationKeyValueListData:
    """The failsafe values in force."""
    items = [
        DeviceConfigurationKeyValueData(
            key_id=profile.failsafe_key_id,
            value=KeyValue(scaled_number=limits_w[profile.direction]),
            is_value_changeable=True,
        )
        for profile in profiles
    ]
    duration = DeviceConfigurationKeyValueData(
        key_id=FAILSAFE_DURATION_KEY_ID,
        value=KeyValue(duration=format_duration(duration_s)),
        is_value_changeable=True,
    )
    return DeviceConfigurationKeyValueListData(
        device_configuration_key_value_data=tuple(
            sorted([*items, duration], key=lambda item: item.key_id or 0)
        )
    )


def nominal_maxima(
    profiles: Iterable[Profile], maxima_w: Mapping[Direction, float], *, energy_manager: bool
) -> ElectricalConnectionCharacteristicListData:
    """Scenario 4: exactly one maximum per direction, the contractual one for an energy manager (2.5)."""
    return ElectricalConnectionCharacteristicListData(
        electrical_connection_characteristic_data=tuple(
            ElectricalConnectionCharacteristicData(
                electrical_connection_id=0,
                parameter_id=0,
                characteristic_id=profile.characteristic_id,
                characteristic_context="entity",
                characteristic_type=profile.contractual_maximum if energy_manager else profile.device_maximum,
                value=to_scaled(maxima_w[profile.direction]),
                unit="W",
            )
            for profile in profiles
        )
    )
