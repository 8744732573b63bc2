"""One bus per endpoint or serial line: the only place where Modbus frames leave and arrive.

It connects when something is to be sent, orders requests by priority, keeps the pauses that devices need,
checks every answer, and never retries by itself except when a device says that it is busy. Waiting and
back-off use the event loop's time: they are matters of the wire, not of limits.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import IntEnum

from pymodbus import ModbusException
from pymodbus.pdu import ModbusPDU

from adapters.modbus.endpoint import Client, Endpoint, SerialEndpoint, answers_can_be_late, make_client
from adapters.modbus.errors import (
    BUSY_CODES,
    UNREACHABLE_CODES,
    BadAnswer,
    ReadRefused,
    RegisterWriteRefused,
    meaning_of,
)
from adapters.modbus.requests import ReadRequest, Request, Table, WriteRequest, fault_in, values_in
from hems.devices import DeviceError, DeviceUnreachable, NotConnected, WriteRefused

_LOG = logging.getLogger(__name__)
_BACKOFF_MIN_S = 0.5
_BACKOFF_MAX_S = 10.0
_SILENT_ANSWERS_BEFORE_RECONNECT = 3
_BUSY_PAUSE_S = 0.1
_CLIENT_HANGUP_COUNT = 1_000_000


class Priority(IntEnum):
    """Who goes first on a bus. Limit writes and heartbeats are tried even during a back-off."""

    LIMIT = 0
    HEARTBEAT = 1
    FAST = 2
    SLOW = 3


@dataclass(frozen=True, slots=True)
class Pacing:
    """What one unit needs of the bus, in seconds.

    `timeout_s`: longest wait for an answer. `request_gap_s`: silence before each of its requests – of the
    whole line, or only of the unit itself where `gap_on_line` is False: a device that is slow but alone on
    its address must not wait for a pause in the requests to others. `write_gap_s`: shortest time between two
    writes to it. `connect_delay_s`: rest after connecting. `busy_retries`: how often a request is repeated
    when the unit says that it is busy.
    """

    timeout_s: float = 1.5
    request_gap_s: float = 0.0
    gap_on_line: bool = True
    write_gap_s: float = 0.0
    connect_delay_s: float = 0.0
    busy_retries: int = 3


@dataclass(slots=True)
class BusStatistics:
    """Counts since the start of the bus, for status and metrics."""

    requests: int = 0
    timeouts: int = 0
    exceptions: int = 0
    bad_answers: int = 0
    busy_answers: int = 0
    connects: int = 0
    connect_failures: int = 0
    longest_wait_s: float = 0.0


@dataclass(slots=True)
class _Backoff:
    """Doubling pauses after failures in a row."""

    failures: int = 0
    until_s: float = 0.0

    def fail(self, now_s: float) -> None:
        self.until_s = now_s + min(_BACKOFF_MIN_S * 2.0**self.failures, _BACKOFF_MAX_S)
        self.failures += 1

    def reset(self) -> None:
        self.failures = 0
        self.until_s = 0.0


@dataclass(eq=False, slots=True)
class _Job:
    unit: "Unit"
    request: Request
    priority: Priority
    sequence: int
    queued_at_s: float
    result: "asyncio.Future[tuple[int, ...]]"

    @property
    def is_urgent(self) -> bool:
        return self.priority <= Priority.HEARTBEAT

    def __str__(self) -> str:
        return f"{self.unit.name} (unit {self.unit.unit_id} at {self.unit.endpoint}), {self.request}"


class Unit:
    """One device on a bus. Make it with :meth:`Bus.unit`; close it when the device is no longer needed."""

    def __init__(self, bus: "Bus", name: str, unit_id: int, pacing: Pacing) -> None:
        self._bus = bus
        self.name = name
        self.unit_id = unit_id
        self.pacing = pacing
        self.backoff = _Backoff()
        self.next_write_s = 0.0
        self.last_activity_s = 0.0

    @property
    def endpoint(self) -> Endpoint:
        """Where the bus ends."""
        return self._bus.endpoint

    @property
    def statistics(self) -> BusStatistics:
        """The counts of the bus that the device hangs on."""
        return self._bus.statistics

    async def read(
        self, table: Table, address: int, count: int, priority: Priority = Priority.FAST
    ) -> tuple[int, ...]:
        """Read registers, or bits as 0 and 1.

        Raises DeviceUnreachable, ReadRefused (with the exception code) or BadAnswer.
        """
        return await self._bus.submit(self, ReadRequest(table, address, count), priority)

    async def write(
        self,
        address: int,
        values: tuple[int, ...],
        *,
        function: int = 16,
        priority: Priority = Priority.LIMIT,
    ) -> None:
        """Write holding registers or, with function 5, a coil; returns when exactly that is confirmed.

        Raises DeviceUnreachable or WriteRefused.
        """
        await self._bus.submit(self, WriteRequest(address, values, function), priority)

    async def close(self) -> None:
        """Give the unit back; the last one closes the connection."""
        await self._bus.release(self)


class Bus:
    """The queue and the connection of one endpoint."""

    def __init__(self, endpoint: Endpoint, on_idle: Callable[[], None] = lambda: None) -> None:
        self.endpoint = endpoint
        self._on_idle = on_idle
        self._units: list[Unit] = []
        self._jobs: list[_Job] = []
        self._sequence = itertools.count()
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._connect_backoff = _Backoff()
        self._quiet_until_s = 0.0
        self._last_activity_s = 0.0
        self._silent_in_a_row = 0
        self._time_limit: asyncio.Timeout | None = None
        self._interruption = ""
        self._statistics = BusStatistics()

    @property
    def statistics(self) -> BusStatistics:
        """A copy of the counts."""
        return replace(self._statistics)

    def unit(self, name: str, unit_id: int, pacing: Pacing) -> Unit:
        """A handle for the device `name` with the given unit id."""
        unit = Unit(self, name, unit_id, pacing)
        self._units.append(unit)
        return unit

    async def release(self, unit: Unit) -> None:
        """Take a unit off the bus; without units the connection is closed."""
        if unit not in self._units:
            return
        self._units.remove(unit)
        if not self._units:
            await self.close()

    async def close(self) -> None:
        """Stop, fail what waits, close the connection."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None
        for job in self._jobs:
            _fail(job, DeviceUnreachable(f"{job}: the connection was closed"))
        self._jobs.clear()
        self._disconnect()
        self._on_idle()

    async def submit(self, unit: Unit, request: Request, priority: Priority) -> tuple[int, ...]:
        """Queue a request and wait for its outcome."""
        loop = asyncio.get_running_loop()
        job = _Job(unit, request, priority, next(self._sequence), loop.time(), loop.create_future())
        self._jobs.append(job)
        self._wake.set()
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._serve(), name=f"modbus {self.endpoint}")
        return await job.result

    # The worker lives while there are jobs.

    async def _serve(self) -> None:
        while self._jobs:
            job, wait_s = self._next_job(_now())
            if job is None:
                self._wake.clear()
                await _wait_for_either(self._wake, wait_s)
                continue
            self._jobs.remove(job)
            if not job.result.cancelled():
                await self._serve_job(job)

    def _next_job(self, now_s: float) -> tuple[_Job | None, float]:
        """The first job in order that may go now, or None and the time until one may."""
        ready_at_s = float("inf")
        for job in sorted(self._jobs, key=lambda job: (job.priority, job.sequence)):
            may_go_s = self._may_go_at(job)
            if may_go_s <= now_s:
                return job, 0.0
            ready_at_s = min(ready_at_s, may_go_s)
        return None, ready_at_s - now_s

    def _may_go_at(self, job: _Job) -> float:
        pacing = job.unit.pacing
        active_s = self._last_activity_s if pacing.gap_on_line else job.unit.last_activity_s
        may_go_s = max(self._quiet_until_s, active_s + pacing.request_gap_s)
        if isinstance(job.request, WriteRequest):
            may_go_s = max(may_go_s, job.unit.next_write_s)
        return may_go_s

    async def _serve_job(self, job: _Job) -> None:
        now_s = _now()
        self._statistics.longest_wait_s = max(self._statistics.longest_wait_s, now_s - job.queued_at_s)
        try:
            self._refuse_during_backoff(job, now_s)
            client = await self._connected_client(job)
            values = await self._exchange_patiently(client, job)
        except asyncio.CancelledError:
            _fail(job, DeviceUnreachable(f"{job}: the connection was closed"))
            raise
        except Exception as error:
            # Nothing may end the worker: whoever waits behind this request would wait for ever.
            _fail(job, error)
        else:
            if not job.result.done():
                job.result.set_result(values)

    def _refuse_during_backoff(self, job: _Job, now_s: float) -> None:
        """A unit that was silent is left alone for a while, so that it does not hold up the others."""
        if not job.is_urgent and now_s < job.unit.backoff.until_s:
            raise NotConnected(_no_answer(job))

    # Connecting.

    async def _connected_client(self, job: _Job) -> Client:
        if self._client is not None and self._client.connected:
            return self._client
        self._disconnect()
        now_s = _now()
        if not job.is_urgent and now_s < self._connect_backoff.until_s:
            raise NotConnected(self._no_connection(job))
        client = make_client(self.endpoint, self._on_connection, lambda: self._interrupt("garbled answer"))
        if not await _connect(client, job.unit.pacing.timeout_s):
            client.close()
            self._statistics.connect_failures += 1
            self._connect_backoff.fail(_now())
            raise NotConnected(self._no_connection(job))
        client.set_max_no_responses(_CLIENT_HANGUP_COUNT)
        client.ctx.count_until_disconnect = _CLIENT_HANGUP_COUNT
        self._client = client
        self._statistics.connects += 1
        self._silent_in_a_row = 0
        self._connect_backoff.reset()
        await asyncio.sleep(job.unit.pacing.connect_delay_s)
        return client

    def _no_connection(self, job: _Job) -> str:
        """The same text at every try, so that one outage is told once."""
        remedy = "check host, port, cable and that Modbus is switched on in the device"
        if isinstance(self.endpoint, SerialEndpoint):
            remedy = "check that the line exists and that this user may open it"
        return f"{job}: cannot connect; {remedy}"

    def _disconnect(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            client.close()

    def _on_connection(self, connected: bool) -> None:
        if not connected:
            self._interrupt("connection lost")

    def _interrupt(self, reason: str) -> None:
        """End the wait for an answer that can no longer come."""
        if self._time_limit is not None and not self._interruption:
            self._interruption = reason
            self._time_limit.reschedule(_now())

    # Exchanging frames.

    async def _exchange_patiently(self, client: Client, job: _Job) -> tuple[int, ...]:
        for _ in range(job.unit.pacing.busy_retries):
            answer = await self._exchange(client, job)
            if not (answer.isError() and answer.exception_code in BUSY_CODES):
                return self._checked(answer, job)
            self._statistics.busy_answers += 1
            await asyncio.sleep(max(_BUSY_PAUSE_S, job.unit.pacing.request_gap_s))
        return self._checked(await self._exchange(client, job), job)

    async def _exchange(self, client: Client, job: _Job) -> ModbusPDU:
        """Send one frame and wait for one frame; keeps the books of silence and pauses."""
        self._statistics.requests += 1
        self._interruption = ""
        try:
            async with asyncio.timeout(job.unit.pacing.timeout_s) as self._time_limit:
                answer = await _send(client, job)
        except (TimeoutError, ModbusException, OSError) as error:
            raise self._silence(job, error) from error
        finally:
            self._time_limit = None
            self._note_activity(job)
        self._silent_in_a_row = 0
        job.unit.backoff.reset()
        return answer

    def _note_activity(self, job: _Job) -> None:
        self._last_activity_s = job.unit.last_activity_s = _now()
        if isinstance(job.request, WriteRequest):
            job.unit.next_write_s = self._last_activity_s + job.unit.pacing.write_gap_s

    def _silence(self, job: _Job, error: Exception) -> DeviceError:
        """What a missing answer means, and what is done so that it cannot disturb the next request."""
        now_s = _now()
        if self._interruption == "garbled answer":
            self._statistics.bad_answers += 1
            self._disconnect()
            return BadAnswer(f"{job}: the answer is not Modbus; check the port and the framing")
        job.unit.backoff.fail(now_s)
        if not isinstance(error, TimeoutError) or self._interruption:
            self._disconnect()
            return DeviceUnreachable(f"{job}: the connection was lost before the answer")
        self._statistics.timeouts += 1
        self._silent_in_a_row += 1
        if answers_can_be_late(self.endpoint):
            # A late answer would be taken for that of the next request: stay silent, and start afresh.
            self._quiet_until_s = now_s + job.unit.pacing.timeout_s
            self._disconnect()
        elif self._silent_in_a_row >= _SILENT_ANSWERS_BEFORE_RECONNECT:
            self._disconnect()
        return DeviceUnreachable(_no_answer(job))

    def _checked(self, answer: ModbusPDU, job: _Job) -> tuple[int, ...]:
        if answer.isError():
            raise self._refusal(answer.exception_code, job)
        if fault := fault_in(answer, job.request):
            self._statistics.bad_answers += 1
            self._disconnect()
            error = WriteRefused if isinstance(job.request, WriteRequest) else BadAnswer
            raise error(f"{job}: the device {fault}")
        return values_in(answer, job.request)

    def _refusal(self, code: int, job: _Job) -> DeviceError:
        self._statistics.exceptions += 1
        text = f"{job}: {meaning_of(code)}"
        if code in UNREACHABLE_CODES:
            job.unit.backoff.fail(_now())
            return DeviceUnreachable(text)
        if isinstance(job.request, WriteRequest):
            return RegisterWriteRefused(text, code)
        return ReadRefused(text, code)


def _no_answer(job: _Job) -> str:
    wait_s = job.unit.pacing.timeout_s
    return f"{job}: no answer within {wait_s:g} s; check power, wiring and the unit id"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _fail(job: _Job, error: Exception) -> None:
    if not job.result.done():
        job.result.set_exception(error)


async def _wait_for_either(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def _connect(client: Client, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            return await client.connect()
    except Exception:
        # Serial drivers raise errors of their own kinds; whatever it was, there is no connection.
        _LOG.debug("cannot connect %s", client, exc_info=True)
        return False


async def _send(client: Client, job: _Job) -> ModbusPDU:
    request, unit_id = job.request, job.unit.unit_id
    if isinstance(request, ReadRequest):
        return await _reader(client, request.table)(request.address, count=request.count, device_id=unit_id)
    match request.function:
        case 5:
            return await client.write_coil(request.address, bool(request.values[0]), device_id=unit_id)
        case 6:
            return await client.write_register(request.address, request.values[0], device_id=unit_id)
        case _:
            return await client.write_registers(request.address, list(request.values), device_id=unit_id)


def _reader(client: Client, table: Table) -> Callable[..., Awaitable[ModbusPDU]]:
    match table:
        case Table.COIL:
            return client.read_coils
        case Table.DISCRETE:
            return client.read_discrete_inputs
        case Table.HOLDING:
            return client.read_holding_registers
        case Table.INPUT:
            return client.read_input_registers


class Buses:
    """The buses of a gateway, so that devices behind one endpoint share one connection."""

    def __init__(self) -> None:
        self._buses: dict[object, Bus] = {}

    def unit(self, endpoint: Endpoint, name: str, unit_id: int, pacing: Pacing) -> Unit:
        """A handle for the device `name`, on the bus that `endpoint` already has or on a new one."""
        key = endpoint.line if isinstance(endpoint, SerialEndpoint) else (endpoint.host, endpoint.port)
        bus = self._buses.get(key)
        if bus is None:
            bus = self._buses[key] = Bus(endpoint, on_idle=lambda: self._forget(key))
        elif bus.endpoint != endpoint:
            raise DeviceError(f"{name}: {endpoint} is already used with another framing or line speed")
        return bus.unit(name, unit_id, pacing)

    async def close(self) -> None:
        """Close every bus."""
        for bus in list(self._buses.values()):
            await bus.close()

    def _forget(self, key: object) -> None:
        self._buses.pop(key, None)
