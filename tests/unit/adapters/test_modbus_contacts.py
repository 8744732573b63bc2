"""Input contacts over Modbus: golden frames, gaps, and answers that cannot be trusted."""

import asyncio
import struct
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.context import Context
from adapters.modbus.errors import BadAnswer, ReadRefused
from adapters.modbus.requests import ReadRequest, Table, WriteRequest
from adapters.registry import DEFAULT_REGISTRY
from adapters.relay.modbus_contacts import ModbusContactsSettings
from eebus.clock import FakeClock
from hems.devices import Contacts, ContactState, DeviceUnreachable
from tests.unit.adapters.modbus_stub import tcp_frame, tcp_stub

FOUR_CONTACTS = {"w4": 0, "w3": 1, "s2": 2, "s1": 3}


class Module:
    """An I/O module with the given closed inputs, and what it was asked."""

    def __init__(self, *closed: int) -> None:
        self.closed = set(closed)
        self.bodies: list[bytes] = []
        self.answer_bytes: bytes | None = None

    async def answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        body = request[7:]
        self.bodies.append(body)
        function, address, count = struct.unpack(">BHH", body)
        bits = sum(1 << offset for offset in range(count) if address + offset in self.closed)
        data = bits.to_bytes((count + 7) // 8, "little") if self.answer_bytes is None else self.answer_bytes
        writer.write(tcp_frame(request, bytes([function, len(data)]) + data))


def contacts_at(port: int, context: Context, **settings: Any) -> Contacts:
    model = ModbusContactsSettings(
        type="modbus-contacts", host="127.0.0.1", port=port, **{"inputs": FOUR_CONTACTS, **settings}
    )
    return DEFAULT_REGISTRY.make_contacts("steuerbox", model, context)


async def test_neighbouring_discrete_inputs_are_one_request_and_their_bits_are_told_apart() -> None:
    module, clock = Module(0, 2), FakeClock()
    context = Context(clock=clock)
    async with tcp_stub(module.answer) as peer:
        contacts = contacts_at(peer.port, context)
        await contacts.connect()
        states = await contacts.read()
        await context.buses.close()
    now_s = clock.monotonic()
    assert contacts.inputs == ("w4", "w3", "s2", "s1")
    assert states == {
        "w4": ContactState(True, now_s),
        "w3": ContactState(False, now_s),
        "s2": ContactState(True, now_s),
        "s1": ContactState(False, now_s),
    }
    assert module.bodies == [bytes.fromhex("02 0000 0004")] * 2


async def test_coils_with_a_gap_are_two_requests() -> None:
    module = Module(7)
    context = Context(clock=FakeClock())
    async with tcp_stub(module.answer) as peer:
        contacts = contacts_at(peer.port, context, table="co", inputs={"dim": 7, "test": 2})
        states = await contacts.read()
        await context.buses.close()
    assert {name: state.closed for name, state in states.items()} == {"dim": True, "test": False}
    assert module.bodies == [bytes.fromhex("01 0002 0001"), bytes.fromhex("01 0007 0001")]


async def test_the_state_is_as_old_as_the_question_not_as_the_answer() -> None:
    clock = FakeClock()
    module = Module()
    context = Context(clock=clock)

    async def late(request: bytes, writer: asyncio.StreamWriter) -> None:
        clock.advance(2.0)
        await module.answer(request, writer)

    async with tcp_stub(late) as peer:
        contacts = contacts_at(peer.port, context)
        asked_at_s = clock.monotonic()
        states = await contacts.read()
        await context.buses.close()
    assert states["w4"].at_s == asked_at_s


async def test_too_few_bits_are_no_state() -> None:
    """Four inputs in an answer without data would read as four open contacts: a release that nobody gave."""
    module = Module(0)
    context = Context(clock=FakeClock())
    async with tcp_stub(module.answer) as peer:
        contacts = contacts_at(peer.port, context)
        module.answer_bytes = b""
        with pytest.raises(BadAnswer, match="sent 0 instead of 8 bits"):
            await contacts.read()
        module.answer_bytes = b"\x01\x00"
        with pytest.raises(BadAnswer, match="sent 16 instead of 8 bits"):
            await contacts.read()
        await context.buses.close()


async def test_a_module_that_refuses_or_is_gone_raises() -> None:
    context = Context(clock=FakeClock())

    async def refuse(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(tcp_frame(request, bytes([request[7] | 0x80, 2])))

    async with tcp_stub(refuse) as peer:
        contacts = contacts_at(peer.port, context)
        with pytest.raises(ReadRefused):
            await contacts.read()
    with pytest.raises(DeviceUnreachable):
        await contacts.read()
    await contacts.close()


@pytest.mark.parametrize(
    "inputs", [{}, {"a": -1}, {"a": 65_536}, {"a": 3, "b": 3}, {f"i{n}": n for n in range(17)}]
)
def test_inputs_that_cannot_be_are_refused(inputs: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ModbusContactsSettings(type="modbus-contacts", host="h", inputs=inputs)


def test_requests_that_no_frame_can_carry_are_refused() -> None:
    ReadRequest(Table.COIL, 0, 2000)
    with pytest.raises(ValueError, match="1 to 2000"):
        ReadRequest(Table.DISCRETE, 0, 2001)
    with pytest.raises(ValueError, match="co holds 0 to 1"):
        WriteRequest(0, (2,), 5)
    with pytest.raises(ValueError, match="function 15 does not write"):
        WriteRequest(0, (1,), 15)
    assert str(WriteRequest(4, (1,), 5)) == "writing 1 to co 4"
