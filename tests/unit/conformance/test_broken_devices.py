"""A device that breaks one rule fails exactly the cases that look at it; a broken tester is no verdict."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from eebus.conformance.catalogue import catalogue
from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.memory import MemoryDevice, Tamper
from eebus.conformance.own import CONTROL_BOX, GATEWAY, HEAT_PUMP, OwnDevice
from eebus.conformance.own_run import memory_target
from eebus.conformance.runner import CaseResult, run_case
from eebus.conformance.sheet import make_sheet
from eebus.conformance.verdict import Verdict


def _replacing(old: bytes, new: bytes, *, to_device: bool = False) -> Tamper:
    return lambda message, inwards: message.replace(old, new) if inwards is to_device else message


def _losing(*parts: bytes, to_device: bool = False) -> Tamper:
    def tamper(message: bytes, inwards: bool) -> bytes | None:
        return None if inwards is to_device and all(part in message for part in parts) else message

    return tamper


async def _run(case_id: str, own: OwnDevice, tamper: Tamper) -> CaseResult:
    @contextlib.asynccontextmanager
    async def make() -> AsyncIterator[DeviceUnderTest]:
        yield MemoryDevice(own, tamper)

    return await run_case(catalogue()[case_id], [replace(memory_target(own), make=make)])


_ACCEPTS_ALL = _replacing(b'"errorNumber":7', b'"errorNumber":0')
_TAKES_FLAGGED = _replacing(b'"outOfRange"', b'"normal"', to_device=True)
_NO_HEARTBEAT = _losing(b'"notify"', b"deviceDiagnosisHeartbeatData")


def _two_heartbeats_lost(message: bytes, _inwards: bool) -> bytes | None:
    lost = b'{"heartbeatCounter":4}', b'{"heartbeatCounter":5}'
    return None if any(counter in message for counter in lost) else message


@pytest.mark.parametrize(
    ("case_id", "own", "tamper"),
    [
        ("TC_SHIP_CMI_001", GATEWAY, _replacing(b"\x00\x00", b"\x00\x01")),
        ("TC_SHIP_HELLO_001", GATEWAY, _replacing(b'"ready"', b'"pending"')),
        ("TC_SHIP_HELLO_002", GATEWAY, _losing(b'"prolongationRequest"', to_device=True)),
        ("TC_SHIP_HELLO_003", GATEWAY, _replacing(b"120000", b"30000")),
        ("TC_SHIP_HELLO_003", GATEWAY, _losing(b'"aborted"')),
        ("TC_SHIP_PROT_001", GATEWAY, _replacing(b"JSON-UTF8", b"JSON-UTF16")),
        ("TC_SHIP_PROT_003", GATEWAY, _replacing(b'"error":1', b'"error":2')),
        ("TC_SHIP_PROT_005", GATEWAY, _losing(b"HandshakeError")),
        ("TC_SHIP_PIN_001", GATEWAY, _replacing(b'"none"', b'"required"')),
        ("TC_SHIP_TERM_001", GATEWAY, _losing(b"connectionClose")),
        ("TC_SHIP_AM_001", GATEWAY, _replacing(b"acme-gateway", b"somebody-else")),
        ("TC_SHIP_MSG_003", GATEWAY, _losing(b'"accessMethods"')),
        ("TC_SHIP_AMDATA_001", GATEWAY, _losing(b'"reply"', b"nodeManagementUseCaseData")),
        ("TC_SPINE_COMP_001", GATEWAY, _replacing(b'"errorNumber":6', b'"errorNumber":0')),
        ("TC_SPINE_COMP_005", GATEWAY, _replacing(b'"1.3.0"', b'"v1.3.0"')),
        ("TC_SPINE_DATA_001", GATEWAY, _losing(b'"msgCounterReference":20')),
        ("TC_SPINE_DATA_004", GATEWAY, _replacing(b"88977", b"88978")),
        ("TC_SPINE_DATA_005", GATEWAY, _losing(b'"resultData"')),
        ("TC_SPINE_DDISC_001", GATEWAY, _losing(b'"read"', b"nodeManagementDetailedDiscoveryData")),
        ("TC_SPINE_BIND_001", GATEWAY, _ACCEPTS_ALL),
        ("TC_SPINE_BIND_002", GATEWAY, _replacing(b'"errorNumber":9', b'"errorNumber":0')),
        ("TC_SPINE_SUBS_001", GATEWAY, _losing(b'"reply"', b"nodeManagementSubscriptionData")),
        ("TC_SPINE_RTS_003", GATEWAY, _losing(b"nodeManagementSubscriptionRequestCall")),
        ("TC_SPINE_RTS_005", GATEWAY, _replacing(b'7300},{"scale":-1}', b'7300},{"scale":0}')),
        ("TC_SPINE_RTC_003", CONTROL_BOX, _losing(b'"write"', b"loadControlLimitListData")),
        ("ATC_LPC_COM_PT_CSHeartbeat_001", GATEWAY, _NO_HEARTBEAT),
        ("ATC_LPC_COM_NT_CSConnection_001", GATEWAY, _ACCEPTS_ALL),
        ("ATC_LPP_COM_PT_CSConnection_003", GATEWAY, _ACCEPTS_ALL),
        ("ATC_LPC_COM_PT_CSConnection_005", GATEWAY, _replacing(b"PT12H", b"PT11H")),
        ("ATC_LPC_COM_PT_CSConnection_007", GATEWAY, _replacing(b'"number":4321', b'"number":4320')),
        ("ATC_LPC_COM_PT_CSInit_002", GATEWAY, _replacing(b'"number":4200', b'"number":4201')),
        ("ATC_LPC_COM_PT_CSUnlCntrl_002", GATEWAY, _replacing(b'"contractualC', b'"powerC')),
        ("ATC_LPC_COM_PT_CSFS_001", GATEWAY, _ACCEPTS_ALL),
        ("ATC_LPP_COM_PT_CSTransition2_001", GATEWAY, _replacing(b'"endTime":"PT1M"', b'"endTime":"PT0S"')),
        ("ATC_LPC_INS2_PT_CSTransition1_001", HEAT_PUMP, _ACCEPTS_ALL),
        ("ATC_LPC_COM_PT_EGHeartbeat_001", CONTROL_BOX, _two_heartbeats_lost),
        ("ATC_LPP_COM_PT_EGMessages_001", CONTROL_BOX, _replacing(b'"number":-', b'"number":')),
        ("ATC_LPC_COM_PT_EGMessages_004", CONTROL_BOX, _replacing(b'"PT2H"', b'"PT3H"')),
        ("ATC_MPC_COM_PT_MUNotification_001", GATEWAY, _losing(b'"notify"', b"measurementListData")),
        ("ATC_MPC_SCE1_PT_MUTotalActivePower_001", GATEWAY, _replacing(b'"number":-', b'"number":')),
        ("ATC_MPC_SCE1_PT_MUPhaseActivePower_002", HEAT_PUMP, _replacing(b'Phases":"b"', b'Phases":"c"')),
        ("ATC_MGCP_SCE3_PT_GCPTotalFeedInEnergy_002", GATEWAY, _replacing(b'"number":-', b'"number":')),
        ("ATC_MGCP_SCE7_PT_GCPFrequency_001", GATEWAY, _replacing(b'"normal"', b'"error"')),
        ("ATC_MGCP_SCE1_PT_GCPPowerLimitFactor_001", GATEWAY, _replacing(b'"pct"', b'"W"')),
        ("ATC_MPC_SCE4_NT_MAACVoltage_002", CONTROL_BOX, _TAKES_FLAGGED),
        ("ATC_MGCP_SCE2_PT_MATotalActivePower_001", CONTROL_BOX, _losing(b'"notify"', to_device=True)),
    ],
)  # fmt: skip
async def test_a_broken_device_fails(case_id: str, own: OwnDevice, tamper: Tamper) -> None:
    assert (await _run(case_id, own, tamper)).verdict is Verdict.FAILED


async def test_states_that_are_held_too_long_are_seen() -> None:
    """A heartbeat that never stops arriving keeps the device out of failsafe."""
    result = await _run(
        "ATC_LPC_COM_PT_CSTransition6_001", GATEWAY, _replacing(b'"PT1M"', b'"PT2M"', to_device=True)
    )
    assert result.verdict is Verdict.FAILED
    assert "limited" in result.runs[0].text


async def test_a_tolerated_version_is_a_warning() -> None:
    result = await _run("TC_SPINE_COMP_006", GATEWAY, _replacing(b'"v1.3.0"', b'"1.3.0"', to_device=True))
    assert result.verdict is Verdict.WARNING


async def test_a_device_that_is_too_slow_fails() -> None:
    slow = replace(GATEWAY, ship=replace(GATEWAY.ship, protocol_wait_s=20.0))
    assert (await run_case(catalogue()["TC_SHIP_PROT_003"], [memory_target(slow)])).verdict is Verdict.FAILED


async def test_what_the_tester_cannot_see_is_no_pass() -> None:
    """No meter measures the power of a device in memory, whatever is declared."""
    declared = make_sheet({"LPC": {"M1": True}})
    own = replace(GATEWAY, sheet=declared)
    result = await run_case(catalogue()["ATC_LPC_COM_PT_CSUnlAuto_002"], [memory_target(own)])
    assert result.verdict is Verdict.INCONCLUSIVE


async def test_a_precondition_that_is_not_reached_is_inconclusive() -> None:
    result = await _run("ATC_LPC_COM_NT_CSLimited_001", GATEWAY, _losing(b'"write"', to_device=True))
    assert result.verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE)
    refused = await _run(
        "ATC_LPC_COM_NT_CSUnlCntrl_001", GATEWAY, _replacing(b'"errorNumber":0', b'"errorNumber":7')
    )
    assert refused.verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE)


async def test_a_mistake_of_the_tester_is_an_error_of_its_own() -> None:
    def broken(_message: bytes, _inwards: bool) -> bytes:
        raise ZeroDivisionError

    assert (await _run("TC_SHIP_CMI_001", GATEWAY, broken)).verdict is Verdict.ERROR
