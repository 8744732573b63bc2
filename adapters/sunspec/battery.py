"""A SunSpec battery (storage model 124): its charging is limited, its discharging stays free."""

import logging
from dataclasses import dataclass

from adapters.modbus.bus import Priority, Unit
from adapters.sunspec.connection import SunSpecConnection
from adapters.sunspec.definitions import model_definition
from adapters.sunspec.discovery import ModelLocation
from adapters.sunspec.limiting import percent_raw_at_most, power_of
from adapters.sunspec.model import Group
from adapters.sunspec.values import encode_point
from eebus.clock import Clock
from hems.devices import (
    Capabilities,
    DeviceError,
    DeviceSample,
    DeviceUnreachable,
    Direction,
    Fallback,
    FeasiblePowers,
    Kind,
    PowerRange,
    Readback,
    Setpoint,
    WriteRefused,
)

_LOG = logging.getLogger(__name__)
_STORAGE, _MODULES, _DC_PORTS = 124, 160, 714
_CHARGE_LIMIT, _DISCHARGE_LIMIT = 1, 2
_RATES = "InOutWRte_SF"
_NEEDED = ("WChaMax", "StorCtl_Mod", "OutWRte", "InWRte", "InOutWRte_RvrtTms", "WChaMax_SF", _RATES)
_STORAGE_PORT = 1
_REFRESH_SHARE = 2.5
_REFRESH_WITHOUT_TIMER_S = 60.0
_LARGEST_AT_HOME_W = 15_000.0
_STATES = {
    1: "off",
    2: "empty",
    3: "discharging",
    4: "charging",
    5: "full",
    6: "holding",
    7: "testing",
}


@dataclass(frozen=True, slots=True)
class BatteryOptions:
    """How a battery is used.

    `revert_s`: the dead-man time programmed with each limit where the device has one, 0 for none.
    `max_power_w`: its largest charging power, where the device does not tell its own.
    """

    revert_s: int = 0
    max_power_w: float | None = None
    reaction_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _Storage:
    """The storage model of the device: where it is, what 100 % means, and its step of 10^exponent %."""

    location: ModelLocation
    reference_w: float
    exponent: int
    has_timer: bool

    def full_raw(self) -> int:
        """The rate of 100 %."""
        return percent_raw_at_most(self.reference_w, self.reference_w, self.exponent)


class SunSpecBattery:
    """A :class:`hems.devices.Device`; charging is positive power."""

    def __init__(
        self, name: str, unit: Unit, clock: Clock, options: BatteryOptions, subdevice: int = 0
    ) -> None:
        self._name = name
        self._clock = clock
        self._options = options
        self._connection = SunSpecConnection(name, unit, subdevice)
        self._storage: _Storage | None = None
        self._measures_power = True

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Exact once the device has been reached; before that the configured power stands for it, or that of
        the largest battery that a house has."""
        known_w = self._storage.reference_w if self._storage else self._options.max_power_w
        most_w = _LARGEST_AT_HOME_W if known_w is None else known_w
        return Capabilities(
            kind=Kind.BATTERY,
            nameplate_w=most_w,
            consumption=FeasiblePowers((PowerRange(-most_w, most_w),)),
            consumption_fallback=self._fallback(most_w),
            reaction_s=self._options.reaction_s,
            refresh_s=self._options.revert_s / _REFRESH_SHARE
            if self._has_timer
            else _REFRESH_WITHOUT_TIMER_S,
            measures_power=self._measures_power,
        )

    @property
    def _has_timer(self) -> bool:
        return self._storage is not None and self._storage.has_timer and self._options.revert_s > 0

    def _fallback(self, most_w: float) -> Fallback | None:
        """The timer only drops the limit; without one the last limit stays for ever."""
        return Fallback(float(self._options.revert_s), most_w) if self._has_timer else None

    # The port.

    async def connect(self) -> None:
        self._connection.doubt_map()
        await self._prepare(Priority.FAST)
        self._measures_power = await self._power_w() is not None

    async def read(self) -> DeviceSample:
        try:
            storage = await self._prepare(Priority.FAST)
            model = await self._connection.read_model(storage.location)
            power_w = await self._power_w()
        except DeviceUnreachable:
            self._connection.doubt_map()
            raise
        state = model.integer("ChaSt")
        return DeviceSample(
            at_s=self._clock.monotonic(),
            power_w=power_w,
            ceilings_w={Direction.CONSUMPTION: _held_w(storage, model)},
            charge_percent=model.number("ChaState"),
            state="" if state is None else _STATES.get(state, f"unknown ({state})"),
        )

    async def write(self, setpoint: Setpoint) -> Readback:
        if setpoint.direction is not Direction.CONSUMPTION:
            raise WriteRefused(
                f"{self._name}: only the charging of a battery is limited; leave production to the inverters"
            )
        try:
            storage = await self._prepare(Priority.LIMIT)
            if setpoint.power_w is None:
                return await self._release(storage)
            return await self._limit(storage, setpoint.power_w, lasting=setpoint.lasting)
        except DeviceUnreachable:
            self._connection.doubt_map()
            raise

    async def close(self) -> None:
        await self._connection.unit.close()

    # Finding out what the device is.

    async def _prepare(self, priority: Priority) -> _Storage:
        is_new = await self._connection.ensure_map(priority)
        if is_new or self._storage is None:
            self._storage = await self._find_storage(priority)
        return self._storage

    async def _find_storage(self, priority: Priority) -> _Storage:
        location = self._connection.locate((_STORAGE,))
        definition = model_definition(_STORAGE)
        if location.length + 2 <= max(definition.offset_of(name) for name in _NEEDED):
            raise DeviceError(
                f"{self._name}: its model 124 is cut off after {location.length} registers; it cannot be "
                "limited with this firmware"
            )
        model = await self._connection.read_model(location, priority)
        exponent = model.integer(_RATES)
        if exponent is None or not -10 <= exponent <= 10:
            raise DeviceError(f"{self._name}: the device does not tell the scale of its rates ({_RATES})")
        reference_w = model.number("WChaMax") or self._options.max_power_w
        if not reference_w:
            raise DeviceError(
                f"{self._name}: the device does not tell its charging power; set max_power_w to the one of "
                "its data sheet"
            )
        has_timer = model.integer("InOutWRte_RvrtTms") is not None
        return _Storage(location, reference_w, exponent, has_timer)

    # Measuring.

    async def _power_w(self) -> float | None:
        """Charging positive. Model 160 has no sign: on some hybrids two of its modules are the two ways."""
        modules = self._connection.quirks.storage_modules
        location = self._connection.find((_MODULES,)) if modules is not None else None
        if modules is not None and location is not None:
            groups = (await self._connection.read_model(location)).groups["module"]
            return _difference(groups, *modules)
        location = self._connection.find((_DC_PORTS,))
        if location is None:
            return None
        ports = (await self._connection.read_model(location)).groups["Prt"]
        powers = [port.number("DCW") for port in ports if port.integer("PrtTyp") == _STORAGE_PORT]
        known = [power_w for power_w in powers if power_w is not None]
        return 0.0 - sum(known) if known else None

    # Limiting.

    async def _limit(self, storage: _Storage, power_w: float, *, lasting: bool) -> Readback:
        model = await self._connection.read_model(storage.location, Priority.LIMIT)
        mode = model.integer("StorCtl_Mod") or 0
        if mode & _DISCHARGE_LIMIT and (model.integer("OutWRte") or 0) < 0:
            # A negative discharge rate forces charging; devices ignore a charge limit that contradicts it.
            _LOG.warning("%s: somebody forces it to charge, which ends with this limit", self._name)
            await self._write(storage, "OutWRte", storage.full_raw())
        raw = percent_raw_at_most(power_w, storage.reference_w, storage.exponent)
        if self._has_timer:
            await self._write(storage, "InOutWRte_RvrtTms", 0 if lasting else self._options.revert_s)
        await self._write(storage, "InWRte", raw)
        await self._write(storage, "StorCtl_Mod", mode | _CHARGE_LIMIT)
        written_w = power_of(raw, storage.reference_w, storage.exponent)
        held_w = _held_w(storage, await self._connection.read_model(storage.location, Priority.LIMIT))
        if held_w is None or held_w > written_w:
            shown = "no limit" if held_w is None else f"{held_w:.0f} W"
            raise WriteRefused(
                f"{self._name}: {written_w:.0f} W was written, but the device shows {shown}; check that "
                "control over Modbus is on and that no rule in the device and no other controller writes"
            )
        return Readback(written_w=written_w, held_w=held_w, confirmed=True)

    async def _release(self, storage: _Storage) -> Readback:
        model = await self._connection.read_model(storage.location, Priority.LIMIT)
        await self._write(storage, "StorCtl_Mod", (model.integer("StorCtl_Mod") or 0) & ~_CHARGE_LIMIT)
        held_w = _held_w(storage, await self._connection.read_model(storage.location, Priority.LIMIT))
        return Readback(written_w=None, held_w=held_w, confirmed=held_w is None)

    async def _write(self, storage: _Storage, name: str, raw: int) -> None:
        definition = model_definition(_STORAGE)
        point = definition.point(name)
        address = storage.location.address + definition.offset_of(name)
        registers = encode_point(point.type, point.size, raw)
        function = 6 if self._connection.quirks.single_writes else 16
        await self._connection.unit.write(address, registers, function=function)


def _held_w(storage: _Storage, model: Group) -> float | None:
    """The charge limit that the model shows; a negative rate forces discharging and allows no charging."""
    rate = model.integer("InWRte")
    if not (model.integer("StorCtl_Mod") or 0) & _CHARGE_LIMIT or rate is None:
        return None
    return power_of(max(0, rate), storage.reference_w, storage.exponent)


def _difference(modules: list[Group], charging: int, discharging: int) -> float | None:
    if len(modules) <= max(charging, discharging):
        return None
    charge_w, discharge_w = modules[charging].number("DCW"), modules[discharging].number("DCW")
    return None if charge_w is None or discharge_w is None else charge_w - discharge_w
