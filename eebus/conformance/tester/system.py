"""The tester as controllable system of LPC and LPP: takes limits and failsafe values of the device."""

from dataclasses import dataclass, replace
from typing import Final, cast

import msgspec

from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.tester.heartbeat import TesterHeartbeat, add_heartbeat
from eebus.conformance.tester.ship import ShipPeer
from eebus.conformance.tester.spine import TESTER_ADDRESS, SpinePeer
from eebus.conformance.tester.tree import discover, server_of, subscribe
from eebus.conformance.verdict import check
from eebus.errors import RemoteError
from eebus.spine.datagram import Command
from eebus.spine.device import READ, READ_WRITE_PARTIAL, LocalDevice, LocalFeature
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import ErrorNumber, ScaledNumber
from eebus.spine.model.device import DeviceConfigurationKeyValueListData
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.update import apply
from eebus.spine.values import parse_duration, to_float, to_scaled
from eebus.usecases.announcement import announce
from eebus.usecases.limit_data import (
    CHARACTERISTIC_FUNCTION,
    KEY_DESCRIPTION_FUNCTION,
    KEY_FUNCTION,
    LIMIT_DESCRIPTION_FUNCTION,
    LIMIT_FUNCTION,
    key_descriptions,
    key_values,
    limit_descriptions,
    nominal_maxima,
)
from eebus.usecases.limitation import PROFILES, Direction, Profile

_MAXIMA_W: Final = {Direction.CONSUMPTION: 34500.0, Direction.PRODUCTION: 30000.0}
_FAILSAFE: Final = {direction: to_scaled(5000.0) for direction in Direction}


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
        self, ship: ShipPeer, dut: DeviceUnderTest, profile: Profile, layout: SystemLayout | None = None
    ) -> None:
        layout = layout or SystemLayout()
        self.profile = profile
        self._profiles = tuple(replace(each, limit_id=each.limit_id + layout.limit_ids) for each in PROFILES)
        device = LocalDevice(TESTER_ADDRESS, "EnergyManagementSystem")
        for _ in range(layout.entities_before):
            device.add_entity("Generic")
        entity = device.add_entity("CEM")
        self._heard = entity.add_feature("DeviceDiagnosis", "client")
        limits = entity.add_feature(
            "LoadControl", "server", {LIMIT_DESCRIPTION_FUNCTION: READ, LIMIT_FUNCTION: READ_WRITE_PARTIAL}
        )
        limits.preset(limit_descriptions(self._profiles))
        limits.preset(
            LoadControlLimitListData(
                load_control_limit_data=tuple(_inactive(each) for each in self._profiles)
            )
        )
        keys = entity.add_feature(
            "DeviceConfiguration",
            "server",
            {KEY_DESCRIPTION_FUNCTION: READ, KEY_FUNCTION: READ_WRITE_PARTIAL},
        )
        keys.preset(key_descriptions(self._profiles))
        keys.preset(key_values(self._profiles, _FAILSAFE, 7200.0))
        maxima = entity.add_feature("ElectricalConnection", "server", {CHARACTERISTIC_FUNCTION: READ})
        maxima.preset(nominal_maxima(self._profiles, _MAXIMA_W, energy_manager=True))
        for each in PROFILES:
            announce(device, entity, "ControllableSystem", each.use_case, (1, 2, 3, 4))
        if not layout.available:
            _make_unavailable(device)
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
        if command.function not in (LIMIT_FUNCTION, KEY_FUNCTION):
            return ErrorNumber.COMMAND_NOT_SUPPORTED
        spec = FUNCTIONS[command.function]
        try:
            merged = apply(spec, feature.data(command.function) or spec.data(), command)
        except RemoteError:
            return ErrorNumber.COMMAND_REJECTED
        accepted = (
            self._keep_limits(command) if command.function == LIMIT_FUNCTION else self._keep_keys(command)
        )
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
        profile = next((each for each in self._profiles if each.limit_id == item.limit_id), None)
        watts = to_float(item.value)
        value_w = None if watts is None or profile is None else watts * profile.wire_sign
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


def _inactive(profile: Profile) -> LoadControlLimitData:
    return LoadControlLimitData(
        limit_id=profile.limit_id,
        is_limit_changeable=True,
        is_limit_active=False,
        value=ScaledNumber(number=0, scale=0),
    )


def _make_unavailable(device: LocalDevice) -> None:
    device.use_cases = [
        replace(item, support=msgspec.structs.replace(item.support, use_case_available=False))
        for item in device.use_cases
    ]
