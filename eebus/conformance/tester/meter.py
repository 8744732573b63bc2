"""The tester as monitored unit or grid connection point: reports values to the device."""

from typing import Final

import msgspec

from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.tester.points import measurement_id, point_of
from eebus.conformance.tester.ship import ShipPeer
from eebus.conformance.tester.spine import TESTER_ADDRESS, SpinePeer
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
from eebus.spine.model.measurement import MeasurementData, MeasurementListData
from eebus.spine.update import PARTIAL
from eebus.spine.values import format_date_time, to_scaled
from eebus.usecases.announcement import announce
from eebus.usecases.limit_data import KEY_DESCRIPTION_FUNCTION, KEY_FUNCTION
from eebus.usecases.monitoring_data import (
    CONNECTION_FUNCTION,
    MEASUREMENT_DESCRIPTION_FUNCTION,
    MEASUREMENT_FUNCTION,
    PARAMETER_FUNCTION,
    MonitoringProfile,
    Quantity,
    connection,
    descriptions,
    parameters,
)

FACTOR_KEY: Final = "pvCurtailmentLimitFactor"
_DECIMALS: Final = 2


class MeterTester:
    """Announces all values of a use case; reports those that a case gives."""

    def __init__(
        self,
        ship: ShipPeer,
        dut: DeviceUnderTest,
        profile: MonitoringProfile,
        *,
        factor: tuple[float, str | None] | None = None,
    ) -> None:
        """``factor`` is the PV feed-in limitation factor with its unit (None: a fraction)."""
        device = LocalDevice(TESTER_ADDRESS, "ElectricityMeter")
        entity = device.add_entity("SubMeterElectricity")
        self._profile = profile
        self._measurement = entity.add_feature(
            "Measurement", "server", {MEASUREMENT_DESCRIPTION_FUNCTION: READ, MEASUREMENT_FUNCTION: READ}
        )
        electrical = entity.add_feature(
            "ElectricalConnection", "server", {CONNECTION_FUNCTION: READ, PARAMETER_FUNCTION: READ}
        )
        self._described = descriptions(profile.points)
        self._parameters = parameters(profile.points, 3)
        self._measurement.preset(self._described)
        self._measurement.preset(MeasurementListData())
        electrical.preset(connection(3, announce_phases=True))
        electrical.preset(self._parameters)
        scenarios = {point.scenario for point in profile.points}
        if factor is not None:
            _add_factor(entity, *factor)
            scenarios.add(1)
        announce(device, entity, profile.server_actors[0], profile.use_case, scenarios)
        self.peer = SpinePeer(ship, dut, device)

    async def subscribed(self, within_s: float) -> bool:
        """Wait until the device has subscribed to the measurements and read the descriptions."""

        def ready() -> bool:
            asked = {
                incoming.datagram.command.function
                for incoming in self.peer.received
                if incoming.header.cmd_classifier == Classifier.READ
            }
            wanted = {MEASUREMENT_DESCRIPTION_FUNCTION, PARAMETER_FUNCTION, MEASUREMENT_FUNCTION}
            return bool(self.peer.subscribers(self._measurement.address)) and wanted <= asked

        return await self.peer.until(ready, within_s)

    async def report(self, quantity: Quantity, value: float | None, state: str = "normal") -> None:
        """Store a value and notify it to all subscribers; as on the wire, with its sign."""
        number = measurement_id(point_of(self._profile, quantity), self._described, self._parameters)
        item = MeasurementData(
            measurement_id=number,
            value_type="value",
            timestamp=format_date_time(self.peer.dut.utc_now()),
            value=None if value is None else to_scaled(value, _DECIMALS),
            value_source="measuredValue",
            value_state=state,
        )
        stored = self._measurement.data(MEASUREMENT_FUNCTION)
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


def _add_factor(entity: LocalEntity, value: float, unit: str | None) -> None:
    feature = entity.add_feature(
        "DeviceConfiguration", "server", {KEY_DESCRIPTION_FUNCTION: READ, KEY_FUNCTION: READ}
    )
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
