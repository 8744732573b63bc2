"""A few official cases on `hems run` and `hems steuerbox` as processes; `make soak-conformance` runs all."""

from pathlib import Path

from eebus.conformance.catalogue import catalogue
from eebus.conformance.report import reason_of
from eebus.conformance.schedule import jobs_of
from eebus.conformance.verdict import Verdict
from tests.soak_conformance.lanes import run_jobs
from tests.soak_conformance.stands import STANDS

_CASES = (
    "ATC_MGCP_SCE2_PT_GCPTotalActivePower_001",
    "ATC_LPC_COM_PT_CSTransition4_001",
    "TC_SHIP_AM_001",
    "ATC_LPP_COM_PT_EGMessages_001",
    "ATC_LPC_COM_PT_EGMessages_004",
    "TC_SPINE_RTC_003",
)


async def test_official_cases_pass_on_both_programs_over_real_sockets(short_folder: Path) -> None:
    jobs = jobs_of([catalogue()[case_id] for case_id in _CASES], STANDS)
    assert {job.device for job in jobs} == {"hems run", "hems steuerbox"}
    results = await run_jobs(jobs, STANDS, 2, short_folder, lambda *_told: None)
    verdicts = {result.entry.id: (result.verdict, reason_of(result)) for result in results}
    assert verdicts == dict.fromkeys(_CASES, (Verdict.PASSED, ""))
