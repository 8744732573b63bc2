"""The KEBA profiles against wallboxes simulated from the vendor's tables, and against golden frames."""

import asyncio
import struct
from typing import Any

import pytest

from adapters.context import Context
from adapters.modbus.bus import Pacing
from adapters.modbus.endpoint import TcpEndpoint
from adapters.modbus.errors import ReadRefused
from adapters.modbus.requests import Table
from adapters.modbus.settings import ModbusSettings, make_profile_device
from adapters.simulated.faults import Fault
from adapters.simulated.server import HouseOptions, WallboxMake
from eebus.clock import FakeClock
from hems.devices import Direction, Fallback, Setpoint, WriteRefused
from tests.unit.adapters.house import Site, site
from tests.unit.adapters.modbus_stub import tcp_frame, tcp_stub

CONSUMPTION = Direction.CONSUMPTION
MAKES: tuple[WallboxMake, ...] = ("keba-p30", "keba-p40")


def limit(power_w: float | None) -> Setpoint:
    return Setpoint(CONSUMPTION, power_w)


def keba(place: Site, make: WallboxMake, **params: float) -> Any:
    return place.device(type="modbus", profile=make, unit=1, request_gap_ms=0, write_gap_ms=0, params=params)


async def connected(place: Site, make: WallboxMake, **params: float) -> Any:
    device = keba(place, make, **params)
    await device.connect()
    return device


@pytest.mark.parametrize("make", MAKES)
async def test_it_pauses_between_requests_as_the_vendor_demands(make: WallboxMake) -> None:
    context = Context(clock=FakeClock())
    settings = ModbusSettings(type="modbus", profile=make, host="127.0.0.1")
    device = make_profile_device("wallbox", settings, context)
    assert device._unit.pacing == Pacing(timeout_s=1.5, request_gap_s=0.5, gap_on_line=False, write_gap_s=5.0)
    assert device._unit.unit_id == 255
    assert device.capabilities.write_gap_s == 5.0


@pytest.mark.parametrize("make", MAKES)
async def test_the_failsafe_is_written_once_and_not_again_while_it_holds(make: WallboxMake) -> None:
    async with site(HouseOptions(wallboxes=(make,))) as place:
        device = await connected(place, make, failsafe_current_a=6, failsafe_after_s=40)
        wanted = ["failsafe current 6 A", "failsafe after 40 s"]
        assert place.changes("wallbox") == wanted
        assert device.capabilities.consumption_fallback == Fallback(40.0, 6.0 * 3 * 253.0)
        await device.connect()
        assert place.changes("wallbox") == wanted
        await place.house.command({"cmd": "reboot", "unit": "wallbox"})
        place.clock.advance(10.0)
        await device.read()
        assert place.changes("wallbox") == wanted * 2


@pytest.mark.parametrize("make", MAKES)
async def test_the_sample_is_the_vendor_table_in_the_units_of_the_port(make: WallboxMake) -> None:
    async with site(HouseOptions(wallboxes=(make,))) as place:
        place.house.house.wallbox.car.wants_a = 10.0
        device = await connected(place, make)
        place.pass_time(20.0)
        sample = await device.read()
        assert (sample.power_w, sample.state) == (6900.0, "charging")
        assert sample.currents_a == (10.0, 10.0, 10.0)
        assert sample.voltages_v == (230.0, 230.0, 230.0)
        assert sample.energy_consumed_wh == pytest.approx(place.house.house.wallbox.energy_wh, abs=0.1)
        assert (sample.ceilings_w, sample.demand_w) == ({CONSUMPTION: None}, None)
        place.house.house.wallbox.car.connected = False
        place.pass_time(10.0)
        sample = await device.read()
        assert (sample.state, sample.demand_w) == ("not ready", 0.0)


@pytest.mark.parametrize("make", MAKES)
async def test_a_limit_becomes_milliamperes_rounded_down(make: WallboxMake) -> None:
    async with site(HouseOptions(wallboxes=(make,))) as place:
        device = await connected(place, make)
        readback = await device.write(limit(7_560.0))
        assert readback.confirmed
        assert "maximum current 10.956 A" in place.changes("wallbox")
        assert readback.held_w == pytest.approx(10.956 * 690.0)
        place.pass_time(10.0)
        assert (await device.read()).power_w == pytest.approx(7_559.64)


async def test_p40_pauses_by_zero_and_shows_it() -> None:
    async with site(HouseOptions(wallboxes=("keba-p40",))) as place:
        device = await connected(place, "keba-p40")
        readback = await device.write(limit(4_000.0))
        assert (readback.held_w, readback.confirmed) == (0.0, True)
        assert place.changes("wallbox")[-1] == "maximum current 0 A"
        sample = await device.read()
        assert (sample.state, sample.ceilings_w) == ("suspended", {CONSUMPTION: 0.0})


async def test_p30_pauses_by_its_enable_register_which_only_measurement_proves() -> None:
    async with site(HouseOptions(wallboxes=("keba-p30",))) as place:
        device = await connected(place, "keba-p30")
        place.pass_time(10.0)
        readback = await device.write(limit(4_000.0))
        assert (readback.held_w, readback.confirmed) == (None, False)
        assert place.changes("wallbox")[-1] == "charging disabled"
        place.pass_time(10.0)
        sample = await device.read()
        assert (sample.power_w, sample.ceilings_w) == (0.0, {})
        await device.write(limit(7_000.0))
        assert place.changes("wallbox")[-2:] == ["maximum current 10.144 A", "charging enabled"]
        assert (await device.read()).ceilings_w[CONSUMPTION] == pytest.approx(10.144 * 690.0)


async def test_p30_a_change_while_it_charges_is_one_write() -> None:
    """Five seconds between writes: a second one would hold up the next reduction."""
    async with site(HouseOptions(wallboxes=("keba-p30",))) as place:
        device = await connected(place, "keba-p30")
        await device.write(limit(11_000.0))
        before = len(place.changes("wallbox"))
        await device.write(limit(6_000.0))
        assert len(place.changes("wallbox")) == before + 1


async def test_p30_after_a_loss_of_contact_it_is_enabled_again_whatever_was_told_before() -> None:
    async with site(HouseOptions(wallboxes=("keba-p30",))) as place:
        device = await connected(place, "keba-p30")
        await device.write(limit(7_000.0))
        place.house.house.wallbox.locked = True
        await device.connect()
        await device.write(limit(7_000.0))
        assert not place.house.house.wallbox.locked


@pytest.mark.parametrize("make", MAKES)
async def test_the_failsafe_takes_over_and_any_request_feeds_it(make: WallboxMake) -> None:
    async with site(HouseOptions(wallboxes=(make,))) as place:
        device = await connected(place, make, failsafe_current_a=6, failsafe_after_s=30)
        await device.write(limit(11_000.0))
        for _ in range(3):
            place.pass_time(20.0)
            await device.read()
        assert place.house.house.wallbox.power_w > 10_000.0
        place.pass_time(40.0)
        assert place.house.house.wallbox.power_w == 4_140.0


async def test_a_wallbox_that_clips_is_caught() -> None:
    async with site(HouseOptions(wallboxes=("keba-p40",))) as place:
        device = await connected(place, "keba-p40")
        place.house.units["wallbox"].faults.add(Fault.CLIP)
        with pytest.raises(WriteRefused, match=r"6 was written to register 5004, but it holds 10\.0"):
            await device.write(limit(4_200.0))


async def test_the_simulated_wallbox_answers_one_value_at_a_time_and_only_as_the_vendor_says() -> None:
    options = HouseOptions(wallboxes=("keba-p40", "keba-p30"))
    async with site(options) as place:
        buses, endpoint = place.context.buses, TcpEndpoint("127.0.0.1", place.port)
        p40 = buses.unit(endpoint, "p40", 1, Pacing(timeout_s=0.5))
        p30 = buses.unit(endpoint, "p30", place.house.units["wallbox-2"].unit_id, Pacing(timeout_s=0.5))
        assert await p40.read(Table.HOLDING, 1000, 2) == (0, 2)
        for address, count in ((1000, 1), (1000, 4), (1001, 2), (5004, 1), (1002, 2)):
            with pytest.raises(ReadRefused):
                await p40.read(Table.HOLDING, address, count)
        with pytest.raises(ReadRefused):
            await p40.read(Table.INPUT, 1000, 2)
        for unit, address, value in ((p40, 5014, 0), (p40, 5018, 4), (p30, 5018, 9), (p30, 5004, 0)):
            with pytest.raises(WriteRefused):
                await unit.write(address, (value,), function=6)
        with pytest.raises(WriteRefused):
            await p40.write(5004, (6000,), function=16)


async def test_the_simulated_wallbox_refuses_haste_when_it_keeps_its_pauses() -> None:
    async with site(HouseOptions(wallboxes=("keba-p40",), keeps_pauses=True)) as place:
        unit = place.context.buses.unit(TcpEndpoint("127.0.0.1", place.port), "p40", 1, Pacing(timeout_s=0.5))
        await unit.read(Table.HOLDING, 1000, 2)
        place.clock.advance(0.4)
        with pytest.raises(ReadRefused, match="failure of its own"):
            await unit.read(Table.HOLDING, 1000, 2)
        place.clock.advance(0.1)
        await unit.write(5004, (8000,), function=6)
        place.clock.advance(4.9)
        with pytest.raises(WriteRefused):
            await unit.write(5004, (7000,), function=6)
        place.clock.advance(0.1)
        await unit.write(5004, (7000,), function=6)


async def test_a_reading_does_few_chores_at_a_time_so_that_a_limit_need_not_wait() -> None:
    """Eleven slow values half a second apart would hold up a reduction for more than five seconds."""
    async with site(HouseOptions(wallboxes=("keba-p40",))) as place:
        device = await connected(place, "keba-p40")
        place.clock.advance(10.0)
        slow = place.house.units["wallbox"]
        slow._advance = lambda: place.clock.advance(0.5)
        requests = device._unit.statistics.requests
        for _ in range(11):
            await device.read()
            assert device._unit.statistics.requests - requests <= 4  # three fast values and one chore
            requests = device._unit.statistics.requests


async def test_golden_frames_of_setup_limit_and_readings() -> None:
    """One value of two registers per request, single writes, unit 255; frames laid out by hand."""
    shown = {1100: 16_000, 1600: 0, 1602: 0, 1040: 230, 1042: 230, 1044: 230}
    target = {5004: 1100, 5016: 1600, 5018: 1602}
    writes: list[bytes] = []
    reads: list[bytes] = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        function, address, value = struct.unpack(">BHH", request[7:12])
        if function == 6:
            shown[target[address]] = value
            writes.append(request[6:])
            writer.write(request)
            return
        reads.append(request[6:])
        writer.write(tcp_frame(request, struct.pack(">BBI", 3, 4, shown.get(address, 0))))

    async with tcp_stub(answer) as peer:
        context = Context(clock=FakeClock())
        settings = ModbusSettings(
            type="modbus",
            profile="keba-p40",
            host="127.0.0.1",
            port=peer.port,
            request_gap_ms=0,
            write_gap_ms=0,
            params={"failsafe_current_a": 6, "failsafe_after_s": 60},
        )
        device = make_profile_device("wallbox", settings, context)
        await device.connect()
        await device.write(limit(8_000.0))  # 11.594 A at 230 V
        await context.buses.close()
    assert writes == [
        bytes.fromhex("ff 06 1398 1770"),  # 5016 failsafe current: 6000 mA
        bytes.fromhex("ff 06 139a 003c"),  # 5018 failsafe time: 60 s
        bytes.fromhex("ff 06 138c 2d4a"),  # 5004 current: 11594 mA
    ]
    assert set(reads) == {
        bytes.fromhex(f"ff 03 {address:04x} 0002")
        for address in (1000, 1020, 1100, 1040, 1042, 1044, 1600, 1602)
    }
