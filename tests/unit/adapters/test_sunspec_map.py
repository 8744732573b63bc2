"""Finding models and reading them: chains, lengths, sub-devices, maps that move."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.context import Context
from adapters.modbus.bus import Buses, Pacing
from adapters.modbus.endpoint import TcpEndpoint
from adapters.modbus.errors import ReadRefused
from adapters.sunspec.connection import SunSpecConnection
from adapters.sunspec.definitions import model_definition
from adapters.sunspec.discovery import discover
from adapters.sunspec.inverter import InverterOptions, SunSpecInverter
from adapters.sunspec.model import plan_reads
from eebus.clock import FakeClock
from hems.devices import DeviceError, Direction, Fallback, Setpoint, WriteRefused
from tests.unit.adapters.modbus_stub import RegisterPeer, tcp_stub

MARKER = [0x5375, 0x6E53]
END = [0xFFFF, 0]


def words(text: str, registers: int) -> list[int]:
    data = text.encode().ljust(2 * registers, b"\x00")
    return [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]


def common(length: int = 66, maker: str = "Maker") -> list[int]:
    body = [
        *words(maker, 16),
        *words("Model", 16),
        *words("", 8),
        *words("1", 8),
        *words("4711", 16),
        0xFFFF,
        0,
    ]
    return [1, length, *body[:length]]


def model(model_id: int, length: int, points: dict[int, int] | None = None) -> list[int]:
    values = [model_id, length, *[0xFFFF] * length]
    for offset, value in (points or {}).items():
        values[offset] = value
    return values


def at(base: int, *parts: list[int]) -> dict[int, int]:
    flat = [*MARKER, *(value for part in parts for value in part)]
    return {base + offset: value for offset, value in enumerate(flat)}


RATED = model(121, 30, {2: 1000, 22: 1})  # 10 kW
MEASURED = model(103, 50, {14: 1234, 15: 0, 38: 4})
LIMIT = model(123, 24, {5: 10_000, 6: 0, 7: 0, 8: 0, 9: 0, 23: 0xFFFE})
INVERTER = (common(), MEASURED, RATED, LIMIT, END)


async def chain_of(registers: dict[int, int]) -> Any:
    async def read(address: int, count: int) -> tuple[int, ...]:
        try:
            return tuple(registers[address + offset] for offset in range(count))
        except KeyError:
            raise ReadRefused("no such register", 2) from None

    return await discover(read)


@pytest.mark.parametrize("base", [0, 40_000, 50_000])
async def test_the_marker_is_found_at_each_base(base: int) -> None:
    found = await chain_of(at(base, *INVERTER))
    assert found.base == base
    assert [entry.model_id for entry in found.models] == [1, 103, 121, 123]
    assert found.models[1].address == base + 2 + 68


async def test_without_an_end_marker_the_chain_ends_at_the_exception() -> None:
    found = await chain_of(at(40_000, *INVERTER[:-1]))
    assert [entry.model_id for entry in found.models] == [1, 103, 121, 123]


async def test_model_id_zero_ends_the_chain() -> None:
    found = await chain_of(at(40_000, common(), MEASURED, [0, 0]))
    assert [entry.model_id for entry in found.models] == [1, 103]


async def test_unknown_models_are_passed_over() -> None:
    found = await chain_of(at(40_000, common(), model(64_001, 7), MEASURED, END))
    assert found.find((103,), 0).address == 40_000 + 2 + 68 + 9


async def test_a_common_model_of_65_registers_moves_what_follows() -> None:
    found = await chain_of(at(40_000, common(65), MEASURED, END))
    assert found.find((103,), 0).address == 40_000 + 2 + 67


async def test_a_repeated_common_model_starts_a_sub_device() -> None:
    meter = model(203, 105)
    found = await chain_of(at(40_000, common(), MEASURED, common(), meter, common(), meter, END))
    assert [entry.subdevice for entry in found.models] == [0, 0, 1, 1, 2, 2]
    assert found.find((203,), 0) is None
    assert found.find((203,), 2).address > found.find((203,), 1).address


async def test_a_first_model_that_is_not_common_is_no_map() -> None:
    with pytest.raises(DeviceError, match="no SunSpec map"):
        await chain_of(at(40_000, MEASURED, END))


async def test_an_endless_chain_is_left() -> None:
    registers = dict.fromkeys(range(65_536), 0)
    registers.update(at(40_000, common()))
    registers.update(dict.fromkeys(range(40070, 65536), 1))
    assert len((await chain_of(registers)).models) <= 200


def test_model_701_takes_two_reads_and_no_point_is_cut() -> None:
    reads = plan_reads(model_definition(701), 153, 125)
    assert len(reads) == 2
    assert reads[0][0] == 0
    assert reads[1][0] == reads[0][1]
    assert sum(count for _, count in reads) == 155
    starts, offset = set(), 0
    for point in model_definition(701).group.points:
        starts.add(offset)
        offset += point.size
    assert reads[1][0] in starts


def test_a_consistent_group_is_never_cut() -> None:
    reads = plan_reads(model_definition(704), 65, 60)
    assert reads == ((0, 59), (59, 8))


def test_a_short_model_is_read_only_as_far_as_it_goes() -> None:
    assert plan_reads(model_definition(103), 40, 125) == ((0, 42),)
    assert plan_reads(model_definition(103), 80, 125) == ((0, 52),)


# Over the wire.


@asynccontextmanager
async def inverter(peer: RegisterPeer, **options: Any) -> AsyncIterator[SunSpecInverter]:
    async with tcp_stub(peer.answer) as stub:
        context = Context(clock=FakeClock())
        unit = context.buses.unit(TcpEndpoint("127.0.0.1", stub.port), "inverter", 1, Pacing(timeout_s=0.5))
        yield SunSpecInverter("inverter", unit, context.clock, InverterOptions(**options))
        await context.buses.close()


def limit(power_w: float | None) -> Setpoint:
    return Setpoint(Direction.PRODUCTION, power_w)


LIMIT_ADDRESS = 40_000 + 2 + 68 + 52 + 32


async def test_golden_frame_123_is_five_registers_at_once() -> None:
    """Offsets 5 to 9: percentage, window, revert time, ramp, enable."""
    peer = RegisterPeer(at(40_000, *INVERTER))
    async with inverter(peer, revert_s=120) as device:
        await device.write(limit(4200.0))
        await device.write(limit(4200.0))
        await device.write(limit(None))
    frame = (16, LIMIT_ADDRESS + 5, (4200, 0, 120, 0, 1))
    assert peer.writes == [frame, frame, (16, LIMIT_ADDRESS + 9, (0,))]


async def test_a_device_that_refuses_groups_gets_single_registers_in_the_safe_order() -> None:
    """Timer first, enable last: no moment with an old value enabled, none without a timer."""
    peer = RegisterPeer(at(40_000, *INVERTER), refuse_multiple=True)
    async with inverter(peer, revert_s=120) as device:
        await device.write(limit(4200.0))
        await device.write(limit(None))
    assert peer.writes == [
        (6, LIMIT_ADDRESS + 7, (120,)),
        (6, LIMIT_ADDRESS + 5, (4200,)),
        (6, LIMIT_ADDRESS + 9, (1,)),
        (6, LIMIT_ADDRESS + 9, (0,)),
    ]


async def test_kostal_has_no_timer_and_only_takes_function_6() -> None:
    no_timer = model(123, 24, {5: 100, 9: 1, 23: 0})
    chain = at(40_000, common(maker="KOSTAL Solar Electric GmbH"), MEASURED, RATED, no_timer, END)
    peer = RegisterPeer(chain, refuse_multiple=True)
    async with inverter(peer) as device:
        await device.write(limit(4290.0))
        assert device.capabilities.production_fallback is None
        assert (await device.write(limit(None))).confirmed
        assert (await device.read()).ceilings_w == {Direction.PRODUCTION: None}
    assert peer.writes == [
        (6, LIMIT_ADDRESS + 5, (42,)),
        (6, LIMIT_ADDRESS + 9, (1,)),
        (6, LIMIT_ADDRESS + 5, (100,)),
        (6, LIMIT_ADDRESS + 9, (1,)),
    ]


async def test_sma_lets_only_single_points_be_read_and_its_enable_alone() -> None:
    chain = at(40_000, common(maker="SMA"), MEASURED, RATED, model(123, 24, {5: 100, 9: 1, 23: 0}))
    for offset in (2, 3, 6, 8, *range(10, 23)):
        del chain[LIMIT_ADDRESS + offset]
    peer = RegisterPeer(chain, read_only={LIMIT_ADDRESS + 9})
    async with inverter(peer) as device:
        assert (await device.read()).ceilings_w == {Direction.PRODUCTION: None}
        assert (await device.write(limit(4200.0))).held_w == 4200.0
        assert (await device.write(limit(None))).confirmed
    assert peer.writes == [(6, LIMIT_ADDRESS + 5, (42,)), (6, LIMIT_ADDRESS + 5, (100,))]


def solaredge(**registers: tuple[int, int]) -> RegisterPeer:
    """Inverter of 8 kW without limit model; vendor floats have their low word first."""
    words = (
        {
            0xF300: (0,),
            0xF304: (0x0000, 0x45FA),  # 8000.0
            0xF310: (60, 0),
            0xF312: (0x0000, 0x42C8),  # 100.0
            0xF322: (0x0000, 0x42C8),
        }
        | {int(name[1:], 16): pair for name, pair in registers.items()}
    )
    chain = at(40_000, common(maker="SolarEdge "), MEASURED, END)
    return RegisterPeer(
        chain | {start + offset: word for start, run in words.items() for offset, word in enumerate(run)}
    )


async def test_solaredge_golden_frames_of_its_dynamic_limit() -> None:
    """F001 would need a commit that is stored; the F300 group is volatile and has a timeout."""
    peer = solaredge()
    async with inverter(peer, revert_s=90, after_revert_w=2_000.0) as device:
        readback = await device.write(limit(3_000.9))
        assert (readback.written_w, readback.held_w, readback.confirmed) == (3_000.8, 3_000.8, True)
        assert device.capabilities.production_fallback == Fallback(90.0, 2_000.0)
        await device.write(limit(3_000.9))
        assert (await device.read()).ceilings_w[Direction.PRODUCTION] == pytest.approx(3_000.8, abs=0.01)
        assert (await device.write(limit(None))).confirmed
        assert (await device.read()).ceilings_w == {Direction.PRODUCTION: None}
    assert peer.writes == [
        (16, 0xF310, (90, 0)),
        (16, 0xF312, (0x0000, 0x41C8)),  # 25 %
        (16, 0xF322, (0x0A3D, 0x4216)),  # 37.51 %
        (16, 0xF300, (1,)),
        (16, 0xF322, (0x0A3D, 0x4216)),
        (16, 0xF322, (0x0000, 0x42C8)),
    ]


async def test_solaredge_falls_to_the_limit_itself_when_nobody_will_renew_it() -> None:
    """Its timer cannot be switched off."""
    peer = solaredge()
    async with inverter(peer, revert_s=90) as device:
        await device.write(limit(3_000.0))
        await device.write(Setpoint(Direction.PRODUCTION, 3_000.0, lasting=True))
        await device.write(limit(4_000.0))
    after = [words for _, address, words in peer.writes if address == 0xF312]
    assert after == [(0x0000, 0x4216), (0x0000, 0x42C8)]  # 37.5 %, and 100 % again


async def test_solaredge_that_forgot_its_timeout_gets_it_with_the_next_limit() -> None:
    peer = solaredge()
    async with inverter(peer, revert_s=60) as device:
        await device.connect()
        peer.registers |= {0xF310: 0, 0xF311: 0, 0xF300: 0}
        await device.write(limit(0.0))
    assert peer.writes == [(16, 0xF322, (0, 0)), (16, 0xF300, (1,)), (16, 0xF310, (60, 0))]


async def test_solaredge_whose_timer_shall_not_count_falls_to_the_limit_itself() -> None:
    """It cannot be switched off; once released, the inverter falls to full power."""
    peer = solaredge()
    async with inverter(peer) as device:
        await device.write(limit(3_000.0))
        assert device.capabilities.production_fallback is None
        await device.write(limit(None))
    after = [words for _, address, words in peer.writes if address == 0xF312]
    assert after == [(0x0000, 0x4216), (0x0000, 0x42C8)]  # 37.5 %, and 100 % again


async def test_solaredge_that_keeps_its_limit_is_caught() -> None:
    peer = solaredge()
    peer.read_only = {0xF322}
    async with inverter(peer) as device:
        with pytest.raises(WriteRefused, match="no such register"):
            await device.write(limit(1_000.0))


async def test_reading_and_connecting_writes_nothing() -> None:
    """8.6.4: a value that was merely read is never refreshed."""
    peer = RegisterPeer(at(40_000, *INVERTER))
    async with inverter(peer) as device:
        await device.connect()
        for _ in range(3):
            await device.read()
    assert peer.writes == []


async def test_a_foreign_writer_is_visible_in_the_next_sample() -> None:
    peer = RegisterPeer(at(40_000, *INVERTER))
    async with inverter(peer) as device:
        await device.write(limit(4200.0))
        peer.registers[LIMIT_ADDRESS + 5] = 9000
        assert (await device.read()).ceilings_w == {Direction.PRODUCTION: 9000.0}


async def test_a_limit_model_that_is_cut_off_is_not_used_for_control() -> None:
    peer = RegisterPeer(at(40_000, common(), MEASURED, RATED, model(123, 20, {5: 100, 9: 0}), END))
    async with inverter(peer) as device:
        with pytest.raises(DeviceError, match="cut off after 20 registers"):
            await device.write(limit(4200.0))
    assert peer.writes == []


async def test_without_a_scale_there_is_no_limit() -> None:
    peer = RegisterPeer(at(40_000, common(), MEASURED, RATED, model(123, 24, {5: 100, 23: 0x8000}), END))
    async with inverter(peer) as device:
        with pytest.raises(DeviceError, match="WMaxLimPct_SF"):
            await device.write(limit(4200.0))
    assert peer.writes == []


async def test_without_a_rating_the_nameplate_of_the_settings_is_the_reference() -> None:
    chain = at(40_000, common(), MEASURED, LIMIT, END)
    async with inverter(RegisterPeer(dict(chain))) as device:
        with pytest.raises(DeviceError, match="set nameplate_w"):
            await device.write(limit(4200.0))
    peer = RegisterPeer(dict(chain))
    async with inverter(peer, nameplate_w=8400.0) as device:
        await device.write(limit(4200.0))
    assert peer.writes[0][2][0] == 5000


async def test_a_map_that_moved_after_a_reconnect_is_read_again() -> None:
    """A battery was added: the models behind the measurement have shifted."""
    peer = RegisterPeer(at(40_000, *INVERTER))
    async with inverter(peer) as device:
        await device.write(limit(4200.0))
        peer.registers = at(40_000, common(), MEASURED, model(160, 8, {}), RATED, LIMIT, END)
        peer.writes.clear()
        await device.connect()
        await device.write(limit(4200.0))
    assert peer.writes == [(16, LIMIT_ADDRESS + 10 + 5, (4200, 0, 0, 0, 1))]


async def test_a_search_that_failed_half_way_is_not_taken_for_a_map() -> None:
    peer = RegisterPeer(at(40_000, *INVERTER))
    async with inverter(peer) as device:
        await device.read()
        peer.registers = {}
        for _ in range(2):
            with pytest.raises(DeviceError):
                await device.connect()
        peer.registers = at(40_000, common(), model(160, 8, {}), MEASURED, RATED, LIMIT, END)
        assert (await device.read()).power_w == -1234.0


async def test_a_map_that_moved_meanwhile_is_noticed_before_values_are_believed() -> None:
    peer = RegisterPeer(at(40_000, *INVERTER))
    async with inverter(peer) as device:
        await device.read()
        peer.registers = at(40_000, common(), model(160, 8, {}), MEASURED, RATED, LIMIT, END)
        with pytest.raises(DeviceError, match="has moved"):
            await device.read()
        assert (await device.read()).power_w == -1234.0


async def test_an_inverter_that_clips_below_the_wish_still_obeys() -> None:
    class Clipping(RegisterPeer):
        def _write(self, function: int, address: int, values: tuple[int, ...]) -> bytes:
            answer = super()._write(function, address, values)
            self.registers[LIMIT_ADDRESS + 5] = min(self.registers[LIMIT_ADDRESS + 5], 3000)
            return answer

    async with inverter(Clipping(at(40_000, *INVERTER))) as device:
        readback = await device.write(limit(4200.0))
    assert (readback.written_w, readback.held_w, readback.confirmed) == (4200.0, 3000.0, True)


async def test_an_inverter_that_keeps_a_floor_above_the_wish_does_not_obey() -> None:
    class Floored(RegisterPeer):
        def _write(self, function: int, address: int, values: tuple[int, ...]) -> bytes:
            answer = super()._write(function, address, values)
            self.registers[LIMIT_ADDRESS + 5] = max(self.registers[LIMIT_ADDRESS + 5], 1000)
            return answer

    async with inverter(Floored(at(40_000, *INVERTER))) as device:
        with pytest.raises(WriteRefused, match="the device shows 1000 W"):
            await device.write(limit(0.0))


async def test_fronius_frames_of_zeros_are_no_measurement() -> None:
    zeros = model(103, 50, dict.fromkeys(range(2, 52), 0))
    chain = at(40_000, common(maker="Fronius"), zeros, RATED, LIMIT, END)
    async with inverter(RegisterPeer(chain)) as device:
        assert (await device.read()).power_w is None


async def test_model_160_without_modules_and_with_two() -> None:
    empty = model(160, 8, {8: 0})
    two = model(160, 48, {4: 0, 8: 2, 21: 100, 41: 200})
    for block, powers in ((empty, []), (two, [100.0, 200.0])):
        async with tcp_stub(RegisterPeer(at(40_000, common(), block, END)).answer) as stub:
            buses = Buses()
            unit = buses.unit(TcpEndpoint("127.0.0.1", stub.port), "inverter", 1, Pacing(timeout_s=0.5))
            connection = SunSpecConnection("inverter", unit)
            await connection.ensure_map()
            decoded = await connection.read_model(connection.locate((160,)))
            assert [module.number("DCW") for module in decoded.groups["module"]] == powers
            await buses.close()
