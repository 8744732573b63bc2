"""The tester as controllable system of LPC and LPP: takes limits and failsafe values of the device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.tester.heartbeat import TesterHeartbeat, add_heartbeat
from eebus.conformance.tester.ship import ShipPeer
from eebus.conformance.tester.spine import TESTER_ADDRESS, SpinePeer
from eebus.conformance.tester.tree import discover, server_of, subscribe
from eebus.conformance.verdict import check
from eebus.conformance.wire import (
    CHARACTERISTICS,
    FAILSAFE_DURATION_KEY,
    KEY_DESCRIPTIONS,
    KEYS,
    LIMIT_DESCRIPTIONS,
    LIMITATIONS,
    LIMITS,
    LimitationWire,
    announce,
)
from eebus.errors import RemoteError
from eebus.spine.datagram import Command
from eebus.spine.device import READ, READ_WRITE_PARTIAL, LocalDevice, LocalEntity, LocalFeature
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import ErrorNumber, ScaledNumber
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
from eebus.spine.update import apply
from eebus.spine.values import parse_duration, to_float, to_scaled
from eebus.usecases.limitation import Direction

_MAXIMA_W: Final = {Direction.CONSUMPTION: 34500.0, Direction.PRODUCTION: 30000.0}
_FAILSAFE_W: Final = 5000.0
_DURATION_KEY_ID: Final = 1


@dataclass(frozen=True, slots=True)
class LimitWritten:
    """A limit write of the device."""

    at: float
    direction: Direction
    value_w: float | None
    """Magnitude; negative with the wrong sign."""
    active: bool | None
    duration_s: float | None
    accepted: bool


@dataclass(frozen=True, slots=True)
class FailsafeWritten:
    """A failsafe write of the device."""

    at: float
    limit_w: float | None
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class SystemLayout:
    """What the tester looks like; the defaults are an ordinary energy manager."""

    entities_before: int = 0
    limit_ids: int = 0
    """Added to the numbers of limits and keys."""
    available: bool = True


class SystemTester:
    """A controllable system that keeps every write, accepts the valid ones and sends its heartbeat."""

    def __init__(
        self,
        ship: ShipPeer,
        dut: DeviceUnderTest,
        profile: LimitationWire,
        layout: SystemLayout | None = None,
    ) -> None:
        layout = layout or SystemLayout()
        self.profile = profile
        self._ids = {each.direction: number + layout.limit_ids for number, each in enumerate(LIMITATIONS)}
        device = LocalDevice(TESTER_ADDRESS, "EnergyManagementSystem")
        for _ in range(layout.entities_before):
            device.add_entity("Generic")
        entity = device.add_entity("CEM")
        self._heard = entity.add_feature("DeviceDiagnosis", "client")
        _add_limits(entity, self._ids)
        _add_keys(entity)
        _add_maxima(entity)
        for each in LIMITATIONS:
            announce(
                device,
                entity,
                "ControllableSystem",
                each.use_case,
                {1, 2, 3, 4},
                available=layout.available,
            )
        self.peer = SpinePeer(ship, dut, device)
        self.peer.judge_write = self._judge
        self.heartbeat = TesterHeartbeat(self.peer, add_heartbeat(entity))
        self.limits: list[LimitWritten] = []
        self.failsafe: list[FailsafeWritten] = []
        self.refuse_activated = 0
        """How many activated limits to refuse from now on."""

    async def set_up(self) -> "SystemTester":
        """Find the device's heartbeat, subscribe to it, and send the own one in the background."""
        remote = await discover(self.peer)
        server = server_of(remote, self.profile.use_case, "EnergyGuard", "DeviceDiagnosis")
        number = await subscribe(self.peer, self._heard.address, server)
        check(number == ErrorNumber.NONE, f"the subscription to the heartbeat was refused with {number}")
        self.heartbeat.run_in_background()
        return self

    def written(self, direction: Direction | None = None) -> list[LimitWritten]:
        """The limit writes of the direction under test."""
        wanted = direction or self.profile.direction
        return [write for write in self.limits if write.direction is wanted]

    def _judge(self, feature: LocalFeature, command: Command) -> int:
        if command.function not in (LIMITS, KEYS):
            return ErrorNumber.COMMAND_NOT_SUPPORTED
        spec = FUNCTIONS[command.function]
        try:
            merged = apply(spec, feature.data(command.function) or spec.data(), command)
        except RemoteError:
            return ErrorNumber.COMMAND_REJECTED
        accepted = self._keep_limits(command) if command.function == LIMITS else self._keep_keys(command)
        if not accepted:
            return ErrorNumber.COMMAND_REJECTED
        feature.preset(merged)
        return ErrorNumber.NONE

    def _keep_limits(self, command: Command) -> bool:
        data = cast(LoadControlLimitListData, command.data)
        writes = [self._limit_written(item) for item in data.load_control_limit_data or ()]
        self.limits += writes
        return bool(writes) and all(write.accepted for write in writes)

    def _limit_written(self, item: LoadControlLimitData) -> LimitWritten:
        profile = next((each for each in LIMITATIONS if self._ids[each.direction] == item.limit_id), None)
        watts = to_float(item.value)
        value_w = None if watts is None or profile is None else watts * profile.sign
        valid = profile is not None and (value_w is None or value_w >= 0)
        if valid and item.is_limit_active and self.refuse_activated:
            self.refuse_activated -= 1
            valid = False
        period = item.time_period.end_time if item.time_period else None
        return LimitWritten(
            at=self.peer.dut.now(),
            direction=(profile or self.profile).direction,
            value_w=value_w,
            active=item.is_limit_active,
            duration_s=None if period is None else parse_duration(period),
            accepted=valid,
        )

    def _keep_keys(self, command: Command) -> bool:
        data = cast(DeviceConfigurationKeyValueListData, command.data)
        for item in data.device_configuration_key_value_data or ():
            value = item.value
            duration = value.duration if value else None
            self.failsafe.append(
                FailsafeWritten(
                    at=self.peer.dut.now(),
                    limit_w=to_float(value.scaled_number) if value else None,
                    duration_s=None if duration is None else parse_duration(duration),
                )
            )
        return True


def _add_limits(entity: LocalEntity, ids: Mapping[Direction, int]) -> None:
    feature = entity.add_feature(
        "LoadControl", "server", {LIMIT_DESCRIPTIONS: READ, LIMITS: READ_WRITE_PARTIAL}
    )
    feature.preset(
        LoadControlLimitDescriptionListData(
            load_control_limit_description_data=tuple(
                LoadControlLimitDescriptionData(
                    limit_id=ids[each.direction],
                    limit_type="signDependentAbsValueLimit",
                    limit_category="obligation",
                    limit_direction=each.limit_direction,
                    measurement_id=0,
                    unit="W",
                    scope_type="activePowerLimit",
                )
                for each in LIMITATIONS
            )
        )
    )
    feature.preset(
        LoadControlLimitListData(
            load_control_limit_data=tuple(
                LoadControlLimitData(
                    limit_id=number,
                    is_limit_changeable=True,
                    is_limit_active=False,
                    value=ScaledNumber(number=0, scale=0),
                )
                for number in ids.values()
            )
        )
    )


def _add_keys(entity: LocalEntity) -> None:
    feature = entity.add_feature(
        "DeviceConfiguration", "server", {KEY_DESCRIPTIONS: READ, KEYS: READ_WRITE_PARTIAL}
    )
    limit_ids = {0: LIMITATIONS[0].failsafe_key, 2: LIMITATIONS[1].failsafe_key}
    descriptions = [
        DeviceConfigurationKeyValueDescriptionData(
            key_id=number, key_name=name, value_type="scaledNumber", unit="W"
        )
        for number, name in limit_ids.items()
    ]
    descriptions.append(
        DeviceConfigurationKeyValueDescriptionData(
            key_id=_DURATION_KEY_ID, key_name=FAILSAFE_DURATION_KEY, value_type="duration"
        )
    )
    values = {number: KeyValue(scaled_number=to_scaled(_FAILSAFE_W)) for number in limit_ids}
    values[_DURATION_KEY_ID] = KeyValue(duration="PT2H")
    feature.preset(
        DeviceConfigurationKeyValueDescriptionListData(
            device_configuration_key_value_description_data=tuple(descriptions)
        )
    )
    feature.preset(
        DeviceConfigurationKeyValueListData(
            device_configuration_key_value_data=tuple(
                DeviceConfigurationKeyValueData(key_id=number, value=value, is_value_changeable=True)
                for number, value in values.items()
            )
        )
    )


def _add_maxima(entity: LocalEntity) -> None:
    feature = entity.add_feature("ElectricalConnection", "server", {CHARACTERISTICS: READ})
    feature.preset(
        ElectricalConnectionCharacteristicListData(
            electrical_connection_characteristic_data=tuple(
                ElectricalConnectionCharacteristicData(
                    electrical_connection_id=0,
                    parameter_id=0,
                    characteristic_id=number,
                    characteristic_context="entity",
                    characteristic_type=each.contractual_maximum,
                    value=to_scaled(_MAXIMA_W[each.direction]),
                    unit="W",
                )
                for number, each in enumerate(LIMITATIONS)
            )
        )
    )
