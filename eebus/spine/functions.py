"""The registry of SPINE functions: one line for each that this stack understands.

Whatever works on function data (datagrams, restricted function exchange, discovery) is generic and asks
here what a function looks like. An unknown function is no error: its data stays as received.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

import msgspec

from eebus.errors import LocalError
from eebus.jsonform import Record
from eebus.spine.model import (
    charging,
    device,
    electrical_connection,
    load_control,
    measurement,
    node_management,
)
from eebus.spine.model.common import ResultData


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What one function looks like.

    `item` is the field that holds the list (None: the data is a single object), `keys` identify an item,
    `selectors` are the fields by which a filter may pick items, `write_permit` is the flag of the server that
    must be true for a remote write (SPINE 6.4).
    """

    name: str
    data: type[Record]
    item: str | None
    item_type: type[Record]
    keys: tuple[str, ...]
    selectors: tuple[str, ...]
    write_permit: str | None
    time: str | None = None
    """The field by whose time a filter may pick items."""

    @property
    def selectors_name(self) -> str:
        """The element of a filter that carries the selectors (SPINE 6.2)."""
        return f"{self.name}Selectors"

    @property
    def elements_name(self) -> str:
        """The element of a filter that names elements; called after the item of a list (SPINE 6.2)."""
        if self.item is None:
            return f"{self.name}Elements"
        return f"{msgspec.structs.fields(self.data)[0].encode_name}Elements"

    def items(self, data: Record) -> tuple[Record, ...]:
        """The items of list data; empty for an absent list. Only for functions with an `item`."""
        items: tuple[Record, ...] | None = getattr(data, self.item or "")
        return items or ()

    def key_of(self, item: Record) -> tuple[object, ...] | None:
        """The complete identifier of an item; None when a part is missing or the list has no identifiers."""
        key = tuple(getattr(item, name) for name in self.keys)
        return None if not key or None in key else key


def _object(data: type[Record]) -> FunctionSpec:
    return FunctionSpec(_function_name(data), data, None, data, (), (), None)


def _list(
    data: type[Record],
    *keys: str,
    also: tuple[str, ...] = (),
    permit: str | None = None,
    time: str | None = None,
) -> FunctionSpec:
    """A function whose data is one list; `also` names the selectors beside the keys."""
    field = msgspec.structs.fields(data)[0]
    item_type = get_args(get_args(field.type)[0])[0]
    return FunctionSpec(_function_name(data), data, field.name, item_type, keys, (*keys, *also), permit, time)


def _function_name(data: type[Record]) -> str:
    return data.__name__[0].lower() + data.__name__[1:]


_SPECS = (
    # NodeManagement (SPINE 5.1)
    _object(node_management.NodeManagementDetailedDiscoveryData),
    _object(node_management.NodeManagementUseCaseData),
    _object(node_management.NodeManagementDestinationListData),
    _list(node_management.NodeManagementSubscriptionData, "subscription_id"),
    _object(node_management.NodeManagementSubscriptionRequestCall),
    _object(node_management.NodeManagementSubscriptionDeleteCall),
    _list(node_management.NodeManagementBindingData, "binding_id"),
    _object(node_management.NodeManagementBindingRequestCall),
    _object(node_management.NodeManagementBindingDeleteCall),
    _object(ResultData),
    # DeviceClassification, DeviceConfiguration, DeviceDiagnosis (SPINE 7.1 to 7.3)
    _object(device.DeviceClassificationManufacturerData),
    _object(device.DeviceClassificationUserData),
    _list(device.DeviceConfigurationKeyValueDescriptionListData, "key_id", also=("key_name",)),
    _list(device.DeviceConfigurationKeyValueListData, "key_id", permit="is_value_changeable"),
    _list(device.DeviceConfigurationKeyValueConstraintsListData, "key_id"),
    _object(device.DeviceDiagnosisHeartbeatData),
    _object(device.DeviceDiagnosisStateData),
    _object(device.DeviceDiagnosisServiceData),
    # LoadControl (SPINE 7.4)
    _list(
        load_control.LoadControlLimitDescriptionListData,
        "limit_id",
        also=("limit_type", "limit_direction", "measurement_id", "scope_type"),
    ),
    _list(load_control.LoadControlLimitListData, "limit_id", permit="is_limit_changeable"),
    _list(load_control.LoadControlLimitConstraintsListData, "limit_id"),
    # ElectricalConnection (SPINE 7.5)
    _list(
        electrical_connection.ElectricalConnectionDescriptionListData,
        "electrical_connection_id",
        also=("scope_type",),
    ),
    _list(
        electrical_connection.ElectricalConnectionParameterDescriptionListData,
        "electrical_connection_id",
        "parameter_id",
        also=("measurement_id", "scope_type"),
    ),
    _list(
        electrical_connection.ElectricalConnectionPermittedValueSetListData,
        "electrical_connection_id",
        "parameter_id",
    ),
    _list(
        electrical_connection.ElectricalConnectionCharacteristicListData,
        "electrical_connection_id",
        "parameter_id",
        "characteristic_id",
        also=("characteristic_context", "characteristic_type"),
    ),
    _list(electrical_connection.ElectricalConnectionStateListData, "electrical_connection_id"),
    # Measurement (SPINE 7.6)
    _list(
        measurement.MeasurementDescriptionListData,
        "measurement_id",
        also=("measurement_type", "commodity_type", "scope_type"),
    ),
    _list(measurement.MeasurementConstraintsListData, "measurement_id"),
    _list(measurement.MeasurementListData, "measurement_id", "value_type", time="timestamp"),
    # Electric vehicles and chargers (SPINE 7.7)
    _list(charging.IdentificationListData, "identification_id", also=("identification_type",)),
    _list(charging.BillDescriptionListData, "bill_id"),
    _list(charging.BillConstraintsListData, "bill_id"),
    _list(charging.BillListData, "bill_id", also=("scope_type",)),
    _list(
        charging.TimeSeriesDescriptionListData,
        "time_series_id",
        also=("time_series_type", "measurement_id", "scope_type"),
    ),
    _list(charging.TimeSeriesConstraintsListData, "time_series_id"),
    _list(charging.TimeSeriesListData, "time_series_id"),
    _list(charging.IncentiveTableDescriptionData),
    _list(charging.IncentiveTableConstraintsData),
    _list(charging.IncentiveTableData),
)

_BY_NAME: dict[str, FunctionSpec] = {spec.name: spec for spec in _SPECS}
_BY_TYPE: dict[type[Record], FunctionSpec] = {spec.data: spec for spec in _SPECS}

FUNCTIONS: Mapping[str, FunctionSpec] = MappingProxyType(_BY_NAME)
"""All known functions by their name on the wire."""


def declare_object(data: type[Record]) -> FunctionSpec:
    """Make a function known whose data is one object; its name follows from the name of the record.

    Call it while the program is loaded, before peers connect. Raises LocalError when the name is taken.
    """
    return _declare(_object(data))


def declare_list(
    data: type[Record],
    *keys: str,
    also: tuple[str, ...] = (),
    permit: str | None = None,
    time: str | None = None,
) -> FunctionSpec:
    """Make a function known whose data is a list.

    `keys` are the fields that identify an item, `also` further fields that filters may select by, `permit`
    the flag without which a client must not write an item, `time` the field that a span of time selects by.
    Raises LocalError as :func:`declare_object`.
    """
    return _declare(_list(data, *keys, also=also, permit=permit, time=time))


def _declare(spec: FunctionSpec) -> FunctionSpec:
    if spec.name in _BY_NAME:
        raise LocalError(f"the function '{spec.name}' is known already")
    _BY_NAME[spec.name] = spec
    _BY_TYPE[spec.data] = spec
    return spec


def spec_of(data: Record) -> FunctionSpec:
    """The function whose data this is. Raises KeyError for a record that is no function data."""
    return _BY_TYPE[type(data)]
