"""The tester as monitored unit or grid connection point: reports values to the device."""

from typing import Final

import msgspec

from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.tester.points import measurement_id
from eebus.conformance.tester.ship import ShipPeer
from eebus.conformance.tester.spine import TESTER_ADDRESS, SpinePeer
from eebus.conformance.wire import (
    CONNECTIONS,
    FACTOR_KEY,
    KEY_DESCRIPTIONS,
    KEYS,
    MEASUREMENT_DESCRIPTIONS,
    MEASUREMENTS,
    PARAMETERS,
    MonitoringWire,
    announce,
)
from eebus.spine.datagram import command_for
from eebus.spine.device import READ, LocalDevice, LocalEntity
from eebus.spine.model.common import Classifier
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueDescriptionData,
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceConfigurationKeyValueListData,
    KeyValue,
)
from eebus.spine.model.electrical_connection import (
    ElectricalConnectionDescriptionData,
    ElectricalConnectionDescriptionListData,
    ElectricalConnectionParameterDescriptionData,
    ElectricalConnectionParameterDescriptionListData,
)
from eebus.spine.model.measurement import (
    MeasurementData,
    MeasurementDescriptionData,
    MeasurementDescriptionListData,
    MeasurementListData,
)
from eebus.spine.update import PARTIAL
from eebus.spine.values import format_date_time, to_scaled
from eebus.usecases.monitoring_data import Quantity

_DECIMALS: Final = 2
_CONNECTION: Final = ElectricalConnectionDescriptionListData(
    electrical_connection_description_data=(
        ElectricalConnectionDescriptionData(
            electrical_connection_id=0,
            power_supply_type="ac",
            ac_connected_phases=3,
            positive_energy_direction="consume",
        ),
    )
)


class MeterTester:
    """Announces all values of a use case; reports those that a case gives."""

    def __init__(
        self,
        ship: ShipPeer,
        dut: DeviceUnderTest,
        profile: MonitoringWire,
        *,
        factor: tuple[float, str | None] | None = None,
    ) -> None:
        """``factor`` is the PV feed-in limitation factor with its unit (None: a fraction)."""
        device = LocalDevice(TESTER_ADDRESS, "ElectricityMeter")
        entity = device.add_entity("SubMeterElectricity")
        self._profile = profile
        self._measurement = entity.add_feature(
            "Measurement", "server", {MEASUREMENT_DESCRIPTIONS: READ, MEASUREMENTS: READ}
        )
        electrical = entity.add_feature(
            "ElectricalConnection", "server", {CONNECTIONS: READ, PARAMETERS: READ}
        )
        self._described = _descriptions(profile)
        self._parameters = _parameters(profile)
        self._measurement.preset(self._described)
        self._measurement.preset(MeasurementListData())
        electrical.preset(_CONNECTION)
        electrical.preset(self._parameters)
        scenarios = {item.scenario for item in profile.values}
        if factor is not None:
            _add_factor(entity, *factor)
            scenarios.add(1)
        announce(device, entity, profile.actor, profile.use_case, scenarios)
        self.peer = SpinePeer(ship, dut, device)

    async def subscribed(self, within_s: float) -> bool:
        """Wait until the device has subscribed to the measurements and read the descriptions."""

        def ready() -> bool:
            asked = {
                incoming.datagram.command.function
                for incoming in self.peer.received
                if incoming.header.cmd_classifier == Classifier.READ
            }
            wanted = {MEASUREMENT_DESCRIPTIONS, PARAMETERS, MEASUREMENTS}
            return bool(self.peer.subscribers(self._measurement.address)) and wanted <= asked

        return await self.peer.until(ready, within_s)

    async def report(self, quantity: Quantity, value: float | None, state: str = "normal") -> None:
        """Store a value and notify it to all subscribers; as on the wire, with its sign."""
        number = measurement_id(self._profile.value(quantity), self._described, self._parameters)
        item = MeasurementData(
            measurement_id=number,
            value_type="value",
            timestamp=format_date_time(self.peer.dut.utc_now()),
            value=None if value is None else to_scaled(value, _DECIMALS),
            value_source="measuredValue",
            value_state=state,
        )
        stored = self._measurement.data(MEASUREMENTS)
        assert isinstance(stored, MeasurementListData)
        others = tuple(old for old in stored.measurement_data or () if old.measurement_id != number)
        self._measurement.preset(msgspec.structs.replace(stored, measurement_data=(*others, item)))
        for subscriber in self.peer.subscribers(self._measurement.address):
            await self.peer.send(
                Classifier.NOTIFY,
                command_for(MeasurementListData(measurement_data=(item,)), (PARTIAL,)),
                source=self._measurement.address,
                destination=subscriber,
            )
        await self.peer.run(0.0)


def _descriptions(profile: MonitoringWire) -> MeasurementDescriptionListData:
    return MeasurementDescriptionListData(
        measurement_description_data=tuple(
            MeasurementDescriptionData(
                measurement_id=number,
                measurement_type=item.measurement_type,
                commodity_type="electricity",
                unit=item.unit,
                scope_type=item.scope,
            )
            for number, item in enumerate(profile.values)
        )
    )


def _parameters(profile: MonitoringWire) -> ElectricalConnectionParameterDescriptionListData:
    return ElectricalConnectionParameterDescriptionListData(
        electrical_connection_parameter_description_data=tuple(
            ElectricalConnectionParameterDescriptionData(
                electrical_connection_id=0,
                parameter_id=number,
                measurement_id=number,
                voltage_type="ac",
                ac_measured_phases=item.phases,
                ac_measured_in_reference_to=item.reference,
            )
            for number, item in enumerate(profile.values)
        )
    )


def _add_factor(entity: LocalEntity, value: float, unit: str | None) -> None:
    feature = entity.add_feature("DeviceConfiguration", "server", {KEY_DESCRIPTIONS: READ, KEYS: READ})
    description = DeviceConfigurationKeyValueDescriptionData(
        key_id=3, key_name=FACTOR_KEY, value_type="scaledNumber", unit=unit
    )
    item = DeviceConfigurationKeyValueData(
        key_id=3, value=KeyValue(scaled_number=to_scaled(value)), is_value_changeable=False
    )
    feature.preset(
        DeviceConfigurationKeyValueDescriptionListData(
            device_configuration_key_value_description_data=(description,)
        )
    )
    feature.preset(DeviceConfigurationKeyValueListData(device_configuration_key_value_data=(item,)))
