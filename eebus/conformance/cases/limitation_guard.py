"""The cases of LPC and LPP with the energy guard under test (use case reference 9.1)."""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

from eebus.conformance.data_sets import LimitationSets
from eebus.conformance.device import LimitOrder, Link
from eebus.conformance.registry import case
from eebus.conformance.stage import Stage
from eebus.conformance.tester.heartbeat import heartbeat_times
from eebus.conformance.tester.ship import ShipPeer
from eebus.conformance.tester.system import LimitWritten, SystemLayout, SystemTester
from eebus.conformance.verdict import check, precondition
from eebus.jsonform import Record
from eebus.spine.datagram import SPECIFICATION_VERSION

_WINDOW_S: Final = 60.0
_ANSWER_S: Final = 10.0
_THREE: Final = ("limit_02", "limit_03", "limit_04")


async def connect_system(
    stage: Stage,
    layout: SystemLayout | None = None,
    *,
    link: Link | None = None,
    version: str = SPECIFICATION_VERSION,
    change_reply: Callable[[Record], Record] = lambda data: data,
) -> SystemTester:
    """A tester that can be written; who dials does not matter unless a link is given."""
    peer = await stage.open() if link is None else ShipPeer(link, dut_is_server=False)
    system = SystemTester(await peer.establish(), stage.dut, stage.limitation, layout)
    system.peer.version = version
    system.peer.change_reply = change_reply
    return await system.set_up()


async def _controlled(stage: Stage) -> SystemTester:
    """CF_CS_UnlCntrl: the energy guard has sent heartbeat and limit."""
    system = await connect_system(stage)
    reached = await system.peer.until(lambda: system.written() and heartbeat_times(system.peer), 120.0)
    precondition(reached, "the energy guard did not take control within 120 s")
    return system


async def _expect_heartbeat_then_limit(system: SystemTester, since: float) -> None:
    """Within 60 s one heartbeat, and a valid limit write (value and flag, MSG_14 to MSG_17) after it."""

    def done() -> bool:
        beats = [at for at in heartbeat_times(system.peer) if at >= since]
        return bool(beats) and any(write.at >= beats[0] for write in system.written())

    await system.peer.until(done, since + _WINDOW_S - system.peer.dut.now())
    check(done(), "no heartbeat with a limit write after it within 60 s")
    _check_complete(system.written()[-1])


async def _written_after(stage: Stage, system: SystemTester, order: LimitOrder) -> bool:
    """Trigger a write, and wait for it."""
    before = len(system.written())
    await stage.dut.order(order)
    return await system.peer.until(lambda: len(system.written()) > before, _ANSWER_S)


def _check_complete(write: LimitWritten) -> None:
    check(write.accepted, f"the limit write was not valid: {write}")
    check(write.value_w is not None and write.active is not None, "value or flag is missing in the write")


@case("ATC_{LP}_COM_PT_EGHeartbeat_001")
async def heartbeat_001(stage: Stage) -> None:
    system = await _controlled(stage)
    before = len(heartbeat_times(system.peer))
    counted = await system.peer.until(lambda: len(heartbeat_times(system.peer)) >= before + 5, 301.0)
    check(counted, "five heartbeats did not come")
    longest = max(later - earlier for earlier, later in pairwise(heartbeat_times(system.peer)))
    check(longest <= 60.0, f"a gap of {longest:g} s between two heartbeats")


@case("ATC_{LP}_COM_PT_EGConnection_001")
async def connection_001(stage: Stage) -> None:
    await _controlled(stage)
    await stage.dut.cut()
    await stage.dut.sleep(120.0)
    await stage.dut.restart()
    await stage.dut.mend()
    since = stage.dut.now()
    await _expect_heartbeat_then_limit(await connect_system(stage), since)


@case("ATC_{LP}_COM_PT_EGConnection_002")
async def connection_002(stage: Stage) -> None:
    await _controlled(stage)
    await stage.dut.cut()
    await stage.dut.sleep(130.0)
    await stage.dut.mend()
    since = stage.dut.now()
    await _expect_heartbeat_then_limit(await connect_system(stage), since)


@case("ATC_{LP}_COM_PT_EGConnection_003", needs_sockets=True)
async def connection_003(stage: Stage) -> None:
    """The device has to find its partner by itself: it dials."""
    first = await stage.dut.accept()
    system = await connect_system(stage, link=first)
    precondition(
        await system.peer.until(lambda: system.written(), 120.0), "the energy guard did not take control"
    )
    await stage.dut.restart(off_s=90.0)
    start_up_s = stage.sheet.number(stage.entry.layer, "StartUpDur_EG")
    link = await stage.dut.accept(within_s=start_up_s)
    since = stage.dut.now()
    await _expect_heartbeat_then_limit(await connect_system(stage, link=link), since)


@case("ATC_{LP}_COM_PT_EGMessages_001", sets=_THREE)
async def messages_001(stage: Stage) -> None:
    system = await _controlled(stage)
    value_w = LimitationSets(stage.sheet, stage.limitation).limit_w(stage.number("limit"))
    order = LimitOrder(stage.limitation.direction, value_w)
    check(await _written_after(stage, system, order), "no limit was written")
    write = system.written()[-1]
    _check_complete(write)
    check(write.active is True and write.duration_s is None, f"not an activated limit without end: {write}")
    check(write.value_w == value_w, f"{write.value_w} W were written, {value_w:g} W were asked for")


@case("ATC_{LP}_COM_PT_EGMessages_002", sets=_THREE)
async def messages_002(stage: Stage) -> None:
    await _controlled(stage)
    await stage.dut.restart()
    rebooted_at = stage.dut.now()
    system = await connect_system(stage)
    value_w = LimitationSets(stage.sheet, stage.limitation).limit_w(stage.number("limit"))
    beat = await system.peer.until(lambda: heartbeat_times(system.peer), rebooted_at + 60.0 - stage.dut.now())
    check(beat, "no heartbeat within 60 s of the reboot")
    await system.peer.until(lambda: system.written(), _WINDOW_S)
    system.refuse_activated = 1
    await stage.dut.order(LimitOrder(stage.limitation.direction, value_w))
    wait_s = rebooted_at + 120.0 - stage.dut.now()
    check(await system.peer.until(lambda: _activated(system), wait_s), "no activated limit within 120 s")
    refused_at = _activated(system)[0].at
    check(not _activated(system)[0].accepted, "the tester did not get to refuse")
    wait_s = refused_at + _WINDOW_S - stage.dut.now()
    await system.peer.until(lambda: len(_activated(system)) > 1, wait_s)
    check(len(_activated(system)) > 1, "the refused limit was not repeated within 60 s")
    check(_activated(system)[1].accepted, "the repeated limit was not valid")
    beats = [at for at in heartbeat_times(system.peer) if at >= refused_at]
    check(bool(beats), "no heartbeat came between refusal and repetition")


def _activated(system: SystemTester) -> list[LimitWritten]:
    return [write for write in system.written() if write.active]


@case("ATC_{LP}_COM_PT_EGMessages_003")
async def messages_003(stage: Stage) -> None:
    system = await _controlled(stage)
    values = LimitationSets(stage.sheet, stage.limitation)
    direction = stage.limitation.direction
    for number in range(50):
        active = number % 2 == 0
        order = LimitOrder(direction, values.limit_w(3), active=active, duration_s=60.0 if active else None)
        check(await _written_after(stage, system, order), f"write {number + 1} of 50 did not come")
        write = system.written()[-1]
        _check_complete(write)
        check(write.active is active, f"write {number + 1} has the flag {write.active}")
        check((write.duration_s is not None) is active, f"write {number + 1} has the end {write.duration_s}")


@case("ATC_{LP}_COM_PT_EGMessages_004")
async def messages_004(stage: Stage) -> None:
    system = await _controlled(stage)
    values = LimitationSets(stage.sheet, stage.limitation)
    for number in range(5):
        limit_w, duration_s = values.failsafe_w(3) + number, values.shortest_s + 60.0 * number
        await _expect_failsafe(stage, system, limit_w, None)
        await _expect_failsafe(stage, system, None, duration_s)


async def _expect_failsafe(
    stage: Stage, system: SystemTester, limit_w: float | None, duration_s: float | None
) -> None:
    before = len(system.failsafe)
    await stage.dut.order_failsafe(stage.limitation.direction, limit_w, duration_s)
    came = await system.peer.until(lambda: len(system.failsafe) > before, _ANSWER_S)
    check(came, "no failsafe write came")
    write = system.failsafe[-1]
    check((write.limit_w, write.duration_s) == (limit_w, duration_s), f"another failsafe write came: {write}")
