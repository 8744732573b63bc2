"""Measured values on the wire: which item of a partner's lists is which value."""

from eebus.conformance.wire import Measured
from eebus.spine.model.electrical_connection import (
    ElectricalConnectionParameterDescriptionData,
    ElectricalConnectionParameterDescriptionListData,
)
from eebus.spine.model.measurement import MeasurementDescriptionListData

_BETWEEN = ("a", "b", "c")


def measurement_id(
    point: Measured,
    described: MeasurementDescriptionListData,
    parameters: ElectricalConnectionParameterDescriptionListData,
) -> int | None:
    """The number under which a partner reports a value; None when it does not."""
    by_id = {
        item.measurement_id: item
        for item in parameters.electrical_connection_parameter_description_data or ()
    }
    for item in described.measurement_description_data or ():
        alike = (item.measurement_type, item.unit, item.scope_type) == (
            point.measurement_type,
            point.unit,
            point.scope,
        )
        if alike and _is_phase(point, by_id.get(item.measurement_id)):
            return item.measurement_id
    return None


def _is_phase(point: Measured, parameter: ElectricalConnectionParameterDescriptionData | None) -> bool:
    if point.phases is None or point.phases == "abc":
        return True
    if parameter is None or parameter.ac_measured_phases != point.phases:
        return False
    return (point.reference in _BETWEEN) is (parameter.ac_measured_in_reference_to in _BETWEEN)
