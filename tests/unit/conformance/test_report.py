"""Reports for people and programs."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from eebus.conformance import __main__ as program
from eebus.conformance.catalogue import TOTAL, catalogue
from eebus.conformance.report import (
    as_json,
    as_junit,
    data_sets_of,
    frame_lines,
    markdown,
    problems,
    reason_of,
    summary,
    text_table,
)
from eebus.conformance.runner import CaseResult, Run, chosen_entries
from eebus.conformance.verdict import Frame, Verdict, worst


def _run(verdict: Verdict, text: str = "", data_set: str = "") -> Run:
    return Run(
        target="gateway",
        backend="memory",
        data_set=data_set,
        verdict=verdict,
        text=text,
        seconds=1.5,
        frames=(Frame(0.25, True, "A", "00 00"), Frame(0.5, False, "A", "00 00")),
    )


def _result(case_id: str, *runs: Run, why_not: str = "") -> CaseResult:
    return CaseResult(entry=catalogue()[case_id], runs=runs, why_not=why_not)


_PASSED = _result("TC_SHIP_CMI_001", _run(Verdict.PASSED))
_FAILED = _result(
    "ATC_LPC_COM_PT_CSTransition9_001",
    _run(Verdict.PASSED, data_set="limit_02"),
    _run(Verdict.FAILED, "the device is in init", "limit_03"),
)
_NOT_APPLICABLE = _result("ATC_LPC_COM_PT_CSConnection_006", why_not="gateway: D1=no")
_ALL = [_PASSED, _FAILED, _NOT_APPLICABLE]


def test_the_worst_run_counts() -> None:
    assert worst(Verdict.PASSED, Verdict.WARNING, Verdict.PASSED) is Verdict.WARNING
    assert _FAILED.verdict is Verdict.FAILED
    assert _NOT_APPLICABLE.verdict is Verdict.NOT_APPLICABLE
    assert reason_of(_FAILED) == "the device is in init (limit_03)"
    assert data_sets_of(_FAILED.runs) == "limit_02, limit_03"


def test_anything_but_passed_and_not_applicable_is_a_problem_and_so_is_a_missing_case() -> None:
    assert problems([_PASSED, _NOT_APPLICABLE], expected=2) == []
    assert len(problems(_ALL, expected=3)) == 1
    assert problems([_PASSED], expected=TOTAL) == [f"266 of {TOTAL} ids are missing"]
    warned = _result("TC_SPINE_COMP_006", _run(Verdict.WARNING, "tolerated"))
    assert len(problems([warned], expected=1)) == 1


def test_the_summary_counts_by_layer() -> None:
    rows = {row[0]: row[1:] for row in summary(_ALL)}
    assert rows["SHIP"][:2] == ["1", "1"]
    assert rows["LPC"] == ["2", "0", "0", "1", "0", "0", "1", "2"]
    assert rows["all"][0] == "3"
    assert text_table(summary(_ALL))[0].endswith("runs")


def test_the_report_in_the_tree_holds_one_row_per_case() -> None:
    text = markdown(_ALL, "# Title")
    assert text.startswith("# Title\n\n## Summary\n")
    for result in _ALL:
        assert text.count(f"`{result.entry.id}`") == 1
    assert "| not applicable | – | – | gateway: D1=no |" in text
    assert "the device is in init (limit_03)" in text


def test_programs_get_everything() -> None:
    cases = {case["id"]: case for case in json.loads(as_json(_ALL))["cases"]}
    failed = cases["ATC_LPC_COM_PT_CSTransition9_001"]
    assert failed["verdict"] == "failed"
    assert failed["runs"][1]["frames"][0] == {"t": 0.25, "by": "tester", "link": "A", "text": "00 00"}
    suites = ET.fromstring(as_junit(_ALL).encode())
    by_name = {case.get("name"): case for case in suites.iter("testcase")}
    assert by_name["TC_SHIP_CMI_001"].find("failure") is None
    assert by_name["ATC_LPC_COM_PT_CSConnection_006"].find("skipped") is not None
    failure = by_name["ATC_LPC_COM_PT_CSTransition9_001"].find("failure")
    assert failure is not None
    assert "tester → 00 00" in (failure.text or "")
    assert "limit_03" in frame_lines(_FAILED)[0]


def test_patterns_choose_cases() -> None:
    assert len(chosen_entries()) == TOTAL
    assert len(chosen_entries(["TC_SHIP_*", "ATC_LPC_*"])) == 84
    assert chosen_entries(["nothing"]) == []


def test_the_program_reports_and_tells_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = {name: tmp_path / "out" / name for name in ("json", "junit")}
    arguments = ["--cases", "ATC_LPC_COM_PT_CSInit_*,ATC_LPC_COM_PT_CSConnection_006"]
    for name, path in paths.items():
        arguments += [f"--{name}", str(path)]
    assert program.main(arguments) == 0
    assert all(path.stat().st_size for path in paths.values())
    assert "not applicable" in capsys.readouterr().out


def test_the_committed_report_knows_every_case() -> None:
    text = (Path(__file__).parents[3] / "docs" / "conformance.md").read_text(encoding="utf-8")
    for id_ in catalogue():
        assert text.count(f"`{id_}`") == 1, id_
