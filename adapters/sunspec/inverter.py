"""A SunSpec inverter behind the ports of the gateway: it is read, and its production is limited."""

from dataclasses import dataclass

from adapters.modbus.bus import Priority, Unit
from adapters.modbus.codec import NumberType, WordOrder, decode
from adapters.modbus.requests import Table
from adapters.sunspec.connection import SunSpecConnection
from adapters.sunspec.definitions import model_definition
from adapters.sunspec.discovery import ModelLocation
from adapters.sunspec.limiting import DER_CONTROLS, LIMIT_MODELS, NAMES, SCALE_POINT
from adapters.sunspec.model import Group
from adapters.sunspec.production import (
    DeadMan,
    DynamicLimiter,
    ModelLimiter,
    ProductionLimiter,
    read_limit_model,
)
from adapters.sunspec.quirks import DynamicLimit
from adapters.sunspec.values import Counter
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

_MEASUREMENTS = (103, 102, 101, 113, 112, 111, 701)
_DER_MEASUREMENTS = 701
_RATINGS = ((121, "WMax"), (120, "WRtg"), (702, "WMax"), (702, "WMaxRtg"))
_STATES = {
    1: "off",
    2: "sleeping",
    3: "starting",
    4: "producing",
    5: "throttled",
    6: "shutting down",
    7: "fault",
    8: "standby",
}
_DER_STATES = {0: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8}
_FAULT = 7
_REFRESH_SHARE = 2.5
_REFRESH_WITHOUT_TIMER_S = 60.0
_LARGEST_AT_HOME_W = 30_000.0


@dataclass(frozen=True, slots=True)
class InverterOptions:
    """How an inverter is used.

    `revert_s`: the dead-man time programmed with each limit, 0 for none. `after_revert_w`: what it holds
    after that; None is free. `nameplate_w`: where the device does not tell its own.
    """

    revert_s: int = 0
    after_revert_w: float | None = None
    nameplate_w: float | None = None
    reaction_s: float = 10.0


class SunSpecInverter:
    """A :class:`hems.devices.Device`; production is negative power, as everywhere in the gateway."""

    def __init__(
        self, name: str, unit: Unit, clock: Clock, options: InverterOptions, subdevice: int = 0
    ) -> None:
        self._name = name
        self._clock = clock
        self._options = options
        self._connection = SunSpecConnection(name, unit, subdevice)
        self._limiter: ProductionLimiter | None = None
        self._produced = Counter()
        self._consumed = Counter()

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Exact once the device has been reached; before that the configured nameplate stands for it, or the
        largest inverter that a house has: one of unknown size is not taken for a small one."""
        known_w = self._limiter.reference_w if self._limiter else self._options.nameplate_w
        nameplate_w = _LARGEST_AT_HOME_W if known_w is None else known_w
        has_timer = self._limiter is None or self._limiter.has_timer
        return Capabilities(
            kind=Kind.INVERTER,
            nameplate_w=nameplate_w,
            production=FeasiblePowers((PowerRange(0.0, nameplate_w),)),
            production_fallback=self._fallback(known_w) if has_timer else None,
            reaction_s=self._options.reaction_s,
            refresh_s=self._refresh_s(has_timer),
        )

    def _fallback(self, known_w: float | None) -> Fallback | None:
        """Nothing is promised for an inverter of unknown size."""
        if not self._options.revert_s or known_w is None:
            return None
        after_w = self._options.after_revert_w
        return Fallback(float(self._options.revert_s), known_w if after_w is None else after_w)

    def _refresh_s(self, has_timer: bool) -> float:
        if self._options.revert_s and has_timer:
            return self._options.revert_s / _REFRESH_SHARE
        return _REFRESH_WITHOUT_TIMER_S

    # The port.

    async def connect(self) -> None:
        self._connection.doubt_map()
        await self._prepare(Priority.FAST)

    async def read(self) -> DeviceSample:
        try:
            limiter = await self._prepare(Priority.FAST)
            location = self._connection.locate(_MEASUREMENTS)
            measured = await self._connection.read_model(location)
            held_w = await limiter.held_w(Priority.FAST)
        except DeviceUnreachable:
            self._connection.doubt_map()
            raise
        return self._sample(location.model_id, measured, held_w)

    async def write(self, setpoint: Setpoint) -> Readback:
        if setpoint.direction is not Direction.PRODUCTION:
            raise WriteRefused(
                f"{self._name}: a SunSpec inverter is limited in its production only; leave consumption to "
                "another device"
            )
        try:
            limiter = await self._prepare(Priority.LIMIT)
            if setpoint.power_w is None:
                return await limiter.release()
            return await limiter.limit(setpoint.power_w, lasting=setpoint.lasting)
        except DeviceUnreachable:
            self._connection.doubt_map()
            raise

    async def close(self) -> None:
        await self._connection.unit.close()

    # Finding out what the device is.

    async def _prepare(self, priority: Priority) -> ProductionLimiter:
        is_new = await self._connection.ensure_map(priority)
        if is_new or self._limiter is None:
            self._limiter = await self._find_limiter(priority)
        return self._limiter

    async def _find_limiter(self, priority: Priority) -> ProductionLimiter:
        registers = self._connection.quirks.dynamic_limit
        if registers is not None and self._connection.find(LIMIT_MODELS) is None:
            return await self._dynamic_limiter(registers, priority)
        location = self._connection.locate(LIMIT_MODELS)
        self._check_length(location)
        if self._options.after_revert_w is not None and location.model_id != DER_CONTROLS:
            raise DeviceError(
                f"{self._name}: model {location.model_id} can only drop its limit when its timer ends; "
                "remove after_revert_w from the settings"
            )
        return await self._model_limiter(location, priority)

    async def _model_limiter(self, location: ModelLocation, priority: Priority) -> ModelLimiter:
        model = await read_limit_model(self._connection, location, priority)
        exponent = model.integer(SCALE_POINT)
        if exponent is None or not -10 <= exponent <= 10:
            raise DeviceError(
                f"{self._name}: the device does not tell the scale of its limit ({SCALE_POINT})"
            )
        return ModelLimiter(
            self._name,
            self._connection,
            location,
            reference_w=await self._reference_w(priority),
            exponent=exponent,
            has_timer=model.integer(NAMES[location.model_id].revert) is not None,
            dead_man=self._dead_man,
        )

    async def _dynamic_limiter(self, registers: DynamicLimit, priority: Priority) -> DynamicLimiter:
        words = await self._connection.unit.read(Table.HOLDING, registers.power_w, 2, priority)
        told_w = decode(words, NumberType.F32, WordOrder.LITTLE)
        reference_w = told_w if told_w > 0.0 else await self._reference_w(priority)
        limiter = DynamicLimiter(
            self._name, self._connection, registers, reference_w=reference_w, dead_man=self._dead_man
        )
        await limiter.set_up(priority)
        return limiter

    @property
    def _dead_man(self) -> DeadMan:
        return DeadMan(self._options.revert_s, self._options.after_revert_w)

    def _check_length(self, location: ModelLocation) -> None:
        """A model that is too short for its last needed point must not be used for control."""
        definition = model_definition(location.model_id)
        needed = max(definition.offset_of(name) for name in (SCALE_POINT, *NAMES[location.model_id].run))
        if location.length + 2 <= needed:
            raise DeviceError(
                f"{self._name}: its model {location.model_id} is cut off after {location.length} registers; "
                "it cannot be limited with this firmware"
            )

    async def _reference_w(self, priority: Priority) -> float:
        """What 100 % means."""
        for model_id, point in _RATINGS:
            location = self._connection.find((model_id,))
            if location is not None:
                rating_w = (await self._connection.read_model(location, priority)).number(point)
                if rating_w:
                    return rating_w
        if self._options.nameplate_w is None:
            raise DeviceError(
                f"{self._name}: the device does not tell its rated power; set nameplate_w to the one on its "
                "type plate"
            )
        return self._options.nameplate_w

    # Reading.

    def _sample(self, model_id: int, measured: Group, held_w: float | None) -> DeviceSample:
        der = model_id == _DER_MEASUREMENTS
        state = measured.integer("InvSt" if der else "St")
        state = _DER_STATES.get(state) if der and state is not None else state
        empty = self._connection.quirks.zero_frames and _is_zero_frame(measured, state)
        power_w = None if empty else measured.number("W")
        produced = measured.number("TotWhInj" if der else "WH")
        return DeviceSample(
            at_s=self._clock.monotonic(),
            power_w=None if power_w is None else 0.0 - power_w,
            ceilings_w={Direction.PRODUCTION: held_w},
            energy_produced_wh=self._produced.update(None if empty else produced),
            energy_consumed_wh=self._consumed.update(measured.number("TotWhAbs")) if der else None,
            currents_a=_numbers(measured, ("AL1", "AL2", "AL3") if der else ("AphA", "AphB", "AphC")),
            voltages_v=_numbers(measured, ("VL1", "VL2", "VL3") if der else ("PhVphA", "PhVphB", "PhVphC")),
            state="" if state is None else _STATES.get(state, f"unknown ({state})"),
        )


def _numbers(group: Group, points: tuple[str, ...]) -> tuple[float, ...]:
    numbers = [group.number(point) for point in points]
    return tuple(number for number in numbers if number is not None)


def _is_zero_frame(measured: Group, state: int | None) -> bool:
    """Frames of zeros that some devices send for a moment while starting or at night."""
    signs_of_life = (measured.number("Hz"), *_numbers(measured, ("PhVphA", "PhVphB", "PhVphC")))
    return state == _FAULT or not any(signs_of_life)
