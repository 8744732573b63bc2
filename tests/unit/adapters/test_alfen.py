"""The Alfen profile against a socket simulated from the vendor's table, and against golden frames."""

import logging
from typing import Any

import pytest

from adapters.modbus.bus import Pacing
from adapters.modbus.endpoint import TcpEndpoint
from adapters.simulated.server import HouseOptions
from hems.devices import Direction, Fallback, Setpoint, WriteRefused
from tests.unit.adapters.house import Site, site
from tests.unit.adapters.modbus_stub import RegisterPeer, tcp_stub

CONSUMPTION = Direction.CONSUMPTION
ALFEN = HouseOptions(wallboxes=("alfen",))


def limit(power_w: float | None) -> Setpoint:
    return Setpoint(CONSUMPTION, power_w)


async def connected(place: Site, **params: float) -> Any:
    device = place.device(type="modbus", profile="alfen-ng9xx", unit=1, params=params)
    await device.connect()
    return device


async def test_the_sample_is_the_vendor_table_in_the_units_of_the_port() -> None:
    async with site(ALFEN) as place:
        device = await connected(place, safe_current_a=6)
        await device.write(limit(None))
        place.pass_time(20.0)
        sample = await device.read()
        assert sample.power_w == pytest.approx(11_040.0)
        assert sample.currents_a == pytest.approx((16.0, 16.0, 16.0))
        assert sample.voltages_v == (230.0, 230.0, 230.0)
        assert sample.energy_consumed_wh == pytest.approx(place.house.house.wallbox.energy_wh)
        assert (sample.state, sample.demand_w) == ("C2", None)
        assert sample.ceilings_w == {CONSUMPTION: None}
        place.house.house.wallbox.car.connected = False
        assert (await device.read()).demand_w == 0.0


async def test_a_limit_is_valid_for_its_time_and_a_reading_does_not_prolong_it() -> None:
    async with site(ALFEN) as place:
        device = await connected(place, safe_current_a=6)
        assert (await device.write(limit(8_000.0))).held_w == pytest.approx(11.5 * 690.0)
        for _ in range(2):
            place.pass_time(device.capabilities.refresh_s)
            await device.write(limit(8_000.0))
        assert place.house.house.wallbox.power_w == pytest.approx(7_935.0)
        for _ in range(5):
            place.pass_time(13.0)
            await device.read()
        assert place.house.house.wallbox.power_w == 4_140.0


async def test_the_safe_current_that_the_installer_set_counts_not_the_hoped_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with site(ALFEN) as place:
        device = place.device(type="modbus", profile="alfen-ng9xx", unit=1, params={"safe_current_a": 0})
        assert device.capabilities.consumption_fallback == Fallback(60.0, 0.0)
        with caplog.at_level(logging.WARNING):
            await device.connect()
        assert "without the gateway it holds 6, the settings say 0" in caplog.text
        assert device.capabilities.consumption_fallback == Fallback(60.0, 6.0 * 3 * 253.0)


async def test_the_zero_of_a_fresh_station_is_shown_and_never_written_back() -> None:
    async with site(ALFEN) as place:
        device = await connected(place)
        assert (await device.read()).ceilings_w == {CONSUMPTION: 0.0}
        assert place.changes("wallbox") == []


async def test_a_float_is_written_as_a_whole_in_one_frame() -> None:
    registers = dict.fromkeys(range(300, 400), 0) | dict.fromkeys(range(1200, 1216), 0)
    peer = RegisterPeer(registers)
    async with tcp_stub(peer.answer) as stub, site() as place:
        place.port = stub.port
        device = await connected(place)
        await device.write(limit(10.4 * 3 * 253.0))  # no believable voltage yet
        assert peer.writes == [(16, 1210, (0x4126, 0x6666))]
        await device.write(limit(0.0))
        assert peer.writes[1:] == [(16, 1210, (0, 0))]
        assert all(count <= 125 for _, count in peer.reads)


async def test_unavailable_values_are_none() -> None:
    registers = dict.fromkeys(range(300, 400), 0xFFFF) | dict.fromkeys(range(1200, 1216), 0xFFFF)
    async with tcp_stub(RegisterPeer(registers).answer) as stub, site() as place:
        place.port = stub.port
        device = await connected(place)
        sample = await device.read()
        assert (sample.power_w, sample.currents_a, sample.energy_consumed_wh) == (None, (), None)
        assert (sample.ceilings_w, sample.state) == ({}, "")


async def test_half_a_float_is_refused() -> None:
    async with site(ALFEN) as place:
        unit = place.context.buses.unit(TcpEndpoint("127.0.0.1", place.port), "p", 1, Pacing(timeout_s=0.5))
        for address, values in ((1210, (0x4120,)), (1212, (0, 0)), (1210, (0xC120, 0))):
            with pytest.raises(WriteRefused):
                await unit.write(address, values)
