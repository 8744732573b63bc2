"""The bus against peers that misbehave, and against a real server of the client library."""

import asyncio
import itertools
import logging
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from adapters.modbus.bus import Buses, Pacing, Priority, Unit
from adapters.modbus.endpoint import Framing, SerialEndpoint, TcpEndpoint
from adapters.modbus.errors import BadAnswer, ReadRefused, RegisterWriteRefused
from adapters.modbus.requests import ReadRequest, Table, WriteRequest
from hems.devices import DeviceError, DeviceUnreachable, NotConnected, WriteRefused
from tests.unit.adapters.modbus_stub import Answer, registers_pdu, rtu_frame, rtu_stub, tcp_frame, tcp_stub

QUICK = Pacing(timeout_s=0.25)


@asynccontextmanager
async def unit_at(
    port: int, unit_id: int = 1, pacing: Pacing = QUICK, framing: Framing = Framing.TCP
) -> AsyncIterator[Unit]:
    buses = Buses()
    yield buses.unit(TcpEndpoint("127.0.0.1", port, framing), "wallbox", unit_id, pacing)
    await buses.close()


def answering(*pdus: bytes) -> Answer:
    """One answer body per request; the last one is repeated."""
    left = list(pdus)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        pdu = left.pop(0) if len(left) > 1 else left[0]
        writer.write(tcp_frame(request, pdu))

    return answer


# Golden frames, laid out by hand after the Modbus application protocol.


async def test_requests_are_the_frames_of_the_specification() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        echo = {3: registers_pdu(3, 7, 8), 4: registers_pdu(4, 9), 6: request[7:], 16: request[7:12]}
        writer.write(tcp_frame(request, echo[request[7]]))

    async with tcp_stub(answer) as peer, unit_at(peer.port, unit_id=0xFF) as unit:
        assert await unit.read(Table.HOLDING, 257, 2) == (7, 8)
        assert await unit.read(Table.INPUT, 5, 1) == (9,)
        await unit.write(261, (160,), function=6)
        await unit.write(261, (160,))
    assert [frame[4:].hex(" ") for frame in peer.requests] == [
        "00 06 ff 03 01 01 00 02",
        "00 06 ff 04 00 05 00 01",
        "00 06 ff 06 01 05 00 a0",
        "00 09 ff 10 01 05 00 01 02 00 a0",
    ]


async def test_rtu_over_tcp_uses_the_frames_of_the_serial_line() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(request if request[1] == 6 else rtu_frame(b"\x01" + registers_pdu(4, 3)))

    async with rtu_stub(answer) as peer, unit_at(peer.port, framing=Framing.RTU_OVER_TCP) as unit:
        assert await unit.read(Table.INPUT, 5, 1) == (3,)
        await unit.write(261, (160,), function=6)
    assert peer.requests == [
        rtu_frame(bytes.fromhex("010400050001")),
        rtu_frame(bytes.fromhex("0106010500a0")),
    ]


async def test_a_serial_line_carries_the_same_frames() -> None:
    ours, theirs = os.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    seen: list[bytes] = []

    def answer() -> None:
        seen.append(os.read(ours, 8))
        os.write(ours, rtu_frame(b"\x05" + registers_pdu(3, 160)))

    loop = asyncio.get_running_loop()
    loop.add_reader(ours, answer)
    buses = Buses()
    unit = buses.unit(SerialEndpoint(os.ttyname(theirs), parity="N"), "wallbox", 5, Pacing(timeout_s=1.0))
    assert await unit.read(Table.HOLDING, 261, 1) == (160,)
    assert seen == [rtu_frame(bytes.fromhex("050301050001"))]
    await buses.close()
    loop.remove_reader(ours)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("line", ["/dev/no-such-line", "/dev/null"])
async def test_a_line_that_does_not_exist_or_is_none_is_unreachable(line: str) -> None:
    buses = Buses()
    unit = buses.unit(SerialEndpoint(line), "wallbox", 1, QUICK)
    with pytest.raises(DeviceUnreachable, match="check that the line exists"):
        await unit.read(Table.HOLDING, 261, 1)
    await buses.close()


# Answers that do not belong to the request.


async def test_a_short_answer_is_no_success() -> None:
    async with tcp_stub(answering(registers_pdu(3, 1))) as peer, unit_at(peer.port) as unit:
        with pytest.raises(BadAnswer, match="sent 1 instead of 2 registers"):
            await unit.read(Table.HOLDING, 10, 2)
        assert unit.statistics.bad_answers == 1


async def test_a_long_answer_is_no_success() -> None:
    async with tcp_stub(answering(registers_pdu(3, 1, 2, 3))) as peer, unit_at(peer.port) as unit:
        with pytest.raises(BadAnswer, match="sent 3 instead of 2 registers"):
            await unit.read(Table.HOLDING, 10, 2)


async def test_a_wrong_function_code_is_no_success() -> None:
    async with tcp_stub(answering(registers_pdu(4, 1, 2))) as peer, unit_at(peer.port) as unit:
        with pytest.raises(BadAnswer, match="answered function 4 instead of 3"):
            await unit.read(Table.HOLDING, 10, 2)


@pytest.mark.parametrize(
    ("echo", "fault"),
    [
        (struct.pack(">BHH", 6, 261, 60), "confirmed value 60 instead of 100"),
        (struct.pack(">BHH", 6, 262, 100), "confirmed address 262 instead of 261"),
    ],
)
async def test_a_wrong_echo_of_a_single_write_is_refused(echo: bytes, fault: str) -> None:
    async with tcp_stub(answering(echo)) as peer, unit_at(peer.port) as unit:
        with pytest.raises(WriteRefused, match=fault):
            await unit.write(261, (100,), function=6)


@pytest.mark.parametrize(
    ("echo", "fault"),
    [
        (struct.pack(">BHH", 16, 261, 1), "confirmed 1 instead of 2 registers"),
        (struct.pack(">BHH", 16, 9, 2), "confirmed address 9 instead of 261"),
    ],
)
async def test_a_wrong_echo_of_a_multiple_write_is_refused(echo: bytes, fault: str) -> None:
    async with tcp_stub(answering(echo)) as peer, unit_at(peer.port) as unit:
        with pytest.raises(WriteRefused, match=fault):
            await unit.write(261, (100, 101))


async def test_an_answer_of_another_unit_is_silence() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(tcp_frame(request, registers_pdu(3, 1), unit=9))

    async with tcp_stub(answer) as peer, unit_at(peer.port) as unit:
        with pytest.raises(DeviceUnreachable, match=r"no answer within 0\.25 s"):
            await unit.read(Table.HOLDING, 10, 1)


@pytest.mark.parametrize("pdu", [b"\x63\x00\x01", b"\x03\x05\x00", b"\x06\x01"])
async def test_garbage_ends_the_wait_at_once_and_leaves_no_traceback(
    pdu: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Pacing(timeout_s=5.0)
    async with tcp_stub(answering(pdu, registers_pdu(3, 1))) as peer, unit_at(peer.port, pacing=slow) as unit:
        async with asyncio.timeout(3.0):
            with pytest.raises(DeviceError):
                await unit.read(Table.HOLDING, 10, 1)
            assert await unit.read(Table.HOLDING, 10, 1, Priority.LIMIT) == (1,)
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_an_answer_in_many_segments_is_put_together() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in tcp_frame(request, registers_pdu(3, 1, 2)):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.001)

    async with tcp_stub(answer) as peer, unit_at(peer.port) as unit:
        assert await unit.read(Table.HOLDING, 10, 2) == (1, 2)


# Silence, lost connections, late answers.


async def test_a_refused_connection_at_the_start_is_tried_again_later() -> None:
    async with tcp_stub(answering(registers_pdu(3, 1))) as gone:
        pass
    async with unit_at(gone.port) as unit:
        with pytest.raises(NotConnected, match=r"wallbox .*cannot connect; check host") as first:
            await unit.read(Table.HOLDING, 10, 1)
        with pytest.raises(NotConnected) as second:
            await unit.read(Table.HOLDING, 10, 1)
        assert unit.statistics.connect_failures == 1, "it was not tried again at once"
        assert str(second.value) == str(first.value), "one outage has one text"
        with pytest.raises(DeviceUnreachable, match="cannot connect"):
            await unit.write(10, (1,))  # a limit does not wait for the back-off
        assert unit.statistics.connect_failures == 2


async def test_a_reset_in_the_middle_is_reported_at_once_and_survived() -> None:
    calls = 0

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            writer.transport.abort()
        else:
            writer.write(tcp_frame(request, registers_pdu(3, 5)))

    async with tcp_stub(answer) as peer, unit_at(peer.port, pacing=Pacing(timeout_s=5.0)) as unit:
        async with asyncio.timeout(3.0):
            with pytest.raises(DeviceUnreachable, match="connection was lost"):
                await unit.read(Table.HOLDING, 10, 1)
            assert await unit.read(Table.HOLDING, 10, 1, Priority.LIMIT) == (5,)
        assert unit.statistics.connects == 2


async def test_a_silent_peer_ends_within_the_time_limit_without_a_repetition() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        return

    async with tcp_stub(answer) as peer, unit_at(peer.port) as unit:
        async with asyncio.timeout(2.0):
            with pytest.raises(DeviceUnreachable, match="no answer within"):
                await unit.read(Table.HOLDING, 10, 1)
        assert len(peer.requests) == 1


async def test_after_three_silent_answers_the_connection_is_made_anew() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        return

    async with tcp_stub(answer) as peer, unit_at(peer.port, pacing=Pacing(timeout_s=0.02)) as unit:
        for _ in range(4):
            with pytest.raises(DeviceUnreachable):
                await unit.write(10, (1,))
        assert peer.connections == 2


async def test_a_late_tcp_answer_is_not_taken_for_the_next_one() -> None:
    held: list[bytes] = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        if not held:
            held.append(tcp_frame(request, registers_pdu(3, 111)))
            return
        writer.write(held[0] + tcp_frame(request, registers_pdu(3, 222)))

    async with tcp_stub(answer) as peer, unit_at(peer.port) as unit:
        with pytest.raises(DeviceUnreachable):
            await unit.read(Table.HOLDING, 10, 1)
        assert await unit.read(Table.HOLDING, 10, 1, Priority.LIMIT) == (222,)


async def test_a_late_rtu_answer_is_not_taken_for_the_next_one() -> None:
    """Frames on a line carry no number: after silence the bus waits, and throws away what arrives then."""
    calls = 0

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(0.2)
            writer.write(rtu_frame(b"\x01" + registers_pdu(3, 111)))
        else:
            writer.write(rtu_frame(b"\x01" + registers_pdu(3, 222)))

    pacing = Pacing(timeout_s=0.15)
    async with rtu_stub(answer) as peer, unit_at(peer.port, 1, pacing, Framing.RTU_OVER_TCP) as unit:
        started = asyncio.get_running_loop().time()
        with pytest.raises(DeviceUnreachable):
            await unit.read(Table.HOLDING, 10, 1)
        assert await unit.read(Table.HOLDING, 20, 1, Priority.LIMIT) == (222,)
        assert asyncio.get_running_loop().time() - started >= 0.3


async def test_one_dead_unit_does_not_hold_up_the_others_on_its_line() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request[6] == 1:
            writer.write(tcp_frame(request, registers_pdu(3, 1)))

    buses = Buses()
    async with tcp_stub(answer) as peer:
        endpoint = TcpEndpoint("127.0.0.1", peer.port)
        alive = buses.unit(endpoint, "alive", 1, QUICK)
        dead = buses.unit(endpoint, "dead", 2, QUICK)
        with pytest.raises(DeviceUnreachable):
            await dead.read(Table.HOLDING, 1, 1)
        for _ in range(20):
            with pytest.raises(NotConnected, match="no answer within"):
                await dead.read(Table.HOLDING, 1, 1)
            assert await alive.read(Table.HOLDING, 1, 1) == (1,)
        assert sum(1 for frame in peer.requests if frame[6] == 2) == 1
        await buses.close()


# Exceptions.


async def test_exceptions_are_told_in_words_and_carry_their_code() -> None:
    async with tcp_stub(answering(b"\x83\x02", b"\x90\x03")) as peer, unit_at(peer.port) as unit:
        with pytest.raises(ReadRefused, match=r"wallbox .*no such register") as read_error:
            await unit.read(Table.HOLDING, 10, 1)
        assert read_error.value.code == 2
        with pytest.raises(RegisterWriteRefused, match="does not accept this value") as write_error:
            await unit.write(10, (1,))
        assert write_error.value.code == 3


@pytest.mark.parametrize("code", [10, 11])
async def test_a_gateway_without_its_device_means_unreachable(code: int) -> None:
    async with tcp_stub(answering(bytes([0x90, code]))) as peer, unit_at(peer.port) as unit:
        with pytest.raises(DeviceUnreachable, match="gateway in between"):
            await unit.write(10, (1,))


@pytest.mark.parametrize("code", [5, 6])
async def test_busy_and_acknowledge_are_asked_again(code: int) -> None:
    echo = struct.pack(">BHH", 16, 10, 1)
    async with tcp_stub(answering(bytes([0x90, code]), echo)) as peer, unit_at(peer.port) as unit:
        await unit.write(10, (1,))
        assert unit.statistics.busy_answers == 1
    assert len(peer.requests) == 2


async def test_a_device_that_stays_busy_is_given_up() -> None:
    pacing = Pacing(timeout_s=0.1, busy_retries=1)
    async with tcp_stub(answering(b"\x90\x06")) as peer, unit_at(peer.port, pacing=pacing) as unit:
        with pytest.raises(WriteRefused, match="it is busy"):
            await unit.write(10, (1,))
    assert len(peer.requests) == 2


# Order, pauses, sharing.


async def test_limit_writes_overtake_everything_that_waits() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        body = request[7:12] if request[7] == 16 else registers_pdu(3, 0)
        writer.write(tcp_frame(request, body))

    async with tcp_stub(answer) as peer, unit_at(peer.port) as unit:
        await asyncio.gather(
            unit.read(Table.HOLDING, 1, 1, Priority.SLOW),
            unit.read(Table.HOLDING, 2, 1, Priority.SLOW),
            unit.read(Table.HOLDING, 3, 1, Priority.FAST),
            unit.write(4, (1,), priority=Priority.HEARTBEAT),
            unit.write(5, (1,)),
        )
    assert [struct.unpack(">H", frame[8:10])[0] for frame in peer.requests] == [5, 4, 3, 1, 2]


async def test_requests_keep_the_gap_that_the_device_needs() -> None:
    at: list[float] = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        at.append(asyncio.get_running_loop().time())
        writer.write(tcp_frame(request, registers_pdu(3, 0)))

    pacing = Pacing(timeout_s=0.5, request_gap_s=0.03)
    async with tcp_stub(answer) as peer, unit_at(peer.port, pacing=pacing) as unit:
        await asyncio.gather(*(unit.read(Table.HOLDING, 1, 1) for _ in range(3)))
    assert all(later - earlier >= 0.029 for earlier, later in itertools.pairwise(at))


@pytest.mark.parametrize(("gap_on_line", "waited_for_the_line"), [(True, True), (False, False)])
async def test_a_slow_device_waits_for_the_line_only_where_it_shares_one(
    gap_on_line: bool, waited_for_the_line: bool
) -> None:
    """Others asked without a pause must not keep a slow device from its turn for ever."""
    buses = Buses()
    async with tcp_stub(answering(registers_pdu(3, 0))) as peer:
        endpoint = TcpEndpoint("127.0.0.1", peer.port)
        pacing = Pacing(timeout_s=0.5, request_gap_s=0.03, gap_on_line=gap_on_line)
        slow, busy = buses.unit(endpoint, "slow", 1, pacing), buses.unit(endpoint, "busy", 2, QUICK)
        await busy.read(Table.HOLDING, 1, 1)
        begin_s = asyncio.get_running_loop().time()
        await slow.read(Table.HOLDING, 1, 1)
        first_s = asyncio.get_running_loop().time() - begin_s
        await slow.read(Table.HOLDING, 1, 1)
        both_s = asyncio.get_running_loop().time() - begin_s
        await buses.close()
    assert (first_s >= 0.029) is waited_for_the_line
    assert both_s - first_s >= 0.029


async def test_a_write_that_must_wait_for_its_gap_lets_reads_pass() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        body = request[7:12] if request[7] == 16 else registers_pdu(3, 0)
        writer.write(tcp_frame(request, body))

    pacing = Pacing(timeout_s=0.5, write_gap_s=0.05)
    async with tcp_stub(answer) as peer, unit_at(peer.port, pacing=pacing) as unit:
        await unit.write(1, (1,))
        second = asyncio.create_task(unit.write(2, (1,)))
        await asyncio.sleep(0)
        await unit.read(Table.HOLDING, 3, 1, Priority.SLOW)
        await second
    assert [frame[7] for frame in peer.requests] == [16, 3, 16]


async def test_devices_behind_one_endpoint_share_one_connection() -> None:
    buses = Buses()
    async with tcp_stub(answering(registers_pdu(3, 0))) as peer:
        endpoint = TcpEndpoint("127.0.0.1", peer.port)
        units = [buses.unit(endpoint, f"device {i}", i, QUICK) for i in range(1, 6)]
        await asyncio.gather(*(unit.read(Table.HOLDING, 1, 1) for unit in units))
        assert (peer.connections, peer.most_at_once) == (1, 1)
        for unit in units:
            await unit.close()
        again = buses.unit(endpoint, "again", 1, QUICK)
        assert await again.read(Table.HOLDING, 1, 1) == (0,)
        assert peer.connections == 2
        await buses.close()


async def test_one_endpoint_cannot_have_two_framings() -> None:
    buses = Buses()
    buses.unit(TcpEndpoint("127.0.0.1", 1), "one", 1, QUICK)
    with pytest.raises(DeviceError, match="another framing"):
        buses.unit(TcpEndpoint("127.0.0.1", 1, Framing.RTU_OVER_TCP), "two", 2, QUICK)


async def test_closing_fails_what_waits() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        return

    async with tcp_stub(answer) as peer, unit_at(peer.port, pacing=Pacing(timeout_s=5.0)) as unit:
        reads = [asyncio.create_task(unit.read(Table.HOLDING, i, 1)) for i in range(3)]
        await asyncio.sleep(0.02)
        await unit.close()
        results = await asyncio.gather(*reads, return_exceptions=True)
    assert all(isinstance(result, DeviceUnreachable) for result in results)


async def test_a_caller_that_gave_up_does_not_block_the_next_one() -> None:
    calls = 0

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            writer.write(tcp_frame(request, registers_pdu(3, 9)))

    async with tcp_stub(answer) as peer, unit_at(peer.port) as unit:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(unit.read(Table.HOLDING, 1, 1), 0.02)
        assert await unit.read(Table.HOLDING, 2, 1, Priority.LIMIT) == (9,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ReadRequest(Table.HOLDING, 0, 126),
        lambda: ReadRequest(Table.HOLDING, 65535, 2),
        lambda: WriteRequest(0, ()),
        lambda: WriteRequest(0, (0,) * 124),
        lambda: WriteRequest(0, (-1,)),
        lambda: WriteRequest(0, (65536,)),
        lambda: WriteRequest(0, (1, 2), function=6),
        lambda: WriteRequest(0, (1,), function=22),
    ],
)
def test_what_no_frame_can_carry_is_refused_before_sending(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"in one request|are outside|hr holds|does not write"):
        make()


async def test_against_the_real_server_of_the_library(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "pymodbus.logging")
    busy = 1

    async def action(
        function: int, start: int, address: int, count: int, registers: list[int], values: object
    ) -> ExcCodes | None:
        nonlocal busy
        if values is not None and busy:
            busy -= 1
            return ExcCodes.DEVICE_BUSY
        return None

    data = [SimData(10, values=[100, 200], datatype=DataType.UINT16)]
    server = ModbusTcpServer(SimDevice(1, simdata=data, action=action), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    async with unit_at(port) as unit:
        assert await unit.read(Table.HOLDING, 10, 2) == (100, 200)
        await unit.write(10, (101, 201))
        assert await unit.read(Table.HOLDING, 10, 2) == (101, 201)
        with pytest.raises(ReadRefused, match="no such register"):
            await unit.read(Table.HOLDING, 11, 2)
        assert unit.statistics.busy_answers == 1
    await server.shutdown()  # type: ignore[no-untyped-call]
