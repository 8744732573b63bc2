"""MGCP scenario 1: the PV feed-in power limitation factor, a configuration key that can only be read.

Feed-in power stays below factor × the sum of the nominal peak powers of the PV systems. Inside the stack the
factor is in percent; partners that announce no unit mean a fraction (reference 7).
"""

from typing import Final

from eebus.spine.model.device import (
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueDescriptionData,
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceConfigurationKeyValueListData,
    KeyValue,
)
from eebus.spine.values import to_float, to_scaled
from eebus.usecases.monitoring_data import Reading

_KEY: Final = "pvCurtailmentLimitFactor"
_KEY_ID: Final = 0
_PERCENT: Final = "pct"


def factor_description() -> DeviceConfigurationKeyValueDescriptionListData:
    """The key as we announce it: a number in percent."""
    key = DeviceConfigurationKeyValueDescriptionData(
        key_id=_KEY_ID, key_name=_KEY, value_type="scaledNumber", unit=_PERCENT
    )
    return DeviceConfigurationKeyValueDescriptionListData(
        device_configuration_key_value_description_data=(key,)
    )


def factor_value(percent: float) -> DeviceConfigurationKeyValueListData:
    """The factor as it is sent."""
    item = DeviceConfigurationKeyValueData(
        key_id=_KEY_ID, value=KeyValue(scaled_number=to_scaled(percent, 1)), is_value_changeable=False
    )
    return DeviceConfigurationKeyValueListData(device_configuration_key_value_data=(item,))


def read_factor(
    described: DeviceConfigurationKeyValueDescriptionListData | None,
    values: DeviceConfigurationKeyValueListData | None,
) -> Reading | None:
    """A partner's factor in percent; None while key or value are unknown, and for one outside 0 to 100 %."""
    keys = (described.device_configuration_key_value_description_data if described else None) or ()
    key = next((item for item in keys if item.key_name == _KEY), None)
    items = (values.device_configuration_key_value_data if values else None) or ()
    number = next(
        (to_float(i.value.scaled_number) for i in items if key and i.key_id == key.key_id and i.value), None
    )
    if key is None or number is None:
        return None
    percent = number if key.unit == _PERCENT else number * 100
    return Reading(percent) if 0 <= percent <= 100 else None
