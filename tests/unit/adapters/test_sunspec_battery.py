"""The SunSpec battery against one that is laid out by hand from the tables of models 124, 160 and 714."""

import logging
from typing import Any

import pytest

from adapters.simulated.faults import Fault
from adapters.simulated.server import HouseOptions
from hems.devices import (
    DeviceError,
    Direction,
    Fallback,
    FeasiblePowers,
    Kind,
    PowerRange,
    Setpoint,
    WriteRefused,
)
from tests.unit.adapters.house import Site, site
from tests.unit.adapters.modbus_stub import RegisterPeer, tcp_stub
from tests.unit.adapters.test_sunspec_map import END, at, common, model

CONSUMPTION = Direction.CONSUMPTION
STORAGE = HouseOptions(storage=True)
BASE_124 = 40_000 + 2 + 68
MODE, OUT_RATE, IN_RATE, REVERT = BASE_124 + 5, BASE_124 + 12, BASE_124 + 13, BASE_124 + 15


def limit(power_w: float | None) -> Setpoint:
    return Setpoint(CONSUMPTION, power_w)


async def connected(place: Site, **settings: Any) -> Any:
    unit = place.house.units["storage"].unit_id if "storage" in place.house.units else 1
    device = place.device(type="sunspec-battery", unit=unit, **settings)
    await device.connect()
    return device


def storage(**points: int) -> list[int]:
    """Model 124 of a battery of 5 kW; rates are hundredths of a percent."""
    offsets = {"mode": 5, "out_rate": 12, "in_rate": 13, "revert": 15, "soc": 8, "state": 11}
    values = {2: 5000, 5: 0, 12: 10_000, 13: 10_000, 18: 0, 22: 0xFFFE, 25: 0xFFFE}
    return model(124, 24, values | {offsets[name]: value for name, value in points.items()})


async def test_charging_is_limited_shown_and_released_and_discharging_stays_free() -> None:
    async with site(STORAGE) as place:
        house = place.house.house
        house.battery_installed = True
        house.wallbox.car.connected = False
        house.battery.grid_charge_w = 4_000.0
        device = await connected(place)
        place.pass_time(5.0)
        sample = await device.read()
        assert (sample.power_w, sample.state) == (4_000.0, "charging")
        assert sample.charge_percent == pytest.approx(50.0, abs=0.1)
        readback = await device.write(limit(1_000.4))
        assert (readback.written_w, readback.held_w, readback.confirmed) == (1_000.0, 1_000.0, True)
        assert place.changes("storage") == ["charge limit 20 %", "charge limit on"]
        place.pass_time(5.0)
        sample = await device.read()
        assert (sample.power_w, sample.ceilings_w) == (1_000.0, {CONSUMPTION: 1_000.0})
        await device.write(limit(0.0))
        house.battery.grid_charge_w = -10_000.0
        house.load_w = 3_000.0
        place.pass_time(5.0)
        sample = await device.read()
        assert (sample.power_w, sample.state) == (-3_000.0, "discharging")
        assert (await device.write(limit(None))).held_w is None
        assert house.battery.ceiling_w is None


async def test_without_a_timer_in_the_device_there_is_no_fallback() -> None:
    async with site(STORAGE) as place:
        device = await connected(place)
        capabilities = device.capabilities
        assert (capabilities.kind, capabilities.nameplate_w) == (Kind.BATTERY, 5_000.0)
        assert capabilities.consumption == FeasiblePowers((PowerRange(-5_000.0, 5_000.0),))
        assert (capabilities.consumption_fallback, capabilities.refresh_s) == (None, 60.0)
        assert capabilities.measures_power


async def test_a_battery_of_unknown_size_is_not_taken_for_a_small_one() -> None:
    async with site(STORAGE) as place:
        assert place.device(type="sunspec-battery").capabilities.nameplate_w == 15_000.0
        told = place.device(type="sunspec-battery", max_power_w=3_000.0)
        assert told.capabilities.nameplate_w == 3_000.0


async def test_golden_frames_rate_before_mode_and_the_timer_first_where_there_is_one() -> None:
    peer = RegisterPeer(at(40_000, common(), storage(revert=0), END))
    async with tcp_stub(peer.answer) as stub, site() as place:
        place.port = stub.port
        device = await connected(place, revert_s=100)
        assert device.capabilities.consumption_fallback == Fallback(100.0, 5_000.0)
        assert device.capabilities.refresh_s == 40.0
        assert not device.capabilities.measures_power
        await device.write(limit(1_234.56))
        await device.write(limit(None))
    assert peer.writes == [
        (16, REVERT, (100,)),
        (16, IN_RATE, (2_469,)),  # 24.69 % of 5 kW are 1234.5 W
        (16, MODE, (1,)),
        (16, MODE, (0,)),
    ]


async def test_a_charge_limit_that_nobody_will_renew_has_no_end() -> None:
    peer = RegisterPeer(at(40_000, common(), storage(revert=0), END))
    async with tcp_stub(peer.answer) as stub, site() as place:
        place.port = stub.port
        device = await connected(place, revert_s=100)
        await device.write(Setpoint(CONSUMPTION, 1_000.0, lasting=True))
    assert peer.writes[0] == (16, REVERT, (0,))


async def test_a_discharge_limit_of_somebody_else_is_left_alone() -> None:
    peer = RegisterPeer(at(40_000, common(), storage(mode=2, out_rate=3_000), END))
    async with tcp_stub(peer.answer) as stub, site() as place:
        place.port = stub.port
        device = await connected(place)
        await device.write(limit(0.0))
        await device.write(limit(None))
    assert peer.writes == [(16, IN_RATE, (0,)), (16, MODE, (3,)), (16, MODE, (2,))]


async def test_2_9_forced_charging_ends_because_a_contradicting_window_is_ignored_silently(
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer = RegisterPeer(at(40_000, common(), storage(mode=2, out_rate=0x10000 - 5_000), END))
    async with tcp_stub(peer.answer) as stub, site() as place:
        place.port = stub.port
        device = await connected(place)
        with caplog.at_level(logging.WARNING):
            await device.write(limit(1_000.0))
    assert peer.writes == [(16, OUT_RATE, (10_000,)), (16, IN_RATE, (2_000,)), (16, MODE, (3,))]
    assert "somebody forces it to charge" in caplog.text


async def test_a_battery_that_confirms_and_ignores_or_clips_is_caught() -> None:
    async with site(STORAGE) as place:
        device = await connected(place)
        place.house.units["storage"].faults.add(Fault.IGNORE_WRITES)
        with pytest.raises(WriteRefused, match="1000 W was written, but the device shows no limit"):
            await device.write(limit(1_000.0))
        place.house.units["storage"].faults = {Fault.CLIP}
        with pytest.raises(WriteRefused, match="1000 W was written, but the device shows 1500 W"):
            await device.write(limit(1_000.0))


async def test_a_rebooted_battery_shows_that_it_lost_its_limit() -> None:
    async with site(STORAGE) as place:
        device = await connected(place)
        await device.write(limit(0.0))
        await place.house.command({"cmd": "reboot", "unit": "storage"})
        assert (await device.read()).ceilings_w == {CONSUMPTION: None}


async def test_power_comes_from_the_storage_ports_of_model_714() -> None:
    """Discharging injects and is positive there; other ports are panels or cars."""
    head = {2: 0, 3: 0, 4: 2, 15: 0, 16: 0, 17: 0, 18: 0, 19: 0}
    ports = model(714, 68, head | {20: 0, 32: 900, 45: 1, 57: 0x10000 - 2_500})
    peer = RegisterPeer(at(40_000, common(), storage(), ports, END))
    async with tcp_stub(peer.answer) as stub, site() as place:
        place.port = stub.port
        device = await connected(place)
        assert (await device.read()).power_w == 2_500.0


@pytest.mark.parametrize(
    ("chain", "complaint"),
    [
        ([common(), END], "model 124 is needed"),
        ([common(), model(124, 22, {2: 5000}), END], "cut off after 22 registers"),
        ([common(), [*storage()[:25], 0x8000], END], "does not tell the scale"),
    ],
)
async def test_what_cannot_be_limited_says_why(chain: list[list[int]], complaint: str) -> None:
    async with tcp_stub(RegisterPeer(at(40_000, *chain)).answer) as stub, site() as place:
        place.port = stub.port
        with pytest.raises(DeviceError, match=complaint):
            await connected(place)


async def test_its_production_is_not_limited() -> None:
    async with site(STORAGE) as place:
        device = await connected(place)
        with pytest.raises(WriteRefused, match="only the charging"):
            await device.write(Setpoint(Direction.PRODUCTION, 0.0))
