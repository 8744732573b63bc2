"""The physics of the simulated house, its faults, and its own process."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.modbus.bus import Pacing
from adapters.modbus.endpoint import TcpEndpoint
from adapters.modbus.errors import ReadRefused
from adapters.modbus.requests import Table
from adapters.registry import DEFAULT_REGISTRY
from adapters.relay.modbus_contacts import ModbusContactsSettings
from adapters.simulated.house import House
from adapters.simulated.server import CommandError, HouseOptions
from adapters.simulated.wallbox import Wallbox
from hems.devices import DeviceUnreachable, Direction, Setpoint, WriteRefused
from tests.unit.adapters.house import site

HEIDELBERG: dict[str, Any] = {
    "type": "modbus",
    "profile": "heidelberg-energy-control",
    "unit": 1,
    "request_gap_ms": 0,
}


@given(
    st.lists(
        st.tuples(st.floats(0, 20), st.floats(0, 20_000), st.floats(0, 16), st.sampled_from([1, 3])),
        max_size=8,
    )
)
def test_energy_is_balanced_and_counters_only_grow(
    steps: list[tuple[float, float, float, int]],
) -> None:
    house = House()
    for seconds, sun_w, current_a, phases in steps:
        before = house.imported_wh, house.exported_wh, house.wallbox.energy_wh
        house.inverter.sun_w = sun_w
        house.wallbox.max_current_a = current_a
        house.wallbox.car.phases = phases
        house.step(seconds)
        assert (house.imported_wh, house.exported_wh, house.wallbox.energy_wh) >= before
        balance = (
            house.load_w
            + house.wallbox.power_w
            - house.inverter.power_w
            + house.battery.power_w
            - house.grid_w
        )
        assert seconds == 0.0 or balance == pytest.approx(0.0, abs=1e-6)
        assert 0.0 <= house.battery.energy_wh <= house.battery.capacity_wh + 1e-6
        assert 0.0 <= house.inverter.power_w <= house.inverter.nameplate_w


@given(st.floats(0, 16))
def test_a_car_never_draws_between_zero_and_six_ampere_for_long(current_a: float) -> None:
    wallbox = Wallbox(max_current_a=current_a)
    wallbox.watchdog_s = 0.0
    for _ in range(20):
        wallbox.step(0.5)
    assert wallbox.current_a == 0.0 or wallbox.current_a >= 6.0
    assert wallbox.current_a <= current_a


def test_the_wallbox_follows_again_when_somebody_asks() -> None:
    wallbox = Wallbox(max_current_a=16.0, failsafe_current_a=6.0, watchdog_s=15.0)
    wallbox.step(15.0)
    assert (wallbox.in_failsafe, wallbox.offered_a) == (True, 6.0)
    wallbox.heard_request()
    assert wallbox.offered_a == 16.0


async def test_a_limit_of_the_wallbox_shows_at_the_meter() -> None:
    async with site() as place:
        device = place.device(**HEIDELBERG)
        meter = place.meter(type="sunspec-meter", unit=3)
        await device.connect()
        place.pass_time(10.0)
        await device.read()
        assert (await meter.read()).power_w == 11_540.0
        await device.write(Setpoint(Direction.CONSUMPTION, 4200.0))
        place.pass_time(10.0)
        assert (await meter.read()).power_w == 4640.0


async def test_a_wallbox_that_holds_the_register_but_not_the_current_shows_it_by_measurement() -> None:
    async with site() as place:
        device = place.device(**HEIDELBERG)
        await device.connect()
        place.pass_time(10.0)
        await device.read()
        await place.house.command({"cmd": "fault", "unit": "wallbox", "fault": "no_effect"})
        assert (await device.write(Setpoint(Direction.CONSUMPTION, 4200.0))).confirmed
        place.pass_time(10.0)
        assert (await device.read()).power_w == 11_040.0


async def test_devices_that_clip_to_a_floor_of_their_own_are_caught() -> None:
    async with site() as place:
        wallbox = place.device(**HEIDELBERG)
        inverter = place.device(type="sunspec", unit=2)
        await asyncio.gather(wallbox.connect(), inverter.connect())
        for unit in ("wallbox", "inverter"):
            await place.house.command({"cmd": "fault", "unit": unit, "fault": "clip"})
        with pytest.raises(WriteRefused, match=r"it holds 10\.0"):
            await wallbox.write(Setpoint(Direction.CONSUMPTION, 4200.0))
        with pytest.raises(WriteRefused, match="the device shows 3000 W"):
            await inverter.write(Setpoint(Direction.PRODUCTION, 1000.0))


async def test_a_house_that_does_not_listen_is_unreachable_and_comes_back_on_the_same_port() -> None:
    async with site() as place:
        device = place.device(**HEIDELBERG)
        await device.connect()
        await place.house.command({"cmd": "listen", "on": False})
        with pytest.raises(DeviceUnreachable):
            await device.write(Setpoint(Direction.CONSUMPTION, 4200.0))
        await place.house.command({"cmd": "listen", "on": True})
        assert (await device.write(Setpoint(Direction.CONSUMPTION, 4200.0))).confirmed


async def test_a_busy_wallbox_is_given_up_in_plain_words() -> None:
    async with site() as place:
        device = place.device(**HEIDELBERG)
        await device.connect()
        await place.house.command({"cmd": "fault", "unit": "wallbox", "fault": "busy"})
        with pytest.raises(WriteRefused, match="it is busy"):
            await device.write(Setpoint(Direction.CONSUMPTION, 4200.0))


async def test_registers_that_the_vendor_table_has_not_got_do_not_exist() -> None:
    async with site() as place:
        unit = place.context.buses.unit(
            TcpEndpoint("127.0.0.1", place.port), "probe", 1, Pacing(timeout_s=0.5)
        )
        for table, address in ((Table.HOLDING, 260), (Table.INPUT, 19), (Table.HOLDING, 5)):
            with pytest.raises(ReadRefused):
                await unit.read(table, address, 1)
        for value in (59, 161):
            with pytest.raises(WriteRefused, match="does not accept this value"):
                await unit.write(261, (value,), function=6)


@pytest.mark.parametrize(
    "command",
    [
        {},
        {"cmd": "explode"},
        {"cmd": "set", "moon_w": 1},
        {"cmd": "fault", "unit": "toaster", "fault": "slow"},
        {"cmd": "fault", "unit": "wallbox", "fault": "sulk"},
        {"cmd": "reboot"},
    ],
)
async def test_commands_that_it_does_not_know_are_refused(command: dict[str, Any]) -> None:
    async with site() as place:
        with pytest.raises(CommandError):
            await place.house.command(command)


FULL_HOUSE = HouseOptions(
    wallboxes=("heidelberg", "keba-p40", "alfen"),
    inverters=(123, 704),
    heat_pump="luxtronik",
    storage=True,
)


async def test_a_house_with_everything_is_one_server_with_a_unit_for_each_device() -> None:
    async with site(FULL_HOUSE) as place:
        ids = {name: unit.unit_id for name, unit in place.house.units.items()}
        assert ids == {
            "wallbox": 1,
            "wallbox-2": 4,
            "wallbox-3": 5,
            "inverter": 2,
            "inverter-2": 6,
            "meter": 3,
            "heat-pump": 7,
            "storage": 8,
            "contacts": 9,
        }
        slow = {"request_gap_ms": 0, "write_gap_ms": 0}
        limited: dict[str, tuple[dict[str, Any], float]] = {
            "wallbox": (HEIDELBERG, 4_140.0),
            "wallbox-2": ({"type": "modbus", "profile": "keba-p40", **slow}, 4_199.34),
            "wallbox-3": ({"type": "modbus", "profile": "alfen-ng9xx"}, 4_140.0),
            "heat-pump": ({"type": "modbus", "profile": "luxtronik", **slow}, 2_000.0),
            "storage": ({"type": "sunspec-battery"}, 4_200.0),
        }
        for name, (settings, expected_w) in limited.items():
            device = place.device(**{**settings, "unit": ids[name]})
            await device.connect()
            power_w = min(4_200.0, device.capabilities.nameplate_w, 2_000.0 if name == "heat-pump" else 1e9)
            readback = await device.write(Setpoint(Direction.CONSUMPTION, power_w))
            assert readback.held_w == pytest.approx(expected_w, abs=0.01), name
        for name in ("inverter", "inverter-2"):
            inverter = place.device(type="sunspec", unit=ids[name])
            assert (await inverter.write(Setpoint(Direction.PRODUCTION, 3_000.0))).held_w == 3_000.0
        place.pass_time(10.0)
        powers = place.house.powers()
        assert powers["wallbox_w"] == round(4_140.0 + 4_199.34 + 4_140.0)
        assert powers["grid_w"] == powers["load_w"] + powers["wallbox_w"] + powers["heat_pump_w"]


async def test_commands_reach_one_unit_by_name() -> None:
    async with site(FULL_HOUSE) as place:
        await place.house.command({"cmd": "set", "unit": "wallbox-2", "car_connected": False})
        await place.house.command({"cmd": "set", "unit": "storage", "grid_charge_w": 2_000})
        assert [wallbox.car.connected for wallbox in place.house.house.wallboxes] == [True, False, True]
        assert place.house.house.battery.grid_charge_w == 2_000.0
        with pytest.raises(CommandError, match="set knows: store_wh, heat_loss_w"):
            await place.house.command({"cmd": "set", "unit": "heat-pump", "car_connected": True})


async def test_the_relays_of_the_steuerbox_are_read_like_a_real_module() -> None:
    async with site() as place:
        settings = ModbusContactsSettings(
            type="modbus-contacts",
            host="127.0.0.1",
            port=place.port,
            unit=place.house.units["contacts"].unit_id,
            inputs={"w4": 0, "w3": 1, "s2": 2, "s1": 3},
        )
        contacts = DEFAULT_REGISTRY.make_contacts("relays", settings, place.context)
        await place.house.command({"cmd": "set", "contact_0": True, "contact_3": True})
        states = await contacts.read()
        assert [states[name].closed for name in contacts.inputs] == [True, False, False, True]
        await place.house.command({"cmd": "fault", "unit": "contacts", "fault": "stuck"})
        await contacts.read()
        await place.house.command({"cmd": "set", "contact_0": False})
        assert (await contacts.read())["w4"].closed
        await place.house.command({"cmd": "fault", "unit": "contacts", "fault": "unreachable"})
        with pytest.raises(DeviceUnreachable):
            await contacts.read()


async def test_a_meter_with_lag_shows_what_flowed_before() -> None:
    async with site(HouseOptions(meter_lag_s=4.0)) as place:
        meter = place.meter(type="sunspec-meter", unit=3)
        place.pass_time(10.0)
        place.house.house.wallbox.car.connected = False
        place.pass_time(3.5)
        assert (await meter.read()).power_w == 11_540.0
        place.pass_time(8.0)
        assert (await meter.read()).power_w == 500.0


async def test_a_stuck_wallbox_shows_old_values_until_it_recovers() -> None:
    async with site() as place:
        device = place.device(**HEIDELBERG)
        await device.connect()
        place.pass_time(10.0)
        await place.house.command({"cmd": "fault", "unit": "wallbox", "fault": "stuck"})
        await device.read()
        place.house.house.wallbox.car.connected = False
        place.pass_time(10.0)
        assert (await device.read()).power_w == 11_040.0
        await place.house.command({"cmd": "fault", "unit": "wallbox", "fault": "stuck", "on": False})
        assert (await device.read()).power_w == 0.0
