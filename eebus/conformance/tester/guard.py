"""The tester as energy guard of LPC and LPP: writes limits and failsafe values of the device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.tester.heartbeat import TesterHeartbeat, add_heartbeat
from eebus.conformance.tester.ship import ANSWER_S, ShipPeer
from eebus.conformance.tester.spine import TESTER_ADDRESS, SpinePeer
from eebus.conformance.tester.tree import bind, discover, server_of, subscribe
from eebus.conformance.verdict import CaseFailed, check
from eebus.conformance.wire import FAILSAFE_DURATION_KEY, LIMITATIONS, LIMITS, LimitationWire, announce
from eebus.jsonform import Elements, Record
from eebus.spine.datagram import Filter, command_for
from eebus.spine.device import LocalDevice, LocalFeature, RemoteFeature
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.common import Classifier, ScaledNumber, TimePeriod
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceConfigurationKeyValueListData,
    KeyValue,
)
from eebus.spine.model.load_control import (
    LoadControlLimitData,
    LoadControlLimitDescriptionListData,
    LoadControlLimitListData,
)
from eebus.spine.update import PARTIAL, delete_filter
from eebus.spine.values import format_duration, parse_duration, to_float, to_scaled

ACK: Final = 0
_SUBSCRIPTION_S: Final = 60.0
_CLIENTS: Final = ("LoadControl", "DeviceConfiguration", "DeviceDiagnosis", "ElectricalConnection")
_BOUND: Final = ("LoadControl", "DeviceConfiguration")
_LIMITS: Final = FUNCTIONS[LIMITS]


@dataclass(frozen=True, slots=True)
class Message:
    """One of the official message sets: which parts of a limit are sent."""

    value: bool
    active: bool | None
    duration: str | None
    """``set``, ``delete``, or None for not mentioned."""


MESSAGES: Final[Mapping[int, Message]] = {
    1: Message(True, None, None),
    2: Message(False, True, None),
    3: Message(False, False, None),
    4: Message(False, None, "delete"),
    5: Message(False, None, "set"),
    6: Message(True, True, None),
    7: Message(True, False, None),
    8: Message(True, None, "delete"),
    9: Message(True, None, "set"),
    10: Message(False, True, "delete"),
    11: Message(False, True, "set"),
    12: Message(False, False, "delete"),
    13: Message(False, False, "set"),
    14: Message(True, True, "delete"),
    15: Message(True, True, "set"),
    16: Message(True, False, "delete"),
    17: Message(True, False, "set"),
}
"""MSG_01 to MSG_17 (use case reference 3.5)."""


@dataclass(frozen=True, slots=True)
class GuardLayout:
    """What the tester looks like; the defaults are an ordinary box."""

    entities_before: int = 0
    """Other entities in front, so that addresses differ from those of the last session."""
    client_type: str | None = None
    """Announce the client features as one of this type instead."""
    guards: int = 1
    """How many energy guard entities there are."""


class GuardTester:
    """An energy guard that sends only what a step says, unless its heartbeat is put in the background."""

    def __init__(
        self, ship: ShipPeer, dut: DeviceUnderTest, profile: LimitationWire, layout: GuardLayout | None = None
    ) -> None:
        layout = layout or GuardLayout()
        self.profile = profile
        device = LocalDevice(TESTER_ADDRESS, "ElectricitySupplySystem")
        for _ in range(layout.entities_before):
            device.add_entity("Generic")
        guards = [device.add_entity("GridGuard") for _ in range(layout.guards)]
        self.clients: list[dict[str, LocalFeature]] = []
        for guard in guards:
            if layout.client_type is None:
                self.clients.append({kind: guard.add_feature(kind, "client") for kind in _CLIENTS})
            else:
                odd = guard.add_feature(layout.client_type, "client")
                self.clients.append(dict.fromkeys(_CLIENTS, odd))
            for each in LIMITATIONS:
                announce(device, guard, "EnergyGuard", each.use_case, {1, 2, 3, 4})
        self.peer = SpinePeer(ship, dut, device)
        self.heartbeats = [TesterHeartbeat(self.peer, add_heartbeat(guard)) for guard in guards]
        self._servers: dict[str, RemoteFeature] = {}
        self._limit_id = -1
        self._keys: dict[str, int] = {}

    @property
    def heartbeat(self) -> TesterHeartbeat:
        """The heartbeat of the first guard."""
        return self.heartbeats[0]

    def server(self, kind: str) -> RemoteFeature:
        """A server feature of the device's controllable system."""
        return self._servers[kind]

    def client(self, kind: str) -> LocalFeature:
        """The feature with which the first guard uses a server."""
        return self.clients[0][kind]

    # Getting ready

    async def set_up(self) -> "GuardTester":
        """Discover, bind, subscribe and read the descriptions. Raises CaseFailed when the device refuses."""
        remote = await discover(self.peer)
        for kind in _CLIENTS:
            server = server_of(remote, self.profile.use_case, "ControllableSystem", kind)
            self._servers[kind] = server
            if kind in _BOUND:
                number = await bind(self.peer, self.client(kind).address, server)
                check(number == ACK, f"the binding of {kind} was refused with {number}")
            number = await subscribe(self.peer, self.client(kind).address, server)
            check(number == ACK, f"the subscription to {kind} was refused with {number}")
        await self._learn_limit()
        await self._learn_keys()
        return self

    async def _learn_limit(self) -> None:
        described = await self.fetch("LoadControl", LoadControlLimitDescriptionListData())
        items = cast(LoadControlLimitDescriptionListData, described).load_control_limit_description_data or ()
        for item in items:
            if (item.limit_direction, item.limit_category, item.scope_type) == (
                self.profile.limit_direction,
                "obligation",
                "activePowerLimit",
            ):
                check(item.limit_id is not None, "the description of the limit has no number")
                self._limit_id = item.limit_id or 0
                return
        raise CaseFailed(f"the device describes no limit of direction {self.profile.limit_direction}")

    async def _learn_keys(self) -> None:
        described = cast(
            DeviceConfigurationKeyValueDescriptionListData,
            await self.fetch("DeviceConfiguration", DeviceConfigurationKeyValueDescriptionListData()),
        )
        self._keys = {
            item.key_name: item.key_id
            for item in described.device_configuration_key_value_description_data or ()
            if item.key_name is not None and item.key_id is not None
        }

    async def fetch(self, kind: str, data: Record) -> Record:
        """Read a function of the controllable system."""
        return await self.peer.fetch(data, self.server(kind).address, source=self.client(kind).address)

    async def beat(self) -> None:
        """One heartbeat; the device gets the time to subscribe to it first. Raises CaseFailed."""
        await self.peer.until(lambda: self.heartbeat.listeners, _SUBSCRIPTION_S)
        check(bool(self.heartbeat.listeners), "the device does not subscribe to the heartbeat")
        await self.heartbeat.beat()
        await self.peer.run(0.0)

    # Writing

    async def write(self, kind: str, data: Record, filters: tuple[Filter, ...] = (PARTIAL,)) -> int:
        """Write, and wait for the error number. Raises CaseFailed without an answer."""
        counter = await self.peer.send(
            Classifier.WRITE,
            command_for(data, filters),
            source=self.client(kind).address,
            destination=self.server(kind).address,
            ack=True,
        )
        return await self.peer.error_number(counter, ANSWER_S)

    async def message(self, number: int, value_w: float, duration_s: float = 60.0) -> int:
        """Write a limit with one of the message sets; a negative magnitude is a wrong sign."""
        message = MESSAGES[number]
        period = TimePeriod(end_time=format_duration(duration_s)) if message.duration == "set" else None
        item = LoadControlLimitData(
            limit_id=self._limit_id,
            is_limit_active=message.active,
            time_period=period,
            value=to_scaled(value_w * self.profile.sign) if message.value else None,
        )
        filters: tuple[Filter, ...] = (PARTIAL,)
        if message.duration == "delete":
            selectors = LoadControlLimitData(limit_id=self._limit_id)
            filters = (delete_filter(_LIMITS, selectors, "timePeriod"), PARTIAL)
        return await self.write("LoadControl", limit_list(item), filters)

    async def write_number(self, number: ScaledNumber, unknown: tuple[tuple[str, object], ...] = ()) -> int:
        """Write an activated limit with exactly this number on the wire, and elements of the future."""
        item = LoadControlLimitData(
            limit_id=self._limit_id, is_limit_active=True, value=number, unknown=Elements(unknown)
        )
        return await self.write("LoadControl", limit_list(item))

    async def write_failsafe_limit(self, value_w: float) -> int:
        """Write the failsafe limit, always positive on the wire."""
        return await self._write_key(self.profile.failsafe_key, KeyValue(scaled_number=to_scaled(value_w)))

    async def write_failsafe_duration(self, seconds: float) -> int:
        """Write the failsafe duration minimum."""
        return await self._write_key(FAILSAFE_DURATION_KEY, KeyValue(duration=format_duration(seconds)))

    async def _write_key(self, name: str, value: KeyValue) -> int:
        item = DeviceConfigurationKeyValueData(key_id=self._key(name), value=value)
        data = DeviceConfigurationKeyValueListData(device_configuration_key_value_data=(item,))
        return await self.write("DeviceConfiguration", data)

    def _key(self, name: str) -> int:
        check(name in self._keys, f"the device has no key {name}")
        return self._keys[name]

    # Reading back

    async def limit(self) -> LoadControlLimitData:
        """The limit as it reads now."""
        data = cast(LoadControlLimitListData, await self.fetch("LoadControl", LoadControlLimitListData()))
        for item in data.load_control_limit_data or ():
            if item.limit_id == self._limit_id:
                return item
        raise CaseFailed("the limit cannot be read")

    async def limit_value_w(self) -> float | None:
        """The magnitude that reads now; negative with the wrong sign."""
        watts = to_float((await self.limit()).value)
        return None if watts is None else watts * self.profile.sign

    async def failsafe_limit_w(self) -> float | None:
        """The failsafe limit as it reads now."""
        value = await self._key_value(self.profile.failsafe_key)
        return to_float(value.scaled_number)

    async def failsafe_duration_s(self) -> float | None:
        """The failsafe duration minimum as it reads now."""
        value = await self._key_value(FAILSAFE_DURATION_KEY)
        return None if value.duration is None else parse_duration(value.duration)

    async def _key_value(self, name: str) -> KeyValue:
        data = cast(
            DeviceConfigurationKeyValueListData,
            await self.fetch("DeviceConfiguration", DeviceConfigurationKeyValueListData()),
        )
        for item in data.device_configuration_key_value_data or ():
            if item.key_id == self._key(name) and item.value is not None:
                return item.value
        raise CaseFailed(f"the key {name} cannot be read")


def limit_list(item: LoadControlLimitData) -> LoadControlLimitListData:
    """One limit as the data of its function."""
    return LoadControlLimitListData(load_control_limit_data=(item,))
