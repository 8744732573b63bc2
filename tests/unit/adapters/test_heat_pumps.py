"""Heat pumps that take a value (Luxtronik) or a contact (SG Ready), simulated from their tables."""

import struct
from typing import Any

import pytest

from adapters.modbus.profile_files import load_profile
from adapters.settings import SettingsError
from adapters.simulated.faults import Fault
from adapters.simulated.server import HouseOptions
from hems.devices import Direction, FeasiblePowers, Kind, PowerRange, Setpoint, WriteRefused
from tests.unit.adapters.house import Site, site
from tests.unit.adapters.modbus_stub import RegisterPeer, tcp_frame, tcp_stub

CONSUMPTION = Direction.CONSUMPTION
LUXTRONIK = HouseOptions(heat_pump="luxtronik")
SG_READY = HouseOptions(heat_pump="sg-ready")


def limit(power_w: float | None) -> Setpoint:
    return Setpoint(CONSUMPTION, power_w)


def heat_pump(place: Site, profile: str, **params: float) -> Any:
    unit = place.house.units["heat-pump"].unit_id if "heat-pump" in place.house.units else 1
    return place.device(type="modbus", profile=profile, unit=unit, request_gap_ms=0, params=params)


def ceiling_w(place: Site) -> float | None:
    return place.house.house.heat_pumps[0].ceiling_w


# By value.


async def test_luxtronik_takes_a_value_as_a_hard_limit_and_follows_it() -> None:
    async with site(LUXTRONIK) as place:
        place.house.house.heat_pumps[0].store_wh = 1_000.0
        device = heat_pump(place, "luxtronik")
        await device.connect()
        place.pass_time(60.0)
        assert (await device.read()).power_w == 4_000.0
        readback = await device.write(limit(2_090.0))
        assert (readback.written_w, readback.held_w, readback.confirmed) == (2_000.0, 2_000.0, True)
        assert place.changes("heat-pump") == ["power limit 2 kW", "hard power limit"]
        place.pass_time(60.0)
        sample = await device.read()
        assert (sample.power_w, sample.ceilings_w) == (2_000.0, {CONSUMPTION: 2_000.0})


async def test_luxtronik_the_value_comes_before_the_mode_and_a_change_needs_no_mode() -> None:
    """The mode makes the value count: first, it would make an old value count for a moment."""
    peer = RegisterPeer({10040: 0, 10041: 300})
    registers = {10301: 12, 10302: 5}

    async def answer(request: bytes, writer: Any) -> None:
        function, address, count = struct.unpack(">BHH", request[7:12])
        if function == 4:
            values = [registers[address + offset] for offset in range(count)]
            writer.write(tcp_frame(request, struct.pack(f">BB{count}H", 4, 2 * count, *values)))
            return
        await peer.answer(request, writer)

    async with tcp_stub(answer) as stub, site() as place:
        place.port = stub.port
        device = heat_pump(place, "luxtronik")
        await device.connect()
        await device.write(limit(1_500.0))
        await device.write(limit(1_700.0))
        await device.write(limit(None))
    assert peer.writes == [
        (6, 10041, (15,)),
        (6, 10040, (2,)),
        (6, 10041, (17,)),
        (6, 10041, (300,)),
        (6, 10040, (0,)),
    ]


async def test_luxtronik_a_release_and_a_restart_show_as_free() -> None:
    async with site(LUXTRONIK) as place:
        device = heat_pump(place, "luxtronik")
        await device.connect()
        await device.write(limit(2_000.0))
        readback = await device.write(limit(None))
        assert (readback.held_w, readback.confirmed) == (None, True)
        assert ceiling_w(place) is None
        await device.write(limit(2_000.0))
        await place.house.command({"cmd": "reboot", "unit": "heat-pump"})
        assert (await device.read()).ceilings_w == {CONSUMPTION: None}
        assert (await device.write(limit(2_000.0))).held_w == 2_000.0


async def test_luxtronik_zero_is_a_value_and_there_is_no_fallback() -> None:
    async with site(LUXTRONIK) as place:
        device = heat_pump(place, "luxtronik", nameplate_w=6_000)
        await device.connect()
        assert (await device.write(limit(0.0))).held_w == 0.0
        capabilities = device.capabilities
        assert (capabilities.kind, capabilities.nameplate_w) == (Kind.HEAT_PUMP, 6_000.0)
        assert capabilities.consumption_fallback is None
        assert (capabilities.accepted_rise_s, capabilities.min_run_s) == (600.0, 600.0)
        assert capabilities.consumption == FeasiblePowers(
            (PowerRange(0.0, 0.0), PowerRange(1_200.0, 6_000.0, 100.0))
        )


async def test_luxtronik_tells_the_least_that_its_compressor_needs_and_pauses_below_it() -> None:
    """A lower limit would keep it standing for ever, and it would seem to have no use for power."""
    async with site(LUXTRONIK) as place:
        place.house.house.heat_pumps[0].least_w = 1_800.0
        device = heat_pump(place, "luxtronik")
        await device.connect()
        for _ in range(5):
            await device.read()
        powers = device.capabilities.consumption
        assert powers is not None
        assert [each.low_w for each in powers.ranges] == [0.0, 1_800.0]
        assert (await device.write(limit(1_750.0))).held_w == 0.0
        assert (await device.write(limit(1_800.0))).held_w == 1_800.0


async def test_luxtronik_that_clips_is_caught() -> None:
    async with site(LUXTRONIK) as place:
        device = heat_pump(place, "luxtronik")
        await device.connect()
        place.house.units["heat-pump"].faults.add(Fault.CLIP)
        with pytest.raises(WriteRefused, match=r"1600 was written to register 10041, but it holds 2000"):
            await device.write(limit(1_600.0))


async def test_luxtronik_whose_limit_does_not_count_is_caught() -> None:
    """The value stands in its register, but the mode stays off: no limit."""

    class WithoutMode(RegisterPeer):
        def _write(self, function: int, address: int, values: tuple[int, ...]) -> bytes:
            answer = super()._write(function, address, values)
            self.registers[10040] = 0
            return answer

    peer = WithoutMode({10040: 0, 10041: 300})
    async with tcp_stub(peer.answer) as stub, site() as place:
        place.port = stub.port
        with pytest.raises(WriteRefused, match="2 was written to register 10040, but it holds 0"):
            await heat_pump(place, "luxtronik").write(limit(2_000.0))


# By contact.


async def test_sg_ready_knows_two_states_and_takes_the_lower_one_for_any_limit_below_its_type_plate() -> None:
    async with site(SG_READY) as place:
        device = heat_pump(place, "sg-ready-relays", nameplate_w=3_000)
        await device.connect()
        assert device.capabilities.consumption == FeasiblePowers(
            (PowerRange(0.0, 0.0), PowerRange(3_000.0, 3_000.0))
        )
        assert not device.capabilities.measures_power
        readback = await device.write(limit(2_999.0))
        assert (readback.written_w, readback.held_w, readback.confirmed) == (0.0, 0.0, True)
        assert ceiling_w(place) == 0.0
        assert (await device.read()).ceilings_w == {CONSUMPTION: 0.0}


async def test_sg_ready_a_limit_at_its_type_plate_leaves_it_normal() -> None:
    async with site(SG_READY) as place:
        device = heat_pump(place, "sg-ready-relays", nameplate_w=3_000)
        readback = await device.write(limit(3_000.0))
        assert (readback.written_w, readback.held_w, readback.confirmed) == (3_000.0, None, True)


async def test_sg_ready_release_waits_for_the_least_time_and_a_limit_does_not() -> None:
    async with site(SG_READY) as place:
        device = heat_pump(place, "sg-ready-relays")
        await device.connect()
        await device.write(limit(0.0))
        place.pass_time(599.0)
        early = await device.write(limit(None))
        assert (early.held_w, early.confirmed) == (0.0, False)
        assert ceiling_w(place) == 0.0
        place.pass_time(1.0)
        assert (await device.write(limit(None))).held_w is None
        assert ceiling_w(place) is None
        place.pass_time(1.0)
        assert (await device.write(limit(0.0))).held_w == 0.0


async def test_sg_ready_never_passes_through_forced_on() -> None:
    """From 'recommended on' (0:1) to 'blocked' (1:0): SG2 opens before SG1 closes."""
    async with site(SG_READY) as place:
        unit = place.house.units["heat-pump"]
        unit.write(1, [1])
        place.events.clear()
        device = heat_pump(place, "sg-ready-relays")
        await device.write(limit(0.0))
        assert place.changes("heat-pump") == ["contact SG2 open", "contact SG1 closed"]


async def test_sg_ready_foreign_contacts_show_as_free() -> None:
    async with site(SG_READY) as place:
        device = heat_pump(place, "sg-ready-relays")
        await device.connect()
        await device.write(limit(0.0))
        place.house.units["heat-pump"].write(1, [1])
        assert (await device.read()).ceilings_w == {CONSUMPTION: None}


async def test_sg_ready_a_maker_that_still_allows_4200_w_is_not_asked_for_less() -> None:
    async with site(SG_READY) as place:
        device = heat_pump(place, "sg-ready-relays", nameplate_w=9_000, limited_w=4_200)
        await device.connect()
        assert (await device.write(limit(5_000.0))).held_w == 4_200.0
        with pytest.raises(WriteRefused, match="its lowest state 'limited' still allows 4200 W, 4000 W was"):
            await device.write(limit(4_000.0))


async def test_sg_ready_a_relay_that_sticks_is_caught() -> None:
    async with site(SG_READY) as place:
        device = heat_pump(place, "sg-ready-relays")
        await device.connect()
        place.house.units["heat-pump"].faults.add(Fault.IGNORE_WRITES)
        with pytest.raises(WriteRefused, match=r"'limited' was written, but it shows sg2 0.*, sg1 0"):
            await device.write(limit(0.0))


async def test_sg_ready_golden_frames_of_both_relays() -> None:
    frames: list[bytes] = []
    coils = {4: 0, 5: 1}

    async def answer(request: bytes, writer: Any) -> None:
        function, address, value = struct.unpack(">BHH", request[7:12])
        if function == 5:
            frames.append(request[6:])
            coils[address] = int(value == 0xFF00)
            writer.write(request)
            return
        bits = sum(coils[address + offset] << offset for offset in range(value))
        writer.write(tcp_frame(request, bytes([1, 1, bits])))

    async with tcp_stub(answer) as stub, site() as place:
        place.port = stub.port
        device = heat_pump(place, "sg-ready-relays", sg1_coil=4, sg2_coil=5)
        await device.connect()
        await device.write(limit(0.0))
        place.clock.advance(600.0)
        await device.write(limit(None))
    assert frames == [
        bytes.fromhex("01 05 0005 0000"),
        bytes.fromhex("01 05 0004 ff00"),
        bytes.fromhex("01 05 0004 0000"),
        bytes.fromhex("01 05 0005 0000"),
    ]


def test_stages_must_grow() -> None:
    with pytest.raises(SettingsError, match="stages come in order of their power"):
        load_profile("sg-ready-relays", {"limited_w": 5_000, "nameplate_w": 4_000})
