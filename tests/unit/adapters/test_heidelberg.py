"""The Heidelberg profile against a wallbox simulated from the vendor's table, and against golden frames."""

import asyncio
import struct
from typing import Any

import pytest

from adapters.context import Context
from adapters.modbus.endpoint import Framing
from adapters.modbus.settings import ModbusSettings, make_profile_device
from adapters.simulated.faults import Fault
from eebus.clock import FakeClock
from hems.devices import (
    DeviceError,
    DeviceUnreachable,
    Direction,
    Fallback,
    Kind,
    Setpoint,
    WriteRefused,
    WrongDevice,
)
from tests.unit.adapters.house import Site, site
from tests.unit.adapters.modbus_stub import rtu_frame, rtu_stub

PROFILE: dict[str, Any] = {
    "type": "modbus",
    "profile": "heidelberg-energy-control",
    "unit": 1,
    "request_gap_ms": 0,
}
CONSUMPTION = Direction.CONSUMPTION


def limit(power_w: float | None) -> Setpoint:
    return Setpoint(CONSUMPTION, power_w)


async def connected(place: Site, **params: float) -> Any:
    device = place.device(**PROFILE, params=params)
    await device.connect()
    await device.read()
    return device


async def test_every_connect_programs_and_reads_back_failsafe_watchdog_lock_and_standby() -> None:
    async with site() as place:
        place.house.house.wallbox.locked = True
        await connected(place, failsafe_current_a=6, watchdog_s=40)
        wallbox = place.house.house.wallbox
        assert (wallbox.failsafe_current_a, wallbox.watchdog_s) == (6.0, 40.0)
        assert not wallbox.locked
        assert wallbox.standby_disabled
        assert place.changes("wallbox") == [
            "standby off",
            "failsafe current 6.0 A",
            "watchdog 40 s",
            "remote lock open",
        ]


async def test_the_sample_is_the_vendor_table_in_the_units_of_the_port() -> None:
    async with site() as place:
        place.house.house.wallbox.car.wants_a = 10.0
        device = await connected(place)
        place.pass_time(5.0)
        sample = await device.read()
        assert sample.power_w == 6900.0
        assert sample.currents_a == (10.0, 10.0, 10.0)
        assert sample.voltages_v == (230.0, 230.0, 230.0)
        assert sample.state == "charging (C2)"
        assert sample.ceilings_w == {CONSUMPTION: None}
        assert sample.demand_w is None
        place.house.house.wallbox.car.connected = False
        sample = await device.read()
        assert (sample.state, sample.demand_w) == ("no car (A2)", 0.0)


async def test_a_limit_of_4200_w_becomes_the_next_lower_current_and_is_read_back() -> None:
    async with site() as place:
        device = await connected(place)
        readback = await device.write(limit(4200.0))
        assert readback.confirmed
        assert readback.held_w == readback.written_w == 4140.0  # 6.0 A on three phases at 230 V
        assert place.changes("wallbox")[-1] == "maximum current 6.0 A"
        place.pass_time(10.0)
        assert (await device.read()).power_w == 4140.0


async def test_domain_10_1_six_ampere_do_not_fit_at_240_v_so_it_pauses() -> None:
    """6 A on three phases are 4.32 kW at 240 V: 4.2 kW means a pause there, never 6 A."""
    async with site() as place:
        place.house.house.wallbox.voltage_v = 240.0
        device = await connected(place)
        readback = await device.write(limit(4200.0))
        assert (readback.held_w, readback.confirmed) == (0.0, True)
        assert place.house.house.wallbox.max_current_a == 0.0


async def test_without_a_measured_voltage_the_highest_one_is_assumed() -> None:
    async with site() as place:
        device = place.device(**PROFILE)
        await device.write(limit(253.0 * 3 * 10.0))
        assert place.house.house.wallbox.max_current_a == 10.0
        await device.write(limit(253.0 * 3 * 6.0 - 1.0))
        assert place.house.house.wallbox.max_current_a == 0.0


async def test_a_voltage_that_trembles_does_not_make_the_limit_tremble() -> None:
    """The highest voltage of the last minutes counts, for what is offered and for what is written alike."""
    async with site() as place:
        device = await connected(place)
        for volts in (229.0, 232.0, 230.0, 228.0):
            place.house.house.wallbox.voltage_v = volts
            await device.read()
        offered = device.capabilities.consumption
        assert offered is not None
        assert offered.ranges[1].low_w == 6.0 * 3 * 232.0
        assert (await device.write(limit(6.0 * 3 * 232.0))).held_w == 4176.0
        for _ in range(3):
            place.pass_time(150.0)
            await device.read()
        later = device.capabilities.consumption
        assert later is not None
        assert later.ranges[1].low_w == 6.0 * 3 * 228.0


async def test_below_six_ampere_it_is_never_rounded_up() -> None:
    async with site() as place:
        device = await connected(place)
        for power_w in (1.0, 1380.0, 4139.0):
            assert (await device.write(limit(power_w))).held_w == 0.0


async def test_single_phase_wiring_makes_18_a_of_4140_w_impossible_but_16_a_possible() -> None:
    async with site() as place:
        device = await connected(place, phases=1)
        assert (await device.write(limit(2530.0))).held_w == pytest.approx(2530.0)  # 11 A
        assert (await device.write(limit(4200.0))).held_w is None  # its own 16 A are below the limit


async def test_capabilities_follow_phases_voltage_and_the_programmed_failsafe() -> None:
    async with site() as place:
        device = place.device(**PROFILE, params={"failsafe_current_a": 6, "watchdog_s": 20})
        before = device.capabilities
        assert before.kind is Kind.WALLBOX
        assert before.nameplate_w == 11_040.0
        assert before.consumption_fallback == Fallback(after_s=20.0, power_w=6 * 3 * 253.0)
        assert before.consumption is not None
        assert before.consumption.at_most(4553.0) == 0.0
        await device.connect()
        await device.read()
        after = device.capabilities.consumption
        assert after is not None
        assert after.at_most(4200.0) == 4140.0
        assert after.most_w == 11_040.0


async def test_a_pause_and_a_release() -> None:
    async with site() as place:
        device = await connected(place)
        assert (await device.write(limit(0.0))).held_w == 0.0
        assert (await device.read()).ceilings_w == {CONSUMPTION: 0.0}
        readback = await device.write(limit(None))
        assert (readback.written_w, readback.held_w, readback.confirmed) == (None, None, True)
        assert place.house.house.wallbox.max_current_a == 16.0


async def test_the_wallbox_falls_to_its_failsafe_when_nobody_asks_it_any_more() -> None:
    async with site() as place:
        device = await connected(place, failsafe_current_a=6, watchdog_s=30)
        await device.write(limit(11_000.0))
        place.pass_time(29.0)
        assert place.house.house.wallbox.power_w > 10_000.0
        place.pass_time(10.0)
        assert place.house.house.wallbox.power_w == 4140.0


async def test_a_wallbox_that_lost_its_power_is_set_up_again_without_the_connection_breaking() -> None:
    async with site() as place:
        device = await connected(place, failsafe_current_a=6)
        await device.write(limit(4200.0))
        await place.house.command({"cmd": "reboot", "unit": "wallbox"})
        assert (await device.read()).ceilings_w == {CONSUMPTION: None}, "the lost limit is visible at once"
        place.clock.advance(10.0)
        await device.read()
        assert place.house.house.wallbox.failsafe_current_a == 6.0
        assert place.house.house.wallbox.watchdog_s == 30.0


async def test_after_a_loss_of_contact_it_is_set_up_before_the_limit_is_written() -> None:
    async with site() as place:
        device = await connected(place, failsafe_current_a=6)
        await place.house.command({"cmd": "fault", "unit": "wallbox", "fault": "unreachable"})
        with pytest.raises(DeviceUnreachable, match="gateway in between"):
            await device.write(limit(4200.0))
        await place.house.command({"cmd": "reboot", "unit": "wallbox"})
        await place.house.command({"cmd": "fault", "unit": "wallbox", "fault": "unreachable", "on": False})
        place.events.clear()
        assert (await device.write(limit(4200.0))).confirmed
        assert place.changes("wallbox") == [
            "standby off",
            "failsafe current 6.0 A",
            "watchdog 30 s",
            "maximum current 6.0 A",
        ]


async def test_a_wallbox_that_confirms_and_ignores_is_caught_by_the_read_back() -> None:
    async with site() as place:
        device = await connected(place)
        place.house.units["wallbox"].faults.add(Fault.IGNORE_WRITES)
        with pytest.raises(WriteRefused, match=r"6 was written to register 261, but it holds 16\.0"):
            await device.write(limit(4200.0))


async def test_a_refused_setup_is_reported_but_does_not_withhold_the_limit() -> None:
    async with site() as place:
        place.house.units["wallbox"].faults.add(Fault.IGNORE_WRITES)
        device = place.device(**PROFILE)
        with pytest.raises(WriteRefused, match="standby off was set to 4 but reads 0"):
            await device.connect()
        with pytest.raises(WriteRefused, match="written to register 261"):
            await device.write(limit(4200.0))


async def test_another_device_at_the_address_is_noticed() -> None:
    async with site() as place:
        place.house.house.wallbox.hardware_max_a = 0.0
        with pytest.raises(DeviceError, match="hardware_max_current_a reads 0"):
            await place.device(**PROFILE).connect()


async def test_another_device_that_took_over_the_address_gets_no_limit() -> None:
    async with site() as place:
        device = await connected(place)
        await place.house.command({"cmd": "fault", "unit": "wallbox", "fault": "unreachable", "on": True})
        with pytest.raises(DeviceUnreachable):
            await device.read()
        await place.house.command({"cmd": "fault", "unit": "wallbox", "fault": "unreachable", "on": False})
        place.house.house.wallbox.hardware_max_a = 0.0
        place.events.clear()
        with pytest.raises(WrongDevice, match="hardware_max_current_a reads 0"):
            await device.write(limit(4200.0))
        assert place.changes("wallbox") == []


async def test_production_cannot_be_limited() -> None:
    async with site() as place:
        device = place.device(**PROFILE)
        with pytest.raises(WriteRefused, match="no control that limits production"):
            await device.write(Setpoint(Direction.PRODUCTION, 0.0))


async def test_golden_frames_of_setup_and_limit_on_the_serial_line() -> None:
    """Register, scaling and order as in the vendor's table; frames laid out by hand."""
    held: dict[int, int] = {}

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        _, function, address, value = struct.unpack(">BBHH", request[:6])
        if function == 6:
            held[address] = value
            writer.write(request)
            return
        values = [held.get(address + offset, 16) for offset in range(value)]
        writer.write(rtu_frame(struct.pack(f">BBB{value}H", 1, function, 2 * value, *values)))

    async with rtu_stub(answer) as peer:
        settings = ModbusSettings(
            type="modbus",
            profile="heidelberg-energy-control",
            host="127.0.0.1",
            port=peer.port,
            framing=Framing.RTU_OVER_TCP,
            request_gap_ms=0,
            params={"failsafe_current_a": 6, "watchdog_s": 30},
        )
        context = Context(clock=FakeClock())
        device = make_profile_device("wallbox", settings, context)
        await device.connect()
        await device.write(limit(8000.0))  # 10.5 A at the assumed 253 V
        await context.buses.close()
    writes = [frame for frame in peer.requests if frame[1] == 6]
    assert writes == [
        rtu_frame(bytes.fromhex("01 06 01 02 00 04")),  # 258 standby: 4, off
        rtu_frame(bytes.fromhex("01 06 01 06 00 3c")),  # 262 failsafe current: 6.0 A
        rtu_frame(bytes.fromhex("01 06 01 01 75 30")),  # 257 watchdog: 30 000 ms
        rtu_frame(bytes.fromhex("01 06 01 03 00 01")),  # 259 remote lock: open
        rtu_frame(bytes.fromhex("01 06 01 05 00 69")),  # 261 maximum current: 10.5 A
    ]
