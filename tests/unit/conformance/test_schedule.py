"""Which case runs on which device and in which lane, and results of several runs put together."""

import json

import pytest

from eebus.conformance.catalogue import TOTAL, catalogue
from eebus.conformance.merge import merged, read_json
from eebus.conformance.own import CONTROL_BOX, GATEWAY, OWN_DEVICES
from eebus.conformance.report import as_json, problems
from eebus.conformance.runner import CaseResult, Run
from eebus.conformance.schedule import expected_s, jobs_of, lanes_of
from eebus.conformance.verdict import Frame, Verdict
from eebus.errors import DecodeError


def test_a_case_takes_its_time_for_each_data_set_that_is_run_in_real_time() -> None:
    sets, alternatives = "ATC_LPC_COM_PT_CSTransition9_001", "ATC_LPC_COM_PT_CSTransition8_001"
    assert expected_s(catalogue()[sets], GATEWAY.sheet) == 3 * catalogue()[sets].clock_s
    assert expected_s(catalogue()[alternatives], GATEWAY.sheet) == catalogue()[alternatives].clock_s


def test_the_longest_cases_come_first_each_on_the_first_device_to_which_it_applies() -> None:
    jobs = jobs_of(catalogue().values(), OWN_DEVICES)
    assert [job.expected_s for job in jobs] == sorted((job.expected_s for job in jobs), reverse=True)
    device = {job.entry.id: job.device for job in jobs}
    assert device["ATC_LPC_COM_PT_EGMessages_001"] == CONTROL_BOX.name
    assert device["TC_SHIP_CMI_001"] == GATEWAY.name
    assert device["ATC_LPC_INS1_PT_CSTransition1_001"] == "energy manager"
    assert "ATC_LPC_COM_PT_CSConnection_006" not in device


def test_cases_of_two_hours_have_lanes_of_their_own() -> None:
    jobs = jobs_of(catalogue().values(), OWN_DEVICES)
    firsts, rest = lanes_of(jobs, 3)
    assert [job.entry.id.partition("_COM_PT_")[2] for job in firsts[:4]] == [
        "CSTransition10_001", "CSTransition10_001", "CSFS_002", "CSFS_002",
    ]  # fmt: skip
    assert all(job.is_long for job in firsts[:4])
    assert len(firsts) == 4 + 3
    assert not any(job.is_long for job in rest)
    assert firsts[4:] + rest == [job for job in jobs if not job.is_long]


def test_more_lanes_than_cases_are_no_trouble() -> None:
    jobs = jobs_of([catalogue()["TC_SHIP_CMI_001"]], OWN_DEVICES)
    assert lanes_of(jobs, 8) == (jobs, [])


def _run(verdict: Verdict, text: str = "") -> Run:
    frames = (Frame(0.25, True, "A", "00 00"), Frame(0.5, False, "A", "01 {}"))
    return Run(
        target="hems run",
        backend="process",
        data_set="limit_02",
        verdict=verdict,
        text=text,
        seconds=1.5,
        frames=frames,
    )


def _result(id_: str, *runs: Run, why_not: str = "") -> CaseResult:
    return CaseResult(entry=catalogue()[id_], runs=runs, why_not=why_not)


_PASSED = _result("ATC_LPC_COM_PT_CSFS_002", _run(Verdict.PASSED))
_FAILED = _result("ATC_LPC_COM_PT_CSFS_002", _run(Verdict.FAILED, "the device is in init"))
_NONE = _result("ATC_LPC_COM_PT_CSFS_002", why_not="hems run: D2=no")


def test_results_are_read_back_as_they_were_written() -> None:
    results = [_FAILED, _result("ATC_LPC_COM_PT_CSConnection_006", why_not="hems run: D1=no")]
    assert read_json(as_json(results)) == results


@pytest.mark.parametrize("text", ["", "[]", '{"cases": [{}]}', json.dumps({"cases": [{"id": "TC_X"}]})])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        read_json(text)


def test_of_several_runs_the_last_counts_and_a_run_more_than_none() -> None:
    assert merged([_FAILED], [_PASSED]) == [_PASSED]
    assert merged([_PASSED], [_NONE]) == [_PASSED]
    assert merged([_NONE], [_PASSED]) == [_PASSED]
    assert merged([_NONE], []) == [_NONE]


def test_the_whole_is_in_the_order_of_the_catalogue_and_tells_what_is_missing() -> None:
    first = _result("TC_SHIP_CMI_001", _run(Verdict.PASSED))
    together = merged([_PASSED], [first])
    assert together == [first, _PASSED]
    assert problems(together, expected=TOTAL) == ["265 of 267 ids are missing"]
