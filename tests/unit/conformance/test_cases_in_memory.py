"""Every official case on our own devices with a fake clock; the sockets follow with ``make conformance``."""

from dataclasses import replace

import pytest

from eebus.conformance.all_cases import case_codes
from eebus.conformance.catalogue import catalogue
from eebus.conformance.own import GATEWAY, OWN_DEVICES, Composition, Refusal
from eebus.conformance.own_run import memory_target
from eebus.conformance.report import reason_of
from eebus.conformance.runner import run_case, targets_for
from eebus.conformance.verdict import Verdict
from eebus.usecases.controllable_system import ControllableSystemSettings
from eebus.usecases.events import StoredFailsafe
from eebus.usecases.house import build_gateway
from eebus.usecases.monitoring import MonitoringSettings

_TARGETS = [memory_target(own) for own in OWN_DEVICES]
_IDS = [
    id_
    for id_, entry in catalogue().items()
    if targets_for(entry, _TARGETS) and not case_codes()[id_].needs_sockets
]


def test_every_official_case_has_code() -> None:
    assert case_codes().keys() == catalogue().keys()
    assert len(_IDS) == 257


@pytest.mark.parametrize("case_id", _IDS)
async def test_official_case(case_id: str) -> None:
    entry = catalogue()[case_id]
    result = await run_case(entry, targets_for(entry, _TARGETS))
    assert result.verdict is Verdict.PASSED, reason_of(result)
    silent = case_id == "TC_SHIP_CMI_003"  # the one case in which nobody says a word
    assert silent or all(run.frames for run in result.runs), "a verdict without a single message is none"


def _growing(failsafe: StoredFailsafe, _refusal: Refusal) -> Composition:
    """Like `hems run` just after its start: what its meter delivers is not known yet."""
    made = build_gateway(
        "d:_n:Acme_Gateway-1",
        settings=ControllableSystemSettings(),
        failsafe=failsafe,
        grid=MonitoringSettings(grows=True),
    )
    return Composition(
        device=made.device,
        handlers=made.handlers,
        start=made.start,
        system=made.controllable_system,
        meters={"MGCP": made.grid_connection_point},
    )


@pytest.mark.parametrize(
    "case_id", ["ATC_MGCP_SCE5_PT_GCPActiveACCurrent_001", "ATC_MGCP_SCE3_PT_GCPTotalFeedInEnergy_002"]
)
async def test_a_value_that_is_offered_only_once_it_is_measured_is_found(case_id: str) -> None:
    target = memory_target(replace(GATEWAY, compose=_growing))
    result = await run_case(catalogue()[case_id], [target])
    assert result.verdict is Verdict.PASSED, reason_of(result)
