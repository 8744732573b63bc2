"""Where a bus ends: a TCP address or a serial line, and the client for it."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.framer import FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

Client = AsyncModbusTcpClient | AsyncModbusSerialClient

# The bus keeps its own time limit for every request; the client's must never strike first.
_CLIENT_TIMEOUT_S = 60.0


class Framing(StrEnum):
    """How frames travel over TCP: with the Modbus TCP header, or as on a serial line."""

    TCP = "tcp"
    RTU_OVER_TCP = "rtu_tcp"


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A host and port."""

    host: str
    port: int = 502
    framing: Framing = Framing.TCP

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A serial line, e.g. `/dev/ttyUSB0`, with Modbus RTU on it."""

    line: str
    baudrate: int = 19_200
    parity: Literal["N", "E", "O"] = "E"
    stopbits: Literal[1, 2] = 1

    def __str__(self) -> str:
        return self.line


Endpoint = TcpEndpoint | SerialEndpoint


def answers_can_be_late(endpoint: Endpoint) -> bool:
    """True where frames carry no transaction number, so that a late answer looks like the next one."""
    return isinstance(endpoint, SerialEndpoint) or endpoint.framing is Framing.RTU_OVER_TCP


def make_client(
    endpoint: Endpoint, on_connection: Callable[[bool], None], on_garbage: Callable[[], None]
) -> Client:
    """A client that neither retries nor reconnects by itself.

    `on_connection(False)` is called when the connection breaks, `on_garbage` when bytes arrive that are no
    Modbus answer. Must run inside the event loop.
    """
    client: Client
    if isinstance(endpoint, SerialEndpoint):
        client = AsyncModbusSerialClient(
            endpoint.line,
            baudrate=endpoint.baudrate,
            parity=endpoint.parity,
            stopbits=endpoint.stopbits,
            reconnect_delay=0,
            timeout=_CLIENT_TIMEOUT_S,
            retries=0,
            trace_connect=on_connection,
        )
        client.ctx.framer = _RtuFramer(on_garbage)
        return client
    rtu = endpoint.framing is Framing.RTU_OVER_TCP
    client = AsyncModbusTcpClient(
        endpoint.host,
        framer=FramerType.RTU if rtu else FramerType.SOCKET,
        port=endpoint.port,
        reconnect_delay=0,
        timeout=_CLIENT_TIMEOUT_S,
        retries=0,
        trace_connect=on_connection,
    )
    client.ctx.framer = _RtuFramer(on_garbage) if rtu else _SocketFramer(on_garbage)
    return client


_UNDECODABLE = (ModbusException, struct.error, IndexError, ValueError)
_Frames = tuple[int, ModbusPDU | None]


class _Tolerant(FramerBase):
    """Reports undecodable bytes instead of raising them into the event loop."""

    def __init__(self, on_garbage: Callable[[], None]) -> None:
        super().__init__(DecodePDU(False))
        self._on_garbage = on_garbage

    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> _Frames:  # noqa: N802
        try:
            return super().handleFrame(data, exp_devid, exp_tid)
        except _UNDECODABLE:
            self._on_garbage()
            return len(data), None


class _SocketFramer(_Tolerant, FramerSocket):
    """Frames with the Modbus TCP header."""


class _RtuFramer(_Tolerant, FramerRTU):
    """Frames as on a serial line."""
