"""A house for each number: the same seed gives the same house, the same day and the same mishaps."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

from adapters.context import Sleep
from adapters.simulated.battery import Battery
from adapters.simulated.faults import Fault
from adapters.simulated.heat_pump import HeatPump
from adapters.simulated.house import House
from adapters.simulated.inverter import Inverter
from adapters.simulated.surroundings import Household, Sky
from adapters.simulated.virtual import METER, ScheduledFault, VirtualHouse, VirtualMeter
from adapters.simulated.virtual_device import BOOT_S, Habits, VirtualDevice
from adapters.simulated.virtual_kinds import (
    SwitchingWallbox,
    VirtualBattery,
    VirtualHeatPump,
    VirtualInverter,
    VirtualWallbox,
)
from adapters.simulated.wallbox import Car, Wallbox
from eebus.clock import Clock
from hems.devices import Fallback

_DAY_S = 86_400
_LEAST_MISHAP_S, _MOST_MISHAP_S = 20.0, 240.0
_DEVICE_FAULTS = (
    Fault.UNREACHABLE,
    Fault.IGNORE_WRITES,
    Fault.NO_EFFECT,
    Fault.CLIP,
    Fault.SLOW,
    Fault.BUSY,
    Fault.STUCK,
    Fault.MUTE,
    None,
)
_METER_FAULTS = (Fault.UNREACHABLE, Fault.SLOW, Fault.STUCK)


def random_house(
    seed: int,
    clock: Clock,
    *,
    duration_s: float = 7_200.0,
    mishaps: int = 6,
    imperfect: bool = False,
    sleep: Sleep = asyncio.sleep,
) -> VirtualHouse:
    """Build house number `seed`, with up to `mishaps` faults within `duration_s` from now.

    It has one to three wallboxes, mostly a heat pump, a battery and PV, and mostly a meter. `imperfect`:
    some with PV and a meter have more of it that nobody can tell anything, some devices take more than they
    are told, and some wallboxes are switched between one phase and three.
    """
    chance = random.Random(seed)
    house = House(
        household=Household(
            base_w=chance.uniform(80.0, 600.0),
            sway_w=chance.uniform(0.0, 600.0),
            appliance_w=chance.uniform(1_500.0, 3_500.0),
            busyness=chance.random(),
            seed=seed,
        ),
        at_s=float(chance.randrange(_DAY_S)),
        wallboxes=[_wallbox(chance) for _ in range(chance.choice((1, 1, 2, 3)))],
        heat_pumps=[_heat_pump(chance)] if chance.random() < 0.75 else [],
        inverters=[_inverter(chance) for _ in range(chance.choice((0, 1, 1, 2)))],
        batteries=[_battery(chance)] if chance.random() < 0.6 else [],
        meter_lag_s=chance.choice((0.0, 0.5, 1.0, 2.0, 5.0)),
    )
    peak_w = sum(inverter.nameplate_w for inverter in house.inverters) * chance.uniform(0.7, 1.2)
    house.sky = Sky(peak_w, cloudiness=chance.random(), seed=seed) if house.inverters else None
    devices = _devices(house, chance)
    meter = VirtualMeter() if chance.random() < 0.9 else None
    names = [device.name for device in devices] + ([METER] if meter is not None else [])
    start_s = clock.monotonic()
    faults = [_mishap(chance, names, start_s, duration_s) for _ in range(chance.randint(0, mishaps))]
    if imperfect:
        _spoil(house, devices, meter, chance)
        devices = [_with_switch(device, chance) for device in devices]
    return VirtualHouse(house, devices, meter, clock, sleep=sleep, faults=faults)


def _spoil(
    house: House, devices: Sequence[VirtualDevice], meter: VirtualMeter | None, chance: random.Random
) -> None:
    if house.inverters and meter is not None and chance.random() < 0.7:
        house.plug_in_solar = Inverter(nameplate_w=chance.choice((800.0, 5_000.0, 10_000.0)))
    for device in devices:
        if device.habits.measures_power and chance.random() < 0.3:
            device.habits = replace(device.habits, overshoot=chance.uniform(0.0, 0.1))


def _with_switch(device: VirtualDevice, chance: random.Random) -> VirtualDevice:
    if isinstance(device, VirtualWallbox) and device.wallbox.car.phases == 3 and chance.random() < 0.4:
        return SwitchingWallbox(device.name, device.wallbox, device.habits)
    return device


def _wallbox(chance: random.Random) -> Wallbox:
    phases = chance.choice((1, 3, 3))
    car = Car(
        connected=chance.random() < 0.85,
        phases=phases,
        wants_a=chance.choice((10.0, 13.0, 16.0, 32.0)),
        least_a=chance.choice((6.0, 6.0, 6.0, 8.0)),
        room_wh=chance.uniform(2_000.0, 60_000.0),
    )
    return Wallbox(hardware_max_a=chance.choice((16.0, 16.0, 32.0)), line=chance.randrange(3), car=car)


def _heat_pump(chance: random.Random) -> HeatPump:
    nameplate_w = chance.choice((2_500.0, 4_000.0, 5_500.0, 9_000.0))
    capacity_wh = chance.uniform(5_000.0, 20_000.0)
    return HeatPump(
        nameplate_w=nameplate_w,
        least_w=0.3 * nameplate_w,
        heat_loss_w=chance.uniform(0.5, 2.5) * nameplate_w,
        capacity_wh=capacity_wh,
        store_wh=chance.random() * capacity_wh,
    )


def _inverter(chance: random.Random) -> Inverter:
    return Inverter(nameplate_w=chance.choice((3_000.0, 6_000.0, 10_000.0, 15_000.0)))


def _battery(chance: random.Random) -> Battery:
    capacity_wh = chance.choice((5_000.0, 10_000.0, 15_000.0))
    max_power_w = chance.choice((3_000.0, 5_000.0, 8_000.0))
    return Battery(
        capacity_wh=capacity_wh,
        max_power_w=max_power_w,
        energy_wh=chance.random() * capacity_wh,
        grid_charge_w=max_power_w if chance.random() < 0.4 else 0.0,
    )


def _devices(house: House, chance: random.Random) -> list[VirtualDevice]:
    """In an order that is not always the same: the first comes first when power is short."""
    devices: list[VirtualDevice] = []
    for number, wallbox in enumerate(house.wallboxes, start=1):
        least_w = 6.0 * wallbox.voltage_v * wallbox.car.phases
        habits = _habits(chance, (0.0, least_w), chance.choice((0.0, 0.0, 5.0)), rest_s=60.0)
        devices.append(VirtualWallbox(f"wallbox-{number}", wallbox, habits))
    for number, heat_pump in enumerate(house.heat_pumps, start=1):
        stages_w = (0.0, heat_pump.nameplate_w) if chance.random() < 0.3 else ()
        habits = _habits(chance, (0.0, heat_pump.least_w), 0.0, rest_s=heat_pump.least_rest_s)
        devices.append(VirtualHeatPump(f"heat-pump-{number}", heat_pump, habits, stages_w))
    for number, battery in enumerate(house.batteries, start=1):
        devices.append(VirtualBattery(f"battery-{number}", battery, _habits(chance, (0.0,), 0.0)))
    for number, inverter in enumerate(house.inverters, start=1):
        left_w = (inverter.nameplate_w, 0.6 * inverter.nameplate_w)
        devices.append(VirtualInverter(f"inverter-{number}", inverter, _habits(chance, left_w, 0.0)))
    chance.shuffle(devices)
    return devices


def _habits(
    chance: random.Random, fallbacks_w: Sequence[float], write_gap_s: float, rest_s: float = 0.0
) -> Habits:
    has_fallback = chance.random() < 0.8
    after_s = chance.choice((30.0, 60.0, 120.0))
    return Habits(
        effect_s=chance.uniform(0.1, 3.0),
        answer_s=chance.uniform(0.005, 0.3),
        write_gap_s=write_gap_s,
        fallback=Fallback(after_s, chance.choice(tuple(fallbacks_w))) if has_fallback else None,
        refresh_s=after_s / 2.5 if has_fallback else None,
        rest_s=rest_s,
        measures_power=chance.random() < 0.85,
    )


def _mishap(chance: random.Random, names: Sequence[str], start_s: float, duration_s: float) -> ScheduledFault:
    name = chance.choice(names)
    at_s = start_s + chance.uniform(0.0, duration_s)
    fault = chance.choice(_METER_FAULTS if name == METER else _DEVICE_FAULTS)
    length_s = BOOT_S if fault is None else chance.uniform(_LEAST_MISHAP_S, _MOST_MISHAP_S)
    return ScheduledFault(at_s, at_s + length_s, name, fault)
