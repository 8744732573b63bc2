"""The simulated house behind the device and meter ports, without sockets: for tests in virtual time.

Time comes from the injected clock; waiting goes through the injected `sleep`. Nothing here is random.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from adapters.context import Sleep
from adapters.simulated.faults import Fault
from adapters.simulated.house import House
from adapters.simulated.virtual_device import LATE_S, TIMEOUT_S, VirtualDevice
from eebus.clock import Clock
from hems.devices import DeviceUnreachable, MeterSample

METER = "meter"
"""The name of the meter in schedules and reports."""
_STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class ScheduledFault:
    """A fault of a device or the meter from `at_s` to `until_s`; `fault` None: it restarts."""

    at_s: float
    until_s: float
    name: str
    fault: Fault | None


class VirtualMeter:
    """A :class:`hems.devices.Meter` at the grid connection, with the lag of its house."""

    def __init__(self, name: str = METER) -> None:
        self._name = name
        self._house: VirtualHouse | None = None
        self._stuck: MeterSample | None = None
        self.faults: set[Fault] = set()

    @property
    def name(self) -> str:
        """The name in the house."""
        return self._name

    async def connect(self) -> None:
        """See the port."""
        await self.read()

    async def read(self) -> MeterSample:
        """See the port."""
        house = self._house
        assert house is not None, "a virtual meter belongs to a house"
        if Fault.UNREACHABLE in self.faults:
            await house.sleep(TIMEOUT_S)
            house.advance()
            raise DeviceUnreachable(f"{self._name}: no answer within {TIMEOUT_S:g} s")
        await house.sleep(LATE_S if Fault.SLOW in self.faults else 0.0)
        house.advance()
        if Fault.STUCK in self.faults:
            self._stuck = self._stuck or self._sample(house)
            return replace(self._stuck, at_s=house.now())
        self._stuck = None
        return self._sample(house)

    async def close(self) -> None:
        """See the port."""

    def join(self, house: "VirtualHouse") -> None:
        """Called once, when the house is built."""
        self._house = house

    def _sample(self, house: "VirtualHouse") -> MeterSample:
        flow, volts = house.house.shown, house.voltage_v
        return MeterSample(
            at_s=house.now(),
            power_w=flow.power_w,
            energy_consumed_wh=house.house.imported_wh,
            energy_fed_in_wh=house.house.exported_wh,
            powers_w=flow.phases_w,
            currents_a=tuple(phase_w / volts for phase_w in flow.phases_w),
            voltages_v=(volts,) * len(flow.phases_w),
        )


@dataclass(frozen=True, slots=True)
class Truth:
    """What really flows, whatever meter and devices say. Powers are signed: draw positive, feed-in negative.

    `draws_w`, `wants_w`: by device, what flows and what would flow if nothing limited it.
    """

    at_s: float
    grid_w: float
    load_w: float
    draws_w: dict[str, float] = field(default_factory=dict)
    wants_w: dict[str, float] = field(default_factory=dict)


class VirtualHouse:
    """Models, devices and meter on one clock. `faults` begin and end by themselves.

    Every call of a device or the meter brings the models up to the present; `advance` does so in between.
    `watch` is called after every step of the models, at most half a second long.
    """

    def __init__(
        self,
        house: House,
        devices: Iterable[VirtualDevice],
        meter: VirtualMeter | None,
        clock: Clock,
        *,
        sleep: Sleep = asyncio.sleep,
        faults: Iterable[ScheduledFault] = (),
        voltage_v: float = 230.0,
    ) -> None:
        self.house = house
        self.devices = tuple(devices)
        self.meter = meter
        self._sleep = sleep
        self.faults = tuple(faults)
        self.voltage_v = voltage_v
        self.watch: Callable[[], None] = _nobody
        self._clock = clock
        self._advanced_to_s = clock.monotonic()
        self._moments = sorted(
            [(fault.at_s, True, fault) for fault in self.faults]
            + [(fault.until_s, False, fault) for fault in self.faults if fault.fault is not None],
            key=lambda moment: moment[:2],
        )
        for device in self.devices:
            device.join(self)
        if meter is not None:
            meter.join(self)

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        await self._sleep(seconds)

    def now(self) -> float:
        """The moment that the models have reached."""
        return self._advanced_to_s

    def device(self, name: str) -> VirtualDevice:
        """A device by its name. Raises KeyError."""
        for device in self.devices:
            if device.name == name:
                return device
        raise KeyError(name)

    def advance(self) -> None:
        """Bring the models up to the clock's present, with everything that happens on the way."""
        target_s = self._clock.monotonic()
        while self._moments and self._moments[0][0] <= target_s:
            at_s, begins, fault = self._moments.pop(0)
            self._move_to(max(at_s, self._advanced_to_s))
            self._change(fault, begins)
        self._move_to(target_s)

    def truth(self) -> Truth:
        """What really flows at the moment that the models have reached."""
        return Truth(
            at_s=self._advanced_to_s,
            grid_w=self.house.grid_w,
            load_w=self.house.load_w,
            draws_w={device.name: device.power_w for device in self.devices},
            wants_w={device.name: device.wants_w for device in self.devices},
        )

    def faulty(self, name: str, now: float, settle_s: float = 0.0) -> bool:
        """Whether a device or the meter is in a scheduled fault, or left one less than `settle_s` ago."""
        return any(
            fault.name == name and fault.at_s <= now < fault.until_s + settle_s for fault in self.faults
        )

    def _move_to(self, at_s: float) -> None:
        while self._advanced_to_s < at_s:
            step_s = min(_STEP_S, at_s - self._advanced_to_s)
            self._advanced_to_s += step_s
            for device in self.devices:
                device.prepare(self._advanced_to_s)
            self.house.step(step_s)
            self.watch()

    def _change(self, scheduled: ScheduledFault, begins: bool) -> None:
        if scheduled.fault is None:
            self.device(scheduled.name).restart()
        elif begins:
            self._faults_of(scheduled.name).add(scheduled.fault)
        else:
            self._faults_of(scheduled.name).discard(scheduled.fault)

    def _faults_of(self, name: str) -> set[Fault]:
        if self.meter is not None and name == self.meter.name:
            return self.meter.faults
        return self.device(name).faults


def _nobody() -> None: ...
