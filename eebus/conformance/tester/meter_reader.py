"""The tester as monitoring appliance: reads the values of a monitored unit or grid connection point."""

from dataclasses import dataclass
from typing import Final, cast

from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.tester.points import measurement_id
from eebus.conformance.tester.ship import ShipPeer
from eebus.conformance.tester.spine import TESTER_ADDRESS, SpinePeer
from eebus.conformance.tester.tree import discover, server_of, subscribe
from eebus.conformance.verdict import CaseFailed, check
from eebus.conformance.wire import FACTOR_KEY, MonitoringWire, announce
from eebus.spine.device import LocalDevice, RemoteDevice, RemoteFeature
from eebus.spine.model.common import Classifier
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceConfigurationKeyValueListData,
)
from eebus.spine.model.electrical_connection import ElectricalConnectionParameterDescriptionListData
from eebus.spine.model.measurement import (
    MeasurementData,
    MeasurementDescriptionListData,
    MeasurementListData,
)
from eebus.spine.values import to_float
from eebus.usecases.monitoring_data import Quantity

_DESCRIPTIONS: Final = (MeasurementDescriptionListData, ElectricalConnectionParameterDescriptionListData)


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as it stands on the wire."""

    value: float | None
    state: str | None


class MeterReaderTester:
    """Subscribes to the measurements and reads when a case says so."""

    def __init__(self, ship: ShipPeer, dut: DeviceUnderTest, profile: MonitoringWire) -> None:
        self.profile = profile
        device = LocalDevice(TESTER_ADDRESS, "ElectricitySupplySystem")
        entity = device.add_entity("GridGuard")
        self._clients = {
            kind: entity.add_feature(kind, "client") for kind in ("Measurement", "ElectricalConnection")
        }
        announce(device, entity, "MonitoringAppliance", profile.use_case, {1, 2, 3, 4, 5, 6, 7})
        self.peer = SpinePeer(ship, dut, device)
        self._remote = RemoteDevice()
        self._servers: dict[str, RemoteFeature] = {}
        self._described = MeasurementDescriptionListData()
        self._parameters = ElectricalConnectionParameterDescriptionListData()
        self._described_at = 0.0

    async def set_up(self) -> "MeterReaderTester":
        """Discover, subscribe and read the descriptions. Raises CaseFailed when the device refuses."""
        self._remote = remote = await discover(self.peer)
        actor = self.profile.actor
        for kind, client in self._clients.items():
            self._servers[kind] = server_of(remote, self.profile.use_case, actor, kind)
            number = await subscribe(self.peer, client.address, self._servers[kind])
            check(number == 0, f"the subscription to {kind} was refused with {number}")
        await self._read_descriptions()
        return self

    async def _read_descriptions(self) -> None:
        self._described_at = self.peer.dut.now()
        self._described = cast(
            MeasurementDescriptionListData,
            await self.peer.fetch(MeasurementDescriptionListData(), self._servers["Measurement"].address),
        )
        self._parameters = cast(
            ElectricalConnectionParameterDescriptionListData,
            await self.peer.fetch(
                ElectricalConnectionParameterDescriptionListData(),
                self._servers["ElectricalConnection"].address,
            ),
        )

    def _has_new_descriptions(self) -> bool:
        """Whether the device tells that it offers something else by now."""
        return any(
            incoming.at >= self._described_at
            and incoming.header.cmd_classifier == Classifier.NOTIFY
            and isinstance(incoming.data, _DESCRIPTIONS)
            for incoming in self.peer.received
        )

    async def read(self, quantity: Quantity) -> Shown:
        """The value as it reads now. Raises CaseFailed when it does not."""
        found = await self.shown(quantity)
        check(self._number(quantity) is not None, f"the device does not describe {quantity}")
        if found is None:
            raise CaseFailed(f"{quantity} cannot be read")
        return found

    async def shown(self, quantity: Quantity) -> Shown | None:
        """The value as it reads now; None when there is none yet, or it is not offered yet."""
        if self._has_new_descriptions():
            await self._read_descriptions()
        data = cast(
            MeasurementListData,
            await self.peer.fetch(
                MeasurementListData(),
                self._servers["Measurement"].address,
                source=self._clients["Measurement"].address,
            ),
        )
        return self._find(quantity, data)

    async def factor(self) -> tuple[float, str | None]:
        """The PV feed-in limitation factor and its unit. Raises CaseFailed when it cannot be read."""
        server = server_of(
            self._remote, self.profile.use_case, self.profile.actor, "DeviceConfiguration"
        ).address
        described = cast(
            DeviceConfigurationKeyValueDescriptionListData,
            await self.peer.fetch(DeviceConfigurationKeyValueDescriptionListData(), server),
        )
        values = cast(
            DeviceConfigurationKeyValueListData,
            await self.peer.fetch(DeviceConfigurationKeyValueListData(), server),
        )
        for key in described.device_configuration_key_value_description_data or ():
            for item in values.device_configuration_key_value_data or ():
                if key.key_name == FACTOR_KEY and item.key_id == key.key_id and item.value is not None:
                    value = to_float(item.value.scaled_number)
                    check(value is not None, "the factor has no number")
                    return value or 0.0, key.unit
        raise CaseFailed("the factor cannot be read")

    def notified(self, quantity: Quantity, since: float) -> list[Shown]:
        """The values notified since a moment."""
        shown = [
            self._find(quantity, incoming.data)
            for incoming in self.peer.received
            if incoming.at >= since
            and incoming.header.cmd_classifier == Classifier.NOTIFY
            and isinstance(incoming.data, MeasurementListData)
        ]
        return [item for item in shown if item is not None]

    def _number(self, quantity: Quantity) -> int | None:
        return measurement_id(self.profile.value(quantity), self._described, self._parameters)

    def _find(self, quantity: Quantity, data: MeasurementListData) -> Shown | None:
        number = self._number(quantity)
        items: tuple[MeasurementData, ...] = data.measurement_data or ()
        for item in items:
            if number is not None and item.measurement_id == number and item.value_type in (None, "value"):
                return Shown(to_float(item.value), item.value_state)
        return None
