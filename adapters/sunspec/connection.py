"""A SunSpec device on a bus: its map, kept true over reconnects, and whole models read through it."""

from collections.abc import Iterable

from adapters.modbus.bus import Priority, Unit
from adapters.modbus.errors import ILLEGAL_ADDRESS, ReadRefused
from adapters.modbus.requests import MAX_READ_REGISTERS, Table
from adapters.sunspec.definitions import model_definition
from adapters.sunspec.discovery import DeviceMap, ModelLocation, discover
from adapters.sunspec.model import Group, decode_model, plan_reads
from adapters.sunspec.quirks import Quirks, quirks_of
from hems.devices import DeviceError, DeviceUnreachable

_HEADER = 2
_COMMON = 1


class SunSpecConnection:
    """Finds models and reads them.

    Addresses shift when a firmware is updated or a battery is added, so the headers in use are checked again
    after every loss of contact, and the chain is walked again when one does not fit.
    """

    def __init__(self, name: str, unit: Unit, subdevice: int = 0) -> None:
        self._name = name
        self._unit = unit
        self._subdevice = subdevice
        self._map: DeviceMap | None = None
        self._used: dict[int, ModelLocation] = {}
        self._is_verified = False
        self.quirks = Quirks()
        self.common = Group()

    @property
    def unit(self) -> Unit:
        """The unit on the bus."""
        return self._unit

    async def ensure_map(self, priority: Priority = Priority.FAST) -> bool:
        """Make sure that the map is the device's present one; True when it is a new one.

        Raises DeviceError.
        """
        if self._map is not None and (self._is_verified or await self._headers_fit(priority)):
            self._is_verified = True
            return False
        self._map = None
        self._used.clear()
        self._map = await discover(
            lambda address, count: self._unit.read(Table.HOLDING, address, count, priority)
        )
        self._is_verified = True
        self.common = await self.read_model(self.locate((_COMMON,)), priority)
        self.quirks = quirks_of(self.common)
        return True

    def doubt_map(self) -> None:
        """Have the map checked before it is used again."""
        self._is_verified = False

    def find(self, model_ids: Iterable[int]) -> ModelLocation | None:
        """The first of the wanted models that the sub-device has."""
        assert self._map is not None, "ensure_map comes first"
        location = self._map.find(model_ids, self._subdevice)
        if location is not None:
            self._used[location.model_id] = location
        return location

    def locate(self, model_ids: Iterable[int]) -> ModelLocation:
        """The same, but it must exist. Raises DeviceError."""
        wanted = tuple(model_ids)
        location = self.find(wanted)
        if location is None:
            assert self._map is not None
            has = ", ".join(str(model.model_id) for model in self._map.models)
            needs = " or ".join(str(model_id) for model_id in wanted)
            raise DeviceError(
                f"{self._name}: SunSpec model {needs} is needed, sub-device {self._subdevice} at unit "
                f"{self._unit.unit_id} has not got it (the map holds {has}); check unit and sub-device"
            )
        return location

    async def read_model(self, location: ModelLocation, priority: Priority = Priority.FAST) -> Group:
        """Read and decode a whole model. Raises DeviceError."""
        definition = model_definition(location.model_id)
        registers: list[int] = []
        try:
            for offset, count in plan_reads(definition, location.length, MAX_READ_REGISTERS):
                registers += await self._unit.read(Table.HOLDING, location.address + offset, count, priority)
        except ReadRefused as error:
            self._doubt_after(error)
            raise
        except DeviceUnreachable:
            self.doubt_map()
            raise
        if tuple(registers[:_HEADER]) != (location.model_id, location.length):
            self.doubt_map()
            raise DeviceError(
                f"{self._name}: the map of the device has moved; it is read again before the next request"
            )
        return decode_model(definition, registers)

    async def read_points(
        self, location: ModelLocation, points: Iterable[str], priority: Priority = Priority.FAST
    ) -> Group:
        """Read single points of a model, for devices that refuse whole ones; what they refuse is None."""
        definition = model_definition(location.model_id)
        registers = [location.model_id, location.length, *([0] * location.length)]
        missing = []
        for name in points:
            offset, size = definition.offset_of(name), definition.point(name).size
            try:
                values = await self._unit.read(Table.HOLDING, location.address + offset, size, priority)
                registers[offset : offset + size] = values
            except ReadRefused:
                missing.append(name)
        group = decode_model(definition, registers)
        for name in missing:
            group.raw[name] = group.values[name] = None
        return group

    async def _headers_fit(self, priority: Priority) -> bool:
        for location in self._used.values():
            try:
                header = await self._unit.read(Table.HOLDING, location.address, _HEADER, priority)
            except ReadRefused:
                return False
            if header != (location.model_id, location.length):
                return False
        return True

    def _doubt_after(self, error: ReadRefused) -> None:
        if error.code == ILLEGAL_ADDRESS:
            self.doubt_map()
