"""Input contacts behind a Modbus module: coils or discrete inputs, read together where they touch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adapters.context import Context
from adapters.modbus.bus import Pacing, Priority, Unit
from adapters.modbus.endpoint import Framing, TcpEndpoint
from adapters.modbus.requests import Table
from adapters.settings import AdapterSettings, Port, UnitId
from eebus.clock import Clock
from hems.devices import ContactState

MODBUS_CONTACTS_TYPE = "modbus-contacts"


class ModbusContactsSettings(AdapterSettings):
    """`adapter: {type: modbus-contacts, host: …, inputs: {dim: 0}}`: inputs of a relay or I/O module."""

    type: Literal["modbus-contacts"] = Field(description="Input contacts of a module behind Modbus TCP")
    host: str = Field(description="Host name or address")
    port: Port = Field(default=502, description="TCP port")
    framing: Framing = Field(
        default=Framing.TCP, description="tcp, or rtu_tcp for a plain serial-to-network converter"
    )
    unit: UnitId = Field(default=1, description="Modbus unit id")
    table: Literal["di", "co"] = Field(
        default="di", description="Where the module shows its inputs: di (discrete inputs) or co (coils)"
    )
    inputs: dict[str, Annotated[int, Field(ge=0, le=65_535)]] = Field(
        min_length=1,
        max_length=16,
        description="Name of each input and its address as on the wire, from 0; 1 means closed",
    )
    timeout_ms: int = Field(default=500, ge=50, le=10_000, description="Longest wait for an answer in ms")

    @model_validator(mode="after")
    def _one_name_for_each_input(self) -> Self:
        if len(set(self.inputs.values())) < len(self.inputs):
            raise ValueError("two inputs have the same address")
        return self


@dataclass(frozen=True, slots=True)
class _Run:
    """Inputs that are read with one request."""

    address: int
    names: tuple[str, ...]


class ModbusContacts:
    """A :class:`hems.devices.Contacts` of one unit on a bus."""

    def __init__(self, name: str, unit: Unit, table: Table, inputs: Mapping[str, int], clock: Clock) -> None:
        self._name = name
        self._unit = unit
        self._table = table
        self._inputs = tuple(inputs)
        self._runs = _runs(inputs)
        self._clock = clock

    @property
    def name(self) -> str:
        return self._name

    @property
    def inputs(self) -> tuple[str, ...]:
        return self._inputs

    async def connect(self) -> None:
        await self.read()

    async def read(self) -> dict[str, ContactState]:
        # An order of the grid operator may be waiting in there: it is read before any measurement.
        closed: dict[str, bool] = {}
        asked_at_s = self._clock.monotonic()
        for run in self._runs:
            bits = await self._unit.read(self._table, run.address, len(run.names), Priority.HEARTBEAT)
            closed |= {name: bool(bit) for name, bit in zip(run.names, bits, strict=True)}
        return {name: ContactState(closed[name], asked_at_s) for name in self._inputs}

    async def close(self) -> None:
        await self._unit.close()


def _runs(inputs: Mapping[str, int]) -> tuple[_Run, ...]:
    """Neighbouring addresses together; never across one that was not asked for."""
    runs: list[_Run] = []
    for name, address in sorted(inputs.items(), key=lambda entry: entry[1]):
        if runs and address == runs[-1].address + len(runs[-1].names):
            runs[-1] = _Run(runs[-1].address, (*runs[-1].names, name))
        else:
            runs.append(_Run(address, (name,)))
    return tuple(runs)


def make_modbus_contacts(name: str, settings: ModbusContactsSettings, context: Context) -> ModbusContacts:
    """The factory for the registry."""
    endpoint = TcpEndpoint(settings.host, settings.port, settings.framing)
    pacing = Pacing(timeout_s=settings.timeout_ms / 1000.0)
    unit = context.buses.unit(endpoint, name, settings.unit, pacing)
    return ModbusContacts(name, unit, Table(settings.table), settings.inputs, context.clock)
