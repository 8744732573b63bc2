"""The cases of LPC and LPP with the controllable system under test (use case reference 9).

Each function serves both use cases: values are magnitudes, the tester puts the sign on the wire.
"""

from itertools import pairwise
from typing import Final

from eebus.conformance.data_sets import WRONG_SIGN_W, LimitationSets
from eebus.conformance.registry import case
from eebus.conformance.stage import Stage
from eebus.conformance.tester.guard import ACK, GuardLayout, GuardTester
from eebus.conformance.tester.heartbeat import heartbeat_times
from eebus.conformance.verdict import check, precondition
from eebus.spine.datagram import SPECIFICATION_VERSION
from eebus.spine.model.electrical_connection import ElectricalConnectionCharacteristicListData
from eebus.spine.values import parse_duration, to_float
from eebus.usecases.limit_rules import AUTONOMOUS, CONTROLLED, FAILSAFE, INIT, LIMITED, LimitState

ACTIVATE: Final = 14
ACTIVATE_FOR_60_S: Final = 15
DEACTIVATE: Final = 16

_THREE: Final = ("limit_02", "limit_03", "limit_04")
_FAILSAFE_S: Final = 130.0
_SHOW_S: Final = 10.0
"""How long a change is watched, or may take beyond its time, where no exact time is prescribed."""
_READING_S: Final = 1.0
"""How long reading a display takes at a limit that is prescribed exactly."""


# -- preconditions and observations -------------------------------------------------------------------


def _sets(stage: Stage) -> LimitationSets:
    return LimitationSets(stage.sheet, stage.limitation)


async def connect_guard(
    stage: Stage, layout: GuardLayout | None = None, *, version: str = SPECIFICATION_VERSION
) -> GuardTester:
    """A tester that is ready to write, without a heartbeat so far."""
    guard = GuardTester(await stage.established(), stage.dut, stage.limitation, layout)
    guard.peer.version = version
    return await guard.set_up()


async def _init(stage: Stage) -> GuardTester:
    """CF_CS_Init: just started, connected, nothing said by the energy guard."""
    await stage.dut.fresh_start()
    guard = await connect_guard(stage)
    state = await _state(stage)
    precondition(state is INIT, f"Init was not reached, the device is in {state.value}")
    return guard


async def _controlled(stage: Stage, *, background: bool = True) -> GuardTester:
    """CF_CS_UnlCntrl with heartbeats in the background."""
    return await _brought_to(stage, CONTROLLED, DEACTIVATE, background=background)


async def _limited(stage: Stage, *, background: bool = True) -> GuardTester:
    """CF_CS_Limited_wo_dur with heartbeats in the background."""
    return await _brought_to(stage, LIMITED, ACTIVATE, background=background)


async def _brought_to(stage: Stage, state: LimitState, message: int, *, background: bool) -> GuardTester:
    guard = await connect_guard(stage)
    await guard.beat()
    number = await guard.message(message, _sets(stage).limit_w(3))
    precondition(number == ACK, f"the first write was refused with {number}")
    reached = await _state(stage)
    precondition(reached is state, f"{state.value} was not reached, the device is in {reached.value}")
    if background:
        guard.heartbeat.run_in_background()
    return guard


async def _failsafe(stage: Stage) -> None:
    """CF_CS_FS with the link down: from UnlCntrl, no heartbeat for 130 s."""
    guard = await _controlled(stage)
    guard.peer.stop_repeating()
    await stage.dut.cut()
    await stage.dut.sleep(_FAILSAFE_S)
    reached = await _state(stage)
    precondition(reached is FAILSAFE, f"FS was not reached, the device is in {reached.value}")


async def _restored(stage: Stage) -> GuardTester:
    """CF_CS_FS, then the link is back."""
    await _failsafe(stage)
    await stage.dut.mend()
    return await connect_guard(stage)


async def _autonomous(stage: Stage) -> None:
    """CF_CS_UnlAuto: nobody took control."""
    await stage.dut.fresh_start()
    await stage.dut.sleep(_FAILSAFE_S)
    reached = await _state(stage)
    precondition(reached is AUTONOMOUS, f"UnlAuto was not reached, the device is in {reached.value}")


async def _autonomous_and_connected(stage: Stage) -> GuardTester:
    await _autonomous(stage)
    return await connect_guard(stage)


async def _state(stage: Stage) -> LimitState:
    return (await stage.dut.limit_display(stage.limitation.direction)).state


async def _expect_state(stage: Stage, *allowed: LimitState) -> None:
    state = await _state(stage)
    names = " or ".join(each.value for each in allowed)
    check(state in allowed, f"the device is in {state.value}, not in {names}")


async def _expect_effective(stage: Stage, value_w: float) -> None:
    """A limit at or above what the site can draw or produce is the same as none."""
    shown = (await stage.dut.limit_display(stage.limitation.direction)).effective_limit_w
    unlimited = shown is None and value_w >= _sets(stage).largest_w
    check(shown == value_w or unlimited, f"{shown} W are in force, not {value_w:g} W")


def _accepted(number: int, what: str) -> None:
    check(number == ACK, f"{what} was refused with error {number}")


def _refused(number: int, what: str) -> None:
    check(number != ACK, f"{what} was accepted")


async def _expect_inactive(guard: GuardTester) -> None:
    limit = await guard.limit()
    check(limit.is_limit_active is False, "the limit does not read deactivated")


# -- heartbeat and connection -------------------------------------------------------------------------


@case("ATC_{LP}_COM_PT_CSHeartbeat_001")
async def heartbeat_001(stage: Stage) -> None:
    guard = await _controlled(stage)
    before = len(heartbeat_times(guard.peer))
    counted = await guard.peer.until(lambda: len(heartbeat_times(guard.peer)) >= before + 5, 301.0)
    check(counted, "five heartbeats did not come")
    times = heartbeat_times(guard.peer)
    longest = max(later - earlier for earlier, later in pairwise(times))
    check(longest <= 60.0, f"a gap of {longest:g} s between two heartbeats")


@case("ATC_{LP}_COM_NT_CSConnection_001")
async def connection_001(stage: Stage) -> None:
    guard, value_w = await _init(stage), _sets(stage).limit_w(3)
    _refused(await guard.message(DEACTIVATE, value_w), "a limit without heartbeat")
    await _expect_state(stage, INIT)
    await guard.beat()
    _accepted(await guard.message(DEACTIVATE, value_w), "the limit after a heartbeat")
    await _expect_state(stage, CONTROLLED)


@case("ATC_{LP}_COM_PT_CSConnection_002")
async def connection_002(stage: Stage) -> None:
    guard, values = await _init(stage), _sets(stage)
    await guard.beat()
    _refused(
        await guard.write_failsafe_limit(values.failsafe_w(3)), "a failsafe limit before the first limit"
    )
    _accepted(await guard.message(DEACTIVATE, values.limit_w(3)), "the limit")
    await _expect_state(stage, CONTROLLED)
    _accepted(await guard.write_failsafe_limit(values.failsafe_w(3)), "the failsafe limit")
    await _expect_failsafe_limit(guard, values.failsafe_w(3))


async def _expect_failsafe_limit(guard: GuardTester, value_w: float) -> None:
    read = await guard.failsafe_limit_w()
    check(read == value_w, f"the failsafe limit reads {read} W, not {value_w:g} W")


async def _expect_duration(guard: GuardTester, *allowed_s: float) -> None:
    read = await guard.failsafe_duration_s()
    check(
        read in allowed_s, f"the failsafe duration reads {read} s, not {' or '.join(map(str, allowed_s))} s"
    )


@case("ATC_{LP}_COM_PT_CSConnection_003", alternatives=("MSG_14", "MSG_16"))
async def connection_003(stage: Stage) -> None:
    guard, values = await _init(stage), _sets(stage)
    await guard.beat()
    _refused(await guard.message(stage.number("MSG"), WRONG_SIGN_W), "a limit with the wrong sign")
    await _expect_state(stage, CONTROLLED)
    _refused(await guard.write_failsafe_limit(WRONG_SIGN_W), "a negative failsafe limit")
    _accepted(await guard.write_failsafe_limit(values.failsafe_w(3)), "the failsafe limit")
    await _expect_failsafe_limit(guard, values.failsafe_w(3))


@case("ATC_{LP}_COM_PT_CSConnection_004")
async def connection_004(stage: Stage) -> None:
    guard, values = await _init(stage), _sets(stage)
    await guard.beat()
    _refused(await guard.write_failsafe_duration(values.duration_s(2)), "a duration before the first limit")
    _accepted(await guard.message(DEACTIVATE, values.limit_w(3)), "the limit")
    await _expect_state(stage, CONTROLLED)
    _accepted(await guard.write_failsafe_duration(values.duration_s(2)), "the duration")


@case("ATC_{LP}_COM_PT_CSConnection_005")
async def connection_005(stage: Stage) -> None:
    guard, values = await _init(stage), _sets(stage)
    await guard.beat()
    _accepted(await guard.message(DEACTIVATE, values.limit_w(3)), "the limit")
    await _too_long_duration(guard, values)


async def _too_long_duration(guard: GuardTester, values: LimitationSets) -> None:
    """Accepted and stored as sent, or refused and set to the own maximum."""
    wanted_s = values.duration_s(3)
    number = await guard.write_failsafe_duration(wanted_s)
    await _expect_duration(guard, wanted_s if number == ACK else values.longest_s)


@case("ATC_{LP}_COM_PT_CSConnection_006")
async def connection_006(stage: Stage) -> None:
    guard, values = await _init(stage), _sets(stage)
    await guard.beat()
    _accepted(await guard.message(ACTIVATE, values.limit_w(5)), "a limit above the own maximum")
    await _expect_state(stage, LIMITED)
    read = await guard.limit_value_w() or 0.0
    check(0.0 < read <= values.limit_w(5), f"the limit reads {read:g} W")


@case(
    "ATC_{LP}_COM_PT_CSConnection_007",
    sets=("limit_01", "limit_02", "limit_03", "limit_04", "limit_05"),
)
async def connection_007(stage: Stage) -> None:
    guard, values = await _init(stage), _sets(stage)
    value_w = values.limit_w(stage.number("limit"))
    await guard.beat()
    _accepted(await guard.message(DEACTIVATE, values.limit_w(3)), "the deactivated limit")
    await _expect_state(stage, CONTROLLED)
    _accepted(await guard.message(ACTIVATE, value_w), "the activated limit")
    await _expect_state(stage, LIMITED)
    read = await guard.limit_value_w()
    check(read == value_w, f"the limit reads {read} W, {value_w:g} W were sent")
    await _expect_effective(stage, value_w)


@case(
    "ATC_{LP}_COM_PT_CSConnection_008",
    sets=(*(f"failsafe_0{number}" for number in range(1, 6)), "duration_01", "duration_02", "duration_03"),
)
async def connection_008(stage: Stage) -> None:
    guard, values = await _controlled(stage), _sets(stage)
    if stage.data_set.startswith("failsafe"):
        value_w = values.failsafe_w(stage.number("failsafe"))
        _accepted(await guard.write_failsafe_limit(value_w), f"a failsafe limit of {value_w:g} W")
        await _expect_failsafe_limit(guard, value_w)
        return
    before = await guard.failsafe_duration_s() or 0.0
    wanted_s = values.duration_s(stage.number("duration"))
    if stage.number("duration") == 1:
        _refused(await guard.write_failsafe_duration(wanted_s), f"a duration of {wanted_s:g} s")
        await _expect_duration(guard, before)
    elif stage.number("duration") == 2:
        _accepted(await guard.write_failsafe_duration(wanted_s), f"a duration of {wanted_s:g} s")
        await _expect_duration(guard, wanted_s)
    else:
        await _too_long_duration(guard, values)


@case("ATC_{LP}_COM_PT_CSConnection_009")
async def connection_009(stage: Stage) -> None:
    await _controlled(stage)
    await stage.dut.restart(off_s=90.0)
    await _expect_state(stage, INIT, AUTONOMOUS)
    guard = await connect_guard(stage)
    await guard.beat()
    value_w = _sets(stage).limit_w(3)
    if await guard.message(DEACTIVATE, value_w) != ACK:
        await guard.beat()
        _accepted(await guard.message(DEACTIVATE, value_w), "the limit on the second try")
    await _expect_state(stage, CONTROLLED)


# -- init ---------------------------------------------------------------------------------------------


@case("ATC_{LP}_COM_PT_CSInit_001")
async def init_001(stage: Stage) -> None:
    await stage.dut.factory_reset()
    guard = await connect_guard(stage)
    await _expect_state(stage, INIT)
    await _expect_effective(stage, _sets(stage).preconfigured_w)
    await _expect_inactive(guard)


@case("ATC_{LP}_COM_PT_CSInit_002")
async def init_002(stage: Stage) -> None:
    values = _sets(stage)
    guard = await _controlled(stage)
    _accepted(await guard.write_failsafe_limit(values.failsafe_w(3)), "another failsafe limit")
    _accepted(await guard.write_failsafe_duration(values.duration_s(2)), "another duration")
    await stage.dut.factory_reset()
    guard = await connect_guard(stage)
    await guard.beat()
    await _expect_inactive(guard)
    await _expect_failsafe_limit(guard, values.preconfigured_w)
    await _expect_duration(guard, values.shortest_s)


@case("ATC_{LP}_COM_PT_CSInit_003")
async def init_003(stage: Stage) -> None:
    guard, values = await _init(stage), _sets(stage)
    await guard.beat()
    _accepted(await guard.message(DEACTIVATE, values.limit_w(3)), "the limit")
    _accepted(await guard.write_failsafe_limit(values.failsafe_w(3)), "the failsafe limit")
    await guard.beat()
    _accepted(await guard.write_failsafe_duration(values.duration_s(2)), "the duration")
    await guard.beat()
    await stage.dut.restart()
    guard = await connect_guard(stage)
    await guard.beat()
    _accepted(await guard.message(DEACTIVATE, values.limit_w(3)), "the limit after the reboot")
    await _expect_failsafe_limit(guard, values.failsafe_w(3))
    await _expect_duration(guard, values.duration_s(2))


# -- limited and controlled ---------------------------------------------------------------------------


@case(
    "ATC_{LP}_COM_NT_CSLimited_001",
    alternatives=("MSG_14", "MSG_01", "MSG_06", "MSG_08", "MSG_15", "MSG_16", "MSG_17"),
)
async def limited_001(stage: Stage) -> None:
    guard = await _limited(stage)
    check((await guard.limit()).is_limit_active is True, "the limit does not read active")
    _refused(await guard.message(stage.number("MSG"), WRONG_SIGN_W), "a limit with the wrong sign")
    await _expect_state(stage, LIMITED)
    check((await guard.limit()).is_limit_active is True, "the limit no longer reads active")
    await _expect_effective(stage, _sets(stage).limit_w(3))


@case("ATC_{LP}_COM_PT_CSLimited_002")
async def limited_002(stage: Stage) -> None:
    guard, values = await _init(stage), _sets(stage)
    await guard.beat()
    _accepted(await guard.message(ACTIVATE, values.limit_w(3)), "the activated limit")
    await _expect_state(stage, LIMITED)
    await guard.beat()
    await guard.peer.run(90.0)
    _accepted(await guard.message(ACTIVATE, values.limit_w(2)), "a limit after 90 s without heartbeat")
    await guard.peer.run(25.0)
    await guard.beat()
    await _expect_state(stage, LIMITED)


@case("ATC_{LP}_COM_NT_CSUnlCntrl_001", alternatives=("MSG_14", "MSG_06"))
async def controlled_001(stage: Stage) -> None:
    guard = await _controlled(stage)
    await _expect_inactive(guard)
    _refused(await guard.message(stage.number("MSG"), WRONG_SIGN_W), "a limit with the wrong sign")
    await _expect_state(stage, CONTROLLED)
    await _expect_inactive(guard)


@case("ATC_{LP}_COM_PT_CSUnlCntrl_002", "ATC_{LP}_COM_PT_CSUnlCntrl_003")
async def controlled_002_and_003(stage: Stage) -> None:
    """A CEM offers the contractual maximum, a device its own, and never the other one."""
    profile = stage.limitation
    offered = await _offered_maxima(await _controlled(stage))
    wanted, foreign = profile.contractual_maximum, profile.device_maximum
    if stage.entry.id.endswith("003"):
        wanted, foreign = foreign, wanted
    value_w = offered.get(wanted)
    check(value_w is not None and value_w >= 0, f"{wanted} is not offered with a value of at least 0")
    check(foreign not in offered, f"{foreign} is offered as well")


async def _offered_maxima(guard: GuardTester) -> dict[str | None, float | None]:
    data = await guard.fetch("ElectricalConnection", ElectricalConnectionCharacteristicListData())
    assert isinstance(data, ElectricalConnectionCharacteristicListData)
    return {
        item.characteristic_type: to_float(item.value)
        for item in data.electrical_connection_characteristic_data or ()
    }


# -- failsafe and unlimited/autonomous ----------------------------------------------------------------


@case("ATC_{LP}_COM_PT_CSFS_001")
async def failsafe_001(stage: Stage) -> None:
    guard = await _restored(stage)
    await guard.beat()
    await guard.peer.run(90.0)
    await _gate(stage, guard, FAILSAFE, with_duration=True)


@case("ATC_{LP}_COM_NT_CSUnlAuto_001")
async def autonomous_001(stage: Stage) -> None:
    guard = await _autonomous_and_connected(stage)
    await guard.beat()
    await guard.peer.run(90.0)
    await _gate(stage, guard, AUTONOMOUS, with_duration=False)


async def _gate(stage: Stage, guard: GuardTester, state: LimitState, *, with_duration: bool) -> None:
    """Nothing is taken without a fresh heartbeat; with one, the limit opens the gate."""
    values = _sets(stage)
    _refused(await guard.message(DEACTIVATE, values.limit_w(3)), "a limit 90 s after the heartbeat")
    await _expect_state(stage, state)
    _refused(await guard.write_failsafe_limit(values.failsafe_w(3)), "a failsafe limit")
    if with_duration:
        _refused(await guard.write_failsafe_duration(values.duration_s(2)), "a failsafe duration")
    await _expect_state(stage, state)
    await guard.beat()
    _accepted(await guard.message(DEACTIVATE, values.limit_w(3)), "the limit after a heartbeat")
    await _expect_state(stage, CONTROLLED)
    await guard.beat()
    _accepted(await guard.write_failsafe_limit(values.failsafe_w(3)), "the failsafe limit")


@case("ATC_{LP}_COM_PT_CSFS_002")
async def failsafe_002(stage: Stage) -> None:
    await _failsafe(stage)
    await stage.dut.sleep(_sets(stage).shortest_s - _FAILSAFE_S)
    await _expect_state(stage, FAILSAFE)
    await stage.dut.sleep(_FAILSAFE_S + _SHOW_S)
    await _expect_state(stage, FAILSAFE, AUTONOMOUS)


@case("ATC_{LP}_COM_PT_CSFS_003")
async def failsafe_003(stage: Stage) -> None:
    guard = await _restored(stage)
    await _expect_inactive(guard)
    await guard.beat()
    _refused(await guard.write_failsafe_duration(_sets(stage).duration_s(2)), "a failsafe duration")
    await _expect_state(stage, FAILSAFE)


@case("ATC_{LP}_COM_PT_CSUnlAuto_002")
async def autonomous_002(stage: Stage) -> None:
    await _autonomous(stage)
    measured_w = await stage.dut.measured_power_w(stage.limitation.direction)
    guard = await connect_guard(stage)
    await _expect_inactive(guard)
    offered = await _offered_maxima(guard)
    profile = stage.limitation
    most_w = offered.get(profile.contractual_maximum, offered.get(profile.device_maximum))
    check(most_w is not None and measured_w <= most_w, f"{measured_w:g} W flow, the maximum is {most_w} W")


# -- transitions --------------------------------------------------------------------------------------


@case("ATC_{LP}_COM_PT_CSTransition1_001")
async def transition_1_001(stage: Stage) -> None:
    guard = await _init(stage)
    await guard.beat()
    _refused(await guard.message(ACTIVATE, WRONG_SIGN_W), "a limit with the wrong sign")
    await _expect_state(stage, CONTROLLED)


@case("ATC_{LP}_COM_PT_CSTransition1_002", alternatives=("MSG_16", "MSG_17"))
async def transition_1_002(stage: Stage) -> None:
    guard = await _init(stage)
    await guard.beat()
    _accepted(await guard.message(stage.number("MSG"), _sets(stage).limit_w(3)), "the deactivated limit")
    await _expect_state(stage, CONTROLLED)


@case("ATC_{LP}_COM_PT_CSTransition2_001", sets=_THREE)
async def transition_2(stage: Stage) -> None:
    guard = await _init(stage)
    await guard.beat()
    await _activate_for_60_s(stage, guard)


@case("ATC_{LP}_COM_PT_CSTransition4_001", sets=_THREE)
async def transition_4(stage: Stage) -> None:
    await _activate_for_60_s(stage, await _controlled(stage))


async def _activate_for_60_s(stage: Stage, guard: GuardTester) -> None:
    value_w = _sets(stage).limit_w(stage.number("limit"))
    _accepted(await guard.message(ACTIVATE_FOR_60_S, value_w), "the activated limit with 60 s")
    await _expect_state(stage, LIMITED)
    await _expect_effective(stage, value_w)
    period = (await guard.limit()).time_period
    remaining_s = parse_duration(period.end_time) if period and period.end_time else 0.0
    check(0.0 < remaining_s <= 60.0, f"the limit reads with a rest of {remaining_s:g} s")


@case("ATC_{LP}_COM_PT_CSTransition3_001")
async def transition_3_001(stage: Stage) -> None:
    guard = await _init(stage)
    await guard.peer.run(_FAILSAFE_S)
    await _expect_state(stage, AUTONOMOUS, INIT)


@case("ATC_{LP}_COM_PT_CSTransition3_002")
async def transition_3_002(stage: Stage) -> None:
    guard = await _init(stage)
    await guard.beat()
    await guard.peer.run(_FAILSAFE_S)
    await _expect_state(stage, AUTONOMOUS, INIT)


@case("ATC_{LP}_COM_PT_CSTransition5_001")
async def transition_5(stage: Stage) -> None:
    guard = await _controlled(stage)
    guard.peer.stop_repeating()
    await stage.dut.cut()
    await stage.dut.sleep(120.0 + _READING_S)
    await _expect_state(stage, FAILSAFE)
    await stage.dut.sleep(_SHOW_S)
    await _expect_state(stage, FAILSAFE)


@case("ATC_{LP}_COM_PT_CSTransition6_001", alternatives=("MSG_15", "MSG_09"))
async def transition_6_001(stage: Stage) -> None:
    guard = await _limited(stage)
    _accepted(await guard.message(stage.number("MSG"), _sets(stage).limit_w(3)), "the limit with 60 s")
    await _expect_state(stage, LIMITED)
    await guard.peer.run(61.0)
    await _expect_state(stage, CONTROLLED)
    period = (await guard.limit()).time_period
    check(period is None or parse_duration(period.end_time or "PT0S") == 0, "the duration still reads")


@case("ATC_{LP}_COM_PT_CSTransition6_002", alternatives=("MSG_16", "MSG_07", "MSG_17"))
async def transition_6_002(stage: Stage) -> None:
    guard = await _limited(stage)
    _accepted(await guard.message(stage.number("MSG"), _sets(stage).limit_w(3)), "the deactivated limit")
    await _expect_state(stage, CONTROLLED)


@case("ATC_{LP}_COM_PT_CSTransition7_001", sets=("failsafe_02", "failsafe_03", "failsafe_04"))
async def transition_7(stage: Stage) -> None:
    guard = await _limited(stage)
    value_w = _sets(stage).failsafe_w(stage.number("failsafe"))
    _accepted(await guard.write_failsafe_limit(value_w), "the failsafe limit")
    guard.peer.stop_repeating()
    await stage.dut.cut()
    await stage.dut.sleep(_FAILSAFE_S)
    await _expect_state(stage, FAILSAFE)
    await _expect_effective(stage, value_w)


_REFUSABLE: Final = ("MSG_14", "MSG_06", "MSG_07", "MSG_08", "MSG_09", "MSG_15", "MSG_16", "MSG_17")


@case("ATC_{LP}_COM_PT_CSTransition8_001", alternatives=_REFUSABLE)
async def transition_8_001(stage: Stage) -> None:
    await _refused_into_control(stage, await _restored(stage))


@case("ATC_{LP}_COM_PT_CSTransition11_001", alternatives=_REFUSABLE)
async def transition_11_001(stage: Stage) -> None:
    await _refused_into_control(stage, await _autonomous_and_connected(stage))


async def _refused_into_control(stage: Stage, guard: GuardTester) -> None:
    await guard.beat()
    _refused(await guard.message(stage.number("MSG"), WRONG_SIGN_W), "a limit with the wrong sign")
    await _expect_state(stage, CONTROLLED)


@case("ATC_{LP}_COM_PT_CSTransition8_002", sets=_THREE)
async def transition_8_002(stage: Stage) -> None:
    guard = await _restored(stage)
    await guard.beat()
    value_w = _sets(stage).limit_w(stage.number("limit"))
    _accepted(await guard.message(DEACTIVATE, value_w), "the deactivated limit")
    await _expect_state(stage, CONTROLLED)


@case("ATC_{LP}_COM_PT_CSTransition11_002", alternatives=("MSG_16", "MSG_07"))
async def transition_11_002(stage: Stage) -> None:
    guard = await _autonomous_and_connected(stage)
    await guard.beat()
    _accepted(await guard.message(stage.number("MSG"), _sets(stage).limit_w(3)), "the deactivated limit")
    await _expect_state(stage, CONTROLLED)


@case("ATC_{LP}_COM_PT_CSTransition9_001", sets=_THREE)
async def transition_9(stage: Stage) -> None:
    await _activated_into_limited(stage, await _restored(stage))


@case("ATC_{LP}_COM_PT_CSTransition12_001", sets=_THREE)
async def transition_12(stage: Stage) -> None:
    await _activated_into_limited(stage, await _autonomous_and_connected(stage))


async def _activated_into_limited(stage: Stage, guard: GuardTester) -> None:
    await guard.beat()
    value_w = _sets(stage).limit_w(stage.number("limit"))
    _accepted(await guard.message(ACTIVATE, value_w), "the activated limit")
    await _expect_state(stage, LIMITED)
    await _expect_effective(stage, value_w)
    check((await guard.limit()).time_period is None, "the limit reads with a duration")


@case("ATC_{LP}_COM_PT_CSTransition10_001")
async def transition_10_001(stage: Stage) -> None:
    guard = await _controlled(stage)
    duration_s = _sets(stage).duration_s(2)
    _accepted(await guard.write_failsafe_duration(duration_s), "the failsafe duration")
    guard.peer.stop_repeating()
    await stage.dut.cut()
    await stage.dut.sleep(_FAILSAFE_S)
    await _expect_state(stage, FAILSAFE)
    await stage.dut.sleep(duration_s - _FAILSAFE_S)
    await _expect_state(stage, FAILSAFE)
    await stage.dut.sleep(_FAILSAFE_S + _SHOW_S)
    await _expect_state(stage, AUTONOMOUS, FAILSAFE)


@case("ATC_{LP}_COM_PT_CSTransition10_002")
async def transition_10_002(stage: Stage) -> None:
    guard = await _restored(stage)
    await guard.beat()
    await guard.peer.run(_FAILSAFE_S)
    await _expect_state(stage, AUTONOMOUS, FAILSAFE)


# -- permitted refusals -------------------------------------------------------------------------------


@case(
    "ATC_{LP}_INS1_PT_CSTransition1_001",
    "ATC_{LP}_INS2_PT_CSTransition1_001",
    sets=("limit_02", "limit_03"),
    alternatives=("MSG_14", "MSG_15"),
)
async def permitted_refusal(stage: Stage) -> None:
    guard = await _init(stage)
    value_w = _sets(stage).limit_w(stage.number("limit"))
    await guard.beat()
    _accepted(await guard.message(DEACTIVATE, value_w), "the deactivated limit")
    await _expect_state(stage, CONTROLLED)
    await stage.dut.refuse_limits(True)
    _refused(
        await guard.message(stage.number("MSG"), value_w), "an activated limit, with a reason to refuse,"
    )
    await _expect_state(stage, CONTROLLED)
    await stage.dut.refuse_limits(False)
