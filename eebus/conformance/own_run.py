"""The whole catalogue on our own devices: in memory, and SHIP and SPINE over loopback TLS as well."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Final

from eebus.conformance.all_cases import case_codes
from eebus.conformance.catalogue import CaseEntry
from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.loopback import LoopbackDevice
from eebus.conformance.memory import MemoryDevice
from eebus.conformance.own import OWN_DEVICES, OwnDevice
from eebus.conformance.runner import CaseResult, Target, run_case, targets_for
from eebus.conformance.sheet import why_not

_AT_ONCE: Final = 12
_OVER_SOCKETS: Final = ("SHIP", "SPINE")


def memory_target(own: OwnDevice) -> Target:
    """One of our devices on a fake clock."""

    @contextlib.asynccontextmanager
    async def make() -> AsyncIterator[DeviceUnderTest]:
        yield MemoryDevice(own)

    return Target(name=own.name, backend=MemoryDevice.backend, sheet=own.sheet, make=make, exhaustive=True)


def loopback_target(own: OwnDevice) -> Target:
    """One of our devices behind sockets."""

    @contextlib.asynccontextmanager
    async def make() -> AsyncIterator[DeviceUnderTest]:
        async with LoopbackDevice(own).running() as device:
            yield device

    return Target(name=own.name, backend=LoopbackDevice.backend, sheet=own.sheet, make=make, exhaustive=True)


async def run_own(
    entries: Sequence[CaseEntry], on_result: Callable[[CaseResult], None] = lambda _result: None
) -> list[CaseResult]:
    """Run cases on our devices. Results come in the order of the entries; ``on_result`` as they are ready."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def run(entry: CaseEntry) -> CaseResult:
        result = await _in_memory(entry)
        sockets = _socket_targets(entry)
        if sockets:
            async with slots:
                over_sockets = await run_case(entry, sockets)
            result = replace(result, runs=(*result.runs, *over_sockets.runs))
        on_result(result)
        return result

    return list(await asyncio.gather(*(run(entry) for entry in entries)))


async def _in_memory(entry: CaseEntry) -> CaseResult:
    targets = [memory_target(own) for own in OWN_DEVICES]
    if case_codes()[entry.id].needs_sockets:
        return CaseResult(entry=entry, runs=(), why_not=why_not(entry, targets))
    chosen = targets_for(entry, targets)
    if not chosen:
        return CaseResult(entry=entry, runs=(), why_not=why_not(entry, targets))
    return await run_case(entry, chosen)


def _socket_targets(entry: CaseEntry) -> list[Target]:
    if entry.layer not in _OVER_SOCKETS and not case_codes()[entry.id].needs_sockets:
        return []
    return targets_for(entry, [loopback_target(own) for own in OWN_DEVICES])
