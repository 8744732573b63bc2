"""Every official case on our own devices with a fake clock; the sockets follow with ``make conformance``."""

import pytest

from eebus.conformance.all_cases import case_codes
from eebus.conformance.catalogue import catalogue
from eebus.conformance.own import OWN_DEVICES
from eebus.conformance.own_run import memory_target
from eebus.conformance.report import reason_of
from eebus.conformance.runner import run_case, targets_for
from eebus.conformance.verdict import Verdict

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
